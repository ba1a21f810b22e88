//! What changes while it is read: points that arrive, points that expire, a server that is started again. What is there
//! from the first to the last moment comes exactly once; nothing comes twice; where that cannot be promised, exit 4, no
//! end mark, and no file.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use testkit::{Outcome, Sim, Tool, http, temp_dir, tool};

const DAY: i64 = 86_400_000_000_000;
const FIRST: i64 = 1_704_067_200_000_000_000;

/// 300 points of three series over ten days.
fn points() -> String {
    (0..300).map(|n| format!("m,t=s{} v={n}i {}\n", n % 3, FIRST + n * DAY / 30)).collect()
}

/// As the dump prints them.
fn row(n: i64) -> String {
    format!("m,t=s{} v={n}i {}", n % 3, FIRST + n * DAY / 30)
}

fn args(tool: Tool, base: &str) -> Tool {
    tool.args(["--url", &format!("influx2+{base}/?org=o&bucket=d")])
        .args(["--measurement", "m", "--window", "1d", "--to", "lp", "--end-mark"])
        .env("TS_SOURCE_TOKEN", "token-of-the-tests")
}

const SERVER: [&str; 8] = ["--flavor", "2.9", "--org", "o", "--bucket", "d", "--token", "token-of-the-tests"];

/// A request past our client.
fn post(sim: &Sim, what: &str, body: &str) {
    let path = format!("/api/v2/{what}?org=o&bucket=d");
    let reply = http::post(&sim.host, &path, &["Authorization: Token token-of-the-tests"], body.as_bytes());
    assert_eq!(reply.status, 204, "{}", String::from_utf8_lossy(&reply.body));
}

fn slow() -> Sim {
    let directory = temp_dir();
    let path = directory.path().join("data.lp");
    std::fs::write(&path, points()).unwrap();
    Sim::influx(SERVER.iter().chain(&["--load", path.to_str().unwrap(), "--fault", "delay=10ms"]))
}

/// Runs a dump, and `change` once the server has seen `n` requests.
fn during(sim: &Sim, n: usize, change: impl Fn() + Sync) -> Outcome {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let end = Instant::now() + Duration::from_secs(2);
            while sim.requests().len() < n && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(1));
            }
            change();
        });
        args(tool("influx-dump"), &sim.base).run()
    })
}

#[track_caller]
fn holds(outcome: &Outcome, always: &BTreeSet<String>, maybe: &BTreeSet<String>, what: &str) {
    let text = outcome.text();
    assert!(text.trim_end().lines().last().is_some_and(|line| line.starts_with("#ts-end")), "{what}: no end mark");
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    text.lines().filter(|line| !line.starts_with('#')).for_each(|line| *found.entry(line).or_default() += 1);
    let lost: Vec<_> = always.iter().filter(|row| !found.contains_key(row.as_str())).take(3).collect();
    assert!(lost.is_empty(), "{what}: lost {lost:?}\n{}", outcome.stderr);
    for (row, times) in found {
        assert!(times == 1 && (always.contains(row) || maybe.contains(row)), "{what}: {times} times {row}");
    }
}

#[test]
fn points_that_arrive_come_once_or_with_the_next_dump() {
    let always: BTreeSet<String> = (0..300).map(row).collect();
    let mut came = 0;
    for n in 1..=16 {
        let sim = slow();
        // A late point of a known series and of a new one on each day, and one behind the last.
        let late: BTreeSet<String> = (0..11)
            .flat_map(|day| [("s1", 1), ("s9", 2)].map(|(t, at)| format!("m,t={t} v=7i {}", FIRST + day * DAY + at)))
            .collect();
        let body = late.iter().map(|line| format!("{line}\n")).collect::<String>();
        let outcome = during(&sim, n, || post(&sim, "write", &body));
        assert_eq!(outcome.code, 0, "request {n}: {}", outcome.stderr);
        holds(&outcome, &always, &late, &format!("request {n}"));
        came += late.iter().filter(|row| outcome.text().contains(row.as_str())).count();
        holds(
            &args(tool("influx-dump"), &sim.base).run().code(0),
            &(&always | &late),
            &BTreeSet::new(),
            "the next dump",
        );
    }
    assert!(came > 20, "late points never came in time: {came}");
}

#[test]
fn points_that_expire_take_no_other_with_them() {
    let all: BTreeSet<String> = (0..300).map(row).collect();
    for n in 1..=16 {
        for (kept, stop) in [(45, "02T11"), (150, "05T23"), (300, "10T23")] {
            let sim = slow();
            let delete = format!(r#"{{"start":"1970-01-01T00:00:00Z","stop":"2024-01-{stop}:59:59Z"}}"#);
            let outcome = during(&sim, n, || post(&sim, "delete", &delete));
            let what = format!("request {n}, {kept} expired");
            match outcome.code {
                0 => holds(&outcome, &(kept..300).map(row).collect(), &all, &what),
                // Before the measurement was found there was nothing left of it.
                6 => assert!(kept == 300 && outcome.stderr.contains("no measurement"), "{what}: {}", outcome.stderr),
                other => panic!("{what}: exit {other}: {}", outcome.stderr),
            }
        }
    }
}

struct Server(Child, String);

impl Server {
    fn start(directory: &std::path::Path, listen: &str) -> Server {
        let ready = directory.join("ready");
        let _ = std::fs::remove_file(&ready);
        let mut command = Command::new(testkit::bin("ts-sim"));
        command.arg("influx").args(SERVER).args(["--listen", listen, "--fault", "delay=15ms", "--load"]);
        command.arg(directory.join("data.lp")).arg("--ready-file").arg(&ready);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(30);
        while !ready.exists() {
            assert!(Instant::now() < end, "ts-sim does not start on {listen}");
            std::thread::sleep(Duration::from_millis(2));
        }
        let base = std::fs::read_to_string(&ready).unwrap();
        Server(child, base.trim().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_server_that_is_killed_and_started_again_costs_retries_only() {
    let always: BTreeSet<String> = (0..300).map(row).collect();
    let mut retried = 0;
    for after in [0, 40, 80, 120, 160, 200, 240] {
        let directory = temp_dir();
        std::fs::write(directory.path().join("data.lp"), points()).unwrap();
        let mut server = Server::start(directory.path(), "127.0.0.1:0");
        let base = server.1.clone();
        let outcome = std::thread::scope(|scope| {
            let dump = scope.spawn(|| args(tool("influx-dump"), &base).run());
            std::thread::sleep(Duration::from_millis(after));
            server.0.kill().unwrap();
            server.0.wait().unwrap();
            std::thread::sleep(Duration::from_millis(100));
            server = Server::start(directory.path(), base.trim_start_matches("http://"));
            dump.join().unwrap()
        });
        assert_eq!(outcome.code, 0, "after {after} ms: {}", outcome.stderr);
        holds(&outcome, &always, &BTreeSet::new(), &format!("after {after} ms"));
        retried += usize::from(outcome.number("retries") > 0);
    }
    assert!(retried >= 3, "only {retried} of 7 dumps met the restart");
}
