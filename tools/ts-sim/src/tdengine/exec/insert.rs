//! INSERT.

use super::super::convert::{self, Literal, Refusal};
use super::super::sql::ast::{Given, GivenValue, InsertInto, Using};
use super::super::sql::error::SqlError;
use super::super::store::{Database, Store};
use super::super::time::{self, Zone};
use super::super::types::{Field, Kind};
use super::super::value::Value;
use super::Engine;
use super::ddl::database_mut;
use crate::args::Precision;

/// Writes all rows of a statement, or none: it is read and converted completely before the first row is written.
pub fn insert(
    _engine: &Engine,
    store: &mut Store,
    session: Option<&str>,
    zone: Zone,
    tables: &[InsertInto],
) -> Result<u64, SqlError> {
    let mut batches = Vec::new();
    let mut created = Vec::new();
    for into in tables {
        let uid = store.next_uid();
        let database = database_mut(store, &into.table, session)?;
        let name = into.table.table.clone();
        if database.stable(&name).is_some() {
            by_tbname(store, session, zone, into, &mut batches, &mut created)?;
            continue;
        }
        if let Some(using) = &into.using
            && database.table(&name).is_none()
        {
            create_child(database, &name, using, zone, uid)?;
            created.push((database.name.clone(), name.clone()));
        }
        let table = database.table(&name).ok_or_else(SqlError::table_missing)?;
        let targets = columns(&table.fields, into.columns.as_deref())?;
        let mut rows = Vec::with_capacity(into.rows.len());
        for given in &into.rows {
            check_count(given, targets.len())?;
            let mut row: Vec<Option<Value<'static>>> = vec![None; table.fields.len()];
            for (given, at) in given.iter().zip(&targets) {
                row[*at] = Some(value(given, &table.fields[*at], database, zone)?);
            }
            check_row(&row, &table.fields, database)?;
            rows.push(row);
        }
        batches.push((database.name.clone(), name, rows));
    }
    let mut written = 0;
    for (database, table, rows) in batches {
        let made = created.iter().position(|(d, t)| *d == database && *t == table);
        if let Some(made) = made {
            created.swap_remove(made);
        }
        if let Some(database) = store.database_mut(&database) {
            written += database.write(&table, &rows, made.is_some());
        }
    }
    Ok(written)
}

type Batch = (String, String, Vec<Vec<Option<Value<'static>>>>);

/// `INSERT INTO stable (tbname, tag.., ts, column..) VALUES ..`: each row names its table.
fn by_tbname(
    store: &mut Store,
    session: Option<&str>,
    zone: Zone,
    into: &InsertInto,
    batches: &mut Vec<Batch>,
    created: &mut Vec<(String, String)>,
) -> Result<(), SqlError> {
    let names =
        into.columns.as_deref().ok_or_else(|| SqlError::insert(&into.table.table, "(tbname, ...) is expected"))?;
    let tbname = names
        .iter()
        .position(|n| n == "tbname")
        .ok_or_else(|| SqlError::insert(&into.table.table, "tbname is expected"))?;
    for given in &into.rows {
        check_count(given, names.len())?;
        let uid = store.next_uid();
        let database = database_mut(store, &into.table, session)?;
        let stable = database.stable(&into.table.table).ok_or_else(SqlError::table_missing)?.clone();
        let child = match &given[tbname].value {
            GivenValue::Literal(Literal::Text(text)) if !text.is_empty() => String::from_utf8_lossy(text).into_owned(),
            _ => return Err(SqlError::insert(&given[tbname].text, "not match tbname")),
        };
        let mut tags = vec![Value::Null; stable.tags.len()];
        let mut row: Vec<Option<Value<'static>>> = vec![None; stable.fields.len()];
        for (at, (name, given)) in names.iter().zip(given).enumerate() {
            if at == tbname {
                continue;
            }
            if let Some(at) = stable.fields.iter().position(|f| f.name == *name) {
                row[at] = Some(value(given, &stable.fields[at], database, zone)?);
            } else if let Some(at) = stable.tags.iter().position(|f| f.name == *name) {
                tags[at] = value(given, &stable.tags[at], database, zone)?;
            } else {
                return Err(SqlError::column(name));
            }
        }
        check_row(&row, &stable.fields, database)?;
        if database.table(&child).is_none() {
            database.add_table(&child, Some(stable.clone()), stable.fields.clone(), tags, uid);
            created.push((database.name.clone(), child.clone()));
        }
        batches.push((database.name.clone(), child, vec![row]));
    }
    Ok(())
}

/// Creates a child table with the tags of a USING clause.
pub fn create_child(database: &mut Database, name: &str, using: &Using, zone: Zone, uid: i64) -> Result<(), SqlError> {
    let stable = database.stable(&using.stable.table).ok_or_else(SqlError::table_missing)?.clone();
    let targets = columns(&stable.tags, using.names.as_deref())?;
    if targets.len() != using.tags.len() {
        return Err(SqlError::new(0x260D, "Tags number not matched"));
    }
    let mut tags = vec![Value::Null; stable.tags.len()];
    for (given, at) in using.tags.iter().zip(targets) {
        tags[at] = value(given, &stable.tags[at], database, zone)?;
    }
    database.add_table(name, Some(stable.clone()), stable.fields.clone(), tags, uid);
    Ok(())
}

/// Positions of the named columns, or of all.
fn columns(fields: &[Field], names: Option<&[String]>) -> Result<Vec<usize>, SqlError> {
    let Some(names) = names else { return Ok((0..fields.len()).collect()) };
    names.iter().map(|n| fields.iter().position(|f| f.name == *n).ok_or_else(|| SqlError::column(n))).collect()
}

/// Recorded: too few values fail at the closing parenthesis, which should be a comma.
fn check_count(given: &[Given], wanted: usize) -> Result<(), SqlError> {
    match given.len() {
        n if n < wanted => Err(SqlError::insert(")", ", expected")),
        n if n > wanted => Err(SqlError::insert(",", ") expected")),
        _ => Ok(()),
    }
}

fn value(given: &Given, field: &Field, database: &Database, zone: Zone) -> Result<Value<'static>, SqlError> {
    given_value(given, field, database.precision, zone)
}

/// A literal as a value of a column.
pub fn given_value(given: &Given, field: &Field, precision: Precision, zone: Zone) -> Result<Value<'static>, SqlError> {
    let literal = match &given.value {
        GivenValue::Literal(literal) => literal.clone(),
        GivenValue::Clock { today, shifts } => {
            let now = time::now(precision);
            let mut time = if *today { now - now.rem_euclid(86_400 * precision.per_second()) } else { now };
            for (minus, text) in shifts {
                let units =
                    time::duration(text, precision).ok_or_else(|| SqlError::insert(text, "invalid timestamp"))?;
                time = if *minus { time.saturating_sub(units) } else { time.saturating_add(units) };
            }
            Literal::Time(time)
        }
    };
    convert::literal(&literal, field, precision, zone).map_err(|refusal| match refusal {
        Refusal::TooLong => SqlError::new(0x2653, format!("Value too long for column/tag: {}", field.name)),
        Refusal::Invalid(why) => SqlError::insert(&given.text, why),
        Refusal::Overflow(why) => {
            SqlError::insert(&given.text, &why.replace("invalid", "overflow").replace("illegal", "overflow"))
        }
    })
}

/// What a row must have whatever its columns: a time within KEEP, and a key.
pub fn check_row(row: &[Option<Value<'_>>], fields: &[Field], database: &Database) -> Result<(), SqlError> {
    let Some(Some(Value::Time(time))) = row.first() else {
        return Err(SqlError::new(0x2608, "Primary timestamp column should not be null"));
    };
    if fields.get(1).is_some_and(|f| f.key) && row.get(1).is_none_or(|v| v.as_ref().is_none_or(Value::is_null)) {
        return Err(SqlError::new(0x267B, "Primary key column should not be null"));
    }
    if !database.keeps(*time) {
        return Err(SqlError::new(0x060B, "Timestamp data out of range"));
    }
    debug_assert!(fields.first().is_none_or(|f| f.ty.kind == Kind::Timestamp));
    Ok(())
}
