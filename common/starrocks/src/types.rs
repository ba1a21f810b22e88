//! StarRocks' types, what we make of them, and the expressions that read those which have no text of their own
//! (dossier starrocks 5.2).

use fault::{Error, Kind, Result};
use rows::time::Unit;
use rows::types::Type;
use std::fmt;

/// A column's type. What is of no consequence for reading (lengths, elements) is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SrType {
    Boolean,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    LargeInt,
    Float,
    Double,
    /// Precision up to 38 (76 in the newest versions) and scale.
    Decimal(u8, i8),
    Date,
    DateTime,
    /// CHAR, VARCHAR, STRING.
    Text,
    VarBinary,
    Json,
    Array,
    Map,
    Struct,
    Bitmap,
    Hll,
    Percentile,
}

impl SrType {
    /// From the text of `SHOW FULL COLUMNS` or of a statement (`varchar(64)`, `decimal(10, 2)`, `bigint(20) unsigned`).
    /// `None` for a type that we do not know.
    pub fn parse(text: &str) -> Option<SrType> {
        let text = text.trim().to_ascii_lowercase();
        let end = text.find(['(', '<', ' ']).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        Some(match word {
            "boolean" | "bool" => SrType::Boolean,
            // The catalogue for MySQL's clients shows BOOLEAN so; a TINYINT has 4 digits.
            "tinyint" if rest.starts_with("(1)") => SrType::Boolean,
            "tinyint" => SrType::TinyInt,
            "smallint" => SrType::SmallInt,
            "int" | "integer" => SrType::Int,
            // LARGEINT for MySQL's clients.
            "bigint" if rest.contains("unsigned") => SrType::LargeInt,
            "bigint" => SrType::BigInt,
            "largeint" => SrType::LargeInt,
            "float" => SrType::Float,
            "double" => SrType::Double,
            "date" => SrType::Date,
            "datetime" | "timestamp" => SrType::DateTime,
            "char" | "varchar" | "string" | "text" => SrType::Text,
            "varbinary" | "binary" => SrType::VarBinary,
            "json" => SrType::Json,
            "array" => SrType::Array,
            "map" => SrType::Map,
            "struct" => SrType::Struct,
            "bitmap" => SrType::Bitmap,
            "hll" => SrType::Hll,
            "percentile" => SrType::Percentile,
            _ if word.starts_with("decimal") => {
                let inner = rest.trim().strip_prefix('(').and_then(|rest| rest.split(')').next());
                match inner.map(|inner| inner.split_once(',').unwrap_or((inner, "0"))) {
                    Some((precision, scale)) => {
                        SrType::Decimal(precision.trim().parse().ok()?, scale.trim().parse().ok()?)
                    }
                    None => SrType::Decimal(10, 0),
                }
            }
            _ => return None,
        })
    }
}

impl fmt::Display for SrType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SrType::Boolean => "BOOLEAN",
            SrType::TinyInt => "TINYINT",
            SrType::SmallInt => "SMALLINT",
            SrType::Int => "INT",
            SrType::BigInt => "BIGINT",
            SrType::LargeInt => "LARGEINT",
            SrType::Float => "FLOAT",
            SrType::Double => "DOUBLE",
            SrType::Decimal(precision, scale) => return write!(f, "DECIMAL({precision},{scale})"),
            SrType::Date => "DATE",
            SrType::DateTime => "DATETIME",
            SrType::Text => "VARCHAR",
            SrType::VarBinary => "VARBINARY",
            SrType::Json => "JSON",
            SrType::Array => "ARRAY",
            SrType::Map => "MAP",
            SrType::Struct => "STRUCT",
            SrType::Bitmap => "BITMAP",
            SrType::Hll => "HLL",
            SrType::Percentile => "PERCENTILE",
        })
    }
}

/// How the text of a column becomes values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As the CSV grammar has it: numbers, 0 and 1, hexadecimal bytes.
    Plain,
    /// Any text, which must be UTF-8.
    Text,
    /// `YYYY-MM-DD`.
    Date,
    /// `YYYY-MM-DD HH:MM:SS[.ffffff]`.
    DateTime,
}

/// How a column is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The expression in the select list.
    pub expression: String,
    /// What we make of it.
    pub ty: Type,
    pub form: Form,
    /// The function around the column, where there is one.
    pub wrapper: Option<&'static str>,
}

/// What is to be done with what does not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// LARGEINT as text: it may have 39 digits, a decimal only 38.
    pub largeint_as_text: bool,
}

/// The way to read a column of this type; `quoted` is its name in backquotes. Types that MySQL's protocol shows as NULL
/// whatever they hold, and for which there is no function that loses nothing, are refused (exit 2): say how.
pub fn reading(quoted: &str, ty: SrType, policy: Policy) -> Result<Reading> {
    let plain = |ty| Reading { expression: quoted.to_owned(), ty, form: Form::Plain, wrapper: None };
    let wrapped = |function: &'static str, ty, form| Reading {
        expression: format!("{function}({quoted})"),
        ty,
        form,
        wrapper: Some(function),
    };
    Ok(match ty {
        SrType::Boolean => plain(Type::Boolean),
        SrType::TinyInt => plain(Type::Byte),
        SrType::SmallInt => plain(Type::Short),
        SrType::Int => plain(Type::Int),
        SrType::BigInt => plain(Type::Long),
        SrType::LargeInt if policy.largeint_as_text => Reading { form: Form::Text, ..plain(Type::String) },
        SrType::LargeInt => plain(Type::Decimal(38, 0)),
        SrType::Float => plain(Type::Float),
        SrType::Double => plain(Type::Double),
        // DECIMAL256 of the newest versions.
        SrType::Decimal(precision, _) if precision > 38 => Reading { form: Form::Text, ..plain(Type::String) },
        SrType::Decimal(precision, scale) => plain(Type::Decimal(precision, scale)),
        SrType::Date => Reading { form: Form::Date, ..plain(Type::Timestamp(Unit::S)) },
        SrType::DateTime => Reading { form: Form::DateTime, ..plain(Type::Timestamp(Unit::Us)) },
        SrType::Text => Reading { form: Form::Text, ..plain(Type::String) },
        SrType::Json | SrType::Array => Reading { form: Form::Text, ..plain(Type::Json) },
        // Printed as they are, keys that are no texts make no JSON.
        SrType::Map | SrType::Struct => wrapped("to_json", Type::Json, Form::Text),
        // Raw bytes would come, but a text protocol is no place for them.
        SrType::VarBinary => wrapped("hex", Type::Binary, Form::Plain),
        SrType::Bitmap => wrapped("bitmap_to_base64", Type::String, Form::Text),
        SrType::Hll | SrType::Percentile => {
            return Err(Error::new(
                Kind::Usage,
                format!(
                    "column {quoted}: {ty} has no text form that keeps everything (it would come as NULL): \
                     leave it out with --columns, or say how to read it: --expression 'NAME=hll_cardinality(NAME)'"
                ),
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_as_every_version_spells_them() {
        for (text, ty) in [
            ("varchar(65533)", SrType::Text),
            ("VARCHAR(5)", SrType::Text),
            ("decimal(10, 2)", SrType::Decimal(10, 2)),
            ("DECIMAL64(18,4)", SrType::Decimal(18, 4)),
            ("decimal128(38, 9)", SrType::Decimal(38, 9)),
            ("decimal", SrType::Decimal(10, 0)),
            ("bigint(20)", SrType::BigInt),
            ("bigint(20) unsigned", SrType::LargeInt),
            ("largeint(40)", SrType::LargeInt),
            ("tinyint(4)", SrType::TinyInt),
            ("tinyint(1)", SrType::Boolean),
            ("boolean", SrType::Boolean),
            ("array<varchar(10)>", SrType::Array),
            ("map<int(11),varchar(2)>", SrType::Map),
            ("struct<a int(11)>", SrType::Struct),
            ("datetime", SrType::DateTime),
            ("varbinary(16)", SrType::VarBinary),
        ] {
            assert_eq!(SrType::parse(text), Some(ty), "{text}");
        }
        assert_eq!(SrType::parse("geometry"), None);
    }

    #[test]
    fn what_would_come_as_null_is_wrapped_or_refused() {
        let read = |ty| reading("`c`", ty, Policy::default());
        assert_eq!(read(SrType::Bitmap).unwrap().expression, "bitmap_to_base64(`c`)");
        assert_eq!(read(SrType::VarBinary).unwrap().ty, Type::Binary);
        for ty in [SrType::Hll, SrType::Percentile] {
            assert_eq!(read(ty).unwrap_err().kind(), Kind::Usage);
        }
        let text = Policy { largeint_as_text: true };
        assert_eq!(read(SrType::LargeInt).unwrap().ty, Type::Decimal(38, 0));
        assert_eq!(reading("`c`", SrType::LargeInt, text).unwrap().ty, Type::String);
        assert_eq!(read(SrType::Decimal(76, 3)).unwrap().ty, Type::String);
    }
}
