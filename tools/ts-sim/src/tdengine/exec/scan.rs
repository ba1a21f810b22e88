//! Results as streams of chunks.
//!
//! Blocks are cut as the recorded server cuts them: at most 4096 rows of one sub-table, and pieces of several sub-tables
//! go into one block only while it stays under three quarters of that (1000 tables of 1000 rows came as blocks of 3000,
//! tables of 10 000 rows as 4096 + 4096 + 1808).

use super::super::chunk::Chunk;
use super::super::types::Type;
use super::expr::{Bound, Part, Row};

/// A result that is read once, front to back.
pub trait Cursor: Send {
    /// The next piece, never empty; `None` at the end.
    fn next(&mut self) -> Option<Chunk>;
}

/// What a scan selects: expressions, filter, and the part of the rows that LIMIT and OFFSET leave.
pub struct Projection {
    items: Vec<Bound>,
    pub filter: Option<Bound>,
    offset: u64,
    limit: u64,
    block_rows: usize,
}

/// Wide rows make blocks of fewer rows, so that no block has more than this many bytes.
const MAX_BLOCK: u64 = 64 << 20;

impl Projection {
    /// `most`: rows in a block of narrow rows.
    pub fn new(items: Vec<Bound>, filter: Option<Bound>, offset: u64, limit: u64, most: usize) -> Projection {
        let width: u64 = items.iter().map(|i| u64::from(i.ty().block_bytes())).sum();
        let block_rows = most.min((MAX_BLOCK / width.max(1)) as usize).max(1);
        Projection { items, filter, offset, limit, block_rows }
    }

    pub fn types(&self) -> impl Iterator<Item = Type> + '_ {
        self.items.iter().map(Bound::ty)
    }

    fn threshold(&self) -> usize {
        (self.block_rows * 3 / 4).max(1)
    }

    fn append(&self, chunk: &mut Chunk, part: &Part, picked: &Picked) {
        for (item, cells) in self.items.iter().zip(&mut chunk.columns) {
            match (item, picked) {
                (Bound::Column(at, _), Picked::Range(from, to)) => cells.copy(part.rows.column(*at), *from, *to),
                (item, picked) if !item.by_row() => {
                    cells.repeat(&item.eval(Row::Table(part, 0)), picked.len());
                }
                (item, Picked::Range(from, to)) => {
                    (*from..*to).for_each(|row| cells.push(&item.eval(Row::Table(part, row))));
                }
                (item, Picked::Rows(rows)) => {
                    rows.iter().for_each(|row| cells.push(&item.eval(Row::Table(part, *row))));
                }
            }
        }
        chunk.rows += picked.len();
    }

    /// A block that LIMIT cuts keeps the NULL bits of the rows behind the cut in its last byte (recorded): a reader must
    /// not look at them.
    fn leave_bits(&self, chunk: &mut Chunk, part: &Part, next: usize) {
        let spare = chunk.rows.next_multiple_of(8) - chunk.rows;
        for (item, cells) in self.items.iter().zip(&mut chunk.columns) {
            if let Bound::Column(at, _) = item {
                let rows = (next..part.range.end).take(spare).enumerate();
                rows.filter(|(_, row)| part.rows.column(*at).is_null(*row))
                    .for_each(|(bit, _)| cells.nulls.set(chunk.rows + bit));
            }
        }
    }
}

enum Picked {
    Range(usize, usize),
    Rows(Vec<usize>),
}

impl Picked {
    fn len(&self) -> usize {
        match self {
            Picked::Range(from, to) => to - from,
            Picked::Rows(rows) => rows.len(),
        }
    }

    /// Drops `skip` rows in front, and what is beyond `take`.
    fn cut(self, skip: usize, take: usize) -> Picked {
        match self {
            Picked::Range(from, to) => {
                let from = (from + skip).min(to);
                Picked::Range(from, to.min(from.saturating_add(take)))
            }
            Picked::Rows(rows) => Picked::Rows(rows.into_iter().skip(skip).take(take).collect()),
        }
    }
}

/// Table after table, in stored order.
pub struct Scan {
    parts: Vec<Part>,
    projection: Projection,
    part: usize,
    row: usize,
    pending: Option<(usize, Picked)>,
}

impl Scan {
    pub fn new(parts: Vec<Part>, projection: Projection) -> Scan {
        let row = parts.first().map_or(0, |p| p.range.start);
        Scan { parts, projection, part: 0, row, pending: None }
    }

    /// The next rows of one table, filtered and cut to what OFFSET and LIMIT leave.
    fn pick(&mut self) -> Option<(usize, Picked)> {
        loop {
            let projection = &mut self.projection;
            if projection.limit == 0 {
                return None;
            }
            let part = self.parts.get(self.part)?;
            if self.row >= part.range.end {
                self.part += 1;
                self.row = self.parts.get(self.part).map_or(0, |p| p.range.start);
                continue;
            }
            let picked = match &projection.filter {
                None => {
                    let end = part.range.end.min(self.row + projection.block_rows);
                    let from = std::mem::replace(&mut self.row, end);
                    Picked::Range(from, end)
                }
                Some(filter) => {
                    let mut rows = Vec::new();
                    while self.row < part.range.end && rows.len() < projection.block_rows {
                        if filter.truth(Row::Table(part, self.row)) == Some(true) {
                            rows.push(self.row);
                        }
                        self.row += 1;
                    }
                    Picked::Rows(rows)
                }
            };
            let skipped = projection.offset.min(picked.len() as u64);
            projection.offset -= skipped;
            let picked = picked.cut(skipped as usize, usize::try_from(projection.limit).unwrap_or(usize::MAX));
            projection.limit -= picked.len() as u64;
            if picked.len() > 0 {
                return Some((self.part, picked));
            }
        }
    }
}

impl Cursor for Scan {
    fn next(&mut self) -> Option<Chunk> {
        let mut chunk = Chunk::new(self.projection.types());
        while let Some((part, picked)) = self.pending.take().or_else(|| self.pick()) {
            if chunk.rows > 0 && chunk.rows + picked.len() > self.projection.threshold() {
                self.pending = Some((part, picked));
                break;
            }
            self.projection.append(&mut chunk, &self.parts[part], &picked);
            if let (Picked::Range(_, to), 0) = (picked, self.projection.limit) {
                self.projection.leave_bits(&mut chunk, &self.parts[part], to);
            }
        }
        (chunk.rows > 0).then_some(chunk)
    }
}

/// Single rows of tables in a given order.
pub struct Ordered {
    parts: Vec<Part>,
    projection: Projection,
    order: std::vec::IntoIter<(u32, u32)>,
}

impl Ordered {
    /// `order` has (part, row), already filtered; LIMIT and OFFSET are applied here.
    pub fn new(parts: Vec<Part>, projection: Projection, order: Vec<(u32, u32)>) -> Ordered {
        let from = usize::try_from(projection.offset).unwrap_or(usize::MAX).min(order.len());
        let mut order = order;
        order.drain(..from);
        order.truncate(usize::try_from(projection.limit).unwrap_or(usize::MAX));
        Ordered { parts, projection, order: order.into_iter() }
    }
}

impl Cursor for Ordered {
    fn next(&mut self) -> Option<Chunk> {
        let mut chunk = Chunk::new(self.projection.types());
        for (part, row) in self.order.by_ref().take(self.projection.block_rows) {
            let row = Picked::Range(row as usize, row as usize + 1);
            self.projection.append(&mut chunk, &self.parts[part as usize], &row);
        }
        (chunk.rows > 0).then_some(chunk)
    }
}

/// Chunks that are there already.
pub struct Ready(std::vec::IntoIter<Chunk>);

impl Ready {
    pub fn new(chunks: Vec<Chunk>) -> Ready {
        Ready(chunks.into_iter())
    }
}

impl Cursor for Ready {
    fn next(&mut self) -> Option<Chunk> {
        self.0.find(|chunk| chunk.rows > 0)
    }
}
