//! `ALTER TABLE`: partitions, new columns, properties, names.

use std::sync::Arc;

use super::{Answer, Refusal, Session};
use crate::starrocks::partition::Bound;
use crate::starrocks::schema::Schema;
use crate::starrocks::sql::cursor::{Cursor, Qualified};
use crate::starrocks::sql::lexer::Kind;
use crate::starrocks::sql::{create, partitions};
use crate::starrocks::store::Table;

/// Runs what follows `ALTER TABLE name`.
pub fn run(session: &Session, name: &Qualified, rest: &str) -> Result<Answer, Refusal> {
    let database = session.database_of(name)?;
    let mut cursor = Cursor::new(rest)?;
    let schema = session.server.store().table(&database, &name.name)?.schema.clone();
    let mut store = session.server.store_mut();
    if cursor.is(&["ADD", "PARTITION"]) || cursor.is(&["ADD", "TEMPORARY"]) || cursor.is(&["ADD", "PARTITIONS"]) {
        cursor.expect(&["ADD"])?;
        let if_not_exists = rest.to_ascii_uppercase().contains("IF NOT EXISTS");
        let mut made = Vec::new();
        if cursor.eat(&["PARTITIONS"]) {
            partitions::batch(&mut cursor, &schema, &mut made)?;
        } else {
            let table = store.table(&database, &name.name)?;
            made.push(partitions::one(&mut cursor, &schema, &|_| last_range(table))?);
        }
        for (partition, bound) in made {
            let known = store.table(&database, &name.name)?.partition(&partition).is_some();
            if !(if_not_exists && known) {
                store.add_partition(&database, &name.name, &partition, bound)?;
            }
        }
        return Ok(Answer::done());
    }
    let table = store.table_mut(&database, &name.name)?;
    if cursor.eat(&["DROP", "PARTITION"]) {
        let if_exists = cursor.eat(&["IF", "EXISTS"]);
        let partition = cursor.name()?;
        let before = table.partitions.len();
        table.partitions.retain(|p| !p.name.eq_ignore_ascii_case(&partition));
        if table.partitions.len() == before && !if_exists {
            return Err(format!("Error in list of partitions: {partition} does not exist").into());
        }
    } else if cursor.eat(&["ADD", "COLUMN"]) {
        let field = create::field(&mut cursor)?;
        if schema.find(&field.name).is_some() {
            return Err(format!("Can not add column which already exists in base table: {}", field.name).into());
        }
        let mut changed = Schema::clone(&schema);
        changed.fields.push(field);
        table.schema = Arc::new(changed);
    } else if cursor.eat(&["SET"]) {
        let mut changed = Schema::clone(&schema);
        changed.properties.extend(cursor.properties()?);
        table.schema = Arc::new(changed);
    } else if cursor.eat(&["RENAME"]) {
        let new = cursor.name()?;
        let found = store.databases.get_mut(&database).ok_or("the database is gone")?;
        if found.tables.contains_key(&new) {
            return Err(format!("Table name[{new}] is already used").into());
        }
        if let Some(mut table) = found.tables.remove(&name.name) {
            table.name = new.clone();
            found.tables.insert(new, table);
        }
    } else if *cursor.peek() != Kind::End {
        return Err(format!("the simulator does not know ALTER TABLE … {rest}").into());
    }
    Ok(Answer::done())
}

/// `VALUES LESS THAN` begins where the last partition ends.
fn last_range(table: &Table) -> Option<Bound> {
    let mut ranges = table.partitions.iter().rev().filter(|p| matches!(&*p.bound, Bound::Range { .. }));
    ranges.next().map(|p| Bound::clone(&p.bound))
}
