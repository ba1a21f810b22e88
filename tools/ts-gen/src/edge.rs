//! `edge`: every type, NULL, extreme values, awkward strings. `keyed`: a composite primary key. `json`: a JSON tag.
//!
//! Values come from short pools, walked at a different pace in every column, so that a few hundred rows hold every
//! value of every pool and most pairs of neighbours.

use crate::data::{DataSet, Shape, Texts, bug, dictionary, text_field};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int8Array, Int16Array,
    Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow_schema::{Schema, SchemaRef};
use fault::Result;
use rows::role::{self, Role};
use rows::time::Unit;
use rows::types::Type;
use std::sync::Arc;

/// What breaks naive text formats: separators, quotes, escapes, line ends, sentinels, other planes of Unicode.
pub const STRINGS: [&str; 28] = [
    "plain",
    "",
    " ",
    "two words",
    "a,b",
    "a=b",
    "\"quoted\"",
    "it's",
    "back\\slash",
    "trailing\\",
    "double\\\\",
    "a\\,b",
    "line\nfeed",
    "cr\rlf\r\n",
    "tab\there",
    "NULL",
    "null",
    "\\N",
    "NaN",
    "0",
    "-1",
    "true",
    "#hash",
    "{\"a\":[1,2]}",
    "grüße",
    "日本語",
    "🦀 astral 𝄞",
    "\u{fffd}\u{200b}",
];

/// Tag values of the sub-tables in turn: what line protocol can hold, then what it cannot.
const TAGS: [Option<&str>; 8] = [
    Some("plain"),
    Some("with space, comma = equals"),
    Some("grüße 日本語 🦀"),
    Some("quote \" inside"),
    Some("back\\slash"),
    None,
    Some(""),
    Some("trailing\\"),
];

const FLOATS: [Option<f32>; 14] = [
    Some(0.0),
    Some(-0.0),
    Some(0.1),
    Some(-1.5),
    Some(28.188_73),
    Some(1e-7),
    Some(16_777_217.0),
    Some(f32::MAX),
    Some(f32::MIN),
    Some(f32::MIN_POSITIVE),
    Some(1e-45),
    None,
    Some(f32::NAN),
    Some(f32::INFINITY),
];

const DOUBLES: [Option<f64>; 15] = [
    Some(0.0),
    Some(-0.0),
    Some(0.1),
    Some(-1.5),
    Some(1.0 / 3.0),
    Some(1e300),
    Some(1e21),
    Some(123_456_789.125),
    Some(f64::MAX),
    Some(f64::MIN),
    Some(f64::MIN_POSITIVE),
    Some(5e-324),
    None,
    Some(f64::NAN),
    Some(f64::NEG_INFINITY),
];

/// The extremes of an integer type, some ordinary values, NULL.
macro_rules! integers {
    ($array:ty, $int:ty, $rows:expr, $pace:expr) => {{
        let pool: [Option<$int>; 7] =
            [Some(0), Some(1), Some(<$int>::MAX), Some(<$int>::MIN), None, Some(42), Some(<$int>::MAX - 1)];
        Arc::new(<$array>::from_iter($rows.map(|row| pick(&pool, row, $pace)))) as ArrayRef
    }};
}

fn pick<T: Copy>(pool: &[T], row: u64, pace: u64) -> T {
    pool[((row / pool.len() as u64).wrapping_add(row.wrapping_mul(pace)) % pool.len() as u64) as usize]
}

/// Every type.
pub struct Edge {
    shape: Shape,
    schema: SchemaRef,
    tables: Texts,
    tags: Texts,
}

impl Edge {
    /// A set of this shape.
    pub fn new(shape: Shape) -> Self {
        let field = |name: &str, kind: Type| role::with_role(kind.field(name), Role::Field);
        let fields = vec![
            shape.time_field(),
            text_field("tbname", Role::Table),
            field("c_bool", Type::Boolean),
            field("c_tiny", Type::Byte),
            field("c_small", Type::Short),
            field("c_int", Type::Int),
            field("c_big", Type::Long),
            field("c_utiny", Type::UByte),
            field("c_usmall", Type::UShort),
            field("c_uint", Type::UInt),
            field("c_ubig", Type::ULong),
            field("c_float", Type::Float),
            field("c_double", Type::Double),
            field("c_decimal", Type::Decimal(20, 4)),
            field("c_text", Type::String),
            field("c_binary", Type::Binary),
            field("c_geometry", Type::Geometry),
            field("c_time", Type::Timestamp(shape.unit)),
            text_field("t_text", Role::Tag),
            role::with_role(Type::Int.field("t_int"), Role::Tag),
            role::with_role(Type::Boolean.field("t_bool"), Role::Tag),
        ];
        Edge {
            shape,
            schema: Arc::new(Schema::new_with_metadata(fields, role::metadata(Some("edge"), None))),
            tables: Texts::new((0..shape.tables).map(|t| Some(format!("edge_{t}")))),
            tags: Texts::new(TAGS.iter().map(|tag| tag.map(str::to_owned))),
        }
    }

    fn times(&self, rows: std::ops::Range<u64>) -> ArrayRef {
        let pool = [
            Some(0),
            Some(-1),
            Some(self.shape.first),
            None,
            Some(253_402_300_799 * self.shape.unit.per_second().min(1_000_000)),
        ];
        let pool: Vec<Option<i64>> = pool.to_vec();
        let values = rows.map(|row| pick(&pool, row, 3));
        match self.shape.unit {
            Unit::S => Arc::new(TimestampSecondArray::from_iter(values).with_timezone("UTC")),
            Unit::Ms => Arc::new(TimestampMillisecondArray::from_iter(values).with_timezone("UTC")),
            Unit::Us => Arc::new(TimestampMicrosecondArray::from_iter(values).with_timezone("UTC")),
            Unit::Ns => Arc::new(TimestampNanosecondArray::from_iter(values).with_timezone("UTC")),
        }
    }
}

impl DataSet for Edge {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn batch(&self, from: u64, count: usize) -> Result<RecordBatch> {
        let shape = &self.shape;
        let rows = from..from + count as u64;
        let r = || rows.clone();
        let decimals =
            [Some(0), Some(1), Some(-1), Some(1_234_500), Some(10_i128.pow(20) - 1), Some(1 - 10_i128.pow(20)), None];
        let decimal = Decimal128Array::from_iter(r().map(|row| pick(&decimals, row, 5)));
        let binaries: [Option<&[u8]>; 5] =
            [Some(b"\x00\xff\x7f\x80"), Some(b""), Some(b"text"), None, Some(b"\x0a\x0d\x22\x5c")];
        let geometries = [Some(point(1.0, 2.0)), Some(point(-0.0, f64::MAX)), None];
        let texts: Vec<Option<&str>> = STRINGS.iter().map(|s| Some(*s)).chain([None]).collect();
        let bools = [Some(true), Some(false), None];
        let columns: Vec<ArrayRef> = vec![
            shape.times(from, count),
            self.tables.column(r(), |row| shape.table(row))?,
            Arc::new(BooleanArray::from_iter(r().map(|row| pick(&bools, row, 1)))),
            integers!(Int8Array, i8, r(), 1),
            integers!(Int16Array, i16, r(), 2),
            integers!(Int32Array, i32, r(), 3),
            integers!(Int64Array, i64, r(), 4),
            integers!(UInt8Array, u8, r(), 5),
            integers!(UInt16Array, u16, r(), 6),
            integers!(UInt32Array, u32, r(), 1),
            integers!(UInt64Array, u64, r(), 2),
            Arc::new(Float32Array::from_iter(r().map(|row| pick(&FLOATS, row, 3)))),
            Arc::new(Float64Array::from_iter(r().map(|row| pick(&DOUBLES, row, 4)))),
            Arc::new(decimal.with_precision_and_scale(20, 4).map_err(bug)?),
            Arc::new(StringArray::from_iter(r().map(|row| pick(&texts, row, 5)))),
            Arc::new(BinaryArray::from_iter(r().map(|row| pick(&binaries, row, 2)))),
            Arc::new(BinaryArray::from_iter(r().map(|row| geometries[(row % 3) as usize]))),
            self.times(r()),
            self.tags.column(r(), |row| shape.table(row) % TAGS.len() as u64)?,
            Arc::new(Int32Array::from_iter(
                r().map(|row| (shape.table(row) % 5 != 4).then_some(shape.table(row) as i32 - 2)),
            )),
            Arc::new(BooleanArray::from_iter(r().map(|row| bools[(shape.table(row) % 3) as usize]))),
        ];
        RecordBatch::try_new(self.schema.clone(), columns).map_err(bug)
    }
}

/// Little-endian WKB of a point.
fn point(x: f64, y: f64) -> [u8; 21] {
    let mut wkb = [0; 21];
    wkb[0] = 1;
    wkb[1] = 1;
    wkb[5..13].copy_from_slice(&x.to_le_bytes());
    wkb[13..21].copy_from_slice(&y.to_le_bytes());
    wkb
}

/// `(table, ts, seq)` is the key: two rows of a table may share an instant. All sub-tables have equal tags.
pub struct Keyed {
    shape: Shape,
    schema: SchemaRef,
    tables: Texts,
}

impl Keyed {
    /// A set of this shape.
    pub fn new(shape: Shape) -> Self {
        let key = role::with(role::with_role(Type::Int.field("seq"), Role::Field), role::KEY, "true");
        let fields = vec![
            shape.time_field(),
            text_field("tbname", Role::Table),
            key,
            role::with_role(Type::Long.field("value"), Role::Field),
            text_field("site", Role::Tag),
        ];
        Keyed {
            shape,
            schema: Arc::new(Schema::new_with_metadata(fields, role::metadata(Some("keyed"), None))),
            tables: Texts::new((0..shape.tables).map(|t| Some(format!("keyed_{t}")))),
        }
    }
}

impl DataSet for Keyed {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn batch(&self, from: u64, count: usize) -> Result<RecordBatch> {
        // Two rows of a table in turn share an instant and differ in seq.
        let halved = Shape { tables: self.shape.tables * 2, ..self.shape };
        let rows = from..from + count as u64;
        let columns: Vec<ArrayRef> = vec![
            halved.times(from, count),
            self.tables.column(rows.clone(), |row| self.shape.table(row))?,
            Arc::new(Int32Array::from_iter_values(rows.clone().map(|row| (row / self.shape.tables % 2) as i32))),
            Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| self.shape.random(row, 1) as i64))),
            dictionary(rows.map(|_| Some("north"))),
        ];
        RecordBatch::try_new(self.schema.clone(), columns).map_err(bug)
    }
}

/// A value and a JSON document as the only tag, as TDengine has it.
pub struct JsonTag {
    shape: Shape,
    schema: SchemaRef,
    tables: Texts,
}

impl JsonTag {
    /// A set of this shape.
    pub fn new(shape: Shape) -> Self {
        let fields = vec![
            shape.time_field(),
            text_field("tbname", Role::Table),
            role::with_role(Type::Double.field("value"), Role::Field),
            role::with_role(Type::Json.field("info"), Role::Tag),
        ];
        JsonTag {
            shape,
            schema: Arc::new(Schema::new_with_metadata(fields, role::metadata(Some("json"), None))),
            tables: Texts::new((0..shape.tables).map(|t| Some(format!("json_{t}")))),
        }
    }
}

impl DataSet for JsonTag {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn batch(&self, from: u64, count: usize) -> Result<RecordBatch> {
        let shape = &self.shape;
        let rows = from..from + count as u64;
        let info = |row| {
            let table = shape.table(row);
            (table % 4 != 3).then(|| format!("{{\"site\":\"s{table}\",\"floor\":{},\"note\":\"grüße\"}}", table % 3))
        };
        let columns: Vec<ArrayRef> = vec![
            shape.times(from, count),
            self.tables.column(rows.clone(), |row| shape.table(row))?,
            Arc::new(Float64Array::from_iter_values(
                rows.clone().map(|row| shape.below(row, 1, 1_000_000) as f64 / 1000.0),
            )),
            Arc::new(StringArray::from_iter(rows.map(info))),
        ];
        RecordBatch::try_new(self.schema.clone(), columns).map_err(bug)
    }
}
