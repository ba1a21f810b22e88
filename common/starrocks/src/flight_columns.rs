//! Batches of Arrow Flight SQL as the columns that rows of text become: the same types, the same values, whatever this
//! version of the server calls them (dossier starrocks 3.5: DATE, DATETIME and LARGEINT were texts at first).

use crate::columns::{Column, misfit};
use crate::flight_lists::Lists;
use crate::types::Form;
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, TimestampMicrosecondType, TimestampSecondType};
use arrow_array::{Array, ArrayRef, PrimitiveArray, RecordBatch};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};
use arrow_select::concat::concat_batches;
use fault::{Error, Kind, Result};
use rows::batch::{rechunk, slice_bytes};
use rows::types::Type;
use rows::{Limits, SchemaRef};
use std::fmt::Write as _;
use std::sync::Arc;

const DAY: i64 = 86_400;
/// The first number of 39 digits.
const TOO_LONG: u128 = 10u128.pow(38);

/// Batches under construction: those that come are cut and joined to the limits, so that what is written does not depend on
/// how the server cuts.
pub struct FlightColumns {
    schema: SchemaRef,
    forms: Vec<Form>,
    limits: Limits,
    held: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

impl FlightColumns {
    /// Columns of this schema; `forms` say what each is there.
    pub fn new(schema: SchemaRef, forms: &[Form], limits: Limits) -> FlightColumns {
        FlightColumns { schema, forms: forms.to_vec(), limits, held: Vec::new(), rows: 0, bytes: 0 }
    }

    /// Takes a batch that came; full ones go to `give`, which says `false` when no more is wanted.
    ///
    /// # Errors
    /// Exit 3 for a column of another type than the table's, or a value that does not fit.
    pub fn push(&mut self, batch: &RecordBatch, mut give: impl FnMut(RecordBatch) -> Result<bool>) -> Result<bool> {
        let (batch, mut at) = (self.convert(batch)?, 0);
        while at < batch.num_rows() {
            let room = Limits {
                rows: self.limits.rows.saturating_sub(self.rows),
                bytes: self.limits.bytes.saturating_sub(self.bytes),
            };
            // One row at least.
            let Some(slice) = rechunk(batch.slice(at, batch.num_rows() - at), room).next() else { break };
            at += slice.num_rows();
            self.rows += slice.num_rows();
            self.bytes += slice_bytes(&slice);
            self.held.push(slice);
            if (self.rows >= self.limits.rows || self.bytes >= self.limits.bytes)
                && let Some(full) = self.take()?
                && !give(full)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The rows so far as a batch; `None` if there are none.
    pub fn take(&mut self) -> Result<Option<RecordBatch>> {
        (self.rows, self.bytes) = (0, 0);
        let batch = match self.held.as_slice() {
            [] => return Ok(None),
            [one] => one.clone(),
            several => concat_batches(&self.schema, several)
                .map_err(|error| Error::caused(Kind::Bug, "cannot join batches", error))?,
        };
        self.held.clear();
        Ok(Some(batch))
    }

    fn convert(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        if batch.num_columns() != self.schema.fields().len() {
            let text = format!("{} columns came for {}", batch.num_columns(), self.schema.fields().len());
            return Err(Error::new(Kind::Malformed, text));
        }
        let mut columns = Vec::with_capacity(batch.num_columns());
        for (index, (column, form)) in batch.columns().iter().zip(&self.forms).enumerate() {
            columns.push(self.column(index, column, *form)?);
        }
        RecordBatch::try_new(self.schema.clone(), columns)
            .map_err(|error| Error::caused(Kind::Bug, "cannot build a batch", error))
    }

    fn column(&self, index: usize, column: &ArrayRef, form: Form) -> Result<ArrayRef> {
        let field = self.schema.field(index);
        let ty = Type::of(field)?;
        let bug = |error| Error::caused(Kind::Bug, format!("column {}", field.name()), error);
        let other = || {
            Error::new(
                Kind::Malformed,
                format!(
                    "column {}: it came as {} where {} is expected: read it with --via mysql, or as text with --expression",
                    field.name(),
                    column.data_type(),
                    field.data_type()
                ),
            )
        };
        Ok(match (column.data_type(), form) {
            (DataType::Decimal128(_, scale), Form::Plain) if matches!(ty, Type::Decimal(_, s) if s == *scale) => {
                self.decimal(index, column.as_primitive(), ty)?
            }
            (data, Form::Plain) if data == field.data_type() => column.clone(),
            (DataType::Utf8, Form::Text) => column.clone(),
            (DataType::Utf8, _) => Column::new(ty, form).of(&self.schema, index, column.as_string::<i32>().iter())?,
            (DataType::LargeUtf8 | DataType::Utf8View, _) => {
                self.column(index, &cast(column, &DataType::Utf8).map_err(bug)?, form)?
            }
            (DataType::Date32, Form::Date) => {
                let days = column.as_primitive::<Date32Type>();
                let seconds: PrimitiveArray<TimestampSecondType> = days.unary(|day| i64::from(day) * DAY);
                Arc::new(seconds.with_timezone("UTC"))
            }
            // A wall clock, whatever the label says.
            (DataType::Timestamp(TimeUnit::Microsecond, _), Form::DateTime) => {
                Arc::new(column.as_primitive::<TimestampMicrosecondType>().clone().with_timezone("UTC"))
            }
            // LARGEINT as text: the library would cut the 39th digit.
            (DataType::Decimal128(_, 0), Form::Text) => digits(column.as_primitive()),
            (DataType::Decimal256(..), Form::Text) => cast(column, &DataType::Utf8).map_err(bug)?,
            (DataType::List(_), Form::Text) if ty == Type::Json => {
                Lists::new(column).map_or_else(|| Err(other()), |lists| Ok(lists.texts()))?
            }
            _ => return Err(other()),
        })
    }

    /// Of the column's own precision, which the server need not have looked at: LARGEINT has up to 39 digits.
    fn decimal(&self, index: usize, column: &PrimitiveArray<Decimal128Type>, ty: Type) -> Result<ArrayRef> {
        let Type::Decimal(precision, _) = ty else { return Err(Error::new(Kind::Bug, "no decimal")) };
        let bound = 10u128.checked_pow(precision.into()).unwrap_or(TOO_LONG);
        if let Some(value) = column.iter().flatten().find(|value| value.unsigned_abs() >= bound) {
            return Err(misfit(&self.schema, index, value.to_string().as_bytes(), "does not fit its column's type"));
        }
        Ok(Arc::new(column.clone().with_data_type(ty.data_type())))
    }
}

fn digits(column: &PrimitiveArray<Decimal128Type>) -> ArrayRef {
    let mut texts = StringBuilder::with_capacity(column.len(), 16 * column.len());
    for value in column {
        match value {
            // Writing into memory does not fail.
            Some(value) if write!(texts, "{value}").is_ok() => texts.append_value(""),
            _ => texts.append_null(),
        }
    }
    Arc::new(texts.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{
        Date32Array, Decimal128Array, Decimal256Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
    };
    use arrow_schema::Schema;
    use rows::time::Unit;

    const LIMITS: Limits = Limits { rows: 4, bytes: 1 << 20 };

    /// The same column, as this type and form, from each of these.
    fn converted(ty: Type, form: Form, columns: Vec<ArrayRef>) -> Vec<Result<ArrayRef>> {
        let schema: SchemaRef = Arc::new(Schema::new(vec![ty.field("c")]));
        let convert = |column: ArrayRef| {
            let mut all = FlightColumns::new(schema.clone(), &[form], LIMITS);
            let batch = RecordBatch::try_from_iter([("c", column)]).unwrap();
            all.push(&batch, |_| Ok(true))?;
            Ok(all.take()?.unwrap().column(0).clone())
        };
        columns.into_iter().map(convert).collect()
    }

    #[test]
    fn old_and_new_servers_give_the_same() {
        let decimal = |values: Vec<Option<i128>>| {
            let column = Decimal128Array::from(values).with_data_type(DataType::Decimal128(38, 0));
            Arc::new(column) as ArrayRef
        };
        let texts = |texts: Vec<Option<&str>>| Arc::new(StringArray::from(texts)) as ArrayRef;
        let micros = |values: Vec<Option<i64>>| TimestampMicrosecondArray::from(values);
        let wide = Decimal256Array::from(vec![Some(12_345.into()), None]).with_precision_and_scale(50, 2).unwrap();
        for (ty, form, columns) in [
            (
                Type::Timestamp(Unit::S),
                Form::Date,
                vec![
                    Arc::new(Date32Array::from(vec![Some(-1), None])) as ArrayRef,
                    texts(vec![Some("1969-12-31"), None]),
                ],
            ),
            (
                Type::Timestamp(Unit::Us),
                Form::DateTime,
                vec![
                    Arc::new(micros(vec![Some(1_500_000), None])),
                    Arc::new(micros(vec![Some(1_500_000), None]).with_timezone("Asia/Shanghai")),
                    texts(vec![Some("1970-01-01 00:00:01.5"), None]),
                ],
            ),
            (Type::Decimal(38, 0), Form::Plain, vec![decimal(vec![Some(-7), None]), texts(vec![Some("-7"), None])]),
            (
                Type::String,
                Form::Text,
                vec![decimal(vec![Some(i128::MIN), None]), texts(vec![Some(&i128::MIN.to_string()), None])],
            ),
            (Type::String, Form::Text, vec![Arc::new(wide), texts(vec![Some("123.45"), None])]),
            (Type::Binary, Form::Plain, vec![texts(vec![Some("00FF"), None]), texts(vec![Some("00ff"), None])]),
        ] {
            let all: Vec<ArrayRef> = converted(ty, form, columns).into_iter().map(Result::unwrap).collect();
            let Some((first, others)) = all.split_first() else { panic!("no column") };
            assert!(others.iter().all(|column| column == first), "{ty:?}: {all:?}");
            assert_eq!(first.data_type(), &ty.data_type());
        }
    }

    #[test]
    fn what_does_not_fit_is_3() {
        let long = Arc::new(Decimal128Array::from(vec![i128::MAX]).with_data_type(DataType::Decimal128(38, 0)));
        let error = converted(Type::Decimal(38, 0), Form::Plain, vec![long]).remove(0).unwrap_err();
        assert_eq!(error.kind(), Kind::Malformed);
        assert!(error.to_string().contains("--largeint text"), "{error}");
        let wrong = Arc::new(Int64Array::from(vec![1]));
        let error = converted(Type::Int, Form::Plain, vec![wrong]).remove(0).unwrap_err();
        assert_eq!(error.kind(), Kind::Malformed);
    }

    #[test]
    fn batches_are_of_the_limits_whatever_comes() {
        let schema: SchemaRef = Arc::new(Schema::new(vec![Type::Int.field("c")]));
        for sizes in [vec![11], vec![1; 11], vec![3, 0, 5, 2, 1]] {
            let mut all = FlightColumns::new(schema.clone(), &[Form::Plain], LIMITS);
            let (mut next, mut out) = (0, Vec::new());
            for size in sizes {
                let column: ArrayRef = Arc::new(Int32Array::from_iter_values(next..next + size));
                next += size;
                let batch = RecordBatch::try_from_iter([("c", column)]).unwrap();
                all.push(&batch, |batch| {
                    out.push(batch);
                    Ok(true)
                })
                .unwrap();
            }
            out.extend(all.take().unwrap());
            assert_eq!(out.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [4, 4, 3]);
            let whole = concat_batches(&schema, &out).unwrap();
            assert_eq!(whole.column(0).as_ref(), &Int32Array::from_iter_values(0..11) as &dyn Array);
        }
    }
}
