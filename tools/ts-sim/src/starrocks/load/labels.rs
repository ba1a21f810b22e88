//! The transactions of the FE: one for each load, found by its label, remembered for a while when it is over.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Prepare,
    Prepared,
    Committed,
    Visible,
    Aborted,
}

impl Status {
    /// As `get_load_state` says it.
    pub fn name(self) -> &'static str {
        match self {
            Status::Prepare => "PREPARE",
            Status::Prepared => "PREPARED",
            Status::Committed => "COMMITTED",
            Status::Visible => "VISIBLE",
            Status::Aborted => "ABORTED",
        }
    }

    /// `ExistingJobStatus` of a label that this transaction holds.
    pub fn job(self) -> &'static str {
        match self {
            Status::Prepare | Status::Prepared => "RUNNING",
            _ => "FINISHED",
        }
    }

    fn is_over(self) -> bool {
        matches!(self, Status::Visible | Status::Aborted)
    }
}

/// One transaction; `P` is what it will make visible.
#[derive(Debug)]
pub struct Transaction<P> {
    pub id: u64,
    pub database: String,
    pub label: String,
    pub status: Status,
    /// Why it was aborted.
    pub reason: String,
    /// When it is aborted unless something happens.
    deadline: Instant,
    ended: Option<Instant>,
    parts: Vec<P>,
}

/// Why a transaction cannot begin.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// `ExistingJobStatus` of the label.
    Label(&'static str),
    /// The database has as many running ones as it may have.
    Limit(String),
}

/// All transactions.
#[derive(Debug)]
pub struct Labels<P> {
    transactions: HashMap<u64, Transaction<P>>,
    /// The last transaction of each label.
    by_label: HashMap<(String, String), u64>,
    /// Finished ones that are remembered in each database (`label_keep_max_num`).
    keep: usize,
    /// And for how long (`label_keep_max_second`).
    keep_for: Duration,
    /// Running ones in each database (`max_running_txn_num_per_db`).
    running: usize,
}

/// How long a finished label is remembered (dossier starrocks 1.6).
pub const KEEP: Duration = Duration::from_secs(3 * 86_400);
/// Seconds from begin to prepare of a Stream Load without `timeout`.
pub const TIMEOUT: Duration = Duration::from_secs(600);
/// Seconds from prepare to commit without `prepared_timeout` (dossier starrocks 2).
pub const PREPARED_TIMEOUT: Duration = Duration::from_secs(86_400);

impl<P> Labels<P> {
    /// With these limits.
    pub fn new(keep: usize, keep_for: Duration, running: usize) -> Labels<P> {
        Labels { transactions: HashMap::new(), by_label: HashMap::new(), keep, keep_for, running }
    }

    /// Begins a transaction under a number that the caller has drawn. An aborted label may be used again.
    pub fn begin(
        &mut self,
        id: u64,
        database: &str,
        label: &str,
        timeout: Duration,
        now: Instant,
    ) -> Result<u64, Refused> {
        self.expire(now);
        if let Some(found) = self.find(database, label)
            && found.status != Status::Aborted
        {
            return Err(Refused::Label(found.status.job()));
        }
        let of_database =
            |t: &&Transaction<P>| t.database == database && matches!(t.status, Status::Prepare | Status::Prepared);
        let running = self.transactions.values().filter(of_database).count();
        if running >= self.running {
            // Read in the FE's manual; the number of the database is not simulated.
            return Err(Refused::Limit(format!(
                "current running txns on db {database} is {running}, larger than limit {}",
                self.running
            )));
        }
        let transaction = Transaction {
            id,
            database: database.to_owned(),
            label: label.to_owned(),
            status: Status::Prepare,
            reason: String::new(),
            deadline: later(now, timeout),
            ended: None,
            parts: Vec::new(),
        };
        self.transactions.insert(id, transaction);
        self.by_label.insert((database.to_owned(), label.to_owned()), id);
        Ok(id)
    }

    /// The last transaction of a label.
    pub fn find(&self, database: &str, label: &str) -> Option<&Transaction<P>> {
        let id = self.by_label.get(&(database.to_owned(), label.to_owned()))?;
        self.transactions.get(id)
    }

    /// A transaction by its number.
    pub fn get(&self, id: u64) -> Option<&Transaction<P>> {
        self.transactions.get(&id)
    }

    /// Prepares what a running transaction has written; the error is the server's.
    pub fn prepare(&mut self, id: u64, parts: Vec<P>, timeout: Duration, now: Instant) -> Result<(), String> {
        let found = self.transactions.get_mut(&id).filter(|t| t.status == Status::Prepare);
        let found = found.ok_or_else(|| format!("transaction [{id}] is already aborted"))?;
        found.status = Status::Prepared;
        found.parts = parts;
        found.deadline = later(now, timeout);
        Ok(())
    }

    /// Commits a prepared transaction: what it wrote is to be made visible, then [`Labels::visible`] called.
    pub fn commit(&mut self, id: u64, now: Instant) -> Result<Vec<P>, String> {
        let found = self.transactions.get_mut(&id).filter(|t| t.status == Status::Prepared);
        let found = found.ok_or_else(|| format!("transaction [{id}] is already aborted"))?;
        found.status = Status::Committed;
        found.deadline = later(now, KEEP);
        Ok(std::mem::take(&mut found.parts))
    }

    /// A committed transaction can be seen now.
    pub fn visible(&mut self, id: u64, now: Instant) {
        if let Some(found) = self.transactions.get_mut(&id).filter(|t| t.status == Status::Committed) {
            found.status = Status::Visible;
            found.ended = Some(now);
        }
        self.expire(now);
    }

    /// Aborts what has not been committed; the error is the server's.
    pub fn abort(&mut self, id: u64, reason: &str, now: Instant) -> Result<(), String> {
        let Some(found) = self.transactions.get_mut(&id) else {
            return Err(format!("transaction not found, transactionId={id}"));
        };
        match found.status {
            Status::Prepare | Status::Prepared => {
                end(found, reason, now);
                self.expire(now);
                Ok(())
            }
            Status::Aborted => Ok(()),
            Status::Committed | Status::Visible => {
                Err(format!("transaction's state is already {}, could not abort", found.status.name()))
            }
        }
    }

    /// Aborts what took too long, and forgets what is over for too long or too many.
    pub fn expire(&mut self, now: Instant) {
        let mut over: HashMap<&str, Vec<(Instant, u64)>> = HashMap::new();
        for found in self.transactions.values_mut() {
            if found.deadline <= now && matches!(found.status, Status::Prepare | Status::Prepared) {
                end(found, "timeout by txn manager", now);
            }
            if let Some(ended) = found.ended.filter(|_| found.status.is_over()) {
                over.entry(&found.database).or_default().push((ended, found.id));
            }
        }
        let mut gone = Vec::new();
        for ended in over.values_mut() {
            ended.sort_unstable();
            let many = ended.len().saturating_sub(self.keep);
            let old = ended.iter().take_while(|(at, _)| later(*at, self.keep_for) <= now).count();
            gone.extend(ended.iter().take(many.max(old)).map(|(_, id)| *id));
        }
        gone.into_iter().for_each(|id| self.drop(id));
    }

    /// Forgets every finished label of a database, as if newer ones had pushed them out.
    pub fn forget(&mut self, database: &str) {
        let over = self.transactions.values().filter(|t| t.database == database && t.status.is_over()).map(|t| t.id);
        let over: Vec<u64> = over.collect();
        over.into_iter().for_each(|id| self.drop(id));
    }

    fn drop(&mut self, id: u64) {
        let Some(gone) = self.transactions.remove(&id) else { return };
        let key = (gone.database, gone.label);
        if self.by_label.get(&key) == Some(&id) {
            self.by_label.remove(&key);
        }
    }
}

fn end<P>(transaction: &mut Transaction<P>, reason: &str, now: Instant) {
    transaction.status = Status::Aborted;
    transaction.reason = reason.to_owned();
    transaction.ended = Some(now);
    transaction.parts.clear();
}

/// Overflow is as good as never.
fn later(now: Instant, time: Duration) -> Instant {
    now.checked_add(time).unwrap_or_else(|| now + Duration::from_secs(365 * 86_400))
}

/// `[-A-Za-z0-9_]{1,128}` (dossier starrocks 1.3); the error is the server's.
pub fn check(label: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if (1..=128).contains(&label.len()) && label.chars().all(fits) {
        return Ok(());
    }
    Err(format!("Label format error. regex: ^[-_A-Za-z0-9]{{1,128}}$, label: {label}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn done(labels: &mut Labels<u8>, id: u64, label: &str, now: Instant) {
        labels.begin(id, "d", label, TIMEOUT, now).unwrap();
        labels.prepare(id, vec![7], TIMEOUT, now).unwrap();
        assert_eq!(labels.commit(id, now), Ok(vec![7]));
        labels.visible(id, now);
    }

    #[test]
    fn a_label_is_taken_until_it_is_aborted() {
        let now = Instant::now();
        let mut labels: Labels<u8> = Labels::new(1000, KEEP, 1000);
        labels.begin(1, "d", "a", TIMEOUT, now).unwrap();
        assert_eq!(labels.begin(2, "d", "a", TIMEOUT, now), Err(Refused::Label("RUNNING")));
        labels.begin(3, "other", "a", TIMEOUT, now).unwrap();
        labels.abort(1, "because", now).unwrap();
        assert_eq!(labels.find("d", "a").map(|t| (t.status, t.reason.as_str())), Some((Status::Aborted, "because")));
        done(&mut labels, 4, "a", now);
        assert_eq!(labels.begin(5, "d", "a", TIMEOUT, now), Err(Refused::Label("FINISHED")));
        assert!(labels.abort(4, "", now).is_err() && labels.abort(99, "", now).is_err());
        assert!(labels.commit(4, now).is_err() && labels.prepare(4, vec![], TIMEOUT, now).is_err());
    }

    #[test]
    fn time_limits_abort_and_a_late_commit_fails() {
        let now = Instant::now();
        let mut labels: Labels<u8> = Labels::new(1000, KEEP, 1000);
        labels.begin(1, "d", "a", SECOND, now).unwrap();
        labels.begin(2, "d", "b", SECOND, now).unwrap();
        labels.prepare(2, vec![1], 5 * SECOND, now).unwrap();
        labels.expire(now + 2 * SECOND);
        assert_eq!((labels.get(1).unwrap().status, labels.get(2).unwrap().status), (Status::Aborted, Status::Prepared));
        labels.expire(now + 6 * SECOND);
        assert_eq!(labels.get(2).unwrap().reason, "timeout by txn manager");
        assert!(labels.commit(2, now + 6 * SECOND).is_err());
    }

    #[test]
    fn finished_labels_are_forgotten_by_count_and_by_age_running_ones_never() {
        let now = Instant::now();
        let mut labels: Labels<u8> = Labels::new(2, 100 * SECOND, 1000);
        labels.begin(1, "d", "running", KEEP, now).unwrap();
        for (id, label) in [(2, "a"), (3, "b"), (4, "c")] {
            done(&mut labels, id, label, now + id as u32 * SECOND);
        }
        let known = |labels: &Labels<u8>| ["running", "a", "b", "c"].map(|label| labels.find("d", label).is_some());
        assert_eq!(known(&labels), [true, false, true, true]);
        labels.expire(now + 103 * SECOND);
        assert_eq!(known(&labels), [true, false, false, true]);
        labels.forget("d");
        assert_eq!(known(&labels), [true, false, false, false]);
        // forgotten: the same label may load again, which is how rows come twice
        done(&mut labels, 5, "a", now + 104 * SECOND);
    }

    #[test]
    fn a_database_has_a_limit_of_running_ones() {
        let now = Instant::now();
        let mut labels: Labels<u8> = Labels::new(1000, KEEP, 1);
        labels.begin(1, "d", "a", TIMEOUT, now).unwrap();
        let Err(Refused::Limit(why)) = labels.begin(2, "d", "b", TIMEOUT, now) else { panic!("no limit") };
        assert_eq!(why, "current running txns on db d is 1, larger than limit 1");
        labels.begin(3, "other", "b", TIMEOUT, now).unwrap();
        assert!(
            check("ok-1_A").is_ok() && check("").is_err() && check("a b").is_err() && check(&"x".repeat(129)).is_err()
        );
    }
}
