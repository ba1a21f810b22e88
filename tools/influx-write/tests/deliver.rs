//! Delivering against a server in memory that behaves as each version does.

use fault::{Error, Kind, Result};
use influx::reply::{Named, Which};
use influx::{Rejected, Stored, Trouble, Verdict};
use influx_write::deliver::{Delivery, Outside};
use net::Bytes;
use net::batch::{Builder, Spares};
use net::retry::Policy;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How the server reports bad lines.
#[derive(Clone, Copy, PartialEq)]
enum Reports {
    /// Stores the rest, says a count (types in v1).
    Count,
    /// Stores nothing, quotes the lines (v2).
    Quotes,
    /// Stores the rest, gives numbers (v3).
    Numbers,
    /// Stores nothing and says nothing of use (v3 behind the old endpoints).
    Nothing,
}

#[derive(Default)]
struct Server {
    stored: BTreeMap<String, usize>,
    rejects: Vec<(String, String)>,
    delivered: usize,
    requests: usize,
    splits: usize,
    waits: Vec<Duration>,
    max_bytes: usize,
    script: VecDeque<Verdict>,
    limit: usize,
}

struct Double<'a>(&'a mut Server, Reports);

fn bad(line: &str) -> bool {
    line.contains("bad")
}

impl Outside for Double<'_> {
    fn send(&mut self, body: &Bytes) -> Verdict {
        self.0.requests += 1;
        if let Some(verdict) = self.0.script.pop_front() {
            return verdict;
        }
        if self.0.max_bytes > 0 && body.len() > self.0.max_bytes {
            return Verdict::Split { certain: true, reason: "HTTP 413".into() };
        }
        let text = String::from_utf8(body.to_vec()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let count = lines.iter().filter(|l| bad(l)).count();
        let store_rest = count == 0 || matches!(self.1, Reports::Count | Reports::Numbers);
        if store_rest {
            for line in lines.iter().filter(|l| !bad(l)) {
                *self.0.stored.entry((*line).to_owned()).or_default() += 1;
            }
        }
        if count == 0 {
            return Verdict::Done;
        }
        let named = lines.iter().enumerate().filter(|(_, l)| bad(l)).map(|(i, l)| match self.1 {
            Reports::Quotes => Named { line: Which::Text((*l).to_owned()), reason: "quoted".into() },
            _ => Named { line: Which::Index(i), reason: "numbered".into() },
        });
        Verdict::Rejected(Rejected {
            stored: if store_rest { Stored::Rest } else { Stored::Nothing },
            dropped: (self.1 == Reports::Count).then_some(count as u64),
            named: if matches!(self.1, Reports::Quotes | Reports::Numbers) { named.collect() } else { Vec::new() },
            reason: "HTTP 400: conflict".into(),
        })
    }

    fn wait(&mut self, time: Duration, _why: &str) -> Result<()> {
        self.0.waits.push(time);
        Ok(())
    }

    fn down(&mut self, why: &str) -> Result<bool> {
        Ok(why == "down")
    }

    fn delivered(&mut self, lines: usize, _bytes: usize) {
        self.0.delivered += lines;
    }

    fn rejected(&mut self, line: &[u8], reason: &str) -> Result<()> {
        self.0.rejects.push((String::from_utf8(line.to_vec()).unwrap(), reason.to_owned()));
        if self.0.rejects.len() > self.0.limit { Err(Error::malformed("too many")) } else { Ok(()) }
    }

    fn split(&mut self) {
        self.0.splits += 1;
    }
}

fn deliver(server: &mut Server, reports: Reports, lines: impl Iterator<Item = String>) -> Result<()> {
    let mut builder = Builder::default();
    lines.for_each(|line| builder.push(line.as_bytes()));
    Delivery::new(Double(server, reports), Policy::new(3)).deliver(&builder.take(&Spares::default()))
}

fn lines(n: usize, every: usize) -> impl Iterator<Item = String> {
    (0..n).map(move |i| if i % every == every - 1 { format!("m bad={i}") } else { format!("m f={i}") })
}

#[test]
fn every_good_line_is_stored_and_every_bad_one_set_aside_whatever_the_server_tells() {
    for reports in [Reports::Count, Reports::Quotes, Reports::Numbers, Reports::Nothing] {
        for (n, every) in [(1, 1), (2, 2), (100, 7), (257, 100), (64, 1)] {
            let mut server = Server { limit: usize::MAX, ..Server::default() };
            deliver(&mut server, reports, lines(n, every)).unwrap();
            assert_eq!(server.stored.len(), n - n / every, "good lines stored");
            assert_eq!((server.delivered, server.rejects.len()), (n - n / every, n / every));
            let mut rejects: Vec<_> = server.rejects.iter().map(|(line, _)| line.clone()).collect();
            rejects.sort();
            rejects.dedup();
            assert_eq!(rejects.len(), n / every, "each bad line once");
            assert!(server.rejects.iter().all(|(line, reason)| bad(line) && !reason.is_empty()));
        }
    }
}

#[test]
fn named_lines_cost_one_request_more_and_an_all_bad_batch_none() {
    let mut server = Server { limit: 99, ..Server::default() };
    deliver(&mut server, Reports::Quotes, lines(5000, 100)).unwrap();
    assert_eq!(server.requests, 2);
    let mut server = Server { limit: 5000, ..Server::default() };
    deliver(&mut server, Reports::Count, lines(5000, 1)).unwrap();
    assert_eq!((server.requests, server.rejects.len()), (1, 5000));
}

#[test]
fn the_line_over_the_limit_ends_it() {
    let mut server = Server { limit: 2, ..Server::default() };
    let error = deliver(&mut server, Reports::Nothing, lines(100, 10)).unwrap_err();
    assert_eq!((error.kind(), server.rejects.len()), (Kind::Malformed, 3));
}

#[test]
fn a_413_halves_until_it_fits_and_a_line_that_never_fits_is_set_aside() {
    let mut server = Server { max_bytes: 40, limit: 1, ..Server::default() };
    let long = format!("m f={}", "1".repeat(60));
    deliver(&mut server, Reports::Count, lines(50, 1000).chain([long.clone()])).unwrap();
    assert_eq!((server.delivered, server.rejects.len()), (50, 1));
    assert_eq!(server.rejects[0].0, long);
    assert!(server.splits > 5 && server.waits.is_empty());
    assert!(server.stored.values().all(|&times| times == 1), "a refused request stored nothing");
}

#[test]
fn a_size_that_was_too_large_is_not_tried_again() {
    let mut server = Server { max_bytes: 300, ..Server::default() };
    let mut delivery = Delivery::new(Double(&mut server, Reports::Count), Policy::new(3));
    for batch in 0..10 {
        let mut builder = Builder::default();
        // 128 lines of 9 bytes: 1,152 bytes in 4 parts of 288.
        (0..128).for_each(|line| builder.push(format!("m f={batch}{line:03}").as_bytes()));
        delivery.deliver(&builder.take(&Spares::default())).unwrap();
    }
    assert_eq!((server.delivered, server.stored.len()), (1_280, 1_280));
    assert_eq!(server.splits, 10 * 3, "each batch is cut into four");
    assert_eq!(server.requests, 2 + 10 * 4, "only the first batch and its first half were refused");
}

#[test]
fn busy_servers_are_waited_for_and_the_hung_up_upload_is_halved() {
    let retry = |trouble| Verdict::Retry { after: Some(Duration::from_secs(9)), trouble, reason: "busy".into() };
    let reset = || Verdict::Split { certain: false, reason: "reset".into() };
    let mut server =
        Server { script: [retry(Trouble::Throttled), retry(Trouble::Full), reset()].into(), ..Server::default() };
    deliver(&mut server, Reports::Count, lines(4, 100)).unwrap();
    assert_eq!((server.delivered, server.splits, server.waits.len()), (4, 1, 3));
    assert!(server.waits[..2].iter().all(|&wait| wait >= Duration::from_secs(9)), "{:?}", server.waits);
}

#[test]
fn an_outage_uses_up_no_retry_and_does_not_halve() {
    let down = || Verdict::Retry { after: None, trouble: Trouble::Down, reason: "down".into() };
    let mut server = Server { script: std::iter::repeat_with(down).take(50).collect(), ..Server::default() };
    deliver(&mut server, Reports::Count, lines(4, 100)).unwrap();
    assert_eq!((server.requests, server.delivered, server.splits, server.waits.len()), (51, 4, 0, 0));
}

#[test]
fn it_gives_up_with_the_right_kind() {
    let cases: [(fn() -> Verdict, Kind); 4] = [
        (|| Verdict::Retry { after: None, trouble: Trouble::Other, reason: "busy".into() }, Kind::Target),
        (|| Verdict::Split { certain: false, reason: "reset".into() }, Kind::Target),
        (|| Verdict::Refused { reason: "no".into() }, Kind::Refused),
        (|| Verdict::Fatal { reason: "what".into() }, Kind::Target),
    ];
    for (verdict, kind) in cases {
        let mut server =
            Server { script: std::iter::repeat_with(verdict).take(50).collect(), limit: 9, ..Server::default() };
        let error = deliver(&mut server, Reports::Count, lines(1, 100)).unwrap_err();
        assert_eq!((error.kind(), server.rejects.len(), server.delivered), (kind, 0, 0), "{error}");
    }
}
