//! `information_schema` (dossier starrocks 3.1, 4.1, 5.1).

use super::Session;
use super::query::{Columns, Made};
use super::virtual_table::{int, text, texts, typed};
use crate::starrocks::partition::Partition;
use crate::starrocks::schema::{Default as Given, Field, Model, Schema};
use crate::starrocks::store::{Database, Table};
use crate::starrocks::types::{STRING, Type};
use crate::starrocks::value::Value;
use crate::starrocks::version::Version;

const TEXT: Type = Type::Varchar(STRING);

/// The tables, for information_schema.tables itself.
pub const TABLES: [&str; 9] = [
    "columns",
    "load_tracking_logs",
    "loads",
    "materialized_views",
    "partitions_meta",
    "schemata",
    "tables",
    "tables_config",
    "views",
];

/// Columns and rows of a system table.
pub fn table(session: &Session, name: &str) -> Option<(Columns, Made)> {
    // Since 3.1 and 3.2 ([memory]).
    let since = match name {
        "loads" | "load_tracking_logs" => Version(3, 1, 0),
        "partitions_meta" => Version(3, 2, 0),
        _ => Version(0, 0, 0),
    };
    if session.server.version < since {
        return None;
    }
    Some(match name {
        "schemata" => schemata(session),
        "tables" => tables(session),
        "columns" => columns(session),
        "partitions_meta" => partitions_meta(session),
        "tables_config" => tables_config(session),
        "materialized_views" => materialized_views(session),
        "views" => views(session),
        "loads" => loads(session),
        "load_tracking_logs" => tracking_logs(session),
        "routines" | "statistics" | "triggers" | "key_column_usage" | "table_constraints" | "task_runs" | "tasks" => {
            (texts(&["TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME"]), Vec::new())
        }
        _ => return None,
    })
}

fn each(session: &Session, mut visit: impl FnMut(&str, &Table)) {
    for (name, database) in &session.server.store().databases {
        database.tables.values().for_each(|table| visit(name, table));
    }
}

fn each_database(session: &Session, mut visit: impl FnMut(&str, &Database)) {
    session.server.store().databases.iter().for_each(|(name, database)| visit(name, database));
}

fn schemata(session: &Session) -> (Columns, Made) {
    let names = ["CATALOG_NAME", "SCHEMA_NAME", "DEFAULT_CHARACTER_SET_NAME", "DEFAULT_COLLATION_NAME", "SQL_PATH"];
    let row = |name: &str| vec![text("def"), text(name), text("utf8"), text("utf8_general_ci"), Value::Null];
    let mut rows = vec![row("information_schema")];
    each_database(session, |name, _| rows.push(row(name)));
    (texts(&names), rows)
}

fn tables(session: &Session) -> (Columns, Made) {
    let columns = typed(&[
        ("TABLE_CATALOG", TEXT),
        ("TABLE_SCHEMA", TEXT),
        ("TABLE_NAME", TEXT),
        ("TABLE_TYPE", TEXT),
        ("ENGINE", TEXT),
        ("VERSION", Type::BigInt),
        ("ROW_FORMAT", TEXT),
        ("TABLE_ROWS", Type::BigInt),
        ("AVG_ROW_LENGTH", Type::BigInt),
        ("DATA_LENGTH", Type::BigInt),
        ("MAX_DATA_LENGTH", Type::BigInt),
        ("INDEX_LENGTH", Type::BigInt),
        ("DATA_FREE", Type::BigInt),
        ("AUTO_INCREMENT", Type::BigInt),
        ("CREATE_TIME", Type::DateTime),
        ("UPDATE_TIME", Type::DateTime),
        ("CHECK_TIME", Type::DateTime),
        ("TABLE_COLLATION", TEXT),
        ("CHECKSUM", Type::BigInt),
        ("CREATE_OPTIONS", TEXT),
        ("TABLE_COMMENT", TEXT),
    ]);
    let mut rows = Vec::new();
    let mut add = |database: &str, name: &str, kind: &str, table: Option<&Table>| {
        let bytes = table.map_or(0, |t| t.partitions.iter().map(|p| p.rows.bytes()).sum::<u64>());
        let mut row = vec![text("def"), text(database), text(name), text(kind)];
        row.push(text(if table.is_some() { "StarRocks" } else { "" }));
        row.extend([Value::Null, Value::Null]);
        row.push(table.map_or(Value::Null, |t| int(t.rows())));
        row.extend([Value::Null, int(bytes), Value::Null, Value::Null, Value::Null, Value::Null]);
        row.push(table.map_or(Value::Null, |t| Value::Int((t.created / 1_000_000 * 1_000_000).into())));
        row.extend([Value::Null, Value::Null, text("utf8_general_ci"), Value::Null, Value::Null]);
        row.push(text(table.map_or("", |t| t.schema.comment.as_str())));
        rows.push(row);
    };
    for name in TABLES {
        add("information_schema", name, "SYSTEM VIEW", None);
    }
    each_database(session, |database, found| {
        for table in found.tables.values() {
            add(database, &table.name, "BASE TABLE", Some(table));
        }
        for view in found.views.values() {
            add(database, &view.name, if view.materialized { "BASE TABLE" } else { "VIEW" }, None);
        }
    });
    (columns, rows)
}

/// COLUMN_KEY: only the keys of PRIMARY, UNIQUE, AGGREGATE and DUPLICATE tables have one.
fn column_key(schema: &Schema, field: &Field) -> &'static str {
    if field.key { schema.model.column_key() } else { "" }
}

/// COLUMN_TYPE: MySQL's words for two types (read in the vendor's SQLAlchemy dialect, which expects them).
fn column_type(ty: &Type) -> String {
    match ty {
        Type::Boolean => "tinyint(1)".to_string(),
        Type::LargeInt => "bigint(20) unsigned".to_string(),
        ty => ty.to_string(),
    }
}

/// DEFAULT's text.
pub fn default_text(field: &Field) -> Option<String> {
    match &field.default {
        Some(Given::Text(text)) => Some(text.clone()),
        Some(Given::Now) => Some("CURRENT_TIMESTAMP".to_string()),
        None => None,
    }
}

fn columns(session: &Session) -> (Columns, Made) {
    let columns = typed(&[
        ("TABLE_CATALOG", TEXT),
        ("TABLE_SCHEMA", TEXT),
        ("TABLE_NAME", TEXT),
        ("COLUMN_NAME", TEXT),
        ("ORDINAL_POSITION", Type::BigInt),
        ("COLUMN_DEFAULT", TEXT),
        ("IS_NULLABLE", TEXT),
        ("DATA_TYPE", TEXT),
        ("CHARACTER_MAXIMUM_LENGTH", Type::BigInt),
        ("CHARACTER_OCTET_LENGTH", Type::BigInt),
        ("NUMERIC_PRECISION", Type::BigInt),
        ("NUMERIC_SCALE", Type::BigInt),
        ("DATETIME_PRECISION", Type::BigInt),
        ("CHARACTER_SET_NAME", TEXT),
        ("COLLATION_NAME", TEXT),
        ("COLUMN_TYPE", TEXT),
        ("COLUMN_KEY", TEXT),
        ("EXTRA", TEXT),
        ("PRIVILEGES", TEXT),
        ("COLUMN_COMMENT", TEXT),
        ("COLUMN_SIZE", Type::BigInt),
        ("DECIMAL_DIGITS", Type::BigInt),
        ("GENERATION_EXPRESSION", TEXT),
    ]);
    let mut rows = Vec::new();
    each(session, |database, table| {
        for (at, field) in table.schema.fields.iter().enumerate() {
            let size = match &field.ty {
                Type::TinyInt => int(3),
                Type::SmallInt => int(5),
                Type::Int => int(10),
                Type::BigInt => int(19),
                Type::LargeInt => int(20),
                Type::Float => int(7),
                Type::Double => int(15),
                Type::Decimal(p, _) => int(*p),
                Type::Char(n) | Type::Varchar(n) | Type::VarBinary(n) => int(*n),
                // BOOLEAN has none (dossier starrocks 5.1).
                _ => Value::Null,
            };
            let digits = match &field.ty {
                Type::Decimal(_, s) => int(*s),
                ty if ty.bounds().is_some() && *ty != Type::Boolean => int(0),
                _ => Value::Null,
            };
            let length = if let Type::Char(n) | Type::Varchar(n) = &field.ty { int(*n) } else { Value::Null };
            rows.push(vec![
                text("def"),
                text(database),
                text(&table.name),
                text(&field.name),
                int(at as u64 + 1),
                default_text(field).map_or(Value::Null, text),
                text(if field.nullable { "YES" } else { "NO" }),
                text(field.ty.data_type()),
                length.clone(),
                length,
                if field.ty.bounds().is_some() || matches!(field.ty, Type::Decimal(..)) {
                    size.clone()
                } else {
                    Value::Null
                },
                digits.clone(),
                Value::Null,
                Value::Null,
                Value::Null,
                text(column_type(&field.ty)),
                text(column_key(&table.schema, field)),
                text(if field.auto_increment { "auto_increment" } else { "" }),
                text(""),
                text(&field.comment),
                size,
                digits,
                field.generated.as_ref().map_or(Value::Null, text),
            ]);
        }
    });
    (columns, rows)
}

fn partitions_meta(session: &Session) -> (Columns, Made) {
    let columns = typed(&[
        ("DB_NAME", TEXT),
        ("TABLE_NAME", TEXT),
        ("PARTITION_NAME", TEXT),
        ("PARTITION_ID", Type::BigInt),
        ("COMPACT_VERSION", Type::BigInt),
        ("VISIBLE_VERSION", Type::BigInt),
        ("VISIBLE_VERSION_TIME", Type::DateTime),
        ("NEXT_VERSION", Type::BigInt),
        ("DATA_VERSION", Type::BigInt),
        ("PARTITION_KEY", TEXT),
        ("PARTITION_VALUE", TEXT),
        ("DISTRIBUTION_KEY", TEXT),
        ("BUCKETS", Type::Int),
        ("REPLICATION_NUM", Type::Int),
        ("STORAGE_MEDIUM", TEXT),
        ("IS_IN_MEMORY", Type::Boolean),
        ("DATA_SIZE", TEXT),
        ("ROW_COUNT", Type::BigInt),
        ("IS_TEMP", Type::Boolean),
    ]);
    let mut rows = Vec::new();
    each(session, |database, table| {
        for partition in &table.partitions {
            let schema = &table.schema;
            rows.push(vec![
                text(database),
                text(&table.name),
                text(&partition.name),
                int(partition.id),
                int(0),
                int(partition.version),
                Value::Int((partition.version_time / 1_000_000 * 1_000_000).into()),
                int(partition.version + 1),
                int(partition.version),
                text(partition_key(schema)),
                text(bound_text(schema, partition)),
                text(schema.distribution.columns.join(", ")),
                int(schema.distribution.buckets.unwrap_or(1)),
                text(replication(schema)),
                text("HDD"),
                int(0),
                text(size_text(partition.rows.bytes())),
                int(partition.rows.count()),
                int(0),
            ]);
        }
    });
    (columns, rows)
}

/// Partition columns by name.
pub fn partition_key(schema: &Schema) -> String {
    let names = schema.partitioning.columns().iter().filter_map(|at| schema.fields.get(*at));
    names.map(|f| f.name.clone()).collect::<Vec<_>>().join(", ")
}

/// The Range or List text of a partition.
pub fn bound_text(schema: &Schema, partition: &Partition) -> String {
    let types: Vec<&Type> =
        schema.partitioning.columns().iter().filter_map(|at| schema.fields.get(*at)).map(|f| &f.ty).collect();
    partition.bound.show(&types)
}

/// `replication_num`, 3 unless given.
pub fn replication(schema: &Schema) -> &str {
    schema.properties.get("replication_num").map_or("3", String::as_str)
}

/// `2.5KB` (dossier starrocks 3.1).
pub fn size_text(bytes: u64) -> String {
    let mut size = bytes as f64;
    let mut unit = "B";
    for next in ["KB", "MB", "GB", "TB"] {
        if size < 1024.0 {
            break;
        }
        (size, unit) = (size / 1024.0, next);
    }
    let shown = (size * 1000.0).round() / 1000.0;
    format!("{shown}{unit}")
}

fn tables_config(session: &Session) -> (Columns, Made) {
    let columns = typed(&[
        ("TABLE_SCHEMA", TEXT),
        ("TABLE_NAME", TEXT),
        ("TABLE_ENGINE", TEXT),
        ("TABLE_MODEL", TEXT),
        ("PRIMARY_KEY", TEXT),
        ("PARTITION_KEY", TEXT),
        ("DISTRIBUTE_KEY", TEXT),
        ("DISTRIBUTE_TYPE", TEXT),
        ("DISTRIBUTE_BUCKET", Type::Int),
        ("SORT_KEY", TEXT),
        ("PROPERTIES", TEXT),
        ("TABLE_ID", Type::BigInt),
    ]);
    let quoted = |names: &[String]| names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    let mut rows = Vec::new();
    each(session, |database, table| {
        let schema = &table.schema;
        let names = |places: &[usize]| -> Vec<String> {
            places.iter().filter_map(|at| schema.fields.get(*at)).map(|f| f.name.clone()).collect()
        };
        let keys = names(&schema.keys);
        let unique = matches!(schema.model, Model::Primary | Model::Unique);
        let sort = if schema.order_by.is_empty() { keys.clone() } else { schema.order_by.clone() };
        let properties: serde_json::Map<String, serde_json::Value> = super::show_create::properties(schema)
            .into_iter()
            .map(|(k, v)| (k, serde_json::Value::String(v)))
            .collect();
        rows.push(vec![
            text(database),
            text(&table.name),
            text("OLAP"),
            text(schema.model.table_model()),
            text(if unique { quoted(&keys) } else { String::new() }),
            text(quoted(&names(schema.partitioning.columns()))),
            text(quoted(&schema.distribution.columns)),
            text(if schema.distribution.columns.is_empty() { "RANDOM" } else { "HASH" }),
            int(schema.distribution.buckets.unwrap_or(0)),
            text(quoted(&sort)),
            text(serde_json::Value::Object(properties).to_string()),
            int(table.id),
        ]);
    });
    (columns, rows)
}

fn materialized_views(session: &Session) -> (Columns, Made) {
    let names = [
        "MATERIALIZED_VIEW_ID",
        "TABLE_SCHEMA",
        "TABLE_NAME",
        "REFRESH_TYPE",
        "IS_ACTIVE",
        "INACTIVE_REASON",
        "PARTITION_TYPE",
        "TABLE_ROWS",
        "MATERIALIZED_VIEW_DEFINITION",
    ];
    let mut rows = Vec::new();
    each_database(session, |database, found| {
        for view in found.views.values().filter(|v| v.materialized) {
            let cells = ["0", database, &view.name, "ASYNC", "true", "", "UNPARTITIONED", "0", &view.create];
            rows.push(cells.iter().map(text).collect());
        }
    });
    (texts(&names), rows)
}

fn views(session: &Session) -> (Columns, Made) {
    let names = [
        "TABLE_CATALOG",
        "TABLE_SCHEMA",
        "TABLE_NAME",
        "VIEW_DEFINITION",
        "CHECK_OPTION",
        "IS_UPDATABLE",
        "DEFINER",
        "SECURITY_TYPE",
    ];
    let mut rows = Vec::new();
    each_database(session, |database, found| {
        for view in found.views.values().filter(|v| !v.materialized) {
            let cells = ["def", database, &view.name, &view.query, "NONE", "NO", "", ""];
            rows.push(cells.iter().map(text).collect());
        }
    });
    (texts(&names), rows)
}

fn loads(session: &Session) -> (Columns, Made) {
    let columns = typed(&[
        ("ID", Type::BigInt),
        ("LABEL", TEXT),
        ("PROFILE_ID", TEXT),
        ("DB_NAME", TEXT),
        ("TABLE_NAME", TEXT),
        ("USER", TEXT),
        ("WAREHOUSE", TEXT),
        ("STATE", TEXT),
        ("PROGRESS", TEXT),
        ("TYPE", TEXT),
        ("PRIORITY", TEXT),
        ("SCAN_ROWS", Type::BigInt),
        ("SCAN_BYTES", Type::BigInt),
        ("FILTERED_ROWS", Type::BigInt),
        ("UNSELECTED_ROWS", Type::BigInt),
        ("SINK_ROWS", Type::BigInt),
        ("RUNTIME_DETAILS", TEXT),
        ("CREATE_TIME", Type::DateTime),
        ("LOAD_START_TIME", Type::DateTime),
        ("LOAD_COMMIT_TIME", Type::DateTime),
        ("LOAD_FINISH_TIME", Type::DateTime),
        ("PROPERTIES", TEXT),
        ("ERROR_MSG", TEXT),
        ("TRACKING_SQL", TEXT),
        ("REJECTED_RECORD_PATH", TEXT),
        ("JOB_ID", Type::BigInt),
    ]);
    let mut rows = Vec::new();
    for load in &session.server.store().loads {
        let time = |at: i64| if at == 0 { Value::Null } else { Value::Int((at / 1_000_000 * 1_000_000).into()) };
        let done = load.state == "FINISHED";
        let sql = format!("select tracking_log from information_schema.load_tracking_logs where job_id={}", load.id);
        rows.push(vec![
            int(load.id),
            text(&load.label),
            Value::Null,
            text(&load.database),
            text(&load.table),
            text(&session.user),
            text("default_warehouse"),
            text(&load.state),
            text(if done { "ETL:100%; LOAD:100%" } else { "ETL:N/A; LOAD:N/A" }),
            text(&load.kind),
            text("NORMAL"),
            int(load.scan_rows),
            int(load.scan_bytes),
            int(load.filtered_rows),
            int(load.unselected_rows),
            int(load.sink_rows),
            text("{}"),
            time(load.created),
            time(load.created),
            time(load.finished),
            time(load.finished),
            text("{}"),
            if load.error.is_empty() { Value::Null } else { text(&load.error) },
            if load.tracking_log.is_empty() { Value::Null } else { text(sql) },
            Value::Null,
            int(load.id),
        ]);
    }
    (columns, rows)
}

fn tracking_logs(session: &Session) -> (Columns, Made) {
    let columns = typed(&[
        ("JOB_ID", Type::BigInt),
        ("LABEL", TEXT),
        ("DATABASE_NAME", TEXT),
        ("TRACKING_LOG", TEXT),
        ("TYPE", TEXT),
    ]);
    let store = session.server.store();
    let with_log = store.loads.iter().filter(|l| !l.tracking_log.is_empty());
    let rows = with_log
        .map(|l| vec![int(l.id), text(&l.label), text(&l.database), text(&l.tracking_log), text(&l.kind)])
        .collect();
    (columns, rows)
}
