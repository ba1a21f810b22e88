//! `SHOW …` and `DESC`.

use super::eval::like;
use super::information_schema::{TABLES, default_text};
use super::query::{Columns, Input, Made, over};
use super::virtual_table::{int, text, texts};
use super::{Answer, Refusal, Session, backends, jobs, show_create, show_partitions};
use crate::starrocks::sql::cursor::Qualified;
use crate::starrocks::sql::statement::Show;
use crate::starrocks::store::unknown_database;
use crate::starrocks::value::Value;

/// Runs `SHOW`: makes all rows, then LIKE, WHERE, ORDER BY and LIMIT take their share.
pub fn run(session: &Session, show: &Show) -> Result<Answer, Refusal> {
    let (columns, mut rows) = rows(session, show)?;
    if let Some(pattern) = &show.like {
        rows.retain(|row| {
            matches!(row.first(), Some(Value::Bytes(name)) if like(pattern.to_lowercase().as_bytes(), &name.to_ascii_lowercase()))
        });
    }
    over(session, &show.rest, columns, Input::Made(rows))
}

fn rows(session: &Session, show: &Show) -> Result<(Columns, Made), Refusal> {
    let target = || show.target.clone().ok_or_else(|| Refusal::from(format!("SHOW {}: no table is named", show.what)));
    // `SHOW TABLES FROM db`: what is named is a database.
    let database = || match &show.target {
        Some(name) => Ok(name.name.clone()),
        None => session.database_of(&Qualified { database: None, name: String::new() }),
    };
    Ok(match show.what.as_str() {
        "DATABASES" | "SCHEMAS" => {
            let store = session.server.store();
            let mut names = vec!["_statistics_".to_string(), "information_schema".to_string(), "sys".to_string()];
            names.extend(store.databases.keys().cloned());
            names.sort();
            (texts(&["Database"]), names.iter().map(|n| vec![text(n)]).collect())
        }
        "TABLES" => tables(session, &database()?, show.full)?,
        "PARTITIONS" | "TEMPORARY PARTITIONS" => show_partitions::run(session, &target()?)?,
        "COLUMNS" | "FIELDS" => columns(session, &target()?, show.full)?,
        "CREATE TABLE" | "CREATE VIEW" | "CREATE MATERIALIZED VIEW" => show_create::run(session, &target()?)?,
        "CREATE DATABASE" => {
            let name = target()?.name;
            (
                texts(&["Database", "Create Database"]),
                vec![vec![text(&name), text(format!("CREATE DATABASE `{name}`"))]],
            )
        }
        "BACKENDS" => backends::backends(session),
        "COMPUTE NODES" => backends::compute_nodes(),
        "FRONTENDS" => backends::frontends(session),
        "FRONTEND CONFIG" => {
            let config = [
                ("label_keep_max_num", session.server.args.label_keep.to_string()),
                ("run_mode", "shared_nothing".to_string()),
            ];
            let rows = config.iter().map(|(name, value)| {
                vec![text(name), text("[]"), text(value), text("String"), text("false"), text("")]
            });
            (texts(&["Key", "AliasNames", "Value", "Type", "IsMutable", "Comment"]), rows.collect())
        }
        "PROC" => (texts(&["Name"]), Vec::new()),
        "VARIABLES" => {
            let rows = session.variables().map(|(name, value)| vec![text(name), text(value)]).collect();
            (texts(&["Variable_name", "Value"]), rows)
        }
        "WARNINGS" | "ERRORS" => (texts(&["Level", "Code", "Message"]), Vec::new()),
        "COUNT WARNINGS" => (texts(&["count"]), vec![vec![int(0)]]),
        "ENGINES" => (
            texts(&["Engine", "Support", "Comment"]),
            vec![vec![text("OLAP"), text("YES"), text("Default storage engine of StarRocks")]],
        ),
        "COLLATION" | "CHARACTER SET" | "CHARSET" => {
            (texts(&["Charset", "Default collation"]), vec![vec![text("utf8"), text("utf8_general_ci")]])
        }
        "TABLE STATUS" => table_status(session, &database()?)?,
        "MATERIALIZED VIEWS" => views(session, &database()?)?,
        "ALTER TABLE COLUMN" | "ALTER TABLE OPTIMIZE" => (
            texts(&[
                "JobId",
                "TableName",
                "CreateTime",
                "FinishTime",
                "IndexName",
                "State",
                "Msg",
                "Progress",
                "Timeout",
            ]),
            Vec::new(),
        ),
        "INDEX" | "INDEXES" | "KEYS" => (texts(&["Table", "Non_unique", "Key_name", "Column_name"]), Vec::new()),
        "CATALOGS" => {
            (texts(&["Catalog", "Type", "Comment"]), vec![vec![text("default_catalog"), text("Internal"), text("")]])
        }
        "PROCESSLIST" => (texts(&["Id", "User", "Host", "Db", "Command"]), Vec::new()),
        "EXPORT" => jobs::show_export(session, &database()?)?,
        "LOAD" => jobs::show_load(session, &database()?)?,
        "TABLET" => show_partitions::tablets(session, &target()?)?,
        "DATA" => (texts(&["TableName", "Size", "ReplicaCount"]), Vec::new()),
        other => return Err(format!("the simulator does not know SHOW {other}").into()),
    })
}

fn tables(session: &Session, database: &str, full: bool) -> Result<(Columns, Made), Refusal> {
    let head = format!("Tables_in_{database}");
    let mut names: Vec<(String, &str)> = Vec::new();
    if database == "information_schema" {
        names.extend(TABLES.iter().map(|t| (t.to_string(), "SYSTEM VIEW")));
    } else {
        let store = session.server.store();
        let found = store.databases.get(database).ok_or_else(|| unknown_database(database))?;
        names.extend(found.tables.keys().map(|t| (t.clone(), "BASE TABLE")));
        names
            .extend(found.views.values().map(|v| (v.name.clone(), if v.materialized { "BASE TABLE" } else { "VIEW" })));
    }
    names.sort();
    let rows = names.iter().map(|(name, kind)| if full { vec![text(name), text(kind)] } else { vec![text(name)] });
    let heads = if full { texts(&[&head, "Table_type"]) } else { texts(&[&head]) };
    Ok((heads, rows.collect()))
}

/// `DESC table`.
pub fn describe(session: &Session, table: &Qualified) -> Result<Answer, Refusal> {
    let (heads, rows) = columns(session, table, false)?;
    Ok(Answer::made(heads, rows))
}

fn columns(session: &Session, table: &Qualified, full: bool) -> Result<(Columns, Made), Refusal> {
    let database = session.database_of(table)?;
    if let Some(found) = super::virtual_table::find(session, &database, &table.name) {
        let (columns, _) = found?;
        let rows = columns.iter().map(|(name, ty)| {
            vec![text(name), text(ty.to_string()), text("YES"), text("false"), Value::Null, text("")]
        });
        return Ok((texts(&["Field", "Type", "Null", "Key", "Default", "Extra"]), rows.collect()));
    }
    let store = session.server.store();
    let schema = &store.table(&database, &table.name)?.schema;
    let mut rows = Vec::new();
    for field in &schema.fields {
        let null = text(if field.nullable { "YES" } else { "NO" });
        let default = default_text(field).map_or(Value::Null, text);
        let extra = match (&field.combine, field.auto_increment) {
            (Some(combine), _) => combine.name().to_string(),
            (None, true) => "auto_increment".to_string(),
            _ => String::new(),
        };
        rows.push(if full {
            vec![
                text(&field.name),
                text(field.ty.to_string()),
                Value::Null,
                null,
                text(if field.key { "YES" } else { "NO" }),
                default,
                text(extra),
                text(""),
                text(&field.comment),
            ]
        } else {
            vec![text(&field.name), text(field.ty.to_string()), null, text(field.key.to_string()), default, text(extra)]
        });
    }
    let heads = if full {
        texts(&["Field", "Type", "Collation", "Null", "Key", "Default", "Extra", "Privileges", "Comment"])
    } else {
        texts(&["Field", "Type", "Null", "Key", "Default", "Extra"])
    };
    Ok((heads, rows))
}

fn table_status(session: &Session, database: &str) -> Result<(Columns, Made), Refusal> {
    let store = session.server.store();
    let found = store.databases.get(database).ok_or_else(|| unknown_database(database))?;
    let rows = found
        .tables
        .values()
        .map(|t| vec![text(&t.name), text("StarRocks"), text(t.rows().to_string()), text(&t.schema.comment)]);
    Ok((texts(&["Name", "Engine", "Rows", "Comment"]), rows.collect()))
}

fn views(session: &Session, database: &str) -> Result<(Columns, Made), Refusal> {
    let store = session.server.store();
    let found = store.databases.get(database).ok_or_else(|| unknown_database(database))?;
    let rows = found
        .views
        .values()
        .filter(|v| v.materialized)
        .map(|v| vec![text(&v.name), text(database), text("ASYNC"), text("true"), text(&v.create)]);
    Ok((texts(&["name", "database_name", "refresh_type", "is_active", "text"]), rows.collect()))
}
