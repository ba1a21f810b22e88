//! Generated schemas and batches of every type, and reading and writing in memory.
#![allow(unused)] // Each test binary uses its part.

use arrow_array::types::{ArrowPrimitiveType, Int32Type};
use arrow_array::*;
use arrow_schema::{Field, Schema};
use fault::{Error, Kind, Result};
use rows::format::{self, Format, ReadOptions, Source, WriteOptions};
use rows::header::Column;
use rows::role::{self, Role};
use rows::time::Unit;
use rows::types::Type;
use rows::{Limits, Reader};
use std::io::{Cursor, Read, Write};
use std::sync::{Arc, Mutex};
use testkit::proptest::prelude::*;

/// `cases` of a property, or as many as `PROPTEST_CASES` says for a longer search.
pub fn config(cases: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(asked.unwrap_or(cases)) }
}

pub const UNITS: [Unit; 4] = [Unit::S, Unit::Ms, Unit::Us, Unit::Ns];

pub fn any_type() -> impl Strategy<Value = Type> {
    prop_oneof![
        Just(Type::Boolean),
        Just(Type::Byte),
        Just(Type::Short),
        Just(Type::Int),
        Just(Type::Long),
        Just(Type::UByte),
        Just(Type::UShort),
        Just(Type::UInt),
        Just(Type::ULong),
        Just(Type::Float),
        Just(Type::Double),
        Just(Type::String),
        Just(Type::Json),
        Just(Type::Binary),
        Just(Type::Geometry),
        (1u8..=38).prop_flat_map(|p| (Just(p), 0..=p as i8)).prop_map(|(p, s)| Type::Decimal(p, s)),
        (0usize..4).prop_map(|u| Type::Timestamp(UNITS[u])),
    ]
}

/// Texts with everything that any format treats as special.
pub fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z0-9 ]{0,12}",
        3 => "[,\"\\\\\r\n\t =#'|;\u{feff}a\u{e4}\u{6f22}\u{1f600}]{0,8}",
        1 => any::<String>(),
        1 => Just("#ts-end rows=1 xxh3=0123456789abcdef".to_owned()),
        1 => Just("\n#ts-end rows=1 xxh3=0123456789abcdef".to_owned()),
        1 => Just("NaN".to_owned()),
        1 => Just("\\N".to_owned()),
        1 => Just("null".to_owned()),
    ]
}

fn any_json() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{}".to_owned()),
        Just("null".to_owned()),
        Just("[1,2.50,\"a\\n\"]".to_owned()),
        Just("\"x,y\"".to_owned()),
        Just("{\"k\":{\"n\":1e400}}".to_owned()),
        Just("17".to_owned())
    ]
}

fn column<T: ArrowPrimitiveType>(
    rows: usize,
    value: impl Strategy<Value = T::Native> + 'static,
) -> BoxedStrategy<ArrayRef>
where
    T::Native: std::fmt::Debug,
{
    proptest_vec(value, rows).prop_map(|values| Arc::new(PrimitiveArray::<T>::from_iter(values)) as ArrayRef).boxed()
}

fn proptest_vec<V: std::fmt::Debug>(
    value: impl Strategy<Value = V>,
    rows: usize,
) -> impl Strategy<Value = Vec<Option<V>>> {
    testkit::proptest::collection::vec(testkit::proptest::option::weighted(0.8, value), rows)
}

macro_rules! edges {
    ($t:ty) => {
        prop_oneof![3 => any::<$t>(), 1 => Just(<$t>::MIN), 1 => Just(<$t>::MAX), 1 => Just(0 as $t)]
    };
}

/// Values of a type, NULLs among them.
pub fn any_column(ty: Type, rows: usize, dictionary: bool) -> BoxedStrategy<ArrayRef> {
    use arrow_array::types::*;
    match ty {
        Type::Boolean => {
            proptest_vec(any::<bool>(), rows).prop_map(|v| Arc::new(BooleanArray::from(v)) as ArrayRef).boxed()
        }
        Type::Byte => column::<Int8Type>(rows, edges!(i8)),
        Type::Short => column::<Int16Type>(rows, edges!(i16)),
        Type::Int => column::<Int32Type>(rows, edges!(i32)),
        Type::Long => column::<Int64Type>(rows, edges!(i64)),
        Type::UByte => column::<UInt8Type>(rows, edges!(u8)),
        Type::UShort => column::<UInt16Type>(rows, edges!(u16)),
        Type::UInt => column::<UInt32Type>(rows, edges!(u32)),
        Type::ULong => column::<UInt64Type>(rows, edges!(u64)),
        Type::Float => column::<Float32Type>(
            rows,
            prop_oneof![
                testkit::proptest::num::f32::ANY.prop_map(|v| if v.is_nan() { f32::NAN } else { v }),
                Just(f32::INFINITY),
                Just(f32::NEG_INFINITY),
                Just(f32::NAN),
                (-3_000_000i32..3_000_000, 0i32..8).prop_map(|(n, scale)| n as f32 / 10f32.powi(scale)),
                Just(-0.0f32),
                Just(54.0f32),
                Just(1e-45f32)
            ],
        ),
        Type::Double => column::<Float64Type>(
            rows,
            prop_oneof![
                testkit::proptest::num::f64::ANY.prop_map(|v| if v.is_nan() { f64::NAN } else { v }),
                Just(f64::INFINITY),
                Just(f64::NEG_INFINITY),
                Just(f64::NAN),
                (any::<i32>(), 0i32..10).prop_map(|(n, scale)| f64::from(n) / 10f64.powi(scale)),
                Just(-0.0),
                Just(54.0),
                Just(5e-324),
                Just(f64::MAX)
            ],
        ),
        Type::Decimal(p, s) => {
            let most = 10i128.pow(u32::from(p)) - 1;
            proptest_vec(prop_oneof![3 => -most..=most, 1 => Just(most), 1 => Just(-most), 1 => Just(0)], rows)
                .prop_map(move |v| {
                    Arc::new(Decimal128Array::from_iter(v).with_precision_and_scale(p, s).unwrap()) as ArrayRef
                })
                .boxed()
        }
        Type::String if dictionary => proptest_vec(any_text(), rows)
            .prop_map(|v| Arc::new(v.iter().map(|t| t.as_deref()).collect::<DictionaryArray<Int32Type>>()) as ArrayRef)
            .boxed(),
        Type::String => proptest_vec(any_text(), rows).prop_map(|v| Arc::new(StringArray::from(v)) as ArrayRef).boxed(),
        Type::Json => proptest_vec(any_json(), rows).prop_map(|v| Arc::new(StringArray::from(v)) as ArrayRef).boxed(),
        Type::Binary | Type::Geometry => proptest_vec(testkit::proptest::collection::vec(any::<u8>(), 0..9), rows)
            .prop_map(|v| Arc::new(BinaryArray::from_iter(v)) as ArrayRef)
            .boxed(),
        Type::Timestamp(unit) => {
            let value = prop_oneof![2 => any::<i64>(), 3 => 1_600_000_000_000i64..1_800_000_000_000, 1 => Just(i64::MIN), 1 => Just(i64::MAX), 1 => Just(0), 1 => Just(-1)];
            match unit {
                Unit::S => proptest_vec(value, rows)
                    .prop_map(|v| Arc::new(TimestampSecondArray::from(v).with_timezone("UTC")) as ArrayRef)
                    .boxed(),
                Unit::Ms => proptest_vec(value, rows)
                    .prop_map(|v| Arc::new(TimestampMillisecondArray::from(v).with_timezone("UTC")) as ArrayRef)
                    .boxed(),
                Unit::Us => proptest_vec(value, rows)
                    .prop_map(|v| Arc::new(TimestampMicrosecondArray::from(v).with_timezone("UTC")) as ArrayRef)
                    .boxed(),
                Unit::Ns => proptest_vec(value, rows)
                    .prop_map(|v| Arc::new(TimestampNanosecondArray::from(v).with_timezone("UTC")) as ArrayRef)
                    .boxed(),
            }
        }
    }
}

/// A batch: a time, a table, a tag or more, fields of any types.
pub fn any_batch(dictionaries: bool) -> BoxedStrategy<RecordBatch> {
    let time = (0usize..4).prop_map(|u| Column::new("ts", Role::Time, Type::Timestamp(UNITS[u])));
    let kind = (any_type(), 0usize..8, any::<bool>());
    let others = testkit::proptest::collection::vec(kind, 0..6);
    let names =
        testkit::proptest::collection::hash_set(prop_oneof![3 => "[a-z]{1,6}", 1 => "[,\"|a\u{e4}\n #]{1,4}"], 6);
    (time, others, names, 0usize..12, any::<bool>())
        .prop_flat_map(move |(time, others, names, rows, redundant)| {
            let mut columns = vec![time];
            let mut table = false;
            for ((ty, kind, key), name) in others.into_iter().zip(names) {
                let name = format!("{name}_");
                columns.push(match kind {
                    0 if !table => {
                        table = true;
                        Column { redundant, ..Column::new(&name, Role::Table, Type::String) }
                    }
                    1 => Column::new(&name, Role::Tag, Type::String),
                    2 => Column::new(&name, Role::Tag, ty),
                    3 => Column::new(&name, Role::Ignore, ty),
                    _ => Column { key, ..Column::new(&name, Role::Field, ty) },
                });
            }
            let arrays: Vec<BoxedStrategy<ArrayRef>> = columns
                .iter()
                .map(|c| any_column(c.ty, rows, dictionaries && matches!(c.role, Role::Tag | Role::Table)))
                .collect();
            let metadata = role::metadata(Some("m\u{e4}"), None);
            arrays.prop_map(move |arrays| {
                let fields: Vec<Field> = columns
                    .iter()
                    .zip(&arrays)
                    .map(|(c, array)| c.field().with_data_type(array.data_type().clone()))
                    .collect();
                let schema = Schema::new_with_metadata(fields, metadata.clone());
                RecordBatch::try_new(Arc::new(schema), arrays).unwrap()
            })
        })
        .boxed()
}

/// A sink that keeps what was written, and says whether it was finished.
#[derive(Clone, Default)]
pub struct Kept(pub Arc<Mutex<(Vec<u8>, bool)>>);

impl Kept {
    pub fn finish(self) -> Result<()> {
        self.0.lock().unwrap().1 = true;
        Ok(())
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().0.clone()
    }

    pub fn finished(&self) -> bool {
        self.0.lock().unwrap().1
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub fn to(format: Format) -> WriteOptions {
    WriteOptions { to: format, ..WriteOptions::default() }
}

pub fn from(format: Format) -> ReadOptions {
    ReadOptions { from: Some(format), ..ReadOptions::default() }
}

/// The batch, written `times` over as batches of its own.
pub fn encode(batch: &RecordBatch, times: usize, options: WriteOptions) -> Result<Vec<u8>> {
    let kept = Kept::default();
    let mut writer = format::create(kept.clone(), Kept::finish, batch.schema(), options)?;
    for _ in 0..times {
        writer.write(batch)?;
    }
    writer.finish()?;
    assert!(kept.finished());
    Ok(kept.bytes())
}

pub fn open(bytes: &[u8], options: ReadOptions) -> Result<Box<dyn Reader>> {
    format::open(Source::new("test", Box::new(Cursor::new(bytes.to_vec())), None), options)
}

/// Everything as one batch.
pub fn decode(bytes: &[u8], options: ReadOptions) -> Result<RecordBatch> {
    let limits = options.limits;
    let mut reader = open(bytes, options)?;
    let mut batches = Vec::new();
    while let Some(batch) = reader.next()? {
        assert_eq!(batch.schema(), reader.schema());
        assert!(batch.num_rows() > 0 && batch.num_rows() <= limits.rows);
        assert!(rows::batch::slice_bytes(&batch) <= limits.bytes || batch.num_rows() == 1, "a batch over its limits");
        batches.push(batch);
    }
    assert!(reader.next().unwrap().is_none(), "the end stays the end");
    arrow_select::concat::concat_batches(&reader.schema(), &batches).map_err(|e| Error::malformed(e.to_string()))
}

/// Bytes of random kinds: noise, and noise behind a valid beginning.
pub fn noise(valid: Vec<u8>) -> BoxedStrategy<Vec<u8>> {
    let len = valid.len();
    let flips = testkit::proptest::collection::vec((0..len.max(1), any::<u8>()), 1..6);
    let start = valid.clone();
    prop_oneof![
        testkit::proptest::collection::vec(any::<u8>(), 0..300),
        (0..=len, testkit::proptest::collection::vec(any::<u8>(), 0..100)).prop_map(move |(at, tail)| [
            &start[..at],
            &tail
        ]
        .concat()),
        flips.prop_map(move |flips| {
            let mut bytes = valid.clone();
            for (at, byte) in flips {
                if let Some(slot) = bytes.get_mut(at) {
                    *slot = byte;
                }
            }
            bytes
        }),
    ]
    .boxed()
}

/// Every way to fail that bad input may have.
pub fn assert_input_error(error: &Error) {
    assert!(matches!(error.kind(), Kind::Malformed | Kind::Incomplete), "{error:?}");
    assert!(!error.to_string().contains('\n'), "{error}");
}

/// The batch with text dictionaries unpacked, and with the columns and metadata that a text reader gives back.
pub fn plain(batch: &RecordBatch, metadata: bool) -> RecordBatch {
    let mut fields = Vec::new();
    let mut arrays = Vec::new();
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        let target = Type::of(field).unwrap().data_type();
        arrays.push(arrow_cast::cast(array, &target).unwrap());
        fields.push(field.as_ref().clone().with_data_type(target));
    }
    let schema = match metadata {
        true => Schema::new_with_metadata(fields, batch.schema().metadata().clone()),
        false => Schema::new_with_metadata(fields, role::metadata(None, None)),
    };
    RecordBatch::try_new(Arc::new(schema), arrays).unwrap()
}
