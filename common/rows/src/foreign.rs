//! Brings columns of other Arrow types (LargeUtf8, Utf8View, Float16, narrow decimals, dates, other time zones, other
//! dictionaries) to the types of [`crate::types::Type::data_type`], so that nothing behind a reader has to know them.
//! Values never change: a cast that would lose something is an error.

use crate::header::is_ours;
use crate::types::Type;
use crate::{RecordBatch, Schema, SchemaRef};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatchOptions};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field, TimeUnit};
use fault::{Error, Kind, Result};
use std::sync::Arc;

/// A plan for the batches of one schema.
pub struct Foreign {
    schema: SchemaRef,
    /// The types that come in.
    types: Vec<DataType>,
    /// The type to cast to, per column that needs it.
    casts: Vec<Option<DataType>>,
}

impl Foreign {
    /// An error names the first column whose type no row format of ours holds.
    pub fn new(schema: &Schema) -> Result<Foreign> {
        let mut fields = Vec::with_capacity(schema.fields().len());
        let mut casts = Vec::with_capacity(fields.capacity());
        for field in schema.fields() {
            let ty = Type::of(field)?;
            if is_ours(field.data_type(), ty) {
                fields.push(field.as_ref().clone());
                casts.push(None);
                continue;
            }
            let text_dictionary = matches!(field.data_type(), DataType::Dictionary(_, values) if is_text(values));
            let target = if text_dictionary {
                DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
            } else {
                ty.data_type()
            };
            fields.push(
                Field::new(field.name(), target.clone(), field.is_nullable()).with_metadata(field.metadata().clone()),
            );
            casts.push(Some(target));
        }
        let types = schema.fields().iter().map(|field| field.data_type().clone()).collect();
        let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
        Ok(Foreign { schema, types, casts })
    }

    /// The schema of what [`Foreign::convert`] gives.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The batch in our types; with the stream's schema. Without a foreign column it costs nothing but reference
    /// counts.
    pub fn convert(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let fits = |(column, ty): (&ArrayRef, &DataType)| column.data_type() == ty;
        if batch.num_columns() != self.types.len() || !batch.columns().iter().zip(&self.types).all(fits) {
            return Err(Error::new(
                Kind::Bug,
                format!("a batch of another schema than the stream's: {}", batch.schema()),
            ));
        }
        if Arc::ptr_eq(batch.schema_ref(), &self.schema) {
            return Ok(batch.clone());
        }
        let mut columns = Vec::with_capacity(self.casts.len());
        for (at, (column, target)) in batch.columns().iter().zip(&self.casts).enumerate() {
            columns.push(match target {
                None => column.clone(),
                Some(target) => cast(column, target)
                    .map_err(|error| error.context(format!("column {}", self.schema.field(at).name())))?,
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map_err(|error| Error::caused(Kind::Malformed, "the batch does not fit its schema", error))
    }
}

fn is_text(data: &DataType) -> bool {
    matches!(data, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn cast(column: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
    let failed =
        |error| Error::caused(Kind::Malformed, format!("cannot bring {} to {target}", column.data_type()), error);
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let DataType::Timestamp(unit, Some(_)) = target else {
        return cast_with_options(column, target, &options).map_err(failed);
    };
    // A zone is only a label on UTC instants; without one the clock is taken as UTC. No value changes.
    let column = match column.data_type() {
        DataType::Timestamp(..) => column.clone(),
        _ => cast_with_options(column, &DataType::Timestamp(*unit, None), &options).map_err(failed)?,
    };
    let relabelled: Option<ArrayRef> = match unit {
        TimeUnit::Second => {
            column.as_primitive_opt::<TimestampSecondType>().map(|a| Arc::new(a.clone().with_timezone("UTC")) as _)
        }
        TimeUnit::Millisecond => {
            column.as_primitive_opt::<TimestampMillisecondType>().map(|a| Arc::new(a.clone().with_timezone("UTC")) as _)
        }
        TimeUnit::Microsecond => {
            column.as_primitive_opt::<TimestampMicrosecondType>().map(|a| Arc::new(a.clone().with_timezone("UTC")) as _)
        }
        TimeUnit::Nanosecond => {
            column.as_primitive_opt::<TimestampNanosecondType>().map(|a| Arc::new(a.clone().with_timezone("UTC")) as _)
        }
    };
    relabelled.ok_or_else(|| Error::new(Kind::Bug, format!("{} is no {target}", column.data_type())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::types::Int8Type;
    use arrow_array::{
        Date32Array, DictionaryArray, LargeStringArray, RecordBatch, StringViewArray, TimestampMillisecondArray,
    };

    #[test]
    fn foreign_types_become_ours() {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("large", Arc::new(LargeStringArray::from(vec![Some("a"), None]))),
            ("view", Arc::new(StringViewArray::from(vec![Some("b"), Some("c")]))),
            ("berlin", Arc::new(TimestampMillisecondArray::from(vec![0, 1]).with_timezone("Europe/Berlin"))),
            ("naive", Arc::new(TimestampMillisecondArray::from(vec![0, 1]))),
            ("day", Arc::new(Date32Array::from(vec![1, -1]))),
            ("dict", Arc::new(vec![Some("x"), None].into_iter().collect::<DictionaryArray<Int8Type>>())),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let foreign = Foreign::new(&batch.schema()).unwrap();
        let types: Vec<String> = foreign.schema().fields().iter().map(|f| f.data_type().to_string()).collect();
        let time = "Timestamp(ms, \"UTC\")";
        assert_eq!(types, ["Utf8", "Utf8", time, time, "Timestamp(s, \"UTC\")", "Dictionary(Int32, Utf8)"]);
        let converted = foreign.convert(&batch).unwrap();
        assert_eq!(converted.column(4).as_primitive::<TimestampSecondType>().values()[..], [86_400, -86_400]);
        assert!(
            Foreign::new(&Schema::new(vec![Field::new_list("l", Field::new("i", DataType::Int8, true), true)]))
                .is_err()
        );
    }
}
