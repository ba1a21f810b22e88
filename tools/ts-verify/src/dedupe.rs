//! Several values for one (series, time, field).
//!
//! The first pass proves for most buckets that there are none (times of a series that only grow or only fall, or whole
//! windows in any order). The buckets for which it cannot are read again, cell by cell, in as many parts as memory asks
//! for.

use crate::canonical::NON_FINITE;
use crate::digest::{Counts, Digest, bucket_of, each_cell};
use crate::layout::Layout;
use crate::lines::Line;
use crate::options::{Dedupe, Options};
use crate::runs::RunWriter;
use crate::series::{Table, label};
use fault::{Error, Result};
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use rows::Reader;
use xxhash_rust::xxh3::xxh3_64;

/// The value that counts, so far.
struct Kept {
    hash: u128,
    odd: bool,
    exact: i128,
}

/// Bytes that one cell costs here, with its row.
const CELL_BYTES: u64 = 288;

/// Bytes that one bucket costs here.
const BUCKET_BYTES: u64 = 384;

/// Doubtful buckets that are looked at in one pass.
#[derive(Default)]
struct Part {
    lines: Vec<Line>,
    /// A bucket that is too large for one pass is looked at in so many, which the times of the rows choose.
    slices: u64,
    numbers: HashMap<(u128, i64), u32, FixedState>,
    kept: HashMap<(u32, i128, u32), Kept, FixedState>,
}

impl Part {
    /// Those after the first `done`, as many as have room.
    fn new(digest: &Digest, done: u64, max_memory: u64) -> Result<Part> {
        let mut part = Part { slices: 1, ..Part::default() };
        let (mut lines, mut seen, mut bytes) = (digest.cursor(), 0, 0);
        while let Some(line) = lines.next()? {
            if !line.again {
                continue;
            }
            seen += 1;
            if seen <= done {
                continue;
            }
            bytes += (line.cells + line.odd_cells) * CELL_BYTES + BUCKET_BYTES;
            if !part.lines.is_empty() && bytes > max_memory {
                break;
            }
            part.numbers.insert((line.hash, line.bucket), part.lines.len() as u32);
            let none = Line { label: String::new(), cells: 0, rows: 0, sum: 0, odd_cells: 0, odd_sum: 0, ..line };
            part.lines.push(none);
            if bytes > max_memory {
                part.slices = bytes.div_ceil(max_memory.max(1));
                break;
            }
        }
        Ok(part)
    }

    /// Takes the values that count into the lines.
    fn take(&mut self) {
        let mut rows: HashSet<(u32, i128), FixedState> = HashSet::with_hasher(FixedState::default());
        for ((number, time, _), value) in self.kept.drain() {
            let Some(line) = self.lines.get_mut(number as usize) else { continue };
            if value.odd {
                line.odd_cells += 1;
                line.odd_sum = line.odd_sum.wrapping_add(value.hash);
            } else {
                line.cells += 1;
                line.sum = line.sum.wrapping_add(value.hash);
                line.rows += u64::from(rows.insert((number, time)));
            }
        }
    }
}

/// Resolves the duplicates of the buckets that may have some. `open` opens the input again.
pub fn resolve(
    digest: &mut Digest,
    layout: &Layout,
    options: &Options,
    max_memory: u64,
    mut open: impl FnMut() -> Result<Box<dyn Reader>>,
    mut progress: impl FnMut(usize) -> Result<()>,
) -> Result<()> {
    let mut corrections = RunWriter::new()?;
    let mut done = 0;
    loop {
        let mut part = Part::new(digest, done, max_memory)?;
        if part.lines.is_empty() {
            break;
        }
        done += part.lines.len() as u64;
        for slice in 0..part.slices {
            read((&mut part, slice), layout, options, open()?, &mut digest.counts, &mut progress)?;
            part.take();
        }
        for line in &part.lines {
            corrections.put(line)?;
        }
    }
    digest.correct(&corrections.finish()?)
}

/// Reads the values of a slice of a part.
fn read(
    (part, slice): (&mut Part, u64),
    layout: &Layout,
    options: &Options,
    mut reader: Box<dyn Reader>,
    counts: &mut Counts,
    mut progress: impl FnMut(usize) -> Result<()>,
) -> Result<()> {
    let (mut table, mut heads, mut rows) = (Table::new(), Vec::new(), Vec::new());
    while let Some(batch) = reader.next()? {
        table.hashes(&batch, layout, options)?;
        rows.clear();
        for key in &table.keys {
            let mine = key.inside && (part.slices == 1 || xxh3_64(&key.time.to_le_bytes()) % part.slices == slice);
            rows.push(match mine {
                true => part.numbers.get(&(key.hash, bucket_of(key.time, options.bucket)?)).copied(),
                false => None,
            });
        }
        if rows.iter().any(Option::is_some) {
            let kept = &mut part.kept;
            each_cell(&batch, layout, options, &table.keys, &mut heads, |row, field, hash, value| {
                let Some(number) = rows[row] else { return Ok(()) };
                let key = &table.keys[row];
                let new = Kept { hash, odd: value.first() == Some(&NON_FINITE), exact: key.exact };
                match kept.entry((number, key.time, field)) {
                    hashbrown::hash_map::Entry::Vacant(slot) => {
                        slot.insert(new);
                    }
                    hashbrown::hash_map::Entry::Occupied(mut slot) => {
                        if options.dedupe == Dedupe::Error {
                            let column = layout.fields.get(field as usize).map_or("", |field| field.name.as_str());
                            let at = crate::canonical::instant(key.time, layout.unit);
                            return Err(Error::malformed(format!(
                                "a second value for series {}, time {at}, field {column} (--dedupe error)",
                                label(&batch, layout, options, row)?
                            )));
                        }
                        let same = slot.get().exact == new.exact;
                        *if same { &mut counts.duplicates } else { &mut counts.collisions } += 1;
                        if options.dedupe == Dedupe::Last {
                            slot.insert(new);
                        }
                    }
                }
                Ok(())
            })?;
        }
        progress(batch.num_rows())?;
    }
    Ok(())
}
