//! Delivering against a server in memory: every status of a load, and what becomes of its rows.

use fault::{Kind, Result};
use net::Bytes;
use net::batch::{Builder, Spares};
use net::retry::{Policy, Trouble};
use rows::bulk::Separators;
use sr_stream_load::args::Naming;
use sr_stream_load::chunk::{Chunk, Rows};
use sr_stream_load::deliver::{Delivery, Outside};
use starrocks::label::Labels;
use starrocks::load::Load;
use starrocks::request::{Form, Packing};
use starrocks::state::State;
use starrocks::verdict::{Rejected, Verdict};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What the server does with the next loads; then it takes all.
#[derive(Clone, Debug)]
enum Does {
    Loads,
    /// Loads, and says that it will be visible later.
    LoadsLater,
    /// Loads, and the reply is lost.
    LoadsSilently,
    /// Does nothing, and the reply is lost.
    NothingSilently,
    Busy,
    /// The label is that of a load which is under way, and succeeds.
    Running,
    Refuses,
    LoadsLess,
    TooLarge,
    /// Another of the last two: it cannot be known which.
    StateFails,
}

#[derive(Default)]
struct Server {
    does: VecDeque<Does>,
    /// Label -> rows.
    loaded: BTreeMap<String, Vec<String>>,
    /// Loads that were under way when they were asked for.
    running: BTreeMap<String, Vec<String>>,
    states: VecDeque<Does>,
    labels: Vec<String>,
    rejected: Vec<(String, String)>,
    room: u64,
    /// Loads that are not alone fail with another's bad row.
    merges: bool,
    with_log: usize,
    log: String,
    requests: usize,
    waits: usize,
    settled: usize,
    before: usize,
    delivered: usize,
}

const BAD: &str = "bad";

fn rows_of(load: &Load) -> Vec<String> {
    let text = String::from_utf8(load.body.to_vec()).unwrap();
    text.split_terminator('\u{2}').map(str::to_owned).collect()
}

impl Outside for Server {
    fn load(&mut self, load: &Load, _: usize) -> Verdict {
        self.requests += 1;
        self.labels.push(load.label.clone());
        let rows = rows_of(load);
        assert_eq!(rows.len() as u64, load.rows);
        let reason = "said".to_owned();
        if self.merges && !load.alone {
            return Verdict::Rejected(Rejected { reason, ..Rejected::default() });
        }
        if self.loaded.contains_key(&load.label) {
            return Verdict::Exists { finished: true, reason };
        }
        let does = self.does.pop_front().unwrap_or(Does::Loads);
        let bad: Vec<&String> = rows.iter().filter(|row| row.starts_with(BAD)).collect();
        if matches!(does, Does::Loads) && !bad.is_empty() {
            self.log = bad.iter().take(self.with_log).map(|row| format!("Error: wrong. Row: {row}\n")).collect();
            let log = (self.with_log > 0).then(|| "http://be/log".to_owned());
            return Verdict::Rejected(Rejected { reason, filtered: Some(bad.len() as u64), log });
        }
        match does {
            Does::Loads | Does::LoadsLater | Does::LoadsSilently => {
                self.loaded.insert(load.label.clone(), rows);
            }
            Does::Running => {
                self.running.insert(load.label.clone(), rows);
            }
            _ => {}
        }
        match does {
            Does::Loads => Verdict::Done,
            Does::LoadsLater => Verdict::Committed { reason },
            Does::LoadsSilently | Does::NothingSilently | Does::StateFails => {
                Verdict::Unknown { trouble: Trouble::Other, reason }
            }
            Does::Busy => Verdict::Retry { after: None, trouble: Trouble::Throttled, reason },
            Does::Running => Verdict::Exists { finished: false, reason },
            Does::Refuses => Verdict::Refused { reason },
            Does::LoadsLess => Verdict::Fatal { reason },
            Does::TooLarge => Verdict::Split { reason },
        }
    }

    fn merges(&self) -> bool {
        self.merges
    }

    fn pack(&mut self, body: &Bytes) -> Result<(Bytes, Packing)> {
        Ok((body.clone(), Packing::None))
    }

    fn settle(&mut self, label: &str, enough: fn(State) -> bool) -> Result<(State, String)> {
        self.settled += 1;
        if let Some(Does::StateFails) = self.states.pop_front() {
            return Err(fault::Error::new(Kind::Target, "no answer"));
        }
        if let Some(rows) = self.running.remove(label) {
            self.loaded.insert(label.to_owned(), rows);
        }
        let state = if self.loaded.contains_key(label) { State::Visible } else { State::Unknown };
        assert!(enough(state), "patience would end here");
        Ok((state, String::new()))
    }

    fn log(&mut self, _: &str) -> Option<String> {
        Some(self.log.clone())
    }

    fn wait(&mut self, _: Duration, _: &str) -> Result<()> {
        self.waits += 1;
        Ok(())
    }

    fn down(&mut self, _: &str) -> Result<bool> {
        Ok(false)
    }

    fn delivered(&mut self, rows: usize, _: usize, before: bool) {
        self.delivered += rows;
        self.before += if before { rows } else { 0 };
    }

    fn rejected(&mut self, row: &[u8], reason: &str) -> Result<()> {
        self.rejected.push((String::from_utf8(row.to_vec()).unwrap(), reason.to_owned()));
        if self.rejected.len() as u64 > self.room {
            return Err(fault::Error::malformed(reason));
        }
        Ok(())
    }

    fn room(&self) -> u64 {
        self.room - (self.rejected.len() as u64).min(self.room)
    }

    fn split(&mut self) {}
}

fn chunk(rows: &[String]) -> Chunk {
    let mut builder = Builder::default();
    for row in rows {
        builder.buffer().extend_from_slice(row.as_bytes());
        builder.buffer().push(2);
        builder.end();
    }
    let rows = Rows::Text(builder.take(&Spares::default()));
    Chunk { number: 0, form: Form::Csv(Separators { column: 1, row: 2 }), rows, times: [].into() }
}

fn good(n: usize) -> Vec<String> {
    (0..n).map(|row| format!("row\u{1}{row}")).collect()
}

fn deliver(server: Server, rows: &[String], retries: u32) -> (Server, Result<()>) {
    let naming = Naming::Content(Labels::new("t", "split").unwrap());
    let mut delivery = Delivery::new(server, naming, Policy::new(retries));
    let outcome = delivery.deliver(&chunk(rows));
    (delivery.outside, outcome)
}

fn sorted(server: &Server) -> Vec<String> {
    let mut all: Vec<String> = server.loaded.values().flatten().cloned().collect();
    all.sort();
    all
}

#[test]
fn every_status_ends_with_each_row_loaded_once() {
    use Does::*;
    let rows = good(10);
    let mut all = rows.clone();
    all.sort();
    for (does, requests, waits) in [
        (vec![Loads], 1, 0),
        (vec![LoadsLater], 1, 0),
        (vec![LoadsSilently], 1, 1),
        (vec![NothingSilently], 2, 1),
        (vec![NothingSilently, LoadsSilently], 2, 2),
        (vec![Busy, Busy, Loads], 3, 2),
        (vec![Running], 1, 1),
        (vec![TooLarge], 3, 0),
        (vec![TooLarge, LoadsSilently, Busy], 4, 2),
    ] {
        let what = format!("{does:?}");
        let (server, outcome) = deliver(Server { does: does.into(), ..Server::default() }, &rows, 8);
        outcome.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((sorted(&server), server.delivered), (all.clone(), 10), "{what}");
        assert_eq!((server.requests, server.waits), (requests, waits), "{what}");
        assert_eq!(server.before, if what == "[Running]" { 10 } else { 0 }, "{what}");
    }
}

#[test]
fn all_attempts_have_one_label() {
    let does = [Does::NothingSilently, Does::Busy, Does::NothingSilently];
    let (server, outcome) = deliver(Server { does: does.into(), ..Server::default() }, &good(3), 8);
    outcome.unwrap();
    assert_eq!(server.labels.len(), 4);
    assert!(server.labels.windows(2).all(|pair| pair[0] == pair[1]), "{:?}", server.labels);
}

#[test]
fn what_was_loaded_before_is_not_loaded_again() {
    let (first, _) = deliver(Server::default(), &good(5), 8);
    let again = Server { loaded: first.loaded, ..Server::default() };
    let (server, outcome) = deliver(again, &good(5), 8);
    outcome.unwrap();
    assert_eq!((sorted(&server).len(), server.before, server.requests), (5, 5, 1));
}

#[test]
fn a_state_that_nobody_tells_is_asked_for_by_sending_again() {
    let states = [Does::StateFails, Does::StateFails].into();
    let server = Server { does: [Does::LoadsSilently].into(), states, ..Server::default() };
    let (server, outcome) = deliver(server, &good(5), 8);
    outcome.unwrap();
    assert_eq!((sorted(&server).len(), server.before, server.requests), (5, 0, 2));
}

#[test]
fn what_will_not_get_better_ends_the_run() {
    for (does, kind, requests) in
        [(Does::Refuses, Kind::Refused, 1), (Does::LoadsLess, Kind::Target, 1), (Does::Busy, Kind::Target, 3)]
    {
        let what = format!("{does:?}");
        let does = std::iter::repeat_n(does, 9).collect();
        let (server, outcome) = deliver(Server { does, ..Server::default() }, &good(5), 2);
        assert_eq!((outcome.unwrap_err().kind(), server.requests), (kind, requests), "{what}");
        assert_eq!(server.delivered, 0, "{what}");
    }
}

#[test]
fn bad_rows_are_found_with_and_without_a_list() {
    let mut rows = good(100);
    for at in [0, 17, 50, 51, 99] {
        rows[at] = format!("{BAD}\u{1}{at}");
    }
    let mut rest: Vec<String> = rows.iter().filter(|row| !row.starts_with(BAD)).cloned().collect();
    rest.sort();
    for (with_log, most) in [(9, 2), (2, 12), (0, 60)] {
        let (server, outcome) = deliver(Server { room: 5, with_log, ..Server::default() }, &rows, 0);
        outcome.unwrap();
        assert_eq!((sorted(&server), server.waits), (rest.clone(), 0), "{with_log}");
        let bad: Vec<&str> = server.rejected.iter().map(|(row, _)| row.as_str()).collect();
        assert_eq!(bad, ["bad,0", "bad,17", "bad,50", "bad,51", "bad,99"], "{with_log}");
        assert!(server.requests <= most, "{with_log}: {} requests", server.requests);
        assert!(server.rejected.iter().all(|(_, why)| why == if with_log > 0 { "wrong" } else { "said" }));
    }
}

#[test]
fn a_load_that_failed_with_others_is_tried_by_itself() {
    for (rows, rejected, requests) in [(good(1), 0, 2), (good(10), 0, 2), (vec![format!("{BAD}\u{1}0")], 1, 2)] {
        let (server, outcome) = deliver(Server { room: 5, merges: true, ..Server::default() }, &rows, 0);
        outcome.unwrap();
        assert_eq!((server.delivered, server.rejected.len()), (rows.len() - rejected, rejected));
        assert_eq!(server.requests, requests);
    }
}

#[test]
fn good_rows_are_loaded_before_too_many_bad_ones_end_it() {
    let mut rows = good(10);
    rows[9] = format!("{BAD}\u{1}9");
    for with_log in [0, 1] {
        let (server, outcome) = deliver(Server { with_log, ..Server::default() }, &rows, 0);
        assert_eq!((outcome.unwrap_err().kind(), sorted(&server).len()), (Kind::Malformed, 9));
    }
}
