//! Looking at a migration again and again: what is done stays done, so it is read once.

use crate::directory::Directory;
use crate::{Failure, Plan, Status, Survey};
use fault::Result;
use std::collections::HashSet;

/// How many names of a folder can be listed in the time in which one file is asked for.
const LISTED: u64 = 5;

/// Somebody who watches a migration.
pub struct Lookout<'a> {
    directory: &'a Directory,
    plan: &'a Plan,
    /// What the splits say that are done.
    done: Survey,
    /// The places in the plan of those that were not done at the last look.
    open: Vec<usize>,
}

/// What was seen at one look.
#[derive(Clone, Debug, Default)]
pub struct Look {
    pub survey: Survey,
    /// Of the splits whose last attempt failed, in the order of the plan.
    pub failures: Vec<Failure>,
}

impl<'a> Lookout<'a> {
    /// Has not looked yet.
    pub fn new(directory: &'a Directory, plan: &'a Plan) -> Lookout<'a> {
        Lookout { directory, plan, done: Survey::default(), open: (0..plan.splits.len()).collect() }
    }

    /// Counts every split once. Costs what has changed: a receipt is read at the first look that sees it, and a split that
    /// is not done is asked for no more than the folders say that there is.
    pub fn look(&mut self) -> Result<Look> {
        // Done splits have a receipt and a lock: those are the names in the folders.
        let few = self.open.len() < 1000 || self.open.len() as u64 * LISTED < self.done.done;
        let listed = |folder| if few { Ok(None) } else { self.directory.names(folder).map(Some) };
        let (done, locks) = (listed("done")?, listed("lock")?);
        let (failed, skipped) = (self.directory.names("failed")?, self.directory.names("skipped")?);
        let in_list = |list: &Option<HashSet<String>>, id: &str| list.as_ref().is_none_or(|names| names.contains(id));
        for at in std::mem::take(&mut self.open) {
            let Some(split) = self.plan.splits.get(at) else { continue };
            match if in_list(&done, &split.id) { self.directory.receipt(&split.id)? } else { None } {
                Some(receipt) => self.done.add(split, &Status::Done(Box::new(receipt))),
                None => self.open.push(at),
            }
        }
        let (mut survey, mut failures) = (self.done.clone(), Vec::new());
        for split in self.open.iter().filter_map(|at| self.plan.splits.get(*at)) {
            let status = self.directory.open_status(&split.id, |folder| match folder {
                "lock" => in_list(&locks, &split.id),
                "skipped" => skipped.contains(&split.id),
                _ => failed.contains(&split.id),
            })?;
            survey.add(split, &status);
            if let Status::Failed(failure) = status {
                failures.push(failure);
            }
        }
        Ok(Look { survey, failures })
    }
}
