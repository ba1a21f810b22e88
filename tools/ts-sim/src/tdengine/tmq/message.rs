//! From a vgroup's log to the messages of a topic: pieces of rows that belong together, or one change of a schema.

use std::ops::Range;
use std::sync::Arc;

use super::super::changelog::{Change, Created, Written};
use super::super::chunk::{Cells, Chunk};
use super::super::exec::{Engine, topic};
use super::super::store::{Database, Store, Table};
use super::super::table::Rows;
use super::super::topic::{Carries, Reads, Topic};
use super::super::types::Field;

/// A message is complete when it has so many rows.
const ENOUGH_ROWS: usize = 4096;

/// What `message_type` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Data = 1,
    Meta = 2,
    /// Rows, and the tables that the same INSERT created.
    Both = 3,
}

/// Some rows of one table, or of one query.
#[derive(Debug)]
pub struct Block {
    /// Empty for a query.
    pub table: String,
    pub fields: Vec<Field>,
    /// Number and flag of each column.
    pub columns: Vec<(i16, u8)>,
    pub chunk: Chunk,
}

/// One answer to a poll.
#[derive(Debug)]
pub struct Message {
    pub kind: Kind,
    /// The entries that were read: from `start` to before `end`.
    pub start: i64,
    pub end: i64,
    pub blocks: Vec<Block>,
    /// Of [`Kind::Meta`].
    pub meta: Option<Change>,
    /// Of [`Kind::Both`].
    pub created: Vec<Created>,
    /// Blocks name their tables.
    pub named: bool,
}

impl Message {
    /// What a poll reports: where rows start, where a change of a schema ends (recorded).
    pub fn offset(&self) -> i64 {
        if self.kind == Kind::Meta { self.end } else { self.start }
    }

    /// A change of a schema.
    pub fn meta(start: i64, end: i64, change: Change) -> Message {
        let (blocks, created) = (Vec::new(), Vec::new());
        Message { kind: Kind::Meta, start, end, blocks, meta: Some(change), created, named: true }
    }
}

/// A topic, and the data it reads.
pub struct View<'a> {
    pub engine: &'a Engine,
    pub store: &'a Store,
    pub database: &'a Database,
    pub topic: &'a Topic,
}

impl View<'_> {
    /// The next message of a vgroup from entry `from` on, and where to go on.
    pub fn next(&self, place: usize, from: i64) -> (Option<Message>, i64) {
        let Some(log) = self.database.log.get(place) else { return (None, from) };
        let mut at = from.max(log.first());
        let mut message = Message {
            kind: Kind::Data,
            start: from,
            end: from,
            blocks: Vec::new(),
            meta: None,
            created: Vec::new(),
            named: !matches!(self.topic.reads, Reads::Query(_)),
        };
        let mut rows = 0;
        while let Some(change) = log.get(at) {
            match change {
                Change::Data { name, uid, written, created } => {
                    let created = created.as_deref().filter(|c| self.tells_of(c.stable.as_deref().map(|s| &*s.name)));
                    if let (Carries::Meta, Some(created)) = (self.topic.carries, created) {
                        return (Some(Message::meta(from, at + 1, Change::Create(Box::new(created.clone())))), at + 1);
                    }
                    // The rows of a table that is gone are passed over, as by the server (recorded).
                    if let Some(table) = self.database.table(name).filter(|t| t.uid == *uid) {
                        let blocks = self.blocks(table, written);
                        rows += blocks.iter().map(|b| b.chunk.rows).sum::<usize>();
                        message.blocks.extend(blocks);
                        message.created.extend(created.cloned());
                    }
                    if rows >= ENOUGH_ROWS {
                        at += 1;
                        break;
                    }
                }
                change if self.is_told(change) => {
                    if message.blocks.is_empty() {
                        return (Some(Message::meta(from, at + 1, change.clone())), at + 1);
                    }
                    break;
                }
                _ => {}
            }
            at += 1;
        }
        if message.blocks.is_empty() {
            return (None, at);
        }
        message.end = at;
        if !message.created.is_empty() {
            message.kind = Kind::Both;
        }
        (Some(message), at)
    }

    /// True when the topic carries changes of schemas, and this super table's (or that of a table without one).
    fn tells_of(&self, stable: Option<&str>) -> bool {
        self.topic.carries != Carries::Data
            && match &self.topic.reads {
                Reads::Database => true,
                Reads::Stable(wanted, _) => stable == Some(wanted),
                Reads::Query(_) => false,
            }
    }

    fn is_told(&self, change: &Change) -> bool {
        match change {
            Change::Other | Change::Data { .. } => false,
            Change::CreateStable(stable) | Change::AlterStable(stable, _) | Change::DropStable(stable) => {
                self.tells_of(Some(&stable.name))
            }
            Change::Create(created) => self.tells_of(created.stable.as_deref().map(|s| &*s.name)),
            Change::Drop { stable, .. } => self.tells_of(stable.as_deref().map(|s| &*s.name)),
            Change::SetTag(set) => self.tells_of(Some(&set.stable)),
            Change::Delete(deleted) => self.tells_of(deleted.stable.as_deref()),
        }
    }

    fn blocks(&self, table: &Table, written: &Written) -> Vec<Block> {
        match written {
            Written::Copied { rows, given } => self.of_rows(table, rows, std::iter::once(0..rows.len()), Some(given)),
            Written::Between(from, to) => {
                let range = table.rows.range(i128::from(*from), i128::from(*to) + 1);
                self.of_rows(table, &table.rows, std::iter::once(range), None)
            }
            Written::At(times) => {
                let range = |time: &i64| table.rows.range(i128::from(*time), i128::from(*time) + 1);
                self.of_rows(table, &table.rows, times.iter().map(range), None)
            }
        }
    }

    /// All rows that a table has now, in pieces.
    pub fn present(&self, table: &Table) -> Vec<Block> {
        let starts = (0..table.rows.len()).step_by(ENOUGH_ROWS);
        let pieces = starts.map(|from| from..(from + ENOUGH_ROWS).min(table.rows.len()));
        pieces.flat_map(|piece| self.of_rows(table, &table.rows, std::iter::once(piece), None)).collect()
    }

    fn of_rows(
        &self,
        table: &Table,
        rows: &Arc<Rows>,
        ranges: impl Iterator<Item = Range<usize>>,
        given: Option<&Arc<[bool]>>,
    ) -> Vec<Block> {
        if self.topic.carries == Carries::Meta || !topic::concerns(self.topic, table) {
            return Vec::new();
        }
        if let Reads::Query(select) = &self.topic.reads {
            let query = |range| topic::query(self.engine, self.store, self.database, select, table, rows, range);
            return ranges.filter_map(query).flat_map(|(fields, chunks)| queried(&fields, chunks)).collect();
        }
        let ranges: Vec<Range<usize>> = ranges.collect();
        if ranges.iter().all(Range::is_empty)
            || !topic::meets(self.engine, self.store, self.database, self.topic, table)
        {
            return Vec::new();
        }
        // Columns that the INSERT did not name are left out.
        let is_given = |at: &usize| given.is_none_or(|g| g.get(*at).copied().unwrap_or(true));
        let kept: Vec<usize> = (0..rows.fields().len()).filter(is_given).collect();
        let fields: Vec<Field> = kept.iter().map(|at| rows.fields()[*at].clone()).collect();
        let cells = kept.iter().map(|at| {
            let mut cells = Cells::new(rows.fields()[*at].ty);
            ranges.iter().for_each(|r| cells.copy(rows.column(*at), r.start, r.end));
            cells
        });
        let chunk = Chunk { columns: cells.collect(), rows: ranges.iter().map(Range::len).sum() };
        let columns = kept.iter().zip(&fields).map(|(at, field)| numbered(table, *at, field)).collect();
        vec![Block { table: table.name.to_string(), fields, columns, chunk }]
    }
}

fn queried(fields: &[Field], chunks: Vec<Chunk>) -> Vec<Block> {
    let columns: Vec<(i16, u8)> = (1..=fields.len() as i16).map(|id| (id, 0)).collect();
    let block = |chunk| Block { table: String::new(), fields: fields.to_vec(), columns: columns.clone(), chunk };
    chunks.into_iter().map(block).collect()
}

/// The number and flag of a column: those of its super table, else its place.
fn numbered(table: &Table, at: usize, field: &Field) -> (i16, u8) {
    let Some(stable) = &table.stable else { return (at as i16 + 1, 1) };
    let found = stable.fields.iter().position(|f| f.name == field.name).and_then(|at| stable.ids.get(at));
    let id = found.copied().unwrap_or(at as i16 + 1);
    (id, u8::from(id <= stable.first_columns))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::RwLock;

    use testkit::proptest::prelude::*;

    use super::super::super::time::Zone;
    use super::super::super::version::Version;
    use super::super::{meta, raw};
    use super::*;
    use crate::args::Precision;

    /// What may happen to three tables; `?` is a time.
    const STATEMENTS: [&str; 14] = [
        "create table d.a using d.m tags (1, 'x')",
        "create table d.b using d.m tags (null, null)",
        "create table d.n (ts timestamp, v int)",
        "insert into d.a (ts, v) values (?, 1)",
        "insert into d.a (ts) values (?) d.b (ts, v) values (?, 2)",
        "insert into d.b using d.m tags (2, 'made') (ts, v) values (?, 3)",
        "insert into d.n values (?, 4)",
        "alter table d.m add column e varchar(20)",
        "alter table d.m drop column e",
        "alter table d.m modify column s nchar(30)",
        "alter table d.a set tag p = 'new'",
        "delete from d.m where ts < ?",
        "drop table d.a",
        "drop table d.n",
    ];

    const TOPICS: [&str; 6] = [
        "create topic db as database d",
        "create topic dbmeta with meta as database d",
        "create topic only only meta as database d",
        "create topic stb as stable d.m where g = 1",
        "create topic stbmeta with meta as stable d.m",
        "create topic q as select tbname, v, p from d.m",
    ];

    fn engine() -> Engine {
        let version = Version::parse("3.3.6.0").unwrap();
        let engine = Engine { store: RwLock::new(Store::default()), version, block_rows: 4096, user: "root".into() };
        let setup = [
            "create database d keep 36500d",
            "create stable d.m (ts timestamp, v int, s nchar(9)) tags (g int, p varchar(9))",
        ];
        for sql in setup.iter().chain(&TOPICS) {
            assert!(engine.execute(sql, None, Zone::default()).is_ok(), "{sql}");
        }
        engine
    }

    /// All messages of a topic, each vgroup from its start; every one can be encoded.
    fn read(engine: &Engine, topic: &str) -> Vec<Message> {
        let store = engine.store.read().unwrap();
        let (database, topic) = (store.database("d").unwrap(), store.topics.get(topic).unwrap());
        let view = View { engine, store: &store, database, topic };
        let mut messages = Vec::new();
        for place in 0..2 {
            let (end, mut at) = (database.log.get(place).unwrap().end(), 0);
            while at < end {
                let (message, next) = view.next(place, at);
                assert!(next > at || message.is_none());
                at = next.max(at + 1);
                messages.extend(message);
            }
            messages.extend(view.snapshot(place));
        }
        let how = raw::Encoding { vgroup: 2, precision: Precision::Ms, database: "1.d.".into(), share: false };
        for message in &messages {
            assert_eq!(message.kind == Kind::Data, meta::json(message).is_null());
            let (_, body) = raw::encode(message, &how);
            if message.kind == Kind::Meta {
                assert_eq!(body[..4], (body.len() as i32).to_le_bytes());
            }
        }
        messages
    }

    /// Rows from the log, not from the snapshot, by table.
    fn rows(messages: &[Message]) -> HashMap<String, usize> {
        let mut rows = HashMap::new();
        for block in messages.iter().filter(|m| m.start >= 0).flat_map(|m| &m.blocks) {
            *rows.entry(block.table.clone()).or_default() += block.chunk.rows;
        }
        rows
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Whatever happens to the tables, each topic hands out exactly the rows that were written to those that are left.
        #[test]
        fn every_row_of_a_table_that_is_left_arrives_once(
            steps in prop::collection::vec((prop::sample::select(&STATEMENTS[..]), 1_i64..50), 1..40),
        ) {
            let engine = engine();
            let mut written: HashMap<String, usize> = HashMap::new();
            for (statement, time) in steps {
                let sql = statement.replace('?', &time.to_string());
                if engine.execute(&sql, None, Zone::default()).is_err() {
                    continue;
                }
                if let Some(name) = sql.strip_prefix("drop table d.") {
                    written.remove(name);
                }
                for name in ["a", "b", "n"] {
                    let inserted = sql.starts_with("insert") && sql.contains(&format!("d.{name} "));
                    *written.entry(name.into()).or_default() += usize::from(inserted);
                }
            }
            written.retain(|_, rows| *rows > 0);
            prop_assert_eq!(&rows(&read(&engine, "db")), &written);
            prop_assert_eq!(&rows(&read(&engine, "dbmeta")), &written);
            prop_assert!(rows(&read(&engine, "only")).is_empty());
            let mut of_m = written.clone();
            of_m.remove("n");
            prop_assert_eq!(&rows(&read(&engine, "stbmeta")), &of_m);
            prop_assert_eq!(rows(&read(&engine, "q")).values().sum::<usize>(), of_m.values().sum::<usize>());
            of_m.remove("b");
            prop_assert_eq!(&rows(&read(&engine, "stb")), &of_m);
        }
    }
}
