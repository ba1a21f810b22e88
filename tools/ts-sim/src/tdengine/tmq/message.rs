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
            Written::Copied { rows, given } => self.of_rows(table, rows, vec![0..rows.len()], Some(given)),
            Written::Between(from, to) => {
                let range = table.rows.range(i128::from(*from), i128::from(*to) + 1);
                self.of_rows(table, &table.rows, vec![range], None)
            }
            Written::At(times) => {
                let range = |time: &i64| table.rows.range(i128::from(*time), i128::from(*time) + 1);
                self.of_rows(table, &table.rows, times.iter().map(range).collect(), None)
            }
        }
    }

    /// All rows that a table has now, in pieces.
    pub fn present(&self, table: &Table) -> Vec<Block> {
        let starts = (0..table.rows.len()).step_by(ENOUGH_ROWS);
        let pieces = starts.map(|from| from..(from + ENOUGH_ROWS).min(table.rows.len()));
        pieces.flat_map(|piece| self.of_rows(table, &table.rows, vec![piece], None)).collect()
    }

    fn of_rows(
        &self,
        table: &Table,
        rows: &Arc<Rows>,
        ranges: Vec<Range<usize>>,
        given: Option<&Arc<[bool]>>,
    ) -> Vec<Block> {
        if self.topic.carries == Carries::Meta || !topic::concerns(self.topic, table) {
            return Vec::new();
        }
        if let Reads::Query(select) = &self.topic.reads {
            let query = |range| topic::query(self.engine, self.store, self.database, select, table, rows, range);
            return ranges
                .into_iter()
                .filter_map(query)
                .flat_map(|(fields, chunks)| queried(&fields, chunks))
                .collect();
        }
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
