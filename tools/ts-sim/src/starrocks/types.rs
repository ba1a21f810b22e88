//! StarRocks' column types: their names in statements, and what the MySQL protocol calls them.

use std::fmt;

use opensrv_mysql::ColumnType;

/// A column's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    Boolean,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    /// 128 bits.
    LargeInt,
    Float,
    Double,
    /// Precision up to 38, scale.
    Decimal(u8, u8),
    Date,
    DateTime,
    /// Length in bytes, as in `Varchar` and `VarBinary`.
    Char(u32),
    Varchar(u32),
    VarBinary(u32),
    Json,
    Array(Box<Type>),
    Map(Box<Type>, Box<Type>),
    Struct(Vec<(String, Type)>),
    Bitmap,
    Hll,
    Percentile,
}

/// What `STRING` is (dossier starrocks 5.2).
pub const STRING: u32 = 65_533;
/// The longest VARCHAR in bytes.
pub const LONGEST: u32 = 1_048_576;

impl Type {
    /// Smallest and greatest value of a whole number.
    pub fn bounds(&self) -> Option<(i128, i128)> {
        Some(match self {
            Type::Boolean => (0, 1),
            Type::TinyInt => (i8::MIN.into(), i8::MAX.into()),
            Type::SmallInt => (i16::MIN.into(), i16::MAX.into()),
            Type::Int => (i32::MIN.into(), i32::MAX.into()),
            Type::BigInt => (i64::MIN.into(), i64::MAX.into()),
            Type::LargeInt => (i128::MIN, i128::MAX),
            _ => return None,
        })
    }

    /// Held as bytes.
    pub fn is_bytes(&self) -> bool {
        use Type::*;
        matches!(
            self,
            Char(_) | Varchar(_) | VarBinary(_) | Json | Array(_) | Map(..) | Struct(_) | Bitmap | Hll | Percentile
        )
    }

    /// Shown as NULL unless a function is put around it (dossier starrocks 5.2).
    pub fn is_opaque(&self) -> bool {
        matches!(self, Type::Bitmap | Type::Hll | Type::Percentile)
    }

    /// Can be a key (dossier starrocks 5.1).
    pub fn can_be_key(&self) -> bool {
        use Type::*;
        matches!(
            self,
            Boolean
                | TinyInt
                | SmallInt
                | Int
                | BigInt
                | LargeInt
                | Decimal(..)
                | Date
                | DateTime
                | Char(_)
                | Varchar(_)
        ) || matches!(self, VarBinary(_))
    }

    /// The type in a result set (LARGEINT, JSON and nested ones as strings: [memory]).
    pub fn mysql(&self) -> ColumnType {
        match self {
            Type::Boolean | Type::TinyInt => ColumnType::MYSQL_TYPE_TINY,
            Type::SmallInt => ColumnType::MYSQL_TYPE_SHORT,
            Type::Int => ColumnType::MYSQL_TYPE_LONG,
            Type::BigInt => ColumnType::MYSQL_TYPE_LONGLONG,
            Type::Float => ColumnType::MYSQL_TYPE_FLOAT,
            Type::Double => ColumnType::MYSQL_TYPE_DOUBLE,
            Type::Decimal(..) => ColumnType::MYSQL_TYPE_NEWDECIMAL,
            Type::Date => ColumnType::MYSQL_TYPE_DATE,
            Type::DateTime => ColumnType::MYSQL_TYPE_DATETIME,
            Type::Varchar(_) => ColumnType::MYSQL_TYPE_VAR_STRING,
            Type::VarBinary(_) => ColumnType::MYSQL_TYPE_BLOB,
            _ => ColumnType::MYSQL_TYPE_STRING,
        }
    }

    /// `information_schema.columns.DATA_TYPE`: MySQL's words (BOOLEAN and LARGEINT: dossier starrocks 5.1).
    pub fn data_type(&self) -> &'static str {
        match self {
            Type::Boolean | Type::TinyInt => "tinyint",
            Type::SmallInt => "smallint",
            Type::Int => "int",
            Type::BigInt => "bigint",
            Type::LargeInt => "bigint unsigned",
            Type::Float => "float",
            Type::Double => "double",
            Type::Decimal(..) => "decimal",
            Type::Date => "date",
            Type::DateTime => "datetime",
            Type::Char(_) => "char",
            Type::Varchar(_) => "varchar",
            Type::VarBinary(_) => "varbinary",
            Type::Json => "json",
            Type::Array(_) => "array",
            Type::Map(..) => "map",
            Type::Struct(_) => "struct",
            Type::Bitmap => "bitmap",
            Type::Hll => "hll",
            Type::Percentile => "percentile",
        }
    }
}

/// The text of SHOW CREATE TABLE, DESC and COLUMN_TYPE.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Boolean => f.write_str("boolean"),
            Type::TinyInt => f.write_str("tinyint(4)"),
            Type::SmallInt => f.write_str("smallint(6)"),
            Type::Int => f.write_str("int(11)"),
            Type::BigInt => f.write_str("bigint(20)"),
            Type::LargeInt => f.write_str("largeint(40)"),
            Type::Decimal(p, s) => write!(f, "decimal({p}, {s})"),
            Type::Char(n) => write!(f, "char({n})"),
            Type::Varchar(n) => write!(f, "varchar({n})"),
            Type::VarBinary(n) if *n == LONGEST => f.write_str("varbinary"),
            Type::VarBinary(n) => write!(f, "varbinary({n})"),
            Type::Array(inner) => write!(f, "array<{inner}>"),
            Type::Map(key, value) => write!(f, "map<{key},{value}>"),
            Type::Struct(fields) => {
                f.write_str("struct<")?;
                for (at, (name, ty)) in fields.iter().enumerate() {
                    write!(f, "{}{name} {ty}", if at > 0 { ", " } else { "" })?;
                }
                f.write_str(">")
            }
            other => f.write_str(other.data_type()),
        }
    }
}
