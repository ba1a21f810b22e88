//! Which encoding a column of Parquet gets (dossier performance 5): times as differences, texts and repeated numbers by
//! dictionary, floats that hardly repeat as streams of bytes.

use crate::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use hashbrown::HashSet;
use parquet::basic::Encoding;
use parquet::file::properties::WriterPropertiesBuilder;
use parquet::schema::types::ColumnPath;

/// Values of a column that are looked at.
const SAMPLE: usize = 8192;

/// Different values for which a dictionary page has room, about.
const ROOM: usize = 200_000;

/// Encodings other than the writer's own choice, by the types of the columns and the values of the first batch.
pub(crate) fn choose(properties: WriterPropertiesBuilder, first: &RecordBatch) -> WriterPropertiesBuilder {
    let mut properties = properties;
    for (field, column) in first.schema_ref().fields().iter().zip(first.columns()) {
        let encoding = match field.data_type() {
            DataType::Timestamp(..) => Encoding::DELTA_BINARY_PACKED,
            DataType::Float32 | DataType::Float64 if hardly_repeats(column) => Encoding::BYTE_STREAM_SPLIT,
            _ => continue,
        };
        let path = ColumnPath::new(vec![field.name().clone()]);
        properties = properties.set_column_dictionary_enabled(path.clone(), false).set_column_encoding(path, encoding);
    }
    properties
}

/// Are there so many different values that no dictionary would hold them? Of `n` equally likely ones a sample of `s` has
/// about `s * s / 2n` repeated.
fn hardly_repeats(column: &ArrayRef) -> bool {
    let sample = column.slice(0, column.len().min(SAMPLE));
    let mut seen = HashSet::with_capacity(sample.len());
    let mut values = 0;
    let mut add = |bits: u64| {
        values += 1;
        seen.insert(bits);
    };
    if let Some(floats) = sample.as_primitive_opt::<Float32Type>() {
        floats.iter().flatten().for_each(|v| add(u64::from(v.to_bits())));
    } else if let Some(floats) = sample.as_primitive_opt::<Float64Type>() {
        floats.iter().flatten().for_each(|v| add(v.to_bits()));
    }
    // A smaller sample says nothing.
    values >= SAMPLE / 2 && (values - seen.len()) * 2 * ROOM <= values * values
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Float32Array, Float64Array};
    use std::sync::Arc;

    #[test]
    fn only_floats_that_hardly_repeat() {
        let mixed = |i: u64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
        let doubles = |rows: u64, different: u64| {
            Arc::new(Float64Array::from_iter_values((0..rows).map(|i| (mixed(i) % different) as f64 / 1000.0)))
                as ArrayRef
        };
        assert!(hardly_repeats(&doubles(8192, 1 << 30)) && hardly_repeats(&doubles(5000, 1 << 30)));
        assert!(!hardly_repeats(&doubles(8192, 20_000)) && !hardly_repeats(&doubles(100_000, 100)));
        assert!(!hardly_repeats(&doubles(100, 1 << 30)));
        assert!(hardly_repeats(&(Arc::new(Float32Array::from_iter_values((0..9000).map(|i| i as f32 / 7.0))) as _)));
        assert!(!hardly_repeats(&(Arc::new(Float32Array::from(vec![None; 9000])) as _)));
    }
}
