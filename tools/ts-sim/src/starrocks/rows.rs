//! The rows of one partition, by the rules of its table's key model.

use std::collections::HashMap;
use std::sync::Arc;

use super::aggregates::combine;
use super::column::Column;
use super::schema::{Model, Schema};
use super::value::Value;

/// Most rows in a chunk.
pub const CHUNK: usize = 65_536;
/// A chunk is closed when one of its columns has as much text.
const CHUNK_TEXT: usize = 64 << 20;

/// Rows that were loaded together; never changed.
#[derive(Debug, Clone)]
pub struct Chunk {
    pub columns: Vec<Column>,
    pub rows: usize,
}

impl Chunk {
    /// Without rows.
    pub fn new(schema: &Schema) -> Chunk {
        Chunk { columns: schema.fields.iter().map(|f| Column::new(&f.ty)).collect(), rows: 0 }
    }

    /// Appends a row, one value a column.
    pub fn push(&mut self, row: &[Value<'_>]) {
        for (column, value) in self.columns.iter_mut().zip(row) {
            column.push(value);
        }
        self.rows += 1;
    }

    /// No more rows should be added.
    pub fn is_full(&self) -> bool {
        self.rows >= CHUNK || self.rows % 1024 == 1023 && self.columns.iter().any(|c| c.text_bytes() > CHUNK_TEXT)
    }

    /// A value; NULL in a column that is younger than the chunk.
    pub fn get(&self, row: usize, column: usize) -> Value<'_> {
        self.columns.get(column).map_or(Value::Null, |c| c.get(row))
    }

    fn shrink(&mut self) {
        self.columns.iter_mut().for_each(Column::shrink);
    }
}

/// A chunk, and which of its rows are gone.
#[derive(Debug, Clone)]
pub struct Piece {
    pub chunk: Arc<Chunk>,
    dead: Option<Arc<Vec<u64>>>,
}

impl Piece {
    /// Whether a row is (still) there.
    pub fn is_live(&self, row: usize) -> bool {
        self.dead.as_ref().is_none_or(|bits| bits.get(row / 64).is_none_or(|word| word >> (row % 64) & 1 == 0))
    }

    /// Marks a row as gone; false when it was already.
    fn kill(&mut self, row: usize) -> bool {
        if !self.is_live(row) {
            return false;
        }
        let words = self.chunk.rows / 64 + 1;
        let bits = Arc::make_mut(self.dead.get_or_insert_with(|| Arc::new(vec![0; words])));
        if let Some(word) = bits.get_mut(row / 64) {
            *word |= 1 << (row % 64);
        }
        true
    }
}

/// Rows of a load that belong to one partition, not visible yet.
#[derive(Debug, Default)]
pub struct Staged {
    chunks: Vec<Chunk>,
    open: Option<Chunk>,
    /// Rows, counted over all chunks, that delete instead.
    deletes: Vec<u64>,
    rows: u64,
}

impl Staged {
    /// Adds a row of the schema's columns.
    pub fn push(&mut self, schema: &Schema, row: &[Value<'_>], delete: bool) {
        let open = self.open.get_or_insert_with(|| Chunk::new(schema));
        open.push(row);
        if delete {
            self.deletes.push(self.rows);
        }
        self.rows += 1;
        if open.is_full()
            && let Some(mut full) = self.open.take()
        {
            full.shrink();
            self.chunks.push(full);
        }
    }

    /// Without rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    fn chunks(mut self) -> (Vec<Chunk>, Vec<u64>) {
        if let Some(mut last) = self.open.take() {
            last.shrink();
            self.chunks.push(last);
        }
        (self.chunks, self.deletes)
    }
}

/// How rows of a load meet those that are there.
#[derive(Debug, Clone, Default)]
pub struct Merge {
    /// Columns that the load gives: the others keep their values (partial update). Empty: all.
    pub given: Vec<bool>,
    /// A row replaces another only if its value of this column is not smaller.
    pub condition: Option<usize>,
}

/// All rows of a partition.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    pieces: Vec<Piece>,
    live: u64,
    bytes: u64,
    /// Where the row of a key is (piece, row); empty for duplicate-key tables.
    index: HashMap<Vec<u8>, (u32, u32)>,
}

impl Rows {
    /// Number of rows.
    pub fn count(&self) -> u64 {
        self.live
    }

    /// Bytes held, rows that are gone included.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What a query reads: it does not change when rows are added or deleted later.
    pub fn pieces(&self) -> Vec<Piece> {
        self.pieces.clone()
    }

    /// Makes the rows of a load visible.
    pub fn publish(&mut self, schema: &Schema, staged: Staged, merge: &Merge) {
        let (chunks, deletes) = staged.chunks();
        if schema.model == Model::Duplicate {
            for chunk in chunks {
                self.live += chunk.rows as u64;
                self.add(chunk);
            }
            return;
        }
        let mut deletes = deletes.into_iter().peekable();
        let mut first = 0;
        for chunk in chunks {
            let rows = chunk.rows as u64;
            let gone: Vec<usize> = std::iter::from_fn(|| deletes.next_if(|at| *at < first + rows))
                .map(|at| (at - first) as usize)
                .collect();
            first += rows;
            if schema.model == Model::Aggregate || !merge.given.is_empty() {
                self.combine(schema, chunk, &gone, merge);
            } else {
                self.replace(schema, chunk, &gone, merge);
            }
        }
    }

    fn add(&mut self, chunk: Chunk) -> u32 {
        self.bytes += chunk.columns.iter().map(|c| c.bytes() as u64).sum::<u64>();
        self.pieces.push(Piece { chunk: Arc::new(chunk), dead: None });
        (self.pieces.len() - 1) as u32
    }

    fn kill(&mut self, (piece, row): (u32, u32)) {
        if self.pieces.get_mut(piece as usize).is_some_and(|p| p.kill(row as usize)) {
            self.live -= 1;
        }
    }

    /// The last row of a key wins.
    fn replace(&mut self, schema: &Schema, chunk: Chunk, deletes: &[usize], merge: &Merge) {
        let rows = chunk.rows;
        let piece = self.add(chunk);
        self.live += rows as u64;
        let mut deletes = deletes.iter().peekable();
        for row in 0..rows {
            let Some(chunk) = self.pieces.get(piece as usize).map(|p| p.chunk.clone()) else { return };
            let key = schema.key_of(|at| chunk.get(row, at));
            let here = (piece, row as u32);
            if deletes.next_if(|at| **at == row).is_some() {
                if let Some(old) = self.index.remove(&key) {
                    self.kill(old);
                }
                self.kill(here);
                continue;
            }
            let old = self.index.get(&key).copied();
            if let (Some(column), Some((old_piece, old_row))) = (merge.condition, old)
                && let Some(other) = self.pieces.get(old_piece as usize).map(|p| p.chunk.clone())
                && chunk.get(row, column).order(&other.get(old_row as usize, column)).is_lt()
            {
                self.kill(here);
                continue;
            }
            if let Some(old) = old {
                self.kill(old);
            }
            self.index.insert(key, here);
        }
    }

    /// Rows of a key become one: aggregated, or the given columns over the old ones.
    fn combine(&mut self, schema: &Schema, chunk: Chunk, deletes: &[usize], merge: &Merge) {
        let mut merged = Chunk::new(schema);
        let mut order: Vec<Vec<u8>> = Vec::new();
        let mut groups: HashMap<Vec<u8>, Vec<Value<'static>>> = HashMap::new();
        for row in 0..chunk.rows {
            let key = schema.key_of(|at| chunk.get(row, at));
            if deletes.binary_search(&row).is_ok() {
                groups.remove(&key);
                if let Some(old) = self.index.remove(&key) {
                    self.kill(old);
                }
                continue;
            }
            let old = groups.get(&key).cloned().or_else(|| self.row(schema, &key));
            let values = schema.fields.iter().enumerate().map(|(at, field)| {
                let new = chunk.get(row, at);
                match (&old, field.combine) {
                    (Some(old), Some(how)) => combine(how, old.get(at).unwrap_or(&Value::Null), &new),
                    (Some(old), None) if merge.given.get(at) == Some(&false) => {
                        old.get(at).cloned().unwrap_or(Value::Null)
                    }
                    _ => new.owned(),
                }
            });
            let values: Vec<Value<'static>> = values.collect();
            if groups.insert(key.clone(), values).is_none() {
                order.push(key);
            }
        }
        let mut keys = Vec::new();
        for key in order {
            // A key that was deleted and came again is listed twice.
            if let Some(values) = groups.remove(&key) {
                merged.push(&values);
                keys.push(key);
            }
        }
        if keys.is_empty() {
            return;
        }
        self.live += keys.len() as u64;
        let piece = self.add(merged);
        for (row, key) in keys.into_iter().enumerate() {
            if let Some(old) = self.index.insert(key, (piece, row as u32)) {
                self.kill(old);
            }
        }
    }

    fn row(&self, schema: &Schema, key: &[u8]) -> Option<Vec<Value<'static>>> {
        let (piece, row) = *self.index.get(key)?;
        let chunk = &self.pieces.get(piece as usize)?.chunk;
        Some((0..schema.fields.len()).map(|at| chunk.get(row as usize, at).owned()).collect())
    }
}
