//! What a vgroup's write-ahead log keeps: every change, numbered, in the order of writing. Subscriptions read it.
//!
//! Rows are copied into it only while their database has a topic. Before that an entry holds the times of its rows, and what is
//! read later is what the table then has at these times; and only the last [`WITHOUT_READERS`] entries are kept.

use std::collections::VecDeque;
use std::sync::Arc;

use super::store::{Stable, Table};
use super::table::Rows;
use super::types::Field;
use super::value::Value;

/// Entries of a vgroup that are kept while no topic reads them.
const WITHOUT_READERS: usize = 100_000;

/// A table as it was created.
#[derive(Debug, Clone)]
pub struct Created {
    pub name: Arc<str>,
    pub stable: Option<Arc<Stable>>,
    pub tags: Arc<[Value<'static>]>,
    pub fields: Arc<[Field]>,
    /// Milliseconds since 1970.
    pub at: i64,
    pub uid: i64,
}

impl Created {
    pub fn of(table: &Table) -> Created {
        Created {
            name: table.name.clone(),
            stable: table.stable.clone(),
            tags: table.tags.clone(),
            fields: table.fields.clone(),
            at: table.created,
            uid: table.uid,
        }
    }
}

/// The rows of one write.
#[derive(Debug, Clone)]
pub enum Written {
    /// As they were given; a column that no row named is false in `given`.
    Copied { rows: Arc<Rows>, given: Arc<[bool]> },
    /// What the table has from the first to the second time.
    Between(i64, i64),
    /// What the table has at these times.
    At(Box<[i64]>),
}

/// What ALTER changed: the number of the change, the column or tag, and its new type or name.
#[derive(Debug, Clone)]
pub struct Altered {
    pub kind: u8,
    pub field: Field,
    pub new_name: Option<String>,
    /// The statement.
    pub sql: String,
}

/// A new value of a tag.
#[derive(Debug, Clone)]
pub struct TagSet {
    pub table: Arc<str>,
    pub stable: String,
    /// The column number of the tag.
    pub id: i16,
    pub tag: Field,
    pub value: Value<'static>,
    pub at: i64,
}

/// Rows taken away.
#[derive(Debug, Clone)]
pub struct Deleted {
    /// The table of the statement.
    pub name: String,
    /// The super table concerned.
    pub stable: Option<String>,
    pub time_column: String,
    pub suid: i64,
    pub uids: Vec<i64>,
    /// First and last time of the rows that there were.
    pub from: i64,
    pub to: i64,
    pub rows: u64,
    pub at: i64,
}

/// One entry.
#[derive(Debug, Clone)]
pub enum Change {
    /// What no reader sees: the start of the vgroup, a consumer that came or went.
    Other,
    CreateStable(Arc<Stable>),
    AlterStable(Arc<Stable>, Box<Altered>),
    DropStable(Arc<Stable>),
    Create(Box<Created>),
    SetTag(Box<TagSet>),
    Drop {
        name: Arc<str>,
        stable: Option<Arc<Stable>>,
    },
    Delete(Box<Deleted>),
    /// `created`: the table was made by the same INSERT.
    Data {
        name: Arc<str>,
        uid: i64,
        written: Written,
        created: Option<Box<Created>>,
    },
}

/// One vgroup's entries.
#[derive(Debug)]
pub struct VgroupLog {
    /// The number of the oldest entry that is left.
    first: i64,
    changes: VecDeque<Change>,
}

impl Default for VgroupLog {
    fn default() -> VgroupLog {
        VgroupLog { first: 0, changes: VecDeque::from([Change::Other]) }
    }
}

impl VgroupLog {
    pub fn first(&self) -> i64 {
        self.first
    }

    /// The number that the next entry will get.
    pub fn end(&self) -> i64 {
        self.first + self.changes.len() as i64
    }

    pub fn get(&self, number: i64) -> Option<&Change> {
        usize::try_from(number - self.first).ok().and_then(|at| self.changes.get(at))
    }
}

/// The logs of a database's vgroups.
#[derive(Debug, Default)]
pub struct ChangeLog {
    vgroups: Vec<VgroupLog>,
    /// There are topics: rows are copied, nothing is dropped.
    pub read: bool,
}

impl ChangeLog {
    /// The log of a vgroup by its place in the database.
    pub fn vgroup(&mut self, at: usize) -> &mut VgroupLog {
        if self.vgroups.len() <= at {
            self.vgroups.resize_with(at + 1, VgroupLog::default);
        }
        &mut self.vgroups[at]
    }

    /// The same for reading; `None` when nothing was ever written to it.
    pub fn get(&self, at: usize) -> Option<&VgroupLog> {
        self.vgroups.get(at)
    }

    pub fn append(&mut self, at: usize, change: Change) {
        let keep = if self.read { usize::MAX } else { WITHOUT_READERS };
        let log = self.vgroup(at);
        log.changes.push_back(change);
        if log.changes.len() > keep {
            log.changes.pop_front();
            log.first += 1;
        }
    }

    /// Takes back the entry of a table that the present statement created, so that it travels with its first rows.
    pub fn take_created(&mut self, at: usize, table: &str) -> Option<Box<Created>> {
        let changes = &mut self.vgroup(at).changes;
        let found = changes.iter().rposition(|c| matches!(c, Change::Create(made) if &*made.name == table))?;
        match changes.remove(found) {
            Some(Change::Create(created)) => Some(created),
            _ => None,
        }
    }
}

/// The times of some rows, in the shortest form: one range when the table has no other rows in it.
pub fn times_of(rows: &Rows, mut times: Vec<i64>) -> Option<Written> {
    times.sort_unstable();
    times.dedup();
    let (first, last) = (*times.first()?, *times.last()?);
    let between = rows.range(i128::from(first), i128::from(last) + 1).len();
    Some(if between == times.len() { Written::Between(first, last) } else { Written::At(times.into()) })
}

#[cfg(test)]
mod tests {
    use super::super::types::Type;
    use super::*;

    #[test]
    fn a_log_without_readers_forgets_its_oldest_entries() {
        let mut log = ChangeLog::default();
        (0..WITHOUT_READERS + 10).for_each(|_| log.append(0, Change::Other));
        let vgroup = log.vgroup(0);
        assert_eq!((vgroup.first(), vgroup.end()), (11, WITHOUT_READERS as i64 + 11));
        assert!(vgroup.get(10).is_none() && vgroup.get(11).is_some());
        log.read = true;
        log.append(0, Change::Other);
        assert_eq!(log.vgroup(0).first(), 11);
    }

    #[test]
    fn times_become_a_range_when_no_other_row_is_between() {
        let mut rows = Rows::new([Field::new("ts", Type::parse("TIMESTAMP").unwrap())].into());
        for time in [1, 5, 9] {
            rows.upsert(&[Some(Value::Time(time))]);
        }
        assert!(matches!(times_of(&rows, vec![5, 1, 5]), Some(Written::Between(1, 5))));
        assert!(matches!(times_of(&rows, vec![9, 1]), Some(Written::At(times)) if *times == [1, 9]));
        assert!(times_of(&rows, Vec::new()).is_none());
    }
}
