//! `information_schema`: the tables that tools read, with the columns of the recorded server (3.3.1).

use super::super::sql::error::SqlError;
use super::super::store::{Database, Stable, Table, now_ms};
use super::super::table::Rows;
use super::super::topic::{Carries, Reads, Topic};
use super::super::types::{Field, Kind, Type};
use super::super::value::Value;
use super::Context;
use super::expr::text;
use super::source::Source;
use crate::args::Precision;

/// The two schemas that every server has, and how many tables they hold.
const SYSTEM: [(&str, i64); 2] = [("information_schema", 32), ("performance_schema", 5)];

/// A catalog table as a source of rows.
pub fn table(context: &Context<'_>, name: &str) -> Result<Source, SqlError> {
    let (columns, rows) = match name {
        "ins_databases" => (DATABASES, databases(context)),
        "ins_stables" => (STABLES, each(context, |d| d.stables.iter().map(|s| stable(d, s)).collect())),
        "ins_tables" => (TABLES, each(context, |d| d.tables().iter().map(|t| table_row(d, t)).collect())),
        "ins_tags" => (TAGS, each(context, |d| d.tables().iter().flat_map(|t| tags(d, t)).collect())),
        "ins_columns" => (COLUMNS, each(context, columns_of)),
        "ins_vgroups" => (VGROUPS, each(context, vgroups)),
        "ins_topics" if !context.engine.version.is_2x() => (TOPICS, context.store.topics.iter().map(topic).collect()),
        "ins_cluster" => (CLUSTER, cluster(context)),
        _ => return Err(SqlError::no_table()),
    };
    let fields = fields(columns);
    let mut stored = Rows::new(fields.clone().into());
    rows.iter().for_each(|row| stored.append(row));
    Ok(Source::rows(fields.into(), stored, Precision::Ms))
}

/// Column definitions, as `NAME TYPE, NAME TYPE`.
pub fn fields(definitions: &str) -> Vec<Field> {
    let parts = definitions.split(',').filter_map(|part| part.trim().split_once(' '));
    parts.map(|(name, ty)| Field::new(name, Type::parse(ty).unwrap_or(Type::fixed(Kind::Bool)))).collect()
}

type Row = Vec<Value<'static>>;

fn each(context: &Context<'_>, rows: impl Fn(&Database) -> Vec<Row>) -> Vec<Row> {
    context.store.databases().iter().flat_map(rows).collect()
}

fn int(value: impl Into<i64>) -> Value<'static> {
    Value::Int(value.into())
}

fn txt(value: impl Into<String>) -> Value<'static> {
    Value::text(value)
}

const DATABASES: &str = "name VARCHAR(64), create_time TIMESTAMP, vgroups INT, ntables BIGINT, replica TINYINT, strict VARCHAR(4), \
    duration VARCHAR(10), keep VARCHAR(32), buffer INT, pagesize INT, pages INT, minrows INT, maxrows INT, comp TINYINT, \
    precision VARCHAR(2), status VARCHAR(10), retentions VARCHAR(60), single_stable BOOL, cachemodel VARCHAR(11), cachesize INT, \
    wal_level TINYINT, wal_fsync_period INT, wal_retention_period INT, wal_retention_size BIGINT, stt_trigger SMALLINT, \
    table_prefix SMALLINT, table_suffix SMALLINT, tsdb_pagesize INT, keep_time_offset INT, s3_chunksize INT, \
    s3_keeplocal VARCHAR(10), s3_compact TINYINT, with_arbitrator TINYINT, encrypt_algorithm VARCHAR(16)";

fn databases(context: &Context<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, tables) in SYSTEM {
        let mut row = vec![Value::Null; fields(DATABASES).len()];
        row[0] = txt(name);
        row[1] = Value::Time(now_ms());
        row[3] = int(tables);
        row[14] = txt("ms");
        row[15] = txt("ready");
        rows.push(row);
    }
    for d in context.store.databases() {
        let keep = format!("{0}m,{0}m,{0}m", d.keep);
        let settings = [int(256), int(4), int(256), int(100), int(4096), int(2)];
        let mut row = vec![
            txt(&*d.name),
            Value::Time(d.created),
            int(d.vgroups),
            int(d.tables().len() as i64),
            int(1),
            txt("on"),
        ];
        row.extend([txt(format!("{}m", d.duration)), txt(keep)]);
        row.extend(settings);
        row.extend([
            txt(d.precision.name()),
            txt("ready"),
            Value::Null,
            Value::Bool(false),
            txt("none"),
            int(1),
            int(1),
            int(3000),
        ]);
        row.extend([
            int(3600),
            int(0),
            int(1),
            int(0),
            int(0),
            int(4),
            int(0),
            int(262_144),
            txt("5256000m"),
            int(0),
            int(0),
            txt("none"),
        ]);
        rows.push(row);
    }
    rows
}

const STABLES: &str = "stable_name VARCHAR(192), db_name VARCHAR(64), create_time TIMESTAMP, columns INT, tags INT, \
    last_update TIMESTAMP, table_comment VARCHAR(1024), watermark VARCHAR(64), max_delay VARCHAR(64), rollup VARCHAR(128)";

fn stable(d: &Database, s: &Stable) -> Row {
    vec![
        txt(&*s.name),
        txt(&*d.name),
        Value::Time(s.created),
        int(s.fields.len() as i64),
        int(s.tags.len() as i64),
        Value::Time(s.created),
        Value::Null,
        txt("5000a,5000a"),
        txt("-1a,-1a"),
        txt(""),
    ]
}

const TABLES: &str = "table_name VARCHAR(192), db_name VARCHAR(64), create_time TIMESTAMP, columns INT, stable_name VARCHAR(192), \
    uid BIGINT, vgroup_id INT, ttl INT, table_comment VARCHAR(1024), type VARCHAR(21)";

fn table_row(d: &Database, t: &Table) -> Row {
    vec![
        txt(&*t.name),
        txt(&*d.name),
        Value::Time(t.created),
        int(t.fields.len() as i64),
        t.stable.as_ref().map_or(Value::Null, |s| txt(&*s.name)),
        int(t.uid),
        int(d.vgroup(&t.name)),
        int(t.ttl),
        Value::Null,
        txt(if t.stable.is_some() { "CHILD_TABLE" } else { "NORMAL_TABLE" }),
    ]
}

const TAGS: &str = "table_name VARCHAR(192), db_name VARCHAR(64), stable_name VARCHAR(192), tag_name VARCHAR(64), \
    tag_type VARCHAR(32), tag_value VARCHAR(16384)";

fn tags(d: &Database, t: &Table) -> Vec<Row> {
    let Some(stable) = &t.stable else { return Vec::new() };
    let row = |(field, value): (&Field, &Value<'static>)| {
        let value = if value.is_null() { Value::Null } else { Value::Bytes(text(value).into()) };
        vec![txt(&*t.name), txt(&*d.name), txt(&*stable.name), txt(&*field.name), txt(field.ty.full_name()), value]
    };
    stable.tags.iter().zip(t.tags.iter()).map(row).collect()
}

const COLUMNS: &str = "table_name VARCHAR(192), db_name VARCHAR(64), table_type VARCHAR(21), col_name VARCHAR(64), col_type VARCHAR(32), \
    col_length INT, col_precision INT, col_scale INT, col_nullable INT";

fn columns_of(d: &Database) -> Vec<Row> {
    let rows = |name: String, kind: &'static str, fields: &[Field]| -> Vec<Row> {
        let row = |f: &Field| {
            let mut row =
                vec![txt(&*name), txt(&*d.name), txt(kind), txt(&*f.name), txt(f.ty.full_name()), int(f.ty.declared())];
            row.extend([Value::Null, Value::Null, Value::Null]);
            row
        };
        fields.iter().map(row).collect()
    };
    let stables = d.stables.iter().flat_map(|s| rows(s.name.clone(), "SUPER_TABLE", &s.fields));
    let kind = |t: &Table| if t.stable.is_some() { "CHILD_TABLE" } else { "NORMAL_TABLE" };
    stables.chain(d.tables().iter().flat_map(|t| rows(t.name.to_string(), kind(t), &t.fields))).collect()
}

const TOPICS: &str = "topic_name VARCHAR(192), db_name VARCHAR(64), create_time TIMESTAMP, sql VARCHAR(1024), meta VARCHAR(4), \
    type VARCHAR(8)";

fn topic(topic: &Topic) -> Row {
    let meta = match topic.carries {
        Carries::Data => "no",
        Carries::Both => "yes",
        Carries::Meta => "only",
    };
    let kind = match topic.reads {
        Reads::Query(_) => "column",
        Reads::Database => "db",
        Reads::Stable(..) => "stable",
    };
    vec![txt(&*topic.name), txt(&*topic.database), Value::Time(topic.created), txt(&*topic.sql), txt(meta), txt(kind)]
}

/// The columns of `SHOW VGROUPS` (recorded), which are those of `ins_vgroups`.
pub const VGROUPS: &str = "vgroup_id INT, db_name VARCHAR(64), tables INT, v1_dnode SMALLINT, v1_status VARCHAR(9), v2_dnode SMALLINT, \
    v2_status VARCHAR(9), v3_dnode SMALLINT, v3_status VARCHAR(9), v4_dnode SMALLINT, v4_status VARCHAR(9), cacheload INT, \
    cacheelements INT, tsma TINYINT";

/// The vgroups of a database, with the number of their tables.
pub fn vgroups(d: &Database) -> Vec<Row> {
    let row = |group: i32| {
        let tables = d.tables().iter().filter(|t| d.vgroup(&t.name) == group).count();
        let mut row = vec![int(group), txt(&*d.name), int(tables as i64), int(1), txt("leader")];
        row.extend(vec![Value::Null; 6]);
        row.extend([int(0), int(0), int(0)]);
        row
    };
    (2..2 + d.vgroups).map(row).collect()
}

const CLUSTER: &str =
    "id BIGINT, name VARCHAR(40), uptime INT, create_time TIMESTAMP, version VARCHAR(10), expire_time TIMESTAMP";

fn cluster(_context: &Context<'_>) -> Vec<Row> {
    let name = "cb4bf134-0ea3-4db4-b776-6f680a68c2bd";
    vec![vec![
        int(4_030_869_431_667_162_704_i64),
        txt(name),
        int(300),
        Value::Time(now_ms()),
        txt("community"),
        Value::Null,
    ]]
}
