//! `--load DB.TABLE=FILE`: a typed CSV (`name|type` header) into a table, which is made when it is not there.

use std::collections::BTreeMap;

use fault::{Error, Result};

use super::datetime;
use super::loading::{Loader, Prepared, Settings};
use super::schema::{Distribution, Field, Model, Partitioning, Schema};
use super::server::Server;
use super::store::Store;
use super::types::{LONGEST, STRING, Type};
use super::value::Value;
use crate::csv::Record;
use crate::load::{Load, malformed};

/// Rows that become visible together.
const BATCH: u64 = 1_000_000;

/// Loads what `DB.TABLE=FILE` names.
pub fn load(server: &Server, spec: &str) -> Result<()> {
    let mut file = Load::open(spec)?;
    let Load { database, table, path, .. } = file;
    let sources = header_of(&file.header()?, path)?;
    let refused = |why: String| Error::usage(format!("--load {database}.{table}: {why}"));
    make(&mut server.store_mut(), database, table, &sources).map_err(refused)?;
    let names: Vec<String> = sources
        .iter()
        // A name that no table has: its cells are skipped.
        .map(|s| if s.role == Role::Ignored { String::new() } else { s.name.clone() })
        .collect();
    let settings = Settings { strict: true, ..Settings::default() };
    let start = || Loader::new(&server.store(), database, table, &names, &settings).map_err(refused);
    let publish = |load: Prepared| server.store_mut().publish(load).map_err(refused);
    let mut loading = Some(start()?);
    file.rows(|at, record| {
        // After the last one is published: it may have made partitions.
        let loader = match &mut loading {
            Some(loader) => loader,
            None => loading.insert(start()?),
        };
        let row = values(record, &sources).map_err(|why| malformed(path, at, &why))?;
        loader.values(row, false).map_err(|why| malformed(path, at, &why))?;
        let full = loader.outcome().loaded >= BATCH;
        loading.take_if(|_| full).map_or(Ok(()), |loader| publish(loader.finish()))
    })?;
    loading.map_or(Ok(()), |loader| publish(loader.finish()))
}

/// What a column of the file is.
struct Source {
    name: String,
    ty: Type,
    role: Role,
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Time,
    Key,
    Value,
    Ignored,
}

fn header_of(header: &Record<'_>, path: &str) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for at in 0..header.len() {
        let cell = String::from_utf8_lossy(header.get(at).unwrap_or_default()).into_owned();
        let bad = || malformed(path, 1, &format!("column {}: `{cell}` is not name|type", at + 1));
        let (name, role) = cell.rsplit_once('|').ok_or_else(bad)?;
        let (base, key) = role.strip_suffix(":key").map_or((role, false), |base| (base, true));
        let (role, ty) = match base {
            "time" => (Role::Time, Type::DateTime),
            "table" | "table:redundant" | "measurement" | "tag" => (Role::Key, Type::Varchar(STRING)),
            _ => match (base.strip_prefix("tag:"), base.strip_prefix("ignore:")) {
                (Some(ty), _) => (Role::Key, column_type(ty).ok_or_else(bad)?),
                (_, Some(ty)) => (Role::Ignored, column_type(ty).ok_or_else(bad)?),
                _ => (if key { Role::Key } else { Role::Value }, column_type(base).ok_or_else(bad)?),
            },
        };
        // What cannot be a key is a value.
        let role = if role == Role::Key && !ty.can_be_key() { Role::Value } else { role };
        sources.push(Source { name: name.to_string(), ty, role });
    }
    if sources.iter().filter(|s| s.role == Role::Time).count() != 1 {
        return Err(malformed(path, 1, "there must be one column of type time"));
    }
    Ok(sources)
}

/// The StarRocks type of a CSV type: the next wider one for unsigned numbers (dossier starrocks 5.2).
fn column_type(name: &str) -> Option<Type> {
    Some(match name {
        "double" => Type::Double,
        "float" => Type::Float,
        "long" | "uint" => Type::BigInt,
        "int" | "ushort" => Type::Int,
        "short" | "ubyte" => Type::SmallInt,
        "byte" => Type::TinyInt,
        "ulong" | "unsignedLong" => Type::LargeInt,
        "boolean" | "bool" => Type::Boolean,
        "timestamp" | "dateTime" => Type::DateTime,
        "string" => Type::Varchar(STRING),
        "binary" | "geometry" => Type::VarBinary(LONGEST),
        "json" => Type::Json,
        _ => {
            let digits = name.strip_prefix("decimal(")?.strip_suffix(')')?;
            let (precision, scale) = digits.split_once(',')?;
            Type::Decimal(precision.trim().parse().ok()?, scale.trim().parse().ok()?)
        }
    })
}

/// Makes database and table where they are missing: DUPLICATE KEY(time, tags), a partition for each month.
fn make(store: &mut Store, database: &str, table: &str, sources: &[Source]) -> std::result::Result<(), String> {
    if !store.databases.contains_key(database) {
        store.create_database(database)?;
    }
    if store.table(database, table).is_ok() {
        return Ok(());
    }
    let mut fields: Vec<Field> = Vec::new();
    for role in [Role::Time, Role::Key, Role::Value] {
        for source in sources.iter().filter(|s| s.role == role) {
            fields.push(Field {
                name: source.name.clone(),
                ty: source.ty.clone(),
                key: role != Role::Value,
                nullable: role != Role::Time,
                combine: None,
                default: None,
                auto_increment: false,
                generated: None,
                comment: String::new(),
            });
        }
    }
    let keys: Vec<usize> = (0..fields.iter().filter(|f| f.key).count()).collect();
    let spread = fields.get(1).filter(|f| f.key).or(fields.first()).map(|f| f.name.clone());
    let schema = Schema {
        fields,
        model: Model::Duplicate,
        keys,
        partitioning: Partitioning::Truncated { unit: "month".to_string(), column: 0 },
        distribution: Distribution { columns: spread.into_iter().collect(), buckets: Some(8) },
        order_by: Vec::new(),
        indexes: Vec::new(),
        properties: BTreeMap::from([("replication_num".to_string(), "1".to_string())]),
        comment: String::new(),
    };
    store.create_table(database, table, schema, Vec::new())
}

fn values<'a>(record: &Record<'a>, sources: &[Source]) -> std::result::Result<Vec<Value<'a>>, String> {
    if record.len() != sources.len() {
        return Err(format!("{} cells, the header has {}", record.len(), sources.len()));
    }
    let mut out = Vec::with_capacity(sources.len());
    for (at, source) in sources.iter().enumerate() {
        let Some(text) = record.get(at).filter(|_| source.role != Role::Ignored) else {
            out.push(Value::Null);
            continue;
        };
        let value = match &source.ty {
            // RFC 3339 with Z; what is finer than a microsecond is cut, as a load would cut it.
            Type::DateTime => {
                text.strip_suffix(b"Z").and_then(datetime::parse_datetime).map(|micros| Value::Int(micros.into()))
            }
            Type::VarBinary(_) => hex::decode(text).ok().map(|bytes| Value::Bytes(bytes.into())),
            // StarRocks has neither NaN nor infinities on load: NULL (dossier starrocks 5.2).
            Type::Float | Type::Double if matches!(text, b"NaN" | b"inf" | b"-inf") => Some(Value::Null),
            ty => super::value::parse(ty, text).ok(),
        };
        let shown = || String::from_utf8_lossy(text.get(..60).unwrap_or(text)).into_owned();
        out.push(value.ok_or_else(|| format!("column {}: `{}` is not {}", source.name, shown(), source.ty))?);
    }
    Ok(out)
}
