//! What is said about measurements instead of dumping them: `--list`, `--schema`, `--count`.

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::Schema;
use fault::{Error, Kind, Result};
use influx::Client;
use influx::catalog::Measurement;
use rows::types::Type;
use serde_json::json;
use std::sync::Arc;

/// Measurement, number of tags, number of fields.
pub fn list(tables: &[Measurement]) -> Result<RecordBatch> {
    let names = tables.iter().map(|table| table.name.clone()).collect();
    let tags = tables.iter().map(|table| table.tags.len() as i64).collect();
    let fields = tables.iter().map(|table| table.fields.len() as i64).collect();
    table(vec![("measurement", Column::Text(names)), ("tags", Column::Long(tags)), ("fields", Column::Long(fields))])
}

/// Measurement, field, number of values.
pub fn counts(tables: &[Measurement], mut count: impl FnMut(&Measurement) -> Result<Vec<u64>>) -> Result<RecordBatch> {
    let (mut names, mut fields, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for table in tables {
        for ((field, _), n) in table.fields.iter().zip(count(table)?) {
            names.push(table.name.clone());
            fields.push(field.clone());
            values.push(i64::try_from(n).unwrap_or(i64::MAX));
        }
    }
    table(vec![("measurement", Column::Text(names)), ("field", Column::Text(fields)), ("values", Column::Long(values))])
}

/// A JSON document: per measurement its tags and fields with their types.
pub fn schema(tables: &[Measurement], client: &Client) -> Result<String> {
    let list: Vec<_> = tables
        .iter()
        .map(|table| {
            let fields: Vec<_> = table
                .fields
                .iter()
                .map(|(name, kinds)| json!({ "name": name, "types": kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>() }))
                .collect();
            json!({ "measurement": table.name, "precision": "ns", "tags": table.tags, "fields": fields })
        })
        .collect();
    let document = json!({ "source": client.target().to_string(), "measurements": list });
    let text = serde_json::to_string_pretty(&document).map_err(|e| Error::caused(Kind::Bug, "cannot write JSON", e))?;
    Ok(text + "\n")
}

enum Column {
    Text(Vec<String>),
    Long(Vec<i64>),
}

fn table(columns: Vec<(&str, Column)>) -> Result<RecordBatch> {
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for (name, column) in columns {
        let (kind, array): (Type, ArrayRef) = match column {
            Column::Text(values) => (Type::String, Arc::new(StringArray::from(values))),
            Column::Long(values) => (Type::Long, Arc::new(Int64Array::from(values))),
        };
        fields.push(kind.field(name));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .map_err(|e| Error::caused(Kind::Bug, "cannot build a table", e))
}
