//! What every data set has in common: its shape, its random numbers, its time and table columns.

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Int32Array, RecordBatch, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray,
};
use arrow_schema::{DataType, Field, SchemaRef};
use fault::{Error, Kind, Result};
use rows::role::{self, Role};
use rows::time::Unit;
use std::sync::Arc;

/// Rows, sub-tables, seed and time axis. Row `i` belongs to sub-table `i % tables` at `first + (i / tables) * step`.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub rows: u64,
    pub tables: u64,
    pub seed: u64,
    /// The first instant, in `unit`.
    pub first: i64,
    /// Between two rows of a sub-table, in `unit`.
    pub step: i64,
    pub unit: Unit,
}

/// A data set: a schema, and any range of its rows, independent of how the rows are cut into batches.
pub trait DataSet: Send {
    /// Columns with their roles.
    fn schema(&self) -> SchemaRef;
    /// Rows `from .. from + count`.
    fn batch(&self, from: u64, count: usize) -> Result<RecordBatch>;
}

impl Shape {
    /// 64 random bits for this cell (splitmix64, public domain): a function of seed, row and column alone.
    pub fn random(&self, row: u64, column: u64) -> u64 {
        let mut z = self
            .seed
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .wrapping_add(row.wrapping_mul(0xD1B5_4A32_D192_ED03))
            .wrapping_add(column.wrapping_mul(0x8CB9_2BA7_2F3D_8DD7));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `0 .. below`.
    pub fn below(&self, row: u64, column: u64, below: u64) -> u64 {
        ((u128::from(self.random(row, column)) * u128::from(below)) >> 64) as u64
    }

    /// The sub-table of a row.
    pub fn table(&self, row: u64) -> u64 {
        row % self.tables
    }

    /// The time column's field.
    pub fn time_field(&self) -> Field {
        role::with_role(Field::new("ts", self.unit.data_type(), false), Role::Time)
    }

    /// The time column of a range of rows.
    pub fn times(&self, from: u64, count: usize) -> ArrayRef {
        let values = (from..from + count as u64).map(|row| self.first + (row / self.tables) as i64 * self.step);
        match self.unit {
            Unit::S => Arc::new(TimestampSecondArray::from_iter_values(values).with_timezone("UTC")),
            Unit::Ms => Arc::new(TimestampMillisecondArray::from_iter_values(values).with_timezone("UTC")),
            Unit::Us => Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone("UTC")),
            Unit::Ns => Arc::new(TimestampNanosecondArray::from_iter_values(values).with_timezone("UTC")),
        }
    }
}

/// A dictionary of texts, made once; batches only carry keys.
pub struct Texts(ArrayRef);

impl Texts {
    /// The text of every index; `None` is NULL.
    pub fn new(texts: impl Iterator<Item = Option<String>>) -> Self {
        // Every text gets a key of its own, even if it repeats: the index is the key.
        let values: arrow_array::StringArray = texts.collect();
        Texts(Arc::new(values))
    }

    /// A column whose row `i` is the text of `index(i)`.
    pub fn column(&self, rows: std::ops::Range<u64>, index: impl Fn(u64) -> u64) -> Result<ArrayRef> {
        use arrow_array::Array as _;
        let keys: Int32Array = rows
            .map(|row| {
                let key = index(row) as usize;
                self.0.is_valid(key).then_some(key as i32)
            })
            .collect();
        let array = DictionaryArray::<Int32Type>::try_new(keys, self.0.clone()).map_err(bug)?;
        Ok(Arc::new(array))
    }
}

/// `Dictionary(Int32, Utf8)`, nullable.
pub fn text_field(name: &str, role: Role) -> Field {
    let data = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    role::with_role(Field::new(name, data, true), role)
}

/// A dictionary column from texts that are not known beforehand.
pub fn dictionary<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    let mut builder = StringDictionaryBuilder::<Int32Type>::new();
    texts.for_each(|text| builder.append_option(text));
    Arc::new(builder.finish())
}

/// Arrow refuses what our own schema promised: that is a bug here.
pub fn bug(error: arrow_schema::ArrowError) -> Error {
    Error::caused(Kind::Bug, "the generated batch does not fit its schema", error)
}
