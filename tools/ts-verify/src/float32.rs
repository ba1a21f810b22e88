//! Doubles that stand for an f32: `--float32 auto`.
//!
//! An f32 becomes a double in two ways: by its value (0.1 becomes 0.10000000149011612), or by its shortest text (0.1 stays
//! 0.1). Both are the f32; any other double beside it is another value, however near. Where two shortest texts are equally
//! near (-1795735.25 is written -1795735.2 or -1795735.3), some writers take the even one and some round away from zero.

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

/// The value of the f32 whose shortest text this double is; `None` if it is no such text, or is that value already.
pub fn from_text(value: f64) -> Option<f64> {
    let single = value as f32;
    let wide = f64::from(single);
    if wide == value || !single.is_finite() {
        return None;
    }
    let is = |text: &str| text.parse() == Ok(value);
    let even = is(zmij::Buffer::new().format(single));
    (even || is(&single.to_string())).then_some(wide)
}

/// The rows of a column of doubles that hold such a text.
pub fn texts(array: &ArrayRef) -> Vec<usize> {
    if *array.data_type() != DataType::Float64 {
        return Vec::new();
    }
    let array = array.as_primitive::<Float64Type>();
    let text = |row: &usize| array.is_valid(*row) && from_text(array.value(*row)).is_some();
    (0..array.len()).filter(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::prelude::*;

    proptest! {
        #[test]
        fn texts_are_told_from_values_and_others(bits: u32) {
            let single = f32::from_bits(bits);
            prop_assume!(single.is_finite());
            prop_assert_eq!(from_text(f64::from(single)), None);
            for text in [single.to_string(), zmij::Buffer::new().format(single).to_string()] {
                let text: f64 = text.parse().unwrap();
                if text != f64::from(single) {
                    prop_assert_eq!(from_text(text), Some(f64::from(single)));
                    prop_assert_eq!(from_text(text.next_up()), None);
                    prop_assert_eq!(from_text(text.next_down()), None);
                }
            }
        }
    }

    #[test]
    fn no_f32_at_all() {
        for value in [f64::NAN, f64::INFINITY, 1e300, 1.0, 0.0, -0.0, 0.1000000001, 1e-50] {
            assert_eq!(from_text(value), None, "{value}");
        }
        assert_eq!(from_text(0.1), Some(f64::from(0.1f32)));
    }

    #[test]
    fn two_texts_may_be_equally_near() {
        assert_eq!(from_text(-1795735.2), Some(-1795735.25));
        assert_eq!(from_text(-1795735.3), Some(-1795735.25));
        assert_eq!(from_text(-1795735.21), None);
    }
}
