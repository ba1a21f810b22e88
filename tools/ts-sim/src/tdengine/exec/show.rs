//! SHOW and DESCRIBE.

use std::fmt::Write;

use super::super::sql::ast::{Show, TableName};
use super::super::sql::error::SqlError;
use super::super::store::{Database, Table, described, now_ms};
use super::super::types::{Field, Kind, Type};
use super::super::value::Value;
use super::catalog::{self, fields};
use super::expr::like;
use super::select::values;
use super::{Context, ResultSet};
use crate::args::Precision;

type Row = Vec<Value<'static>>;

fn txt(value: impl Into<String>) -> Value<'static> {
    Value::text(value)
}

fn database<'a>(context: &Context<'a>, name: Option<&str>) -> Result<&'a Database, SqlError> {
    let name = name.or(context.database).ok_or_else(SqlError::no_current_database)?;
    context.store.database(name).ok_or_else(SqlError::no_database)
}

/// A table's or super table's columns and tags.
struct Shape<'a> {
    database: &'a Database,
    fields: &'a [Field],
    tags: &'a [Field],
    table: Option<&'a Table>,
}

fn shape<'a>(context: &Context<'a>, name: &TableName) -> Result<Shape<'a>, SqlError> {
    let wanted = name.database.as_deref().or(context.database).ok_or_else(SqlError::no_current_database)?;
    let database = context.store.database(wanted).ok_or_else(SqlError::no_database_of_table)?;
    if let Some(stable) = database.stable(&name.table) {
        return Ok(Shape { database, fields: &stable.fields, tags: &stable.tags, table: None });
    }
    let table = database.table(&name.table).ok_or_else(SqlError::no_table)?;
    let tags = table.stable.as_ref().map_or(&[][..], |s| &s.tags);
    Ok(Shape { database, fields: &table.fields, tags, table: Some(table) })
}

/// How the storage engine packs a type: encoding, compression, level (recorded).
fn encoding(ty: Type, tag: bool) -> [&'static str; 3] {
    if tag {
        return ["disabled"; 3];
    }
    [ty.encoding().0, "lz4", "medium"]
}

pub fn describe(context: &Context<'_>, name: &TableName) -> Result<ResultSet, SqlError> {
    // DESCRIBE has another code for a missing table than SELECT (recorded).
    let shape = shape(context, name)
        .map_err(|error| if error == SqlError::no_table() { SqlError::table_missing() } else { error })?;
    let old = context.engine.version.is_2x();
    let mut columns = fields("field VARCHAR(64), type VARCHAR(20), length INT, note VARCHAR(16)");
    if !old {
        columns.extend(fields("encode VARCHAR(12), compress VARCHAR(12), level VARCHAR(12)"));
    }
    let mut rows = Vec::new();
    for (name, ty, note) in described(shape.fields, shape.tags) {
        let mut row = vec![
            txt(name),
            txt(if old { name_2x(ty) } else { ty.name() }),
            Value::Int(i64::from(ty.declared())),
            txt(note),
        ];
        if !old {
            row.extend(encoding(ty, note == "TAG").map(txt));
        }
        rows.push(row);
    }
    Ok(values(columns, rows))
}

/// 2.x says BINARY.
fn name_2x(ty: Type) -> String {
    if ty.kind == Kind::VarChar { "BINARY".to_string() } else { ty.name() }
}

pub fn show(context: &Context<'_>, show: &Show) -> Result<ResultSet, SqlError> {
    match show {
        Show::Databases => Ok(databases(context)),
        Show::Stables { database: name, like: pattern } => stables(context, name.as_deref(), pattern.as_deref()),
        Show::Tables { database: name, like: pattern } => tables(context, name.as_deref(), pattern.as_deref()),
        Show::Vgroups { database: name } => {
            Ok(values(fields(catalog::VGROUPS), catalog::vgroups(database(context, name.as_deref())?)))
        }
        Show::CreateDatabase(name) => {
            let database = context.store.database(name).ok_or_else(SqlError::no_database)?;
            let columns = fields("Database VARCHAR(63), Create_Database VARCHAR(65517)");
            Ok(two(columns, "Create Database", &database.name, create_database(database)))
        }
        Show::CreateStable(name) => create(context, name, true),
        Show::CreateTable(name) => create(context, name, false),
        Show::TableTags(name) => table_tags(context, name),
        Show::Topics => {
            let rows = context.store.topics.iter().map(|t| vec![txt(&*t.name)]).collect();
            Ok(values(fields("topic_name VARCHAR(192)"), rows))
        }
        Show::Fixed(what) => Ok(fixed(context, what)),
    }
}

fn databases(context: &Context<'_>) -> ResultSet {
    if !context.engine.version.is_2x() {
        let system = ["information_schema", "performance_schema"].map(|n| vec![txt(n)]);
        let own = context.store.databases().iter().map(|d| vec![txt(&*d.name)]);
        return values(fields("name VARCHAR(64)"), system.into_iter().chain(own).collect());
    }
    let columns = fields(
        "name VARCHAR(32), created_time TIMESTAMP, ntables INT, vgroups INT, replica SMALLINT, quorum SMALLINT, days SMALLINT, \
         keep VARCHAR(24), cache INT, blocks INT, minrows INT, maxrows INT, wallevel TINYINT, fsync INT, comp TINYINT, \
         cachelast TINYINT, precision VARCHAR(3), update TINYINT, status VARCHAR(10)",
    );
    let row = |d: &Database| {
        let int = Value::Int;
        let keep = d.keep / 1440;
        let mut row =
            vec![txt(&*d.name), Value::Time(d.created), int(d.tables().len() as i64), int(i64::from(d.vgroups))];
        row.extend([int(1), int(1), int(d.duration / 1440), txt(format!("{keep},{keep},{keep}"))]);
        row.extend([16, 6, 100, 4096, 1, 3000, 2, 0].map(Value::Int));
        row.extend([txt(d.precision.name()), int(2), txt("ready")]);
        row
    };
    values(columns, context.store.databases().iter().map(row).collect())
}

fn stables(context: &Context<'_>, name: Option<&str>, pattern: Option<&[u8]>) -> Result<ResultSet, SqlError> {
    let database = database(context, name)?;
    let shown = database.stables.iter().filter(|s| pattern.is_none_or(|p| like(s.name.as_bytes(), p)));
    if !context.engine.version.is_2x() {
        return Ok(values(fields("stable_name VARCHAR(192)"), shown.map(|s| vec![txt(&*s.name)]).collect()));
    }
    let columns = fields("name VARCHAR(192), created_time TIMESTAMP, columns SMALLINT, tags SMALLINT, tables INT");
    let rows = shown.map(|s| {
        let children = database.children(&s.name).count() as i64;
        let counts = [s.fields.len() as i64, s.tags.len() as i64, children].map(Value::Int);
        [vec![txt(&*s.name), Value::Time(s.created)], counts.to_vec()].concat()
    });
    Ok(values(columns, rows.collect()))
}

fn tables(context: &Context<'_>, name: Option<&str>, pattern: Option<&[u8]>) -> Result<ResultSet, SqlError> {
    let database = database(context, name)?;
    let shown = database.tables().iter().filter(|t| pattern.is_none_or(|p| like(t.name.as_bytes(), p)));
    if !context.engine.version.is_2x() {
        return Ok(values(fields("table_name VARCHAR(192)"), shown.map(|t| vec![txt(&*t.name)]).collect()));
    }
    let columns = fields(
        "table_name VARCHAR(192), created_time TIMESTAMP, columns SMALLINT, stable_name VARCHAR(192), uid BIGINT, tid INT, vgId INT",
    );
    let row = |(tid, t): (usize, &Table)| {
        let stable = t.stable.as_ref().map_or_else(|| txt(""), |s| txt(&*s.name));
        let mut row = vec![txt(&*t.name), Value::Time(t.created), Value::Int(t.fields.len() as i64), stable];
        row.extend([Value::Int(t.uid), Value::Int(tid as i64 + 1), Value::Int(i64::from(database.vgroup(&t.name)))]);
        row
    };
    Ok(values(columns, shown.enumerate().map(row).collect()))
}

fn two(mut columns: Vec<Field>, second: &str, name: &str, statement: String) -> ResultSet {
    columns[1].name = second.to_string();
    values(columns, vec![vec![txt(name), txt(statement)]])
}

fn create_database(d: &Database) -> String {
    format!(
        "CREATE DATABASE `{}` BUFFER 256 CACHESIZE 1 CACHEMODEL 'none' COMP 2 DURATION {}m WAL_FSYNC_PERIOD 3000 MAXROWS 4096 \
         MINROWS 100 STT_TRIGGER 1 KEEP {k}m,{k}m,{k}m PAGES 256 PAGESIZE 4 PRECISION '{}' REPLICA 1 WAL_LEVEL 1 VGROUPS {} \
         SINGLE_STABLE 0 TABLE_PREFIX 0 TABLE_SUFFIX 0 TSDB_PAGESIZE 4 WAL_RETENTION_PERIOD 3600 WAL_RETENTION_SIZE 0 \
         KEEP_TIME_OFFSET 0 ENCRYPT_ALGORITHM 'none' S3_CHUNKSIZE 262144 S3_KEEPLOCAL 5256000m S3_COMPACT 0",
        d.name,
        d.duration,
        d.precision.name(),
        d.vgroups,
        k = d.keep,
    )
}

fn create(context: &Context<'_>, name: &TableName, stable: bool) -> Result<ResultSet, SqlError> {
    let shape = shape(context, name)?;
    if stable && shape.table.is_some() {
        return Err(SqlError::no_table());
    }
    let mut sql = String::new();
    match shape.table.and_then(|t| t.stable.as_ref().map(|s| (t, s))) {
        Some((table, parent)) => {
            let names: Vec<String> = shape.tags.iter().map(|t| format!("`{}`", t.name)).collect();
            let tags: Vec<String> = shape.tags.iter().zip(table.tags.iter()).map(|(f, v)| tag_literal(f, v)).collect();
            let _ = write!(
                sql,
                "CREATE TABLE `{}` USING `{}` ({}) TAGS ({})",
                table.name,
                parent.name,
                names.join(", "),
                tags.join(", ")
            );
        }
        None => {
            let column = |f: &Field| {
                let [encode, compress, level] = encoding(f.ty, false);
                let key = if f.key { " PRIMARY KEY" } else { "" };
                format!(
                    "`{}` {} ENCODE '{encode}' COMPRESS '{compress}' LEVEL '{level}'{key}",
                    f.name,
                    f.ty.full_name()
                )
            };
            let columns: Vec<String> = shape.fields.iter().map(column).collect();
            let kind = if shape.table.is_some() { "TABLE" } else { "STABLE" };
            let _ = write!(sql, "CREATE {kind} `{}` ({})", name.table, columns.join(", "));
            if shape.table.is_none() {
                let tags: Vec<String> =
                    shape.tags.iter().map(|f| format!("`{}` {}", f.name, f.ty.full_name())).collect();
                let _ = write!(sql, " TAGS ({})", tags.join(", "));
            }
        }
    }
    let columns =
        vec![Field::new("Table", Type::var(Kind::VarChar, 193)), Field::new("", Type::var(Kind::VarChar, 3_145_726))];
    Ok(two(columns, "Create Table", &name.table, sql))
}

fn tag_literal(field: &Field, value: &Value<'_>) -> String {
    if value.is_null() {
        return "NULL".to_string();
    }
    let text = String::from_utf8_lossy(&super::expr::text(value)).into_owned();
    match (field.ty.width(), value) {
        (None, Value::Bytes(bytes)) if matches!(field.ty.kind, Kind::VarBinary | Kind::Geometry | Kind::Blob) => {
            format!("\"\\x{}\"", hex::encode(bytes))
        }
        (None, _) => format!("\"{text}\""),
        _ => text,
    }
}

fn table_tags(context: &Context<'_>, name: &TableName) -> Result<ResultSet, SqlError> {
    let shape = shape(context, name)?;
    let mut columns = vec![Field::new("tbname", super::super::types::TBNAME)];
    columns.extend(shape.tags.iter().cloned());
    let children: Vec<&Table> = match shape.table {
        Some(table) => vec![table],
        None => shape.database.children(&name.table).collect(),
    };
    let row = |t: &&Table| -> Row { std::iter::once(txt(&*t.name)).chain(t.tags.iter().cloned()).collect() };
    let rows = children.iter().map(row).collect();
    Ok(ResultSet { precision: shape.database.precision, ..values(columns, rows) })
}

/// Lists that are always empty, or describe the one user, node and licence.
fn fixed(context: &Context<'_>, what: &str) -> ResultSet {
    let (columns, rows): (&str, Vec<Row>) = match what {
        "streams" => ("stream_name VARCHAR(192)", Vec::new()),
        "users" => {
            let row = vec![
                txt(&*context.engine.user),
                Value::Int(1),
                Value::Int(1),
                Value::Int(1),
                Value::Time(now_ms()),
                txt("127.0.0.1"),
            ];
            (
                "name VARCHAR(24), super TINYINT, enable TINYINT, sysinfo TINYINT, create_time TIMESTAMP, allowed_host VARCHAR(49152)",
                vec![row],
            )
        }
        "dnodes" => {
            let vnodes: i32 = context.store.databases().iter().map(|d| d.vgroups).sum();
            let now = Value::Time(now_ms());
            let row = vec![
                Value::Int(1),
                txt("localhost:6030"),
                Value::Int(i64::from(vnodes)),
                Value::Int(64),
                txt("ready"),
                now.clone(),
                now,
                txt(""),
            ];
            let columns = "id INT, endpoint VARCHAR(134), vnodes SMALLINT, support_vnodes SMALLINT, status VARCHAR(10), \
                 create_time TIMESTAMP, reboot_time TIMESTAMP, note VARCHAR(256)";
            (columns, vec![row])
        }
        _ => {
            let row =
                ["community", "unlimited", "limited", "false", "ungranted", "unlimited", "unlimited", "unlimited"];
            let columns = "version VARCHAR(9), expire_time VARCHAR(19), service_time VARCHAR(19), expired VARCHAR(5), \
                 state VARCHAR(9), timeseries VARCHAR(21), dnodes VARCHAR(10), cpu_cores VARCHAR(13)";
            (columns, vec![row.map(txt).to_vec()])
        }
    };
    ResultSet { precision: Precision::Ms, ..values(fields(columns), rows) }
}
