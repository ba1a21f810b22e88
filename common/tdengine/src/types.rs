//! TDengine's column types, and ours for them.

use crate::connector::Code;
use arrow_schema::{DataType, Field};
use fault::{Error, Kind, Result};
use rows::time::Unit;
use rows::types::Type as RowType;
use std::sync::Arc;

/// A type, by the numbers of 2.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// The type of a literal NULL.
    Null,
    Bool,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Float,
    Double,
    /// VARCHAR and BINARY: bytes that should be UTF-8.
    Varchar,
    Timestamp,
    /// Four-byte code points.
    NChar,
    UTinyInt,
    USmallInt,
    UInt,
    UBigInt,
    /// Tags only.
    Json,
    VarBinary,
    /// 16 bytes.
    Decimal,
    Blob,
    Geometry,
    /// 8 bytes.
    Decimal64,
}

impl Type {
    /// From the number on the wire. An unknown one is an error that names it: a skipped column would be lost data.
    pub fn from_number(number: i64) -> Result<Type> {
        Ok(match number {
            0 => Type::Null,
            1 => Type::Bool,
            2 => Type::TinyInt,
            3 => Type::SmallInt,
            4 => Type::Int,
            5 => Type::BigInt,
            6 => Type::Float,
            7 => Type::Double,
            8 => Type::Varchar,
            9 => Type::Timestamp,
            10 => Type::NChar,
            11 => Type::UTinyInt,
            12 => Type::USmallInt,
            13 => Type::UInt,
            14 => Type::UBigInt,
            15 => Type::Json,
            16 => Type::VarBinary,
            17 => Type::Decimal,
            18 => Type::Blob,
            20 => Type::Geometry,
            21 => Type::Decimal64,
            _ => {
                return Err(Error::new(
                    Kind::Refused,
                    format!("type number {number} is unknown to this version{}", Code::UnknownType.note()),
                ));
            }
        })
    }

    /// From the text in REST's `column_meta` and in DESCRIBE; decimals carry `(p, s)`.
    pub fn from_name(name: &str) -> Result<(Type, u8, u8)> {
        let upper = name.trim().to_ascii_uppercase();
        let (base, numbers) = match upper.split_once('(') {
            Some((base, rest)) => (base.trim(), Some(rest.trim_end_matches(')'))),
            None => (upper.as_str(), None),
        };
        let simple = |t| Ok((t, 0, 0));
        match base {
            "NULL" => simple(Type::Null),
            "BOOL" => simple(Type::Bool),
            "TINYINT" => simple(Type::TinyInt),
            "SMALLINT" => simple(Type::SmallInt),
            "INT" => simple(Type::Int),
            "BIGINT" => simple(Type::BigInt),
            "FLOAT" => simple(Type::Float),
            "DOUBLE" => simple(Type::Double),
            "VARCHAR" | "BINARY" => simple(Type::Varchar),
            "TIMESTAMP" => simple(Type::Timestamp),
            "NCHAR" => simple(Type::NChar),
            "TINYINT UNSIGNED" => simple(Type::UTinyInt),
            "SMALLINT UNSIGNED" => simple(Type::USmallInt),
            "INT UNSIGNED" => simple(Type::UInt),
            "BIGINT UNSIGNED" => simple(Type::UBigInt),
            "JSON" => simple(Type::Json),
            "VARBINARY" => simple(Type::VarBinary),
            "BLOB" => simple(Type::Blob),
            "GEOMETRY" => simple(Type::Geometry),
            "DECIMAL" => {
                let parsed = numbers.and_then(|text| {
                    let (precision, scale) = text.split_once(',')?;
                    Some((precision.trim().parse::<u8>().ok()?, scale.trim().parse::<u8>().ok()?))
                });
                match parsed {
                    Some((p, s)) if (1..=38).contains(&p) && s <= p => {
                        Ok((if p > 18 { Type::Decimal } else { Type::Decimal64 }, p, s))
                    }
                    _ => Err(Error::new(Kind::Refused, format!("type {name}: no precision and scale"))),
                }
            }
            _ => Err(Error::new(
                Kind::Refused,
                format!("type {name} is unknown to this version{}", Code::UnknownType.note()),
            )),
        }
    }

    /// Bytes of one value in a block, for types of fixed width.
    pub fn width(self) -> Option<usize> {
        Some(match self {
            Type::Null | Type::Bool | Type::TinyInt | Type::UTinyInt => 1,
            Type::SmallInt | Type::USmallInt => 2,
            Type::Int | Type::UInt | Type::Float => 4,
            Type::BigInt | Type::UBigInt | Type::Double | Type::Timestamp | Type::Decimal64 => 8,
            Type::Decimal => 16,
            Type::Varchar | Type::NChar | Type::Json | Type::VarBinary | Type::Blob | Type::Geometry => return None,
        })
    }
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The name; not unique in a result of a query of the user's own.
    pub name: String,
    /// The type.
    pub kind: Type,
    /// Digits, of decimals.
    pub precision: u8,
    /// Digits after the point, of decimals.
    pub scale: u8,
    /// Read text as bytes: for VARCHAR columns that do not hold UTF-8.
    pub as_bytes: bool,
    /// Give text as a dictionary: for tags and table names, where a block holds few values.
    pub dictionary: bool,
}

impl Column {
    /// A column that is read in the ordinary way.
    pub fn new(name: impl Into<String>, kind: Type) -> Column {
        Column { name: name.into(), kind, precision: 0, scale: 0, as_bytes: false, dictionary: false }
    }

    /// Our type for it; `unit` is the unit of the result's times.
    pub fn row_type(&self, unit: Unit) -> RowType {
        match self.kind {
            Type::Bool => RowType::Boolean,
            Type::TinyInt => RowType::Byte,
            Type::SmallInt => RowType::Short,
            Type::Int => RowType::Int,
            Type::BigInt => RowType::Long,
            Type::UTinyInt => RowType::UByte,
            Type::USmallInt => RowType::UShort,
            Type::UInt => RowType::UInt,
            Type::UBigInt => RowType::ULong,
            Type::Float => RowType::Float,
            Type::Double => RowType::Double,
            Type::Timestamp => RowType::Timestamp(unit),
            Type::Decimal | Type::Decimal64 => RowType::Decimal(self.precision, self.scale as i8),
            Type::Json => RowType::Json,
            Type::Geometry => RowType::Geometry,
            Type::VarBinary | Type::Blob => RowType::Binary,
            Type::Varchar | Type::NChar | Type::Null if self.as_bytes => RowType::Binary,
            Type::Varchar | Type::NChar | Type::Null => RowType::String,
        }
    }

    /// Is it given as a dictionary? (Only text can be.)
    pub fn is_dictionary(&self) -> bool {
        self.dictionary && !self.as_bytes && matches!(self.kind, Type::Varchar | Type::NChar)
    }

    /// The Arrow field that the decoders make of it.
    pub fn field(&self, unit: Unit) -> Field {
        let field = self.row_type(unit).field(&self.name);
        if self.is_dictionary() {
            return Field::new(&self.name, dictionary_type(), true).with_metadata(field.metadata().clone());
        }
        field
    }
}

/// `Dictionary(Int32, Utf8)`.
pub fn dictionary_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// Decoded rows: one array per column, all of the same length.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Number of rows.
    pub len: usize,
    /// The columns.
    pub columns: Vec<Arc<dyn arrow_array::Array>>,
}

/// The unit of a result's times, from the number in replies: 0 ms, 1 us, 2 ns.
pub fn unit_from_number(number: i64) -> Option<Unit> {
    match number {
        0 => Some(Unit::Ms),
        1 => Some(Unit::Us),
        2 => Some(Unit::Ns),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        for (number, name) in [
            (1, "BOOL"),
            (2, "TINYINT"),
            (3, "SMALLINT"),
            (4, "INT"),
            (5, "BIGINT"),
            (6, "FLOAT"),
            (7, "DOUBLE"),
            (8, "VARCHAR"),
            (9, "TIMESTAMP"),
            (10, "NCHAR"),
            (11, "TINYINT UNSIGNED"),
            (12, "SMALLINT UNSIGNED"),
            (13, "INT UNSIGNED"),
            (14, "BIGINT UNSIGNED"),
            (15, "JSON"),
            (16, "VARBINARY"),
            (17, "DECIMAL(38, 4)"),
            (18, "BLOB"),
            (20, "GEOMETRY"),
            (21, "DECIMAL(18,2)"),
        ] {
            assert_eq!(Type::from_number(number).unwrap(), Type::from_name(name).unwrap().0, "{name}");
        }
        assert_eq!(Type::from_name("DECIMAL(20, 4)").unwrap(), (Type::Decimal, 20, 4));
        assert!(Type::from_number(19).unwrap_err().to_string().contains("19"));
        assert!(Type::from_name("VECTOR").is_err() && Type::from_name("DECIMAL").is_err());
    }
}
