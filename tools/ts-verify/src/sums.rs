//! The cells of a batch, column by column, summed per row: what a digest needs of them, without a look at any value twice.
//!
//! Types and rules are matched once per column. Numbers as almost all columns have them are hashed by [`crate::hash`];
//! whatever else takes the way of [`crate::column::values`], which makes the canonical bytes of any value.

use crate::canonical::{self, INT, NON_FINITE, Num, Rules, TIMESTAMP};
use crate::column::{Scratch, plain, values};
use crate::float32;
use crate::form::Form;
use crate::hash::{Column, Row};
use crate::layout;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use fault::{Context, Result};
use xxhash_rust::xxh3::xxh3_128;

/// Sums of the cells of each row.
#[derive(Default)]
pub struct Sums {
    /// Of the rows: hash of the series and time, and both as the cells' hashes need them.
    pub series: Vec<u128>,
    pub times: Vec<i64>,
    pub rows: Vec<Row>,
    /// Hashes of the cells.
    pub sums: Vec<u128>,
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

impl Sums {
    /// Sums the cells of the batch, whose `series` and `times` are there.
    pub fn add(&mut self, batch: &RecordBatch, fields: &[layout::Column], rules: Rules) -> Result<()> {
        self.rows.clear();
        self.rows.extend(self.series.iter().zip(&self.times).map(|(series, time)| Row::new(*series, *time)));
        self.sums.clear();
        self.sums.resize(self.rows.len(), 0);
        self.every = 0;
        self.cells.clear();
        self.cells.resize(self.rows.len(), 0);
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

    #[inline]
    fn wide<T: ArrowPrimitiveType>(&mut self, array: &ArrayRef, column: &Column, read: impl Fn(T::Native) -> i128) {
        self.each::<T>(array, |row, value| Some(column.wide(row, read(value))));
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
        // Between these, `as i64` is exact for whole numbers; NaN is not between them.
        const RANGE: std::ops::Range<f64> = -9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0;
        let negative_zero = (-0.0f64).to_bits();
        let odd = self.each::<T>(array, |row, value| {
            let value = read(value);
            if !RANGE.contains(&value) {
                return None;
            }
            let whole = value as i64;
            if whole as f64 == value && !(rules.negative_zero && value.to_bits() == negative_zero) {
                Some(column.wide(row, i128::from(whole)))
            } else {
                Some(column.float(row, value.to_bits()))
            }
        });
        let values = array.as_primitive::<T>();
        for row in odd {
            // Beyond i64, or no number.
            let mut message = self.head(row, field);
            canonical::number(&mut message, Num::Double(read(values.value(row))), Form::Own, rules);
            self.cell(row, &message);
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
        } else if let (Some(sum), Some(cells)) = (self.sums.get_mut(row), self.cells.get_mut(row)) {
            *sum = sum.wrapping_add(hash);
            *cells = cells.wrapping_add(1);
        }
    }

    /// Adds what `hash` gives for every value that is not NULL; gives the rows for which it gives none.
    #[inline]
    fn each<T: ArrowPrimitiveType>(
        &mut self,
        array: &ArrayRef,
        hash: impl Fn(&Row, T::Native) -> Option<u128>,
    ) -> Vec<usize> {
        let array = array.as_primitive::<T>();
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        let mut odd = Vec::new();
        // One loop for columns with and without NULLs, so that the hash is made part of it.
        for (at, ((value, row), sum)) in array.values().iter().zip(&self.rows).zip(&mut self.sums).enumerate() {
            if nulls.is_some_and(|nulls| nulls.is_null(at)) {
                continue;
            }
            match hash(row, *value) {
                Some(hash) => *sum = sum.wrapping_add(hash),
                None => odd.push(at),
            }
        }
        match nulls {
            None => self.every += 1,
            Some(nulls) => {
                for (cells, valid) in self.cells.iter_mut().zip(nulls) {
                    *cells = cells.wrapping_add(u32::from(valid));
                }
            }
        }
        for at in &odd {
            if let Some(cells) = self.cells.get_mut(*at) {
                *cells = cells.wrapping_sub(1);
            }
        }
        odd
    }
}
