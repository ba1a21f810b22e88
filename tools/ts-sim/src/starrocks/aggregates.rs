//! Combining values: the columns of AGGREGATE KEY tables, and the sets behind BITMAP and HLL.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::schema::Combine;
use super::value::Value;

/// The value of a column after another row of the same key came.
pub fn combine(how: Combine, old: &Value<'_>, new: &Value<'_>) -> Value<'static> {
    match (how, old, new) {
        (Combine::Replace, _, new) => new.clone().owned(),
        (_, old, Value::Null) => old.clone().owned(),
        (Combine::ReplaceIfNotNull, _, new) | (_, Value::Null, new) => new.clone().owned(),
        (Combine::Sum, Value::Int(a), Value::Int(b)) => Value::Int(a.wrapping_add(*b)),
        (Combine::Sum, Value::Float(a), Value::Float(b)) => Value::Float(a + b),
        (Combine::Min, a, b) if b.order(a).is_lt() => b.clone().owned(),
        (Combine::Max, a, b) if b.order(a).is_gt() => b.clone().owned(),
        (Combine::BitmapUnion | Combine::HllUnion, Value::Bytes(a), Value::Bytes(b)) => {
            let mut set = numbers(a);
            set.extend(numbers(b));
            held(&set)
        }
        (_, a, _) => a.clone().owned(),
    }
}

/// A set as the store holds it: ascending numbers, eight bytes each.
pub fn held(set: &BTreeSet<u64>) -> Value<'static> {
    Value::Bytes(Cow::Owned(set.iter().flat_map(|n| n.to_le_bytes()).collect()))
}

/// The numbers of a held set.
pub fn numbers(bytes: &[u8]) -> BTreeSet<u64> {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().map(|word| u64::from_le_bytes(*word)).collect()
}
