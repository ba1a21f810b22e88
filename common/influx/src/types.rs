//! Types of fields: the server's names for them, and ours.

use rows::types::Type;
use std::fmt;

/// What a field may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FieldType {
    Float,
    Integer,
    Unsigned,
    String,
    Boolean,
}

impl FieldType {
    /// From `SHOW FIELD KEYS` (versions 1 and 2).
    pub fn from_influxql(name: &str) -> Option<FieldType> {
        Some(match name {
            "float" => FieldType::Float,
            "integer" => FieldType::Integer,
            "unsigned" => FieldType::Unsigned,
            "string" => FieldType::String,
            "boolean" => FieldType::Boolean,
            _ => return None,
        })
    }

    /// From `information_schema.columns.data_type` (version 3): names of Arrow types.
    pub fn from_arrow(name: &str) -> Option<FieldType> {
        Some(match name {
            "Float64" => FieldType::Float,
            "Int64" => FieldType::Integer,
            "UInt64" => FieldType::Unsigned,
            "Utf8" | "LargeUtf8" | "Utf8View" => FieldType::String,
            "Boolean" => FieldType::Boolean,
            _ => return None,
        })
    }

    /// The name of InfluxQL.
    pub fn as_str(self) -> &'static str {
        match self {
            FieldType::Float => "float",
            FieldType::Integer => "integer",
            FieldType::Unsigned => "unsigned",
            FieldType::String => "string",
            FieldType::Boolean => "boolean",
        }
    }

    /// The type of our column.
    pub fn column(self) -> Type {
        match self {
            FieldType::Float => Type::Double,
            FieldType::Integer => Type::Long,
            FieldType::Unsigned => Type::ULong,
            FieldType::String => Type::String,
            FieldType::Boolean => Type::Boolean,
        }
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
