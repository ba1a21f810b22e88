//! Values into Arrow arrays, typed as StarRocks types them for Flight SQL: newer versions give DATE, DATETIME (microseconds of
//! the wall clock, labelled UTC) and LARGEINT types of their own, older ones text. BITMAP, HLL and PERCENTILE are NULL in
//! binary columns (dossier starrocks 3.5).

use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType,
};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, ListArray, PrimitiveArray, RecordBatch, RecordBatchOptions, StringArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::starrocks::exec::query::Columns;
use crate::starrocks::types::Type;
use crate::starrocks::value::{self, Value};
use crate::starrocks::version::Version;

/// Where texts became types: the release is not known for certain ([memory]).
const TYPED: Version = Version(4, 0, 0);

/// How a version sends its columns.
#[derive(Clone)]
pub struct Sender {
    pub schema: SchemaRef,
    types: Vec<Type>,
    version: Version,
}

impl Sender {
    /// The error names a type that is not sent.
    pub fn new(columns: &Columns, version: Version) -> Result<Sender, String> {
        let fields = columns.iter().map(|(name, ty)| Ok(Field::new(name, data_type(ty, version)?, true)));
        let schema = Arc::new(Schema::new(fields.collect::<Result<Vec<_>, String>>()?));
        Ok(Sender { schema, types: columns.iter().map(|(_, ty)| ty.clone()).collect(), version })
    }

    /// A batch of rows, given column by column.
    pub fn batch(&self, columns: &[Vec<Value<'static>>], rows: usize) -> Result<RecordBatch, String> {
        let arrays = columns.iter().zip(&self.types).map(|(values, ty)| array(ty, values, self.version));
        let arrays = arrays.collect::<Result<Vec<_>, String>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options).map_err(|e| e.to_string())
    }
}

fn data_type(ty: &Type, version: Version) -> Result<DataType, String> {
    Ok(match ty {
        Type::Boolean => DataType::Boolean,
        Type::TinyInt => DataType::Int8,
        Type::SmallInt => DataType::Int16,
        Type::Int => DataType::Int32,
        Type::BigInt => DataType::Int64,
        Type::Float => DataType::Float32,
        Type::Double => DataType::Float64,
        Type::Decimal(precision, scale) => DataType::Decimal128(*precision, *scale as i8),
        Type::LargeInt | Type::Date | Type::DateTime if version < TYPED => DataType::Utf8,
        Type::LargeInt => DataType::Decimal128(38, 0),
        Type::Date => DataType::Date32,
        Type::DateTime => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::Char(_) | Type::Varchar(_) | Type::Json => DataType::Utf8,
        Type::VarBinary(_) | Type::Bitmap | Type::Hll | Type::Percentile => DataType::Binary,
        Type::Array(inner) => DataType::List(Arc::new(Field::new_list_field(data_type(inner, version)?, true))),
        Type::Map(..) | Type::Struct(_) => return Err(format!("the simulator does not send {ty} over Flight SQL")),
    })
}

fn array(ty: &Type, values: &[Value<'_>], version: Version) -> Result<ArrayRef, String> {
    let data = data_type(ty, version)?;
    Ok(match &data {
        DataType::Boolean => Arc::new(values.iter().map(|v| int(v).map(|n| n != 0)).collect::<BooleanArray>()),
        DataType::Int8 => Arc::new(numbers::<Int8Type>(values, |n| n as i8)),
        DataType::Int16 => Arc::new(numbers::<Int16Type>(values, |n| n as i16)),
        DataType::Int32 => Arc::new(numbers::<Int32Type>(values, |n| n as i32)),
        DataType::Int64 => Arc::new(numbers::<Int64Type>(values, |n| n as i64)),
        DataType::Float32 => {
            Arc::new(values.iter().map(|v| float(v).map(|f| f as f32)).collect::<PrimitiveArray<Float32Type>>())
        }
        DataType::Float64 => Arc::new(values.iter().map(float).collect::<PrimitiveArray<Float64Type>>()),
        DataType::Decimal128(..) => Arc::new(numbers::<Decimal128Type>(values, |n| n).with_data_type(data.clone())),
        DataType::Date32 => Arc::new(numbers::<Date32Type>(values, |n| n as i32)),
        DataType::Timestamp(..) => {
            Arc::new(numbers::<TimestampMicrosecondType>(values, |n| n as i64).with_timezone("UTC"))
        }
        DataType::Binary => {
            Arc::new(values.iter().map(|v| if ty.is_opaque() { None } else { bytes(v) }).collect::<BinaryArray>())
        }
        DataType::List(field) => list(ty, field, values, version)?,
        _ => Arc::new(
            values
                .iter()
                .map(|v| v.show(ty).map(|text| String::from_utf8_lossy(&text).into_owned()))
                .collect::<StringArray>(),
        ),
    })
}

/// An ARRAY is held as JSON.
fn list(ty: &Type, field: &Arc<Field>, values: &[Value<'_>], version: Version) -> Result<ArrayRef, String> {
    let Type::Array(inner) = ty else { return Err(format!("{ty} is no list")) };
    let (mut flat, mut lengths, mut there) = (Vec::new(), Vec::new(), Vec::new());
    for value in values {
        let text = bytes(value);
        there.push(text.is_some());
        let elements: Vec<serde_json::Value> = match text {
            Some(text) => serde_json::from_slice(text).map_err(|e| format!("{ty}: {e}"))?,
            None => Vec::new(),
        };
        lengths.push(elements.len());
        for element in elements {
            flat.push(match &element {
                serde_json::Value::Null => Value::Null,
                serde_json::Value::String(text) => read(inner, text.as_bytes())?,
                other => read(inner, other.to_string().as_bytes())?,
            });
        }
    }
    let child = array(inner, &flat, version)?;
    let offsets = arrow_buffer::OffsetBuffer::from_lengths(lengths);
    let nulls = there.contains(&false).then(|| there.into());
    ListArray::try_new(field.clone(), offsets, child, nulls)
        .map(|list| Arc::new(list) as ArrayRef)
        .map_err(|e| e.to_string())
}

fn read(ty: &Type, text: &[u8]) -> Result<Value<'static>, String> {
    let bad = |_| format!("'{}' is no {ty}", String::from_utf8_lossy(text));
    value::parse(ty, text).map(Value::owned).map_err(bad)
}

fn int(value: &Value<'_>) -> Option<i128> {
    if let Value::Int(n) = value { Some(*n) } else { None }
}

fn float(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Float(f) => Some(*f),
        Value::Int(n) => Some(*n as f64),
        _ => None,
    }
}

fn bytes<'v>(value: &'v Value<'_>) -> Option<&'v [u8]> {
    if let Value::Bytes(bytes) = value { Some(bytes) } else { None }
}

fn numbers<T: ArrowPrimitiveType>(values: &[Value<'_>], make: impl Fn(i128) -> T::Native) -> PrimitiveArray<T> {
    values.iter().map(|value| int(value).map(&make)).collect()
}
