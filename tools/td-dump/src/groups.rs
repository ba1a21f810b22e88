//! Sub-tables put together into parts of about the same size: thin ones share a statement, a large one is read in
//! windows of time, so that no worker is left with a part that is much longer than the others'.

use std::ops::Range;
use tdengine::catalog::Extent;

/// Rows that a part should have: some seconds of a slow server, and little to read again.
const ROWS: u64 = 128 << 10;
/// Names in one statement: it stays well below the server's limit (dossier tdengine 5.4), and a part of empty or nearly
/// empty sub-tables is not all there is to do.
const NAMES: usize = 1000;

/// A part: some sub-tables, by their places in the list of names, in a window of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub names: Range<usize>,
    /// Half-open, in the database's unit.
    pub from: i64,
    pub to: i64,
}

/// So many sub-tables in a part, whatever is in them.
pub fn fixed(tables: usize, size: usize, (from, to): (i64, i64)) -> Vec<Group> {
    let size = size.max(1);
    (0..tables).step_by(size).map(|start| Group { names: start..tables.min(start + size), from, to }).collect()
}

/// Parts of about [`ROWS`] rows. Neighbours stay together, and windows of a sub-table follow each other.
pub fn even(tables: &[Extent], (from, to): (i64, i64)) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut rows = 0;
    let mut open = false;
    for (at, table) in tables.iter().enumerate() {
        if table.rows >= 2 * ROWS {
            let mut start = from;
            for end in inner_bounds(table).chain([to]) {
                groups.push(Group { names: at..at + 1, from: start, to: end });
                start = end;
            }
            open = false;
            continue;
        }
        match groups.last_mut() {
            Some(last) if open && rows + table.rows <= ROWS && last.names.len() < NAMES => {
                last.names.end = at + 1;
                rows += table.rows;
            }
            _ => {
                groups.push(Group { names: at..at + 1, from, to });
                rows = table.rows;
                open = true;
            }
        }
    }
    groups
}

/// The times between the windows of a large sub-table, as if its rows came evenly.
fn inner_bounds(table: &Extent) -> impl Iterator<Item = i64> {
    let (first, last) = table.range.unwrap_or_default();
    let parts = i128::from(table.rows.div_ceil(ROWS));
    let span = i128::from(last) - i128::from(first) + 1;
    // A span of fewer instants than parts has fewer windows: each bound once.
    let parts = parts.min(span).max(1);
    (1..parts).filter_map(move |part| i64::try_from(i128::from(first) + span * part / parts).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::collection::vec;
    use testkit::proptest::prelude::*;

    proptest! {
        #[test]
        fn every_instant_of_every_table_is_in_one_part(
            tables in vec((prop_oneof![0u64..50, 0..3 * ROWS, 0..60 * ROWS], 0i64..1000, prop_oneof![0i64..5, 0i64..1_000_000]), 0..300),
            size in 1usize..50, even_ones in any::<bool>(),
        ) {
            let tables: Vec<Extent> = tables.iter().map(|(rows, first, span)| Extent { rows: *rows, range: Some((*first, first + span)) }).collect();
            let whole = (-5, 1_002_000);
            let groups = if even_ones { even(&tables, whole) } else { fixed(tables.len(), size, whole) };
            let mut next = (0, whole.0);
            for group in &groups {
                prop_assert!(group.from < group.to && !group.names.is_empty() && group.names.len() <= NAMES);
                prop_assert_eq!((group.names.start, group.from), next);
                next = if group.to == whole.1 { (group.names.end, whole.0) } else { (group.names.start, group.to) };
            }
            prop_assert_eq!(next, (tables.len(), whole.0));
            if even_ones {
                let thin = groups.iter().filter(|group| group.names.len() > 1);
                for group in thin {
                    prop_assert!(tables[group.names.clone()].iter().map(|table| table.rows).sum::<u64>() <= ROWS);
                }
            }
        }
    }

    #[test]
    fn thin_ones_share_a_part_and_a_large_one_has_several() {
        let table = |rows, last| Extent { rows, range: Some((0, last)) };
        let thin = vec![table(3, 2); 100_000];
        assert_eq!(even(&thin, (0, 3)).len(), 100);
        let mixed = [table(10, 9), table(10 * ROWS, 999_999), table(10, 9), table(20, 9)];
        let groups = even(&mixed, (0, 1_000_000));
        assert_eq!(groups.len(), 12);
        assert_eq!(groups[3], Group { names: 1..2, from: 200_000, to: 300_000 });
        assert_eq!(groups[11], Group { names: 2..4, from: 0, to: 1_000_000 });
    }
}
