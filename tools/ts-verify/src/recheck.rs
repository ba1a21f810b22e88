//! `--settle` and `--rechecks`: sides to which rows are still on their way.

use crate::canonical::instant;
use crate::differing::{Differing, List, ListWriter};
use crate::input::Spec;
use crate::options::Options;
use cli::Run;
use fault::{Error, Result};
use rows::time::{Nanos, Unit};
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Rows of the last so much time may still be on their way.
#[derive(clap::Args)]
#[command(next_help_heading = "Live data")]
pub struct SettleArgs {
    /// Leave out rows newer than so long ago: they may be on their way to one side still
    #[arg(long, value_name = "DURATION", value_parser = cli::args::duration)]
    pub settle: Option<Duration>,
}

/// What is done about sides that change.
#[derive(clap::Args)]
#[command(next_help_heading = "Live data")]
pub struct LiveArgs {
    #[command(flatten)]
    pub settle: SettleArgs,
    /// Read both sides again for the buckets that differ, up to N times; what then still differs is a difference
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub rechecks: u32,
    /// Wait so long before they are read again, twice as long before the next time, at most a minute
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = cli::args::duration, requires = "rechecks", hide_short_help = true)]
    pub recheck_wait: Duration,
}

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);

impl SettleArgs {
    /// The end of what has settled, in whole seconds; `None` without `--settle`.
    pub fn settled(&self) -> Result<Option<Nanos>> {
        let Some(settle) = self.settle else { return Ok(None) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| Error::usage("the clock is before 1970"))?;
        let end = i128::from(now.as_secs()) - i128::from(settle.as_secs()) - i128::from(settle.subsec_nanos() > 0);
        Ok(Some(end * 1_000_000_000))
    }
}

impl LiveArgs {
    /// Fails (exit 2) for a side that cannot be read again.
    pub fn check(&self, specs: [&Spec; 2]) -> Result<()> {
        let again = |spec: &Spec| match spec {
            Spec::Command(_) => true,
            Spec::Path(path) => std::fs::metadata(path).is_ok_and(|file| file.is_file()),
        };
        match specs.into_iter().all(again) || self.rechecks == 0 {
            true => Ok(()),
            false => Err(Error::usage(
                "--rechecks reads both sides again, and a pipe cannot be: give --source-cmd and --target-cmd, or files",
            )),
        }
    }
}

/// What became of the buckets that differed at first.
#[derive(Default)]
pub struct Rechecks {
    made: u32,
    first: u64,
    left: u64,
}

impl Rechecks {
    /// For the summary.
    pub fn to_json(&self) -> Value {
        json!({ "made": self.made, "buckets": self.first, "settled": self.first - self.left })
    }
}

/// Reads again until nothing differs any more, as often as was asked. `read` gives the buckets that differ in a range;
/// `settled` sees every bucket that does not differ any more.
pub fn run(
    live: &LiveArgs,
    options: &Options,
    mut list: List,
    run: &Run,
    mut read: impl FnMut(Options) -> Result<List>,
    mut settled: impl FnMut(&Differing),
) -> Result<(List, Rechecks)> {
    let mut rechecks = Rechecks::default();
    let mut pause = live.recheck_wait;
    for made in 0..=live.rechecks {
        let (range, buckets) = range(&list, options)?;
        if made == 0 {
            rechecks.first = buckets;
        }
        (rechecks.made, rechecks.left) = (made, buckets);
        if buckets == 0 || made == live.rechecks {
            break;
        }
        run.info(format!(
            "{buckets} buckets differ: reading {} to {} again in {:.1} s",
            range.since.map_or_else(String::new, |at| instant(at, Unit::S)),
            range.until.map_or_else(String::new, |at| instant(at, Unit::S)),
            pause.as_secs_f64()
        ));
        run.stop().sleep(pause)?;
        pause = (pause * 2).min(LONGEST);
        list = both(&list, &read(range)?, &mut settled)?;
    }
    Ok((list, rechecks))
}

/// The range that holds all buckets of the list, and how many there are.
fn range(list: &List, options: &Options) -> Result<(Options, u64)> {
    let (mut reader, mut buckets) = (list.open(), 0);
    let (mut first, mut last) = (i64::MAX, i64::MIN);
    while let Some(bucket) = reader.next()? {
        buckets += 1;
        (first, last) = (first.min(bucket.bucket), last.max(bucket.bucket));
    }
    let width = i128::from(options.bucket);
    let (start, end) = (i128::from(first) * width, (i128::from(last) + 1) * width);
    let since = Some(options.since.map_or(start, |since| since.max(start)));
    let until = Some(options.until.map_or(end, |until| until.min(end)));
    Ok((Options { since, until, ..*options }, buckets))
}

/// The buckets of both lists, as the second has them. One that was equal once is equal.
fn both(old: &List, new: &List, settled: &mut impl FnMut(&Differing)) -> Result<List> {
    let (mut old, mut new, mut out) = (old.open(), new.open(), ListWriter::new()?);
    let mut fresh = new.next()?;
    while let Some(bucket) = old.next()? {
        let order = |fresh: &Differing| (&fresh.label, fresh.bucket).cmp(&(&bucket.label, bucket.bucket));
        while fresh.as_ref().is_some_and(|fresh| order(fresh) == Ordering::Less) {
            fresh = new.next()?;
        }
        match &fresh {
            Some(fresh) if order(fresh) == Ordering::Equal => out.put(fresh)?,
            _ => settled(&bucket),
        }
    }
    out.finish()
}
