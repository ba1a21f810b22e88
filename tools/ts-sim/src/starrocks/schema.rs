//! What a table is: columns, key model, partitioning, distribution, properties.

use std::collections::BTreeMap;

use super::types::Type;
use super::value::Value;

/// What happens to rows of equal keys (dossier starrocks 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// All are kept.
    Duplicate,
    /// Value columns are combined.
    Aggregate,
    /// The last one wins.
    Unique,
    /// The last one wins; rows can be deleted and updated in part.
    Primary,
}

impl Model {
    /// As CREATE TABLE writes it.
    pub fn clause(self) -> &'static str {
        match self {
            Model::Duplicate => "DUPLICATE KEY",
            Model::Aggregate => "AGGREGATE KEY",
            Model::Unique => "UNIQUE KEY",
            Model::Primary => "PRIMARY KEY",
        }
    }

    /// `information_schema.columns.COLUMN_KEY` of a key column (dossier starrocks 5.1).
    pub fn column_key(self) -> &'static str {
        match self {
            Model::Duplicate => "DUP",
            Model::Aggregate => "AGG",
            Model::Unique => "UNI",
            Model::Primary => "PRI",
        }
    }

    /// `information_schema.tables_config.TABLE_MODEL`.
    pub fn table_model(self) -> &'static str {
        match self {
            Model::Duplicate => "DUP_KEYS",
            Model::Aggregate => "AGG_KEYS",
            Model::Unique => "UNQ_KEYS",
            Model::Primary => "PRI_KEYS",
        }
    }
}

/// How a value column of an AGGREGATE KEY table is combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combine {
    Sum,
    Min,
    Max,
    Replace,
    ReplaceIfNotNull,
    BitmapUnion,
    HllUnion,
}

impl Combine {
    /// All of them by name.
    pub const ALL: [(&'static str, Combine); 7] = [
        ("SUM", Combine::Sum),
        ("MIN", Combine::Min),
        ("MAX", Combine::Max),
        ("REPLACE", Combine::Replace),
        ("REPLACE_IF_NOT_NULL", Combine::ReplaceIfNotNull),
        ("BITMAP_UNION", Combine::BitmapUnion),
        ("HLL_UNION", Combine::HllUnion),
    ];

    /// As CREATE TABLE writes it.
    pub fn name(self) -> &'static str {
        Combine::ALL.iter().find(|(_, c)| *c == self).map_or("", |(name, _)| name)
    }
}

/// What a column is when nothing is given.
#[derive(Debug, Clone, PartialEq)]
pub enum Default {
    Text(String),
    Now,
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: String,
    pub ty: Type,
    pub key: bool,
    pub nullable: bool,
    pub combine: Option<Combine>,
    pub default: Option<Default>,
    pub auto_increment: bool,
    /// The text of `AS expression`.
    pub generated: Option<String>,
    pub comment: String,
}

/// How rows are spread over partitions; columns by position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partitioning {
    None,
    Range(Vec<usize>),
    List(Vec<usize>),
    /// `date_trunc(unit, column)`: partitions come with the rows.
    Truncated {
        unit: String,
        column: usize,
    },
    /// `PARTITION BY (a, b)` without LIST: partitions come with the rows.
    Values(Vec<usize>),
}

impl Partitioning {
    /// The columns that decide.
    pub fn columns(&self) -> &[usize] {
        match self {
            Partitioning::None => &[],
            Partitioning::Range(columns) | Partitioning::List(columns) | Partitioning::Values(columns) => columns,
            Partitioning::Truncated { column, .. } => std::slice::from_ref(column),
        }
    }

    /// Bounds are ranges, not lists.
    pub fn is_range(&self) -> bool {
        matches!(self, Partitioning::Range(_) | Partitioning::Truncated { .. })
    }

    /// Loads make the partitions that their rows need.
    pub fn is_automatic(&self) -> bool {
        matches!(self, Partitioning::Truncated { .. } | Partitioning::Values(_))
    }
}

/// How a partition is spread over tablets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// Empty: random.
    pub columns: Vec<String>,
    pub buckets: Option<u32>,
}

/// A table's definition.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    pub fields: Vec<Field>,
    pub model: Model,
    /// Positions of the key columns in their order.
    pub keys: Vec<usize>,
    pub partitioning: Partitioning,
    pub distribution: Distribution,
    pub order_by: Vec<String>,
    pub indexes: Vec<String>,
    pub properties: BTreeMap<String, String>,
    pub comment: String,
}

impl Schema {
    /// Position of a column; names ignore case (dossier starrocks 5.1).
    pub fn find(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name.eq_ignore_ascii_case(name))
    }

    /// Bytes that are equal for rows of equal keys, and for those alone.
    pub fn key_of<'a>(&self, get: impl Fn(usize) -> Value<'a>) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.keys.len() * 12);
        for at in &self.keys {
            encode(&get(*at), &mut key);
        }
        key
    }
}

/// Appends a value so that no other sequence of values has the same bytes.
pub fn encode(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0),
        Value::Int(n) => match i64::try_from(*n) {
            Ok(n) => {
                out.push(1);
                out.extend_from_slice(&n.to_le_bytes());
            }
            Err(_) => {
                out.push(2);
                out.extend_from_slice(&n.to_le_bytes());
            }
        },
        Value::Float(f) => {
            out.push(3);
            out.extend_from_slice(&f.to_bits().to_le_bytes());
        }
        Value::Bytes(b) => {
            out.push(4);
            out.extend_from_slice(&(b.len() as u32).to_le_bytes());
            out.extend_from_slice(b);
        }
    }
}
