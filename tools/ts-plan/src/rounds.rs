//! The next round of an incremental migration: from where each table is done without a gap.

use fault::Result;
use rows::time::{Nanos, parse_instant};
use state::{Directory, Status};
use std::collections::HashMap;
use std::time::Duration;

/// The high-water mark of each table: the start of its first split that is not done, else the end of its last one. A
/// table without splits has none.
///
/// Windows of a round end with the newest row that was there, so that a mark tells of data, not of a clock: one that was
/// fast, and was set back, would have declared hours done in which rows still arrive. Only where a window lasts until
/// after `until` (a row bears a time that is still to come) the instant decides at which it was read: what arrives
/// between that instant and the row is still to be moved.
pub fn marks(directory: &Directory, until: Nanos) -> Result<HashMap<String, Nanos>> {
    let mut open: HashMap<String, Nanos> = HashMap::new();
    let mut done: HashMap<String, Nanos> = HashMap::new();
    for split in directory.plan()?.splits {
        match directory.status(&split.id)? {
            Status::Done(receipt) => {
                let mut end = parse_instant(&split.to)?;
                if end > until {
                    end = parse_instant(&receipt.started).map_or(end, |read| end.min(read));
                }
                done.entry(split.table).and_modify(|mark| *mark = end.max(*mark)).or_insert(end);
            }
            _ => {
                let start = parse_instant(&split.from)?;
                open.entry(split.table).and_modify(|mark| *mark = start.min(*mark)).or_insert(start);
            }
        }
    }
    // What is open decides, also where later windows are done already.
    done.extend(open);
    Ok(done)
}

/// This long before an instant.
pub fn before(instant: Nanos, time: Duration) -> Nanos {
    instant.saturating_sub(Nanos::try_from(time.as_nanos()).unwrap_or(Nanos::MAX))
}
