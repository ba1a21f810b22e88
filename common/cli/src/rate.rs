//! `--rate-limit`: no more than so many rows, or bytes, in a second.
//!
//! A bucket that gets a second's worth in a second and holds no more than that: after a pause the work may catch up for a
//! second, never longer. It begins empty.

use crate::{Counter, Run, Stop};
use clap::Args;
use fault::Result;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What may be saved up.
const BURST: Duration = Duration::from_secs(1);
/// Pieces in a second: nobody downstream sees a second of silence.
const PIECES: f64 = 8.0;
/// Rows of the first piece, when nothing is known of their size.
const FIRST: usize = 64;

/// The option.
#[derive(Args, Clone, Debug)]
pub struct RateArgs {
    /// No more than this in a second: 10000rows/s, 20MB/s, 5MiB/s (bytes as the summary counts them)
    #[arg(long, value_name = "RATE", value_parser = rate, hide_short_help = true)]
    pub rate_limit: Option<Rate>,
}

impl RateArgs {
    /// So many rows and bytes, but no more than a second's worth.
    pub fn within_a_second(&self, rows: u64, bytes: u64) -> (usize, usize) {
        let (rows, bytes) = match self.rate_limit {
            Some(Rate::Rows(limit)) => (rows.min(limit), bytes),
            Some(Rate::Bytes(limit)) => (rows, bytes.min(limit)),
            None => (rows, bytes),
        };
        (usize::try_from(rows).unwrap_or(usize::MAX), usize::try_from(bytes).unwrap_or(usize::MAX))
    }
}

/// So much in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    Rows(u64),
    Bytes(u64),
}

/// `10000rows/s`, `20MB/s`.
pub fn rate(text: &str) -> std::result::Result<Rate, String> {
    let bad = || format!("'{text}' is no rate: write 10000rows/s, 20MB/s or 5MiB/s");
    let amount = text.strip_suffix("/s").ok_or_else(bad)?;
    match amount.strip_suffix("rows").or_else(|| amount.strip_suffix("row")) {
        Some(number) => match number.trim_end().parse::<u64>() {
            Ok(rows) if rows > 0 => Ok(Rate::Rows(rows)),
            _ => Err(bad()),
        },
        // A bare number could be either.
        None if amount.ends_with(|c: char| c.is_ascii_digit()) => Err(bad()),
        None => crate::args::bytes(amount).map(Rate::Bytes),
    }
}

/// The bucket, shared by all threads of a run.
#[derive(Debug)]
pub(crate) struct Limiter {
    rate: Rate,
    state: Mutex<State>,
    stop: Stop,
    waited: Counter,
}

#[derive(Debug)]
struct State {
    /// When all that was taken so far has been paid for.
    paid: Instant,
    rows: u64,
    bytes: u64,
}

impl Limiter {
    pub(crate) fn new(rate: Rate, run: &Run) -> Limiter {
        let state = Mutex::new(State { paid: Instant::now(), rows: 0, bytes: 0 });
        Limiter { rate, state, stop: run.stop(), waited: run.counter("limited_ms") }
    }

    /// Takes so much, and waits until it is paid for.
    pub(crate) fn take(&self, rows: u64, bytes: u64) -> Result<()> {
        let (amount, rate) = match self.rate {
            Rate::Rows(rate) => (rows, rate),
            Rate::Bytes(rate) => (bytes, rate),
        };
        let started = Instant::now();
        let paid = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.rows += rows;
            state.bytes += bytes;
            state.paid = after(state.paid, started, amount, rate);
            state.paid
        };
        self.stop.sleep(paid.saturating_duration_since(Instant::now()))?;
        self.waited.add(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// How many of so many rows to write before the next [`Limiter::take`].
    fn piece(&self, rows: usize) -> usize {
        let piece = match self.rate {
            Rate::Rows(rate) => rate as f64 / PIECES,
            Rate::Bytes(rate) => {
                let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                let size = state.bytes as f64 / state.rows as f64;
                if size.is_normal() { rate as f64 / PIECES / size } else { FIRST as f64 }
            }
        };
        (piece as usize).clamp(1, rows.max(1))
    }

    /// Writes so many rows in pieces (offset, length); `bytes` counts what comes of them.
    pub(crate) fn pace(
        &self,
        rows: usize,
        bytes: &Counter,
        mut write: impl FnMut(usize, usize) -> Result<()>,
    ) -> Result<()> {
        let mut at = 0;
        while at < rows {
            let piece = self.piece(rows - at);
            let before = bytes.get();
            write(at, piece)?;
            self.take(piece as u64, bytes.get().saturating_sub(before))?;
            at += piece;
        }
        Ok(())
    }
}

/// When it is all paid for, if `amount` is taken `now`.
fn after(paid: Instant, now: Instant, amount: u64, rate: u64) -> Instant {
    let full = now.checked_sub(BURST).unwrap_or(now);
    let costs = Duration::try_from_secs_f64(amount as f64 / rate as f64).unwrap_or(Duration::MAX);
    // A rate so low that its end cannot be told: an hour a piece is slow enough.
    paid.max(full).checked_add(costs).unwrap_or(now + Duration::from_secs(3600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_units() {
        assert_eq!(rate("10000rows/s"), Ok(Rate::Rows(10_000)));
        assert_eq!(rate("20MB/s"), Ok(Rate::Bytes(20_000_000)));
        assert_eq!(rate("5MiB/s"), Ok(Rate::Bytes(5 << 20)));
        for bad in ["", "10", "10/s", "0rows/s", "0MB/s", "-1rows/s", "1.5rows/s", "10MB", "10 parsec/s", "rows/s"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_batch_is_no_more_than_a_second_s_worth() {
        let of = |rate_limit| RateArgs { rate_limit }.within_a_second(5_000, 1 << 20);
        assert_eq!(of(None), (5_000, 1 << 20));
        assert_eq!(of(Some(Rate::Rows(100))), (100, 1 << 20));
        assert_eq!(of(Some(Rate::Bytes(100))), (5_000, 100));
        assert_eq!(of(Some(Rate::Bytes(1 << 30))), (5_000, 1 << 20));
    }

    #[test]
    fn a_pause_saves_up_a_second_and_no_more() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        // Empty at first: what is taken is paid for by waiting.
        assert_eq!(after(start, start, 50, 100), start + second / 2);
        // An hour later: one second is free.
        let later = start + 3600 * second;
        let paid = after(start, later, 100, 100);
        assert_eq!(paid, later);
        assert_eq!(after(paid, later, 100, 100), later + second);
        assert!(after(start, start, u64::MAX, 1) > start + 3000 * second);
    }

    #[test]
    fn pieces_follow_the_size_of_rows() {
        let run = Run::for_test("rate");
        let bytes = Counter::default();
        let limiter = Limiter::new(Rate::Bytes(8_000_000), &run);
        let mut pieces = Vec::new();
        let written = limiter.pace(30_000, &bytes, |_, rows| {
            pieces.push(rows);
            bytes.add(rows as u64 * 100);
            Ok(())
        });
        written.unwrap();
        // 64 rows, then an eighth of a second each.
        assert_eq!((pieces[0], pieces[1], pieces.iter().sum::<usize>()), (64, 10_000, 30_000));
        assert_eq!(Limiter::new(Rate::Rows(1), &run).piece(10), 1);
        assert_eq!(Limiter::new(Rate::Rows(1 << 40), &run).piece(10), 10);
    }
}
