//! Rows that are made when they are asked for: SHOW statements and information_schema.

use super::query::{Columns, Made};
use super::{Refusal, Session, information_schema};
use crate::starrocks::types::{STRING, Type};
use crate::starrocks::value::Value;

/// Text columns of these names.
pub fn texts(names: &[&str]) -> Columns {
    names.iter().map(|name| (name.to_string(), Type::Varchar(STRING))).collect()
}

/// Columns of these names and types.
pub fn typed(columns: &[(&str, Type)]) -> Columns {
    columns.iter().map(|(name, ty)| (name.to_string(), ty.clone())).collect()
}

/// A text cell.
pub fn text(text: impl AsRef<str>) -> Value<'static> {
    Value::text(text.as_ref())
}

/// A whole number.
pub fn int(n: impl TryInto<i128>) -> Value<'static> {
    n.try_into().map_or(Value::Null, Value::Int)
}

/// The columns and rows of a system table; `None` for an ordinary database.
pub fn find(session: &Session, database: &str, table: &str) -> Option<Result<(Columns, Made), Refusal>> {
    if !database.eq_ignore_ascii_case("information_schema") {
        return None;
    }
    let name = table.to_ascii_lowercase();
    let found = information_schema::table(session, &name);
    Some(found.ok_or_else(|| Refusal::from(format!("Unknown table 'information_schema.{table}'"))))
}
