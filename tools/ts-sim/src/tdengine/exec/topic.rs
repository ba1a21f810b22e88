//! CREATE TOPIC and DROP TOPIC, and what a topic makes of rows.

use std::ops::Range;
use std::sync::Arc;

use super::super::chunk::Chunk;
use super::super::sql::ast::{CreateTopic, From, Item, Select, TopicOf};
use super::super::sql::error::SqlError;
use super::super::store::{Database, Store, Table, now_ms};
use super::super::table::Rows;
use super::super::time::Zone;
use super::super::topic::{Reads, Topic};
use super::super::types::Field;
use super::expr::Part;
use super::source::{self, Source};
use super::{Context, Engine, select};

/// CREATE TOPIC.
pub fn create(
    engine: &Engine,
    store: &mut Store,
    session: Option<&str>,
    statement: CreateTopic,
) -> Result<(), SqlError> {
    let CreateTopic { name, if_not_exists, carries, of, sql } = statement;
    if store.topics.get(&name).is_some() {
        return if if_not_exists { Ok(()) } else { Err(SqlError::new(0x03E0, "Topic already exists")) };
    }
    let (database, reads) = match of {
        TopicOf::Database(database) => (database, Reads::Database),
        TopicOf::Stable(table, condition) => {
            let database = table.database.as_deref().or(session).ok_or_else(SqlError::no_current_database)?;
            let known = store.database(database).ok_or_else(SqlError::no_database)?;
            known.stable(&table.table).ok_or_else(SqlError::no_table)?;
            (database.to_string(), Reads::Stable(table.table, condition))
        }
        TopicOf::Select(query) => {
            let context = Context { engine, store, database: session, zone: Zone::default() };
            let (database, query) = plain(&context, &query)?;
            (database, Reads::Query(Box::new(query)))
        }
    };
    let target = store.database_mut(&database).ok_or_else(SqlError::no_database)?;
    target.log.read = true;
    store.topics.add(Topic { name, database, carries, reads, sql, created: now_ms() });
    Ok(())
}

/// A query that a topic can run on each piece of new rows: one table, no groups, no order. `*` becomes the columns of now.
fn plain(context: &Context<'_>, query: &Select) -> Result<(String, Select), SqlError> {
    let refused = || SqlError::new(0x03E4, "Topic with invalid query");
    let mut query = source::flatten(query).unwrap_or_else(|| query.clone());
    let Some(From::Table(table)) = &query.from else { return Err(refused()) };
    let database =
        table.database.as_deref().or(context.database).ok_or_else(SqlError::no_current_database)?.to_string();
    let items = select::expand(&query, &Source::table(context, table, None)?)?;
    let ordered = !query.order.is_empty() || !query.keys.is_empty() || query.limit.is_some() || query.tags;
    if ordered || query.offset > 0 || select::is_grouped(&query, &items) || database == "information_schema" {
        return Err(refused());
    }
    query.items = items.into_iter().map(|(expr, name)| Item::One(expr, name)).collect();
    select::select(context, &query)?;
    Ok((database, query))
}

/// DROP TOPIC; one that is being read only with FORCE.
pub fn drop(store: &mut Store, name: &str, if_exists: bool, force: bool) -> Result<(), SqlError> {
    let Some(topic) = store.topics.get(name) else {
        return if if_exists { Ok(()) } else { Err(SqlError::new(0x03E1, "Topic not exist")) };
    };
    if store.topics.is_read(name) && !force {
        return Err(SqlError::new(0x03EB, "Topic subscribed cannot be dropped"));
    }
    let database = topic.database.clone();
    store.topics.remove(name);
    let read = store.topics.iter().any(|t| t.database == database);
    if let Some(database) = store.database_mut(&database) {
        database.log.read = read;
    }
    Ok(())
}

/// True when the rows of the table are the topic's.
pub fn concerns(topic: &Topic, table: &Table) -> bool {
    let of = |name: &str| &*table.name == name || table.stable.as_ref().is_some_and(|s| s.name == name);
    match &topic.reads {
        Reads::Database => true,
        Reads::Stable(stable, _) => table.stable.as_ref().is_some_and(|s| s.name == *stable),
        Reads::Query(query) => matches!(&query.from, Some(From::Table(name)) if of(&name.table)),
    }
}

/// The rows of a table as a query topic hands them out.
pub fn query(
    engine: &Engine,
    store: &Store,
    database: &Database,
    query: &Select,
    table: &Table,
    rows: &Arc<Rows>,
    range: Range<usize>,
) -> Option<(Vec<Field>, Vec<Chunk>)> {
    // Rows that were written before a column was added have it as NULL.
    let rows =
        if rows.fields() == &table.fields { rows.clone() } else { Arc::new(rows.with_fields(table.fields.clone())) };
    let source = Source {
        columns: table.fields.clone(),
        tags: table.stable.as_ref().map_or_else(|| [].into(), |s| s.tags.clone()),
        tbname: true,
        precision: database.precision,
        sorted: true,
        parts: vec![Part { name: table.name.clone(), tags: table.tags.clone(), rows, range, sorted: true }],
    };
    let context = Context { engine, store, database: Some(&database.name), zone: Zone::default() };
    let mut result = select::over(&context, query, &source).ok()?;
    let mut chunks = Vec::new();
    while let Some(chunk) = result.cursor.next() {
        chunks.push(chunk);
    }
    Some((result.fields, chunks))
}

/// True when the tags of a table meet the condition of a super table's topic.
pub fn meets(engine: &Engine, store: &Store, database: &Database, topic: &Topic, table: &Table) -> bool {
    let Reads::Stable(stable, Some(condition)) = &topic.reads else { return true };
    let one = Arc::new(Rows::new(table.fields.clone()).with_one_null());
    let wanted = Select {
        distinct: false,
        tags: true,
        items: vec![Item::All],
        from: Some(From::Table(super::super::sql::ast::TableName { database: None, table: stable.clone() })),
        condition: Some(condition.clone()),
        keys: Vec::new(),
        partition: false,
        order: Vec::new(),
        limit: None,
        offset: 0,
    };
    query(engine, store, database, &wanted, table, &one, 0..1).is_some_and(|(_, chunks)| !chunks.is_empty())
}
