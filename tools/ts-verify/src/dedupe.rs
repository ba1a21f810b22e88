//! Several values for one (series, time, field).
//!
//! The first pass proves for most buckets that there are none (times of a series that only grow or only fall, or whole
//! windows in any order). The buckets for which it cannot are read again, cell by cell, in as many parts as memory asks
//! for.

use crate::canonical::NON_FINITE;
use crate::digest::{Digest, Entry, each_cell};
use crate::layout::Layout;
use crate::options::{Dedupe, Options};
use fault::{Error, Result};
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use rows::Reader;

/// The value that counts, so far.
struct Kept {
    hash: u128,
    odd: bool,
    exact: i128,
}

/// Bytes that one cell costs here.
const CELL_BYTES: u64 = 160;

/// Resolves the duplicates of the buckets that may have some. `open` opens the input again.
pub fn resolve(
    digest: &mut Digest,
    layout: &Layout,
    options: &Options,
    max_memory: u64,
    mut open: impl FnMut() -> Result<Box<dyn Reader>>,
    mut progress: impl FnMut(usize) -> Result<()>,
) -> Result<()> {
    let doubtful = |entry: &&Entry| entry.again;
    let cells: u64 = digest.entries.iter().filter(doubtful).map(|entry| entry.cells + entry.odd_cells).sum();
    if cells == 0 {
        return Ok(());
    }
    let parts = (cells.saturating_mul(CELL_BYTES)).div_ceil(max_memory.max(1)).max(1);
    let empty_tags = digest.table.empty_tags;
    for part in 0..parts {
        let mine = |number: usize| number as u64 % parts == part;
        let mut kept: HashMap<(u32, i128, u32), Kept, FixedState> = HashMap::with_hasher(FixedState::default());
        let mut reader = open()?;
        let mut heads = Vec::new();
        while let Some(batch) = reader.next()? {
            digest.table.fill(&batch, layout, options)?;
            let mut rows = Vec::with_capacity(batch.num_rows());
            for key in &digest.table.keys {
                let number = if key.inside {
                    digest.entry(key.series, crate::digest::bucket_of(key.time, options.bucket)?)
                } else {
                    None
                };
                let wanted = number.filter(|n| mine(*n as usize));
                rows.push(wanted.filter(|n| digest.entries.get(*n as usize).is_some_and(|entry| entry.again)));
            }
            if rows.iter().any(Option::is_some) {
                let (keys, counts) = (&digest.table.keys, &mut digest.counts);
                each_cell(&batch, layout, options, keys, &mut heads, |row, field, hash, value| {
                    let Some(number) = rows[row] else { return Ok(()) };
                    let key = &keys[row];
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
                                    digest.table.series.get(key.series as usize).map_or("", |s| s.label.as_str())
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
        replace(digest, kept, mine);
    }
    digest.table.empty_tags = empty_tags;
    Ok(())
}

fn replace(digest: &mut Digest, kept: HashMap<(u32, i128, u32), Kept, FixedState>, mine: impl Fn(usize) -> bool) {
    for (_, entry) in digest.entries.iter_mut().enumerate().filter(|(number, entry)| mine(*number) && entry.again) {
        (entry.cells, entry.rows, entry.sum, entry.odd_cells, entry.odd_sum) = (0, 0, 0, 0, 0);
    }
    let mut rows: HashSet<(u32, i128), FixedState> = HashSet::with_hasher(FixedState::default());
    for ((number, time, _), value) in kept {
        let Some(entry) = digest.entries.get_mut(number as usize) else { continue };
        if value.odd {
            entry.odd_cells += 1;
            entry.odd_sum = entry.odd_sum.wrapping_add(value.hash);
        } else {
            entry.cells += 1;
            entry.sum = entry.sum.wrapping_add(value.hash);
            entry.rows += u64::from(rows.insert((number, time)));
        }
    }
}
