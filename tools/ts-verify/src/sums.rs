//! The cells of a batch, column by column, summed per row: what a digest needs of them, without a look at any value twice.
//!
//! Types and rules are matched once per column. Numbers as almost all columns have them are hashed by [`crate::lanes`], the
//! odd ones among them by [`crate::hash`]; whatever else takes the way of [`crate::column::values`], which makes the
//! canonical bytes of any value.

use crate::canonical::{self, INT, NON_FINITE, Num, Rules, TIMESTAMP};
use crate::column::{Scratch, plain, values};
use crate::float32;
use crate::form::Form;
use crate::hash::{Column, Row};
use crate::lanes::{Rows, Totals, near};
use crate::layout;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit};
use fault::{Context, Result};
use std::ops::Range;
use xxhash_rust::xxh3::xxh3_128;

/// Sums of the cells of each row.
#[derive(Default)]
pub struct Sums {
    /// Of the rows: hash of the series and time, and both as the cells' hashes need them.
    pub series: Vec<u128>,
    pub times: Vec<i64>,
    rows: Rows,
    /// Hashes of the cells.
    pub totals: Totals,
    /// Number of cells: of every row, and, to be added wrapping, of each.
    pub every: u32,
    pub cells: Vec<u32>,
    /// NaN and infinities: row and hash.
    pub odd: Vec<(usize, u128)>,
    /// Doubles that are the shortest text of an f32, beside such: their rows.
    pub texts: Vec<usize>,
}

/// Bytes before a field's hash: series and time.
const HEAD: usize = 32;

/// Values that are brought to one type at a time.
const CHUNK: usize = 1024;

impl Sums {
    /// Sums the cells of the batch, whose `series` and `times` are there.
    pub fn add(&mut self, batch: &RecordBatch, fields: &[layout::Column], rules: Rules) -> Result<()> {
        self.rows.fill(&self.series, &self.times);
        self.totals.clear(self.times.len());
        self.every = 0;
        self.cells.clear();
        self.cells.resize(self.times.len(), 0);
        self.odd.clear();
        self.texts.clear();
        for field in fields {
            let array = plain(batch.column(field.index), false)?;
            if field.form == Form::Float32 {
                self.texts.extend(float32::texts(&array));
            }
            let done = self.quick(&array, field, rules);
            if !done {
                self.any(&array, field, rules).context(|| format!("column {}", field.name))?;
            }
        }
        Ok(())
    }

    /// Columns of plain numbers and times. False: nothing was done.
    fn quick(&mut self, array: &ArrayRef, field: &layout::Column, rules: Rules) -> bool {
        if rules.strict_numbers {
            return false;
        }
        let whole = Column::new(field.hash, INT);
        let time = Column::new(field.hash, TIMESTAMP);
        let told = (field, rules);
        match (array.data_type(), field.form) {
            (DataType::Int8, Form::Own) => self.wide::<Int8Type>(array, &whole, |v| v.into()),
            (DataType::Int16, Form::Own) => self.wide::<Int16Type>(array, &whole, |v| v.into()),
            (DataType::Int32, Form::Own) => self.wide::<Int32Type>(array, &whole, |v| v.into()),
            (DataType::Int64, Form::Own) => self.wide::<Int64Type>(array, &whole, |v| v.into()),
            (DataType::UInt8, Form::Own) => self.wide::<UInt8Type>(array, &whole, |v| v.into()),
            (DataType::UInt16, Form::Own) => self.wide::<UInt16Type>(array, &whole, |v| v.into()),
            (DataType::UInt32, Form::Own) => self.wide::<UInt32Type>(array, &whole, |v| v.into()),
            (DataType::UInt64, Form::Own) => self.wide::<UInt64Type>(array, &whole, |v| v.into()),
            (DataType::Float32, Form::Own | Form::Single | Form::Float32 | Form::Double) => {
                self.floats::<Float32Type>(array, &whole, told, f64::from);
            }
            (DataType::Float64, Form::Own | Form::Double) => self.floats::<Float64Type>(array, &whole, told, |v| v),
            (DataType::Float64, Form::Float32) => {
                self.floats::<Float64Type>(array, &whole, told, |v| float32::from_text(v).unwrap_or(v));
            }
            (DataType::Float64, Form::Single) => {
                self.floats::<Float64Type>(array, &whole, told, |v| f64::from(v as f32));
            }
            (DataType::Timestamp(TimeUnit::Second, _), _) => {
                self.wide::<TimestampSecondType>(array, &time, |v| i128::from(v) * 1_000_000_000);
            }
            (DataType::Timestamp(TimeUnit::Millisecond, _), _) => {
                self.wide::<TimestampMillisecondType>(array, &time, |v| i128::from(v) * 1_000_000);
            }
            (DataType::Timestamp(TimeUnit::Microsecond, _), _) => {
                self.wide::<TimestampMicrosecondType>(array, &time, |v| i128::from(v) * 1_000);
            }
            (DataType::Timestamp(TimeUnit::Nanosecond, _), _) => {
                self.wide::<TimestampNanosecondType>(array, &time, i128::from);
            }
            _ => return false,
        }
        true
    }

    /// Whole numbers.
    #[inline]
    fn wide<T: ArrowPrimitiveType>(&mut self, array: &ArrayRef, column: &Column, read: impl Fn(T::Native) -> i128) {
        let (array, nulls) = (array.as_primitive::<T>(), nulls(array));
        let (mut buffer, mut masks) = ([0; CHUNK], [0; CHUNK]);
        for (number, values) in array.values().chunks(CHUNK).enumerate() {
            let (rows, ints) = (range(number, values), &mut buffer[..values.len()]);
            let mut all = true;
            for (int, value) in ints.iter_mut().zip(values) {
                let value = read(*value);
                *int = value as i64;
                all &= i128::from(*int) == value;
            }
            let mask = nulls.map(|nulls| {
                for (mask, valid) in masks.iter_mut().zip(&nulls.slice(rows.start, rows.len())) {
                    *mask = if valid { u64::MAX } else { 0 };
                }
                &masks[..values.len()]
            });
            if all && self.rows.whole(rows.clone(), column, ints, mask, &mut self.totals) {
                continue;
            }
            // Times before and after 1970 side by side, or beyond i64.
            for (at, value) in rows.zip(values).filter(|(at, _)| nulls.is_none_or(|nulls| nulls.is_valid(*at))) {
                self.totals.add(at, column.wide(&self.row(at), read(*value)));
            }
        }
        self.count(nulls, &[]);
    }

    /// As [`canonical::number`] says: whole numbers as integers, others by their bits.
    #[inline]
    fn floats<T: ArrowPrimitiveType>(
        &mut self,
        array: &ArrayRef,
        column: &Column,
        (field, rules): (&layout::Column, Rules),
        read: impl Fn(T::Native) -> f64,
    ) {
        let (array, nulls) = (array.as_primitive::<T>(), nulls(array));
        let (mut buffer, mut odd) = ([0.0; CHUNK], Vec::new());
        for (number, values) in array.values().chunks(CHUNK).enumerate() {
            let (rows, doubles) = (range(number, values), &mut buffer[..values.len()]);
            let mut valid = values.len();
            match nulls {
                None => doubles.iter_mut().zip(values).for_each(|(double, value)| *double = read(*value)),
                Some(nulls) => {
                    let nulls = nulls.slice(rows.start, rows.len());
                    valid -= nulls.null_count();
                    for ((double, value), valid) in doubles.iter_mut().zip(values).zip(&nulls) {
                        *double = if valid { read(*value) } else { f64::NAN };
                    }
                }
            }
            let done = self.rows.floats(rows.clone(), column, rules.negative_zero, doubles, &mut self.totals);
            if done == Some(valid) {
                continue;
            }
            for (at, value) in rows.zip(doubles.iter().copied()) {
                if nulls.is_some_and(|nulls| nulls.is_null(at)) || (done.is_some() && near(value)) {
                    continue;
                }
                match one(column, &self.row(at), value, rules) {
                    Some(hash) => self.totals.add(at, hash),
                    None => odd.push((at, value)),
                }
            }
        }
        self.count(nulls, &odd);
        for (row, value) in odd {
            // Beyond i64, or no number.
            let mut message = self.head(row, field);
            canonical::number(&mut message, Num::Double(value), Form::Own, rules);
            self.cell(row, &message);
        }
    }

    /// What the cells of a row share.
    fn row(&self, row: usize) -> Row {
        let (series, time) = (self.series.get(row), self.times.get(row));
        Row::new(series.copied().unwrap_or_default(), time.copied().unwrap_or_default())
    }

    /// Counts the cells of a column, but for the odd ones.
    fn count(&mut self, nulls: Option<&NullBuffer>, odd: &[(usize, f64)]) {
        match nulls {
            None => self.every += 1,
            Some(nulls) => {
                for (cells, valid) in self.cells.iter_mut().zip(nulls) {
                    *cells = cells.wrapping_add(u32::from(valid));
                }
            }
        }
        for (at, _) in odd {
            if let Some(cells) = self.cells.get_mut(*at) {
                *cells = cells.wrapping_sub(1);
            }
        }
    }

    /// Columns of any type.
    fn any(&mut self, array: &ArrayRef, field: &layout::Column, rules: Rules) -> Result<()> {
        let mut scratch = Scratch::new(HEAD + 8);
        scratch.head()[HEAD..].copy_from_slice(&field.hash);
        values(array, field.form, rules, &mut scratch, |row, scratch| {
            if let (Some(series), Some(time)) = (self.series.get(row), self.times.get(row)) {
                scratch.head()[..16].copy_from_slice(&series.to_le_bytes());
                scratch.head()[16..HEAD].copy_from_slice(&i128::from(*time).to_le_bytes());
                self.cell(row, &scratch.bytes);
            }
            Ok(())
        })
    }

    /// What stands before the value in a message.
    fn head(&self, row: usize, field: &layout::Column) -> Vec<u8> {
        let (series, time) = (self.series.get(row).copied(), self.times.get(row).copied());
        let (series, time) = (series.unwrap_or_default(), i128::from(time.unwrap_or_default()));
        [&series.to_le_bytes()[..], &time.to_le_bytes(), &field.hash].concat()
    }

    /// Adds the cell with this message.
    fn cell(&mut self, row: usize, message: &[u8]) {
        let hash = xxh3_128(message);
        if message.get(HEAD + 8) == Some(&NON_FINITE) {
            self.odd.push((row, hash));
        } else if let Some(cells) = self.cells.get_mut(row) {
            self.totals.add(row, hash);
            *cells = cells.wrapping_add(1);
        }
    }
}

/// The NULLs of a column that has some.
fn nulls(array: &ArrayRef) -> Option<&NullBuffer> {
    array.nulls().filter(|nulls| nulls.null_count() > 0)
}

/// The rows of a chunk.
fn range<T>(number: usize, values: &[T]) -> Range<usize> {
    number * CHUNK..number * CHUNK + values.len()
}

/// The hash of a double; `None` beyond i64, and of what is no number.
fn one(column: &Column, row: &Row, value: f64, rules: Rules) -> Option<u128> {
    // Between these, `as i64` is exact for whole numbers; NaN is not between them.
    const RANGE: std::ops::Range<f64> = -9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0;
    if !RANGE.contains(&value) {
        return None;
    }
    let whole = value as i64;
    if whole as f64 == value && !(rules.negative_zero && value.to_bits() == (-0.0f64).to_bits()) {
        Some(column.wide(row, i128::from(whole)))
    } else {
        Some(column.float(row, value.to_bits()))
    }
}
