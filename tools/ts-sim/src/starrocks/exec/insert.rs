//! `INSERT INTO … VALUES` and `… SELECT`: a load with a label of its own.

use super::eval::{Scope, cast};
use super::query;
use super::{Answer, Refusal, Session};
use crate::starrocks::datetime;
use crate::starrocks::loading::{Loader, Settings};
use crate::starrocks::sql::statement::{Insert, InsertSource};
use crate::starrocks::store::LoadRecord;
use crate::starrocks::types::Type;
use crate::starrocks::value::Value;

/// Runs an INSERT; the info text is the real server's (dossier starrocks 4.2).
pub fn run(session: &Session, insert: Insert) -> Result<Answer, Refusal> {
    let database = session.database_of(&insert.table)?;
    let table = insert.table.name.clone();
    let created = datetime::now();
    let transaction = session.server.store_mut().new_transaction();
    let label = insert.label.unwrap_or_else(|| format!("insert_{:016x}_{transaction}", created));
    let used = |l: &LoadRecord| l.database == database && l.label == label && l.state != "CANCELLED";
    if session.server.store().loads.iter().any(used) {
        return Err(format!("Label [{label}] has already been used.").into());
    }
    // `enable_insert_strict` is on by default ([memory]).
    let strict = session.variable("enable_insert_strict") != "false";
    let settings = Settings { strict, partitions: insert.partitions.clone(), ..Settings::default() };
    let mut loader = Loader::new(&session.server.store(), &database, &table, &insert.columns, &settings)?;
    let schema = loader.schema().clone();
    let types: Vec<Type> = if insert.columns.is_empty() {
        schema.fields.iter().filter(|f| f.generated.is_none()).map(|f| f.ty.clone()).collect()
    } else {
        let found = insert.columns.iter().map(|name| {
            let at = schema.find(name).ok_or_else(|| format!("Unknown column '{name}' in '{table}'"))?;
            Ok(schema.fields[at].ty.clone())
        });
        found.collect::<Result<_, String>>()?
    };
    let mut add = |values: &[Value<'_>], from: &[Type]| -> Result<(), Refusal> {
        if values.len() != types.len() {
            return Err(format!("Column count doesn't match value count: {} and {}", types.len(), values.len()).into());
        }
        let mut row = Vec::with_capacity(types.len());
        for ((value, from), to) in values.iter().zip(from).zip(&types) {
            let converted = fitted(value.clone(), from, to);
            if strict && matches!(converted, Value::Null) && !matches!(value, Value::Null) {
                let shown = value.show(from).unwrap_or_default();
                return Err(format!(
                    "Insert has filtered data in strict mode: '{}' is not {to}",
                    String::from_utf8_lossy(&shown)
                )
                .into());
            }
            row.push(converted.owned());
        }
        loader.values(row, false).map_err(|why| format!("Insert has filtered data in strict mode: {why}").into())
    };
    match &insert.source {
        InsertSource::Values(rows) => {
            let scope = Scope { columns: &[], session };
            for row in rows {
                let nodes: Vec<_> = row.iter().map(|e| scope.bind(e)).collect::<Result<_, String>>()?;
                let types: Vec<Type> = nodes.iter().map(|n| n.ty.clone()).collect();
                let values: Vec<Value<'_>> =
                    nodes.iter().map(|n| n.eval(&|_| Value::Null)).collect::<Result<_, _>>()?;
                add(&values, &types)?;
            }
        }
        InsertSource::Query(select) => {
            if let Answer::Rows { columns, source } = query::run(session, select)? {
                let from: Vec<Type> = columns.into_iter().map(|(_, ty)| ty).collect();
                source.each(|row| add(row, &from))?;
            }
        }
    }
    let load = loader.finish();
    let affected = load.outcome.loaded;
    let mut store = session.server.store_mut();
    if insert.overwrite {
        store.truncate(&database, &table, &insert.partitions)?;
        // Truncated partitions are new ones.
        let ids: Vec<(String, u64)> =
            store.table(&database, &table)?.partitions.iter().map(|p| (p.name.clone(), p.id)).collect();
        let mut load = load;
        for part in &mut load.parts {
            part.id = ids.iter().find(|(name, _)| *name == part.name).map(|(_, id)| *id);
        }
        store.publish(load)?;
    } else {
        store.publish(load)?;
    }
    let id = store.new_id();
    store.loads.push(LoadRecord {
        id,
        label: label.clone(),
        database,
        table,
        state: "FINISHED".to_string(),
        kind: "INSERT".to_string(),
        scan_rows: affected,
        sink_rows: affected,
        created,
        finished: datetime::now(),
        ..LoadRecord::default()
    });
    let info = format!("{{'label':'{label}', 'status':'VISIBLE', 'txnId':'{transaction}'}}");
    Ok(Answer::Done { affected, info })
}

/// A value in a column's type; NULL where it does not fit.
pub fn fitted<'v>(value: Value<'v>, from: &Type, to: &Type) -> Value<'v> {
    if from == to {
        return value;
    }
    match (&value, to) {
        (Value::Bytes(b), Type::Char(n) | Type::Varchar(n) | Type::VarBinary(n)) if b.len() > *n as usize => {
            Value::Null
        }
        // Texts become JSON and nested values by being read.
        (Value::Bytes(b), Type::Json | Type::Array(_) | Type::Map(..) | Type::Struct(_)) => {
            crate::starrocks::value::parse(to, b).map_or(Value::Null, Value::owned)
        }
        _ => cast(value, from, to),
    }
}
