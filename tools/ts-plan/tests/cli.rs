//! `ts-plan` through its binary, against the simulator.

use state::{Plan, Split};
use testkit::tempfile::TempDir;
use testkit::{Outcome, Sim, Tool, http, tool};

/// `sensors`: 4 sub-tables, a row every 10 s each from 2024-01-01T00:00:00Z on.
fn source(rows: u32) -> (TempDir, Sim) {
    let dir = testkit::temp_dir();
    let csv = dir.path().join("sensors.csv");
    let rows = rows.to_string();
    tool("ts-gen")
        .args(["sensors", "--rows", &rows, "--tables", "4", "--interval", "10s", "-o", csv.to_str().unwrap()])
        .run()
        .code(0);
    let sim = Sim::tdengine(["--load", &format!("d.sensors={}", csv.display())]);
    (dir, sim)
}

fn plan(sim: &Sim, args: &[&str]) -> Tool {
    tool("ts-plan").env("TS_SOURCE_URL", format!("tdengine://root@{}/d", sim.host)).args(args)
}

fn splits(outcome: &Outcome) -> Vec<Split> {
    Plan::parse(&outcome.text(), "stdout").unwrap().splits
}

fn ids(splits: &[Split]) -> Vec<&str> {
    splits.iter().map(|split| split.id.as_str()).collect()
}

#[test]
fn windows_of_a_fixed_width_are_aligned_and_end_with_the_data() {
    let (_dir, sim) = source(4000);
    let outcome = plan(&sim, &["--width", "1h"]).run().code(0);
    let all = splits(&outcome);
    assert_eq!((outcome.number("splits"), outcome.number("rows")), (3, 4000));
    let windows: Vec<(&str, &str, Option<u64>)> =
        all.iter().map(|split| (split.from.as_str(), split.to.as_str(), split.est_rows)).collect();
    assert_eq!(
        windows,
        [
            ("2024-01-01T00:00:00.000Z", "2024-01-01T01:00:00.000Z", Some(1440)),
            ("2024-01-01T01:00:00.000Z", "2024-01-01T02:00:00.000Z", Some(1440)),
            ("2024-01-01T02:00:00.000Z", "2024-01-01T02:46:30.001Z", Some(1120)),
        ]
    );
    // The same again, to the byte.
    assert_eq!(plan(&sim, &["--width", "60m"]).run().code(0).text(), outcome.text());
}

#[test]
fn a_longer_range_keeps_all_earlier_ids() {
    let (_dir, sim) = source(4000);
    for width in [&["--width", "30m"][..], &["--rows-per-split", "300"]] {
        let of = |until: &str| {
            let args: Vec<&str> = width.iter().copied().chain(["--until", until]).collect();
            splits(&plan(&sim, &args).run().code(0))
        };
        let (short, long) = (of("2024-01-01T01:30:00Z"), of("2024-01-01T02:45:00Z"));
        assert!(short.len() < long.len());
        let long = ids(&long);
        let kept = ids(&short).iter().filter(|id| long.contains(id)).count();
        // With --width auto the end of the shorter range may lie in the middle of a window.
        let clipped = usize::from(width[0] != "--width");
        assert!(kept >= short.len() - clipped, "{kept} of {} ids are kept", short.len());
    }
}

#[test]
fn a_width_by_rows_halves_windows_that_are_too_full() {
    let (_dir, sim) = source(4000);
    let all = splits(&plan(&sim, &["--rows-per-split", "500"]).run().code(0));
    assert!(all.len() >= 8, "{}", all.len());
    assert_eq!(all.iter().map(|split| split.est_rows.unwrap()).sum::<u64>(), 4000);
    assert!(all.iter().all(|split| split.est_rows.unwrap() <= 500));
    assert_eq!(splits(&plan(&sim, &[]).run().code(0)).len(), 1);
}

#[test]
fn sub_tables_are_divided_where_windows_alone_are_too_large() {
    let (_dir, sim) = source(4000);
    let all = splits(&plan(&sim, &["--width", "2h", "--group", "2", "--rows-per-split", "2000"]).run().code(0));
    assert_eq!(all.iter().map(|split| split.est_rows.unwrap()).collect::<Vec<_>>(), [1440, 1440, 1120]);
    assert!(all[0].predicate.starts_with("tbname < '") && all[1].predicate.starts_with("tbname >= '"));
    assert_eq!(all[2].predicate, "");
    // What the predicates say is what td-dump reads.
    for split in &all[..2] {
        let dump = tool("td-dump")
            .env("TS_SOURCE_URL", format!("tdengine://root@{}/d", sim.host))
            .args(["--table", "sensors", "--where", &split.predicate, "--since", &split.from, "--until", &split.to])
            .run()
            .code(0);
        assert_eq!(dump.number("rows"), 1440);
    }
}

#[test]
fn an_id_is_a_hash_of_what_would_be_written() {
    let (_dir, sim) = source(400);
    let id = |args: &[&str], target: &str| {
        splits(&plan(&sim, args).env("TS_TARGET_URL", target).run().code(0))[0].id.clone()
    };
    let target = "influx1+http://bob@h:8086/d";
    let one = id(&["--width", "1h"], target);
    assert_eq!(id(&["--width", "1h", "--target", "influx1+https://h:8086/d"], ""), one);
    assert_ne!(id(&["--width", "1h", "--options", "--nan drop"], target), one);
    assert_ne!(id(&["--width", "1h"], "influx1+http://h:8086/other"), one);
    assert_ne!(id(&["--width", "10m"], target), one);
    // An id does not know how its plan came about.
    assert_eq!(id(&["--width", "1h", "--table", "sens*"], target), one);
}

#[test]
fn a_plan_is_replaced_only_by_one_with_the_same_options() {
    let (dir, sim) = source(4000);
    let path = dir.path().join("plan.tsv");
    let write = |args: &[&str]| plan(&sim, args).args(["-o", path.to_str().unwrap()]).run();
    write(&["--width", "1h", "--until", "2024-01-01T01:00:00Z"]).code(0);
    write(&["--width", "1h"]).code(0);
    assert_eq!(Plan::read(&path).unwrap().splits.len(), 3);
    let refused = write(&["--width", "2h"]).code(2);
    assert!(refused.stderr.contains("--accept-changed-options"), "{}", refused.stderr);
    assert_eq!(Plan::read(&path).unwrap().splits.len(), 3);
    write(&["--width", "2h", "--accept-changed-options"]).code(0);
    assert_eq!(Plan::read(&path).unwrap().splits.len(), 2);
    std::fs::write(&path, "notes\n").unwrap();
    assert!(write(&["--width", "2h"]).code(2).stderr.contains("not a plan"));
}

#[test]
fn a_repair_has_exactly_the_splits_that_differ() {
    let (dir, sim) = source(4000);
    let whole = dir.path().join("plan.tsv");
    plan(&sim, &["--width", "1h", "-o", whole.to_str().unwrap()]).run().code(0);
    // Both sides from one source, one value of one of them changed: a real list of ts-verify.
    let [a, b, list] = ["a.csv", "b.csv", "again.jsonl"].map(|name| dir.path().join(name));
    let url = format!("tdengine://root@{}/d", sim.host);
    tool("td-dump").args(["--url", &url, "--table", "sensors", "-o", a.to_str().unwrap()]).run().code(0);
    let mut lines: Vec<String> = std::fs::read_to_string(&a).unwrap().lines().map(str::to_owned).collect();
    let at = lines.iter().position(|line| line.contains("T01:20:00.000Z")).unwrap();
    let mut cells: Vec<&str> = lines[at].split(',').collect();
    let temperature = lines[0].split(',').position(|name| name.starts_with("temperature")).unwrap();
    cells[temperature] = "99.5";
    lines[at] = cells.join(",");
    std::fs::write(&b, lines.join("\n") + "\n").unwrap();
    let compare = |a, b| {
        let args = ["rows", "--measurement", "sensors", "--repair", list.to_str().unwrap()];
        tool("ts-verify").args(args).args([a, b]).run().code
    };
    let repair = || {
        let args = ["--from-repair", list.to_str().unwrap(), "--plan", whole.to_str().unwrap()];
        tool("ts-plan").args(args).run()
    };
    assert_eq!(compare(&a, &b), 1);
    let all = Plan::read(&whole).unwrap();
    assert_eq!(ids(&splits(&repair().code(0))), [all.splits[1].id.as_str()]);
    assert_eq!(compare(&a, &a), 0);
    assert!(repair().code(10).stderr.contains("nothing to repair"));
}

/// Makes a split done, as ts-run would.
fn done(dir: &TempDir, split: &Split) {
    done_at(dir, split, "2024-03-01T00:00:00Z");
}

/// With a clock that says this.
fn done_at(dir: &TempDir, split: &Split, clock: &str) {
    let receipt = format!(
        r#"{{"id":"{}","table":"{}","predicate":"","from":"{}","to":"{}","rows":1,"rejected":0,"dropped":0,"throttled":0,"attempt":1,"host":"h","started":"{clock}","ended":"{clock}","stages":[]}}"#,
        split.id, split.table, split.from, split.to
    );
    std::fs::create_dir_all(dir.path().join("done")).unwrap();
    std::fs::write(dir.path().join("done").join(format!("{}.json", split.id)), receipt).unwrap();
}

#[test]
fn the_next_round_begins_where_all_is_done() {
    let (dir, sim) = source(4000);
    let path = dir.path().join("plan.tsv");
    let (state, file) = (dir.path().to_str().unwrap(), path.to_str().unwrap());
    plan(&sim, &["--width", "30m", "--until", "2024-01-01T02:00:00Z", "-o", file]).run().code(0);
    let first = Plan::read(&path).unwrap().splits;
    assert_eq!(first.len(), 4);
    let round = |until: &str| {
        let args = ["--width", "30m", "--since-state", state, "--lateness", "10m", "--until", until, "-o", file];
        plan(&sim, &args).run().code(0);
        Plan::read(&path).unwrap().splits
    };
    // The second window is not done: what comes after it is no contiguous part.
    for split in [&first[0], &first[2], &first[3]] {
        done(&dir, split);
    }
    let kept = std::fs::read(&path).unwrap();
    let second = round("2024-01-01T02:30:00Z");
    assert_eq!(second[0].from, "2024-01-01T00:20:00.000Z");
    assert_eq!(second.last().unwrap().to, "2024-01-01T02:29:50.001Z");
    // Windows of the lateness zone are moved again, though one like them is done.
    assert!(ids(&second).iter().all(|id| !ids(&first).contains(id)));
    std::fs::write(&path, &kept).unwrap();
    done(&dir, &first[1]);
    let third = round("2024-01-01T02:30:00Z");
    assert_eq!((third[0].from.as_str(), third.len()), ("2024-01-01T01:50:00.000Z", 2));
    third.iter().for_each(|split| done(&dir, split));
    // Beyond the data the mark stays where they end: a clock says nothing of what has arrived.
    let fourth = round("2024-02-01T00:00:00Z");
    let windows: Vec<(&str, &str, Option<u64>)> =
        fourth.iter().map(|split| (split.from.as_str(), split.to.as_str(), split.est_rows)).collect();
    let newest = "2024-01-01T02:46:30.001Z";
    assert_eq!(
        windows,
        [
            ("2024-01-01T02:19:50.001Z", "2024-01-01T02:30:00.000Z", Some(240)),
            ("2024-01-01T02:30:00.000Z", newest, Some(400))
        ]
    );
    fourth.iter().for_each(|split| done(&dir, split));
    let fifth = round("2024-02-02T00:00:00Z");
    assert_eq!((fifth[0].from.as_str(), fifth[0].to.as_str()), ("2024-01-01T02:36:30.001Z", newest));
    fifth.iter().for_each(|split| done(&dir, split));
    // The same round again is another one: what was late for the first may be there now.
    let sixth = round("2024-02-02T00:00:00Z");
    assert_eq!((sixth[0].from.as_str(), sixth[0].to.as_str()), ("2024-01-01T02:36:30.001Z", newest));
    assert_ne!(ids(&sixth), ids(&fifth));
    sixth.iter().for_each(|split| done(&dir, split));
    // Never before --since, however late rows may be.
    let args = ["--width", "30m", "--since-state", state, "--lateness", "40d", "--since", "2024-01-01T01:00:00Z"];
    let bounded = splits(&plan(&sim, &args).args(["--until", "2024-02-02"]).run().code(0));
    assert_eq!(bounded[0].from, "2024-01-01T01:00:00.000Z");
}

/// Rows of the first device at these times.
fn insert(sim: &Sim, times: &[&str]) {
    for time in times {
        let text = format!("INSERT INTO d.sensor_0000 (ts, temperature) VALUES ('{time}', 7.5)");
        let reply = http::post(&sim.host, "/rest/sql", &["Authorization: Basic cm9vdDp0YW9zZGF0YQ=="], text.as_bytes());
        assert!(String::from_utf8_lossy(&reply.body).starts_with(r#"{"code":0"#), "{:?}", reply.body);
    }
}

#[test]
fn a_clock_that_was_set_back_loses_nothing() {
    let (dir, sim) = source(4000);
    let path = dir.path().join("plan.tsv");
    let (state, file) = (dir.path().to_str().unwrap(), path.to_str().unwrap());
    plan(&sim, &["--width", "1d", "-o", file]).run().code(0);
    Plan::read(&path).unwrap().splits.iter().for_each(|split| done_at(&dir, split, "2030-01-01T00:00:00Z"));
    let round = |until: &str| {
        let args = ["--width", "1d", "--since-state", state, "--lateness", "10m", "--until", until, "-o", file];
        plan(&sim, &args).run().code(0);
        Plan::read(&path).unwrap().splits
    };
    // The data end at 02:46:30. A round whose clock is hours fast must not say that these hours are done…
    round("2024-01-01T09:00:00Z").iter().for_each(|split| done_at(&dir, split, "2024-01-01T09:00:00Z"));
    insert(&sim, &["2024-01-01T02:50:00Z", "2024-01-01T03:10:00Z"]);
    // …so that with the right clock, or days later, what has come meanwhile is moved.
    let second = round("2024-01-01T03:00:00Z");
    assert_eq!(second[0].from, "2024-01-01T02:36:30.001Z");
    assert_eq!((second[0].to.as_str(), second[0].est_rows), ("2024-01-01T02:50:00.001Z", Some(241)));
    second.iter().for_each(|split| done_at(&dir, split, "2024-01-01T03:00:00Z"));
    let third = round("2024-01-04T03:00:00Z");
    assert_eq!((third[0].from.as_str(), third[0].est_rows), ("2024-01-01T02:40:00.001Z", Some(158)));
    third.iter().for_each(|split| done_at(&dir, split, "2024-01-04T03:00:00Z"));
    // Long before what is done: nothing is forgotten, and the next right clock goes on from there.
    let back = round("2024-01-01T01:00:00Z");
    assert_eq!((back[0].from.as_str(), back[0].to.as_str()), ("2024-01-01T03:00:00.001Z", "2024-01-01T03:10:00.001Z"));
    back.iter().for_each(|split| done_at(&dir, split, "2024-01-01T01:00:00Z"));
    insert(&sim, &["2024-01-01T03:20:00Z"]);
    let last = round("2024-01-04T04:00:00Z");
    assert_eq!((last[0].from.as_str(), last[0].est_rows), ("2024-01-01T03:00:00.001Z", Some(2)));
}

#[test]
fn a_row_from_the_future_does_not_end_all_rounds() {
    let (dir, sim) = source(4000);
    insert(&sim, &["2031-05-05T00:00:00Z"]);
    let path = dir.path().join("plan.tsv");
    let (state, file) = (dir.path().to_str().unwrap(), path.to_str().unwrap());
    plan(&sim, &["--width", "1d", "-o", file]).run().code(0);
    let first = Plan::read(&path).unwrap().splits;
    assert_eq!(first.len(), 2);
    first.iter().for_each(|split| done_at(&dir, split, "2024-01-01T02:46:31Z"));
    insert(&sim, &["2024-01-01T02:47:00Z"]);
    let args = ["--width", "1d", "--since-state", state, "--lateness", "1m", "--until", "2024-01-01T02:48:00Z"];
    let next = splits(&plan(&sim, &args).run().code(0));
    assert_eq!((next[0].from.as_str(), next[0].est_rows), ("2024-01-01T02:45:31.000Z", Some(25)));
}

#[test]
fn refusals() {
    let (dir, sim) = source(400);
    assert!(plan(&sim, &["--width", "0s"]).run().code(2).stderr.contains("longer than nothing"));
    assert!(plan(&sim, &["--since", "2025-01-01", "--until", "2024-01-01"]).run().code(2).stderr.contains("empty"));
    assert!(plan(&sim, &["--table", "nope"]).run().code(6).stderr.contains("td-dump --list"));
    assert!(plan(&sim, &["--since", "2030-01-01"]).run().code(10).stderr.contains("nothing to plan"));
    assert!(plan(&sim, &["-o", "/nonexistent/plan.tsv"]).run().code(7).stderr.contains("/nonexistent"));
    assert!(plan(&sim, &["-o", "/dev/full"]).run().code(7).stderr.contains("cannot write the plan"));
    plan(&sim, &["--since-state", dir.path().to_str().unwrap()]).run().code(2);
    let url = format!("tdengine://root@{}", sim.host);
    assert!(plan(&sim, &["--url", &url]).run().code(2).stderr.contains("names no database"));
    plan(&sim, &["--url", "tdengine://127.0.0.1:1/d", "--retries", "0"]).run().code(4);
    let secret = plan(&sim, &["--target", "influx1+http://bob:hunter2@h/d"]).run().code(2);
    assert!(!secret.stderr.contains("hunter2"), "{}", secret.stderr);
}

#[test]
fn no_secret_stands_in_a_plan() {
    let (_dir, sim) = source(400);
    let text = plan(&sim, &[])
        .env("TS_SOURCE_URL", format!("tdengine://root:taosdata@{}/d", sim.host))
        .env("TS_TARGET_URL", "influx2+http://h/?org=o&bucket=b&token=hunter2")
        .run()
        .code(0)
        .text();
    assert!(!text.contains("taosdata") && !text.contains("hunter2") && !text.contains("root"), "{text}");
}

#[test]
fn more_splits_than_a_plan_has_are_refused_with_a_width_that_would_do() {
    let dir = testkit::temp_dir();
    let csv = dir.path().join("t.csv");
    std::fs::write(&csv, "ts|time,table|table,x|double\n2024-01-01T00:00:00.000Z,a,1\n2024-01-03T00:00:00.000Z,a,2\n")
        .unwrap();
    let sim = Sim::tdengine(["--load", &format!("d.t={}", csv.display())]);
    let refused = plan(&sim, &["--width", "1s"]).run().code(2);
    assert!(refused.stderr.contains("--width 10s would do"), "{}", refused.stderr);
    assert_eq!(splits(&plan(&sim, &["--width", "10s"]).run().code(0)).len(), 2);
}
