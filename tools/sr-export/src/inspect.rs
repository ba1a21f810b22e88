//! What is said about tables instead of reading them: `--list`, `--schema`.

use crate::session::Session;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::Schema;
use fault::{Error, Kind, Result};
use rows::types::Type;
use serde_json::json;
use starrocks::catalog::{Kindred, Partition};
use std::sync::Arc;

/// The partitions of tables: what `--since-version` of a later run reads.
pub fn list(found: &[(String, Partition)]) -> Result<RecordBatch> {
    let text = |get: fn(&(String, Partition)) -> &str| -> (Type, ArrayRef) {
        (Type::String, Arc::new(StringArray::from_iter_values(found.iter().map(get))))
    };
    let long = |get: fn(&Partition) -> u64| -> (Type, ArrayRef) {
        let numbers = found.iter().map(|(_, partition)| i64::try_from(get(partition)).unwrap_or(i64::MAX));
        (Type::Long, Arc::new(Int64Array::from_iter_values(numbers)))
    };
    let columns = [
        ("table", text(|(table, _)| table)),
        ("partition", text(|(_, partition)| &partition.name)),
        ("partition_id", text(|(_, partition)| &partition.id)),
        ("visible_version", long(|partition| partition.version)),
        ("rows", long(|partition| partition.rows)),
        ("bytes", long(|partition| partition.bytes)),
        ("range", text(|(_, partition)| &partition.range)),
    ];
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for (name, (kind, array)) in columns {
        fields.push(kind.field(name));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .map_err(|e| Error::caused(Kind::Bug, "cannot build a table", e))
}

/// A JSON document: tables with their columns and keys, and the names of views.
pub fn schema(session: &mut Session, database: &str, tables: &[(String, Kindred)]) -> Result<String> {
    let version = session.repeat(|client| client.version())?;
    let mut described = Vec::new();
    for (name, kind) in tables {
        let columns = session.repeat(|client| client.columns(database, name))?;
        let columns: Vec<_> = columns
            .iter()
            .map(|column| {
                json!({
                    "name": column.name,
                    "type": column.text,
                    "nullable": column.nullable,
                    "key": column.key,
                    "comment": column.comment,
                })
            })
            .collect();
        let kind = match kind {
            Kindred::Table => "table",
            Kindred::View => "view",
            Kindred::MaterializedView => "materialized view",
        };
        described.push(json!({ "table": name, "kind": kind, "columns": columns }));
    }
    let source = session.connector.target.to_string();
    let document =
        json!({ "source": source, "version": version.to_string(), "database": database, "tables": described });
    let text = serde_json::to_string_pretty(&document).map_err(|e| Error::caused(Kind::Bug, "cannot write JSON", e))?;
    Ok(text + "\n")
}
