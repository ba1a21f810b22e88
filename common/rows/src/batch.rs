//! Sizes of batches, and cutting them to [`Limits`].

use crate::foreign::Foreign;
use crate::{Limits, RecordBatch, Schema, SchemaRef};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use fault::{Kind, Result};

/// Bytes that the rows of this batch take: for slices only the slice, for dictionaries the keys and the values once.
pub fn slice_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(array_bytes).sum()
}

fn array_bytes(array: &ArrayRef) -> usize {
    let rows = array.len();
    let validity = if array.nulls().is_some() { rows.div_ceil(8) } else { 0 };
    let values = match array.data_type() {
        DataType::Boolean => rows.div_ceil(8),
        DataType::Utf8 => texts(array.as_string_opt::<i32>().map(|a| a.value_offsets())) + 4 * rows,
        DataType::Binary => texts(array.as_binary_opt::<i32>().map(|a| a.value_offsets())) + 4 * rows,
        DataType::Dictionary(keys, _) => {
            let values = array.as_any_dictionary_opt().map_or(0, |dictionary| array_bytes(dictionary.values()));
            keys.primitive_width().unwrap_or(8) * rows + values
        }
        data => match data.primitive_width() {
            Some(width) => width * rows,
            None => array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size()),
        },
    };
    values + validity
}

fn texts(offsets: Option<&[i32]>) -> usize {
    match offsets {
        Some([first, .., last]) => usize::try_from(last - first).unwrap_or(0),
        _ => 0,
    }
}

/// Cuts a batch into slices within the limits, in order; a single row that is larger is a slice of its own. Slices
/// share the batch's memory. An empty batch gives none.
pub fn rechunk(batch: RecordBatch, limits: Limits) -> Rechunk {
    Rechunk { batch, limits, at: 0 }
}

/// The slices of a batch.
pub struct Rechunk {
    batch: RecordBatch,
    limits: Limits,
    at: usize,
}

impl Iterator for Rechunk {
    type Item = RecordBatch;

    fn next(&mut self) -> Option<RecordBatch> {
        let left = self.batch.num_rows().saturating_sub(self.at);
        if left == 0 {
            return None;
        }
        let mut rows = left.min(self.limits.rows.max(1));
        let whole = rows == self.batch.num_rows();
        let mut slice = if whole { self.batch.clone() } else { self.batch.slice(self.at, rows) };
        let mut bytes = slice_bytes(&slice);
        while bytes > self.limits.bytes && rows > 1 {
            // By proportion first, which for even rows fits at once; at least one row less each time.
            let fitting = (rows as u128 * self.limits.bytes as u128 / bytes as u128) as usize;
            rows = fitting.clamp(1, rows - 1);
            slice = self.batch.slice(self.at, rows);
            bytes = slice_bytes(&slice);
        }
        self.at += rows;
        Some(slice)
    }
}

/// Makes batches of foreign origin ours: cut to the limits, types converted, and cut again where that made them larger.
pub(crate) struct Cutter {
    foreign: Foreign,
    limits: Limits,
    raw: Option<Rechunk>,
    ready: Option<Rechunk>,
}

impl Cutter {
    pub fn new(schema: &Schema, limits: Limits) -> Result<Cutter> {
        Ok(Cutter { foreign: Foreign::new(schema)?, limits, raw: None, ready: None })
    }

    /// The schema of the batches that come out.
    pub fn schema(&self) -> SchemaRef {
        self.foreign.schema()
    }

    /// A batch that came in; only when [`Cutter::next`] gave `None`.
    pub fn push(&mut self, batch: RecordBatch) {
        self.raw = Some(rechunk(batch, self.limits));
    }

    /// The next batch that goes out, until all that came in is out.
    pub fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.ready.as_mut().and_then(Iterator::next) {
                return Ok(Some(batch));
            }
            let Some(slice) = self.raw.as_mut().and_then(Iterator::next) else { return Ok(None) };
            // What a library decoded, not what we built: a batch that is not of its schema is damaged input.
            let batch = self.foreign.convert(&slice).map_err(|error| error.with_kind(Kind::Malformed))?;
            self.ready = Some(rechunk(batch, self.limits));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Int64Array, StringArray};
    use std::sync::Arc;
    use testkit::proptest::prelude::*;

    proptest! {
        #[test]
        fn slices_are_within_limits_and_lose_nothing(sizes in testkit::proptest::collection::vec(0usize..300, 0..60), rows in 1usize..20, bytes in 1usize..900) {
            let texts: Vec<String> = sizes.iter().map(|size| "x".repeat(*size)).collect();
            let batch = RecordBatch::try_from_iter([
                ("a", Arc::new(StringArray::from(texts.clone())) as ArrayRef),
                ("b", Arc::new(Int64Array::from_iter_values(0..texts.len() as i64)) as ArrayRef),
            ]).unwrap();
            let mut at = 0;
            for slice in rechunk(batch.clone(), Limits { rows, bytes }) {
                prop_assert!(slice.num_rows() <= rows);
                prop_assert!(slice_bytes(&slice) <= bytes || slice.num_rows() == 1);
                prop_assert_eq!(&slice, &batch.slice(at, slice.num_rows()));
                at += slice.num_rows();
            }
            prop_assert_eq!(at, texts.len());
        }
    }
}
