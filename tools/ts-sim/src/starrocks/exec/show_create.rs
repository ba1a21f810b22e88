//! `SHOW CREATE TABLE` and of views (dossier starrocks 5.1).

use super::query::{Columns, Made};
use super::virtual_table::{text, texts};
use super::{Refusal, Session};
use crate::starrocks::partition::{Bound, Edge, plain};
use crate::starrocks::schema::{Default as Given, Field, Partitioning, Schema};
use crate::starrocks::sql::cursor::Qualified;
use crate::starrocks::store::Table;
use crate::starrocks::types::Type;

/// The statement that would make a table or view again.
pub fn run(session: &Session, name: &Qualified) -> Result<(Columns, Made), Refusal> {
    let database = session.database_of(name)?;
    let store = session.server.store();
    if let Some(view) = store.databases.get(&database).and_then(|d| d.views.get(&name.name)) {
        if view.materialized {
            let heads = texts(&["Materialized View", "Create Materialized View"]);
            return Ok((heads, vec![vec![text(&view.name), text(&view.create)]]));
        }
        let heads = texts(&["View", "Create View", "character_set_client", "collation_connection"]);
        return Ok((heads, vec![vec![text(&view.name), text(&view.create), text("utf8"), text("utf8_general_ci")]]));
    }
    let table = store.table(&database, &name.name)?;
    Ok((texts(&["Table", "Create Table"]), vec![vec![text(&table.name), text(create(table))]]))
}

/// The properties that are shown, in sorted order: what was given, and the defaults (dossier starrocks 5.1).
pub fn properties(schema: &Schema) -> Vec<(String, String)> {
    let mut all = schema.properties.clone();
    for (name, value) in [
        ("compression", "LZ4"),
        ("fast_schema_evolution", "true"),
        ("replicated_storage", "true"),
        ("replication_num", "3"),
    ] {
        all.entry(name.to_string()).or_insert_with(|| value.to_string());
    }
    all.into_iter().collect()
}

fn quoted(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn column(field: &Field) -> String {
    let mut line = format!("  `{}` {}", field.name, field.ty);
    if let Some(combine) = field.combine {
        line += &format!(" {}", combine.name());
    }
    line += if field.nullable { " NULL" } else { " NOT NULL" };
    if field.auto_increment {
        line += " AUTO_INCREMENT";
    }
    match &field.default {
        Some(Given::Now) => line += " DEFAULT CURRENT_TIMESTAMP",
        Some(Given::Text(text)) => line += &format!(" DEFAULT \"{}\"", escaped(text)),
        None => {}
    }
    if let Some(expression) = &field.generated {
        line += &format!(" AS {expression}");
    }
    line + &format!(" COMMENT \"{}\"", escaped(&field.comment))
}

fn create(table: &Table) -> String {
    let schema = &table.schema;
    let names = |places: &[usize]| quoted(places.iter().filter_map(|at| schema.fields.get(*at)).map(|f| &f.name));
    let mut lines: Vec<String> = schema.fields.iter().map(column).collect();
    lines.extend(schema.indexes.iter().map(|index| format!("  {index}")));
    let mut out = format!("CREATE TABLE `{}` (\n{}\n) ENGINE=OLAP \n", table.name, lines.join(",\n"));
    out += &format!("{}({})\n", schema.model.clause(), names(&schema.keys));
    if !schema.comment.is_empty() {
        out += &format!("COMMENT \"{}\"\n", escaped(&schema.comment));
    }
    out += &partitions(table, &names);
    let spread = &schema.distribution;
    out += &match spread.columns.is_empty() {
        true => "DISTRIBUTED BY RANDOM".to_string(),
        false => format!("DISTRIBUTED BY HASH({})", quoted(&spread.columns)),
    };
    if let Some(buckets) = spread.buckets {
        out += &format!(" BUCKETS {buckets} ");
    }
    out += "\n";
    if !schema.order_by.is_empty() {
        out += &format!("ORDER BY({})\n", quoted(&schema.order_by));
    }
    let properties: Vec<String> =
        properties(schema).iter().map(|(k, v)| format!("\"{}\" = \"{}\"", escaped(k), escaped(v))).collect();
    out + &format!("PROPERTIES (\n{}\n);", properties.join(",\n"))
}

/// Range and list tables name every partition, expression tables none ([memory]).
fn partitions(table: &Table, names: &dyn Fn(&[usize]) -> String) -> String {
    let schema = &table.schema;
    let types: Vec<&Type> =
        schema.partitioning.columns().iter().filter_map(|at| schema.fields.get(*at)).map(|f| &f.ty).collect();
    let head = match &schema.partitioning {
        Partitioning::None => return String::new(),
        Partitioning::Truncated { unit, column } => {
            return format!(
                "PARTITION BY date_trunc('{unit}', {})\n",
                schema.fields.get(*column).map_or("", |f| &f.name)
            );
        }
        Partitioning::Values(columns) => return format!("PARTITION BY ({})\n", names(columns)),
        Partitioning::Range(columns) => format!("PARTITION BY RANGE({})\n", names(columns)),
        Partitioning::List(columns) => format!("PARTITION BY LIST({})\n", names(columns)),
    };
    let edge = |edge: &Edge, ty: &Type| match edge {
        Edge::At(value) => format!("\"{}\"", escaped(&plain(value, ty))),
        Edge::Max => "MAXVALUE".to_string(),
        Edge::Min => match ty {
            Type::Date => "\"0000-01-01\"".to_string(),
            Type::DateTime => "\"0000-01-01 00:00:00\"".to_string(),
            ty => format!("\"{}\"", ty.bounds().map_or(0, |(low, _)| low)),
        },
    };
    let edges = |all: &[Edge]| all.iter().zip(&types).map(|(e, ty)| edge(e, ty)).collect::<Vec<_>>().join(", ");
    let mut lines = Vec::new();
    for partition in &table.partitions {
        let name = &partition.name;
        lines.push(match &*partition.bound {
            Bound::All => continue,
            Bound::Range { from, to } => format!("PARTITION {name} VALUES [({}), ({}))", edges(from), edges(to)),
            Bound::List(lists) => {
                let rows: Vec<String> = lists
                    .iter()
                    .map(|list| {
                        let cells: Vec<String> =
                            list.iter().zip(&types).map(|(v, ty)| format!("'{}'", plain(v, ty))).collect();
                        if cells.len() == 1 { cells.concat() } else { format!("({})", cells.join(", ")) }
                    })
                    .collect();
                format!("  PARTITION {name} VALUES IN ({})", rows.join(", "))
            }
        });
    }
    format!("{head}({})\n", lines.join(",\n"))
}
