//! The next round of an incremental migration: from where each table is done without a gap.

use fault::Result;
use rows::time::{Nanos, parse_instant};
use state::{Directory, Status};
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

/// The high-water mark of each table: the start of its first split that is not done, else the end of its last one. A
/// table without splits has none.
pub fn marks(directory: &Path) -> Result<HashMap<String, Nanos>> {
    let directory = Directory::open(directory)?;
    let mut open: HashMap<String, Nanos> = HashMap::new();
    let mut done: HashMap<String, Nanos> = HashMap::new();
    for split in directory.plan()?.splits {
        match directory.status(&split.id)? {
            Status::Done(_) => {
                let end = parse_instant(&split.to)?;
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
