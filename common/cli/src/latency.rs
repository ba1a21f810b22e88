//! How long requests take: a histogram that threads add to without a lock.

use crate::exposition::{Exposition, Kind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds in seconds; one more bucket is without a bound.
const BOUNDS: [f64; 13] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Times from sending a request to the head of its reply. Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct Latency(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Latency {
    /// Adds one request.
    pub fn add(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let at = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = self.0.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.0.nanoseconds.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// As a family `name` (in seconds). Nothing, if there was no request.
    pub(crate) fn write(&self, name: &str, help: &str, out: &mut Exposition) {
        let counts: Vec<u64> = self.0.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        if total == 0 {
            return;
        }
        out.family(name, Kind::Histogram, help);
        let bucket = format!("{name}_bucket");
        let mut so_far = 0;
        let bounds = BOUNDS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(counts) {
            so_far += count;
            out.sample(&bucket, &[("le", &bound)], so_far as f64);
        }
        out.sample(&format!("{name}_sum"), &[], self.0.nanoseconds.load(Ordering::Relaxed) as f64 / 1e9);
        out.sample(&format!("{name}_count"), &[], total as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_add_up() {
        let latency = Latency::default();
        let mut out = Exposition::new(&[]);
        latency.write("t_seconds", "t", &mut out);
        assert_eq!(out.finish(), "");
        for milliseconds in [1, 5, 6, 90_000] {
            latency.add(Duration::from_millis(milliseconds));
        }
        let mut out = Exposition::new(&[]);
        latency.write("t_seconds", "t", &mut out);
        let text = out.finish();
        for line in [
            "t_seconds_bucket{le=\"0.005\"} 2",
            "t_seconds_bucket{le=\"0.01\"} 3",
            "t_seconds_bucket{le=\"60\"} 3",
            "t_seconds_bucket{le=\"+Inf\"} 4",
            "t_seconds_sum 90.012",
            "t_seconds_count 4",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }
}
