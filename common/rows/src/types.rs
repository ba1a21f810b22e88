//! Column types: their names in the typed CSV header, and their Arrow types.

use crate::time::Unit;
use arrow_schema::{DataType, Field};
use fault::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// The type of a column. Narrower than Arrow's: what the systems that we know can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    Boolean,
    Byte,
    Short,
    Int,
    Long,
    UByte,
    UShort,
    UInt,
    ULong,
    Float,
    Double,
    /// Precision 1..=38 and scale.
    Decimal(u8, i8),
    String,
    /// Text that is a JSON document.
    Json,
    Binary,
    /// Little-endian WKB.
    Geometry,
    /// A point in time that is not the time key.
    Timestamp(Unit),
}

/// Arrow's key for extension types.
const EXTENSION: &str = "ARROW:extension:name";
const JSON: &str = "arrow.json";
const WKB: &str = "geoarrow.wkb";

impl Type {
    /// The type of an Arrow column. Wider relatives (LargeUtf8, Utf8View, dictionaries, Date) map to what they hold;
    /// a nested or unknown type is an error that names it.
    pub fn of(field: &Field) -> Result<Type> {
        Type::of_data(field.data_type(), field.metadata().get(EXTENSION).map(String::as_str)).ok_or_else(|| {
            Error::malformed(format!(
                "column {}: no row format of ours holds the Arrow type {}",
                field.name(),
                field.data_type()
            ))
        })
    }

    fn of_data(data: &DataType, extension: Option<&str>) -> Option<Type> {
        Some(match data {
            DataType::Boolean => Type::Boolean,
            DataType::Int8 => Type::Byte,
            DataType::Int16 => Type::Short,
            DataType::Int32 => Type::Int,
            DataType::Int64 => Type::Long,
            DataType::UInt8 => Type::UByte,
            DataType::UInt16 => Type::UShort,
            DataType::UInt32 => Type::UInt,
            DataType::UInt64 => Type::ULong,
            DataType::Float16 | DataType::Float32 => Type::Float,
            DataType::Float64 => Type::Double,
            DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => Type::Decimal(*p, *s),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => match extension {
                Some(JSON) => Type::Json,
                _ => Type::String,
            },
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                match extension {
                    Some(WKB) => Type::Geometry,
                    _ => Type::Binary,
                }
            }
            DataType::Date32 => Type::Timestamp(Unit::S),
            DataType::Date64 => Type::Timestamp(Unit::Ms),
            DataType::Timestamp(unit, _) => Type::Timestamp(Unit::from_arrow(unit)),
            DataType::Dictionary(_, values) => return Type::of_data(values, extension),
            DataType::Null => Type::String,
            _ => return None,
        })
    }

    /// The Arrow type that our readers make of it.
    pub fn data_type(self) -> DataType {
        match self {
            Type::Boolean => DataType::Boolean,
            Type::Byte => DataType::Int8,
            Type::Short => DataType::Int16,
            Type::Int => DataType::Int32,
            Type::Long => DataType::Int64,
            Type::UByte => DataType::UInt8,
            Type::UShort => DataType::UInt16,
            Type::UInt => DataType::UInt32,
            Type::ULong => DataType::UInt64,
            Type::Float => DataType::Float32,
            Type::Double => DataType::Float64,
            Type::Decimal(precision, scale) => DataType::Decimal128(precision, scale),
            Type::String | Type::Json => DataType::Utf8,
            Type::Binary | Type::Geometry => DataType::Binary,
            Type::Timestamp(unit) => unit.data_type(),
        }
    }

    /// A nullable field of this type, with the extension name where the Arrow type alone does not say it.
    pub fn field(self, name: &str) -> Field {
        let field = Field::new(name, self.data_type(), true);
        match self {
            Type::Json => crate::role::with(field, EXTENSION, JSON),
            Type::Geometry => crate::role::with(field, EXTENSION, WKB),
            _ => field,
        }
    }
}

impl fmt::Display for Type {
    /// The name in the typed CSV header. The unit of a timestamp is carried by the digits of its values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Boolean => "boolean",
            Type::Byte => "byte",
            Type::Short => "short",
            Type::Int => "int",
            Type::Long => "long",
            Type::UByte => "ubyte",
            Type::UShort => "ushort",
            Type::UInt => "uint",
            Type::ULong => "ulong",
            Type::Float => "float",
            Type::Double => "double",
            Type::Decimal(precision, scale) => return write!(f, "decimal({precision},{scale})"),
            Type::String => "string",
            Type::Json => "json",
            Type::Binary => "binary",
            Type::Geometry => "geometry",
            Type::Timestamp(_) => "timestamp",
        })
    }
}

impl FromStr for Type {
    type Err = Error;

    /// A `timestamp` comes back in nanoseconds; the CSV reader replaces the unit by that of the data.
    fn from_str(text: &str) -> Result<Type> {
        Ok(match text {
            "boolean" | "bool" => Type::Boolean,
            "byte" => Type::Byte,
            "short" => Type::Short,
            "int" => Type::Int,
            "long" => Type::Long,
            "ubyte" => Type::UByte,
            "ushort" => Type::UShort,
            "uint" => Type::UInt,
            "ulong" | "unsignedLong" => Type::ULong,
            "float" => Type::Float,
            "double" => Type::Double,
            "string" => Type::String,
            "json" => Type::Json,
            "binary" => Type::Binary,
            "geometry" => Type::Geometry,
            "timestamp" | "dateTime" => Type::Timestamp(Unit::Ns),
            _ => return decimal(text).ok_or_else(|| Error::malformed(format!("'{text}' is no column type"))),
        })
    }
}

fn decimal(text: &str) -> Option<Type> {
    let (precision, scale) = text.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
    let (precision, scale): (u8, i8) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
    ((1..=38).contains(&precision) && scale >= 0 && scale as u8 <= precision).then_some(Type::Decimal(precision, scale))
}
