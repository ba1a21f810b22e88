//! `queue-recv` through its binary, on folders.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use testkit::tempfile::TempDir;
use testkit::{Outcome, bin, tool};

struct Queue {
    dir: TempDir,
}

impl Queue {
    fn new() -> Queue {
        let dir = testkit::temp_dir();
        for part in ["new", "taken", "dead", "tmp", "out"] {
            std::fs::create_dir(dir.path().join(part)).unwrap();
        }
        Queue { dir }
    }

    /// Messages are taken in the order of their names.
    fn put(&self, name: &str, body: &str) {
        std::fs::write(self.path(&format!("tmp/{name}")), body).unwrap();
        std::fs::rename(self.path(&format!("tmp/{name}")), self.path(&format!("new/{name}"))).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn url(&self) -> String {
        format!("dir://{}", self.dir.path().display())
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.path(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with(".why"))
            .collect();
        names.sort();
        names
    }

    /// Runs with a shell script for every event; `$OUT` is a folder.
    fn recv(&self, args: &[&str], script: &str) -> Outcome {
        let mut run = tool("queue-recv").args(["--url", &self.url()]).args(args).env("OUT", self.path("out"));
        if !script.is_empty() {
            run = run.args(["--", "sh", "-c", script]);
        }
        run.run()
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.names("new").is_empty() && self.names("taken").is_empty()
    }
}

/// What S3 sends of one object.
fn put_event(key: &str, etag: &str, sequencer: &str) -> String {
    format!(
        r#"{{"Records":[{{"eventName":"ObjectCreated:Put","s3":{{"bucket":{{"name":"b"}},"object":{{"key":"{key}","size":5,"eTag":"{etag}","sequencer":"{sequencer}"}}}}}}]}}"#
    )
}

fn until(what: &str, check: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !check() {
        assert!(Instant::now() < end, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn events_are_printed_with_their_receipts_and_acknowledged() {
    let queue = Queue::new();
    queue.put("1", &put_event("job/a+b%2Fc.parquet", "e1", "01"));
    queue.put("2", r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#);
    let two = put_event("job/x", "e2", "01").replace("]}", &format!(",{}", &put_event("job/y", "e3", "01")[12..]));
    queue.put("3", &two);
    let outcome = queue.recv(&["--idle", "100ms"], "").code(0);
    let lines: Vec<serde_json::Value> =
        outcome.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3, "{}", outcome.text());
    assert_eq!(lines[0]["url"], "s3://b/job/a b/c.parquet");
    assert_eq!((&lines[0]["size"], &lines[0]["etag"]), (&5.into(), &"e1".into()));
    assert_eq!((&lines[0]["message_id"], &lines[0]["receive_count"]), (&"1".into(), &1.into()));
    assert_eq!((&lines[2]["part"], &lines[2]["parts"]), (&2.into(), &2.into()));
    assert_eq!((outcome.number("rows"), outcome.number("messages"), outcome.number("ignored")), (3, 3, 1));
    assert_eq!((queue.names("new").len(), queue.names("taken").len()), (0, 2));
    // One event of two is not enough.
    let text = outcome.text();
    let ack = tool("queue-ack").args(["--url", &queue.url()]);
    let first_two: String = text.lines().take(2).map(|line| format!("{line}\n")).collect();
    let half = ack.stdin(first_two).run().code(9);
    assert!(half.stderr.contains("not all of their events are done"), "{}", half.stderr);
    let third_two: String = text.lines().skip(1).map(|line| format!("{line}\n")).collect();
    assert_eq!(tool("queue-ack").args(["--url", &queue.url()]).stdin(third_two).run().code(0).number("messages"), 1);
    assert!(queue.is_empty());
}

#[test]
fn a_command_is_given_each_event_and_its_end_deletes_the_message() {
    let queue = Queue::new();
    queue.put("1", &put_event("job/a", "e1", "01"));
    queue.put("2", &put_event("job/b", "e2", "01"));
    let script = r#"cat >"$OUT/$TS_EVENT_ID"; echo "$TS_EVENT_URL $TS_EVENT_BUCKET $TS_EVENT_KEY $TS_EVENT_ETAG $TS_EVENT_SIZE $TS_EVENT_RECEIVES""#;
    let outcome = queue.recv(&["--idle", "100ms"], script).code(0);
    assert_eq!(outcome.text(), "s3://b/job/a b job/a e1 5 1\ns3://b/job/b b job/b e2 5 1\n");
    let line: serde_json::Value = serde_json::from_str(&queue.text("out/2")).unwrap();
    assert_eq!((&line["event"], &line["key"]), (&"created".into(), &"job/b".into()));
    assert_eq!((outcome.number("rows"), outcome.number("bytes")), (2, 10));
    assert!(queue.is_empty());
}

#[test]
fn how_long_commands_took_and_how_they_ended_is_noted() {
    let queue = Queue::new();
    queue.put("1", &put_event("job/a", "e1", "01"));
    queue.put("2", &put_event("job/b", "e2", "01"));
    let timings = queue.path("timings").display().to_string();
    queue.recv(&["--idle", "50ms", "--timings", &timings], "[ $TS_EVENT_KEY = job/a ] || exit 3").code(8);
    let text = queue.text("timings");
    let exits: Vec<i64> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| (line["secs"].as_f64().unwrap() >= 0.0).then(|| line["exit"].as_i64().unwrap()).unwrap())
        .collect();
    assert_eq!(exits, [0, 3]);
}

#[test]
fn duplicates_and_older_events_are_done_once() {
    let queue = Queue::new();
    // S3 gives no order, and may say things twice; the same content under a later sequencer is the same work.
    for (name, etag, sequencer) in
        [("1", "e2", "05"), ("2", "e1", "03"), ("3", "e2", "05"), ("4", "e2", "06"), ("5", "e3", "07")]
    {
        queue.put(name, &put_event("job/a", etag, sequencer));
    }
    let outcome =
        queue.recv(&["--idle", "100ms", "--concurrency", "3"], "echo $TS_EVENT_ETAG >>$OUT/done; sleep 0.1").code(0);
    let done = queue.text("out/done");
    assert!(done.contains("e2") && done.contains("e3"), "{done}");
    assert_eq!(done.lines().filter(|etag| *etag == "e2").count(), 1, "{done}");
    assert_eq!(outcome.number("rows") + outcome.number("duplicates"), 5, "{}", outcome.stderr);
    assert!(queue.is_empty());
}

#[test]
fn a_ledger_remembers_over_runs() {
    let queue = Queue::new();
    let ledger = queue.path("ledger.jsonl");
    let args = ["--idle", "50ms", "--ledger", ledger.to_str().unwrap()];
    queue.put("1", &put_event("job/a", "e1", "05"));
    queue.recv(&args, "echo $TS_EVENT_ETAG >>$OUT/done").code(0);
    queue.put("2", &put_event("job/a", "e1", "05"));
    queue.put("3", &put_event("job/a", "e2", "08"));
    assert_eq!(queue.recv(&args, "echo $TS_EVENT_ETAG >>$OUT/done").code(0).number("duplicates"), 1);
    assert_eq!(queue.text("out/done"), "e1\ne2\n");
}

#[test]
fn what_fails_comes_back_and_is_a_dead_letter_in_the_end() {
    let queue = Queue::new();
    queue.put("1", &put_event("job/once", "e", "01"));
    queue.put("2", &put_event("job/never", "e", "01"));
    queue.put("3", &put_event("job/malformed", "e", "01"));
    queue.put("4", "no event");
    let script = r#"echo "$TS_EVENT_KEY" >>$OUT/runs
        case $TS_EVENT_KEY in
          job/once) [ $TS_EVENT_RECEIVES -ge 2 ] || exit 4 ;;
          job/never) exit 6 ;;
          job/malformed) exit 3 ;;
        esac"#;
    let outcome = queue.recv(&["--idle", "200ms", "--retry-wait", "50ms", "--max-receives", "3"], script).code(8);
    let runs = queue.text("out/runs");
    let count = |key: &str| runs.lines().filter(|line| *line == key).count();
    assert_eq!((count("job/once"), count("job/never"), count("job/malformed")), (2, 3, 1), "{}", outcome.stderr);
    assert_eq!(outcome.number("dead"), 3);
    assert_eq!(queue.names("dead"), ["2~3", "3~1", "4~1"]);
    assert_eq!(queue.text("dead/2~3.why"), "s3://b/job/never: the command ended with 6, after 3 attempts\n");
    assert!(queue.text("dead/4~1.why").contains("no JSON"));
    assert!(queue.is_empty());
}

#[test]
fn dead_letters_go_where_they_shall() {
    let (queue, dead) = (Queue::new(), Queue::new());
    queue.put("1", &put_event("job/a", "e", "01"));
    queue.recv(&["--idle", "50ms", "--dead-letter", &dead.url()], "exit 3").code(8);
    assert!(queue.is_empty() && queue.names("dead").is_empty());
    let name = dead.names("new").remove(0);
    assert_eq!(dead.text(&format!("new/{name}")), put_event("job/a", "e", "01"));
}

#[test]
fn a_wrong_command_deletes_nothing() {
    let queue = Queue::new();
    queue.put("1", &put_event("job/a", "e", "01"));
    let outcome =
        tool("queue-recv").args(["--url", &queue.url(), "--idle", "1s", "--", "/no/such/loader"]).run().code(2);
    assert!(outcome.stderr.contains("cannot run /no/such/loader"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("no message was deleted"), "{}", outcome.stderr);
    // Given back at once, not after its visibility time.
    assert_eq!(queue.recv(&["--idle", "100ms"], "true").code(0).number("rows"), 1);
}

#[test]
fn other_jobs_messages_are_left_alone() {
    let queue = Queue::new();
    queue.put("1", &put_event("other/a", "e", "01"));
    queue.put("2", &put_event("job/a", "e", "01"));
    queue.put("3", &put_event("job2/a", "e", "01"));
    let started = Instant::now();
    let outcome = queue.recv(&["--prefix", "s3://b/job/", "--idle", "500ms"], "echo $TS_EVENT_KEY").code(0);
    assert_eq!(outcome.text(), "job/a\n");
    assert!(started.elapsed() < Duration::from_secs(60));
    // Never taken: no receive was counted, nothing waits.
    assert_eq!(queue.names("new"), ["1", "3"]);
    assert_eq!(queue.recv(&["--idle", "50ms"], "echo $TS_EVENT_RECEIVES").code(0).text(), "1\n1\n");
}

#[test]
fn a_message_with_events_of_two_jobs_is_worked_on_by_both() {
    let queue = Queue::new();
    let two = put_event("job/x", "e2", "01").replace("]}", &format!(",{}", &put_event("other/y", "e3", "01")[12..]));
    queue.put("1", &two);
    assert_eq!(
        queue.recv(&["--prefix", "s3://b/job/", "--idle", "100ms"], "echo $TS_EVENT_KEY").code(0).text(),
        "job/x\n"
    );
    assert_eq!(
        queue.recv(&["--prefix", "s3://b/other/", "--idle", "100ms"], "echo $TS_EVENT_KEY").code(0).text(),
        "other/y\n"
    );
    assert!(queue.is_empty());
}

#[test]
fn the_concurrency_file_is_read_again() {
    let queue = Queue::new();
    for n in 0..12 {
        queue.put(&format!("{n:02}"), &put_event(&format!("job/{n}"), "e", "01"));
    }
    let pace = queue.path("pace");
    std::fs::write(&pace, "0\n").unwrap();
    // How many run at the same time is what each finds in the folder.
    let script = r#"mkdir -p $OUT/running; touch $OUT/running/$TS_EVENT_ID; sleep 0.5; ls $OUT/running | wc -l >>$OUT/counts; rm $OUT/running/$TS_EVENT_ID"#;
    let run = std::thread::spawn({
        let (url, out, pace) = (queue.url(), queue.path("out"), pace.clone());
        move || {
            tool("queue-recv")
                .args(["--url", &url, "--limit", "12", "--concurrency-file"])
                .arg(pace)
                .args(["--", "sh", "-c", script])
                .env("OUT", out)
                .run()
        }
    });
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(queue.names("new").len(), 12, "0 is a pause");
    // Replaced as a whole, as sr-pace does.
    let change = |number: &str| {
        std::fs::write(queue.path("pace.tmp"), number).unwrap();
        std::fs::rename(queue.path("pace.tmp"), &pace).unwrap();
    };
    change("1");
    until("two are done", || queue.text("out/counts").lines().count() >= 2);
    change("4");
    run.join().unwrap().code(0);
    let counts: Vec<u32> = queue.text("out/counts").lines().map(|line| line.trim().parse().unwrap()).collect();
    assert_eq!(&counts[..2], [1, 1]);
    assert!(counts.iter().all(|count| *count <= 4) && counts.iter().any(|count| *count > 1), "{counts:?}");
    assert!(queue.is_empty());
}

/// Starts with a script that notes begin and end of its work.
fn start(queue: &Queue, args: &[&str], seconds: &str) -> std::process::Child {
    let script =
        r#"echo "begin $TS_EVENT_KEY" >>$OUT/log; sleep $SECONDS_OF_WORK; echo "end $TS_EVENT_KEY" >>$OUT/log"#;
    Command::new(bin("queue-recv"))
        .args(["--url", &queue.url()])
        .args(args)
        .args(["--", "sh", "-c", script])
        .env("OUT", queue.path("out"))
        .env("SECONDS_OF_WORK", seconds)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(queue.path("out/stderr")).unwrap())
        .spawn()
        .unwrap()
}

#[test]
fn after_kill_9_every_message_comes_back_and_none_is_worked_on_twice_at_once() {
    let queue = Queue::new();
    for n in 0..8 {
        queue.put(&n.to_string(), &put_event(&format!("job/{n}"), "e", "01"));
    }
    let mut first = start(&queue, &["--concurrency", "3", "--visibility", "4s"], "30");
    until("three have begun", || queue.text("out/log").lines().count() == 3);
    first.kill().unwrap();
    first.wait().unwrap();
    // Their commands are gone with it, long before the messages are visible again.
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(queue.names("taken").len(), 3);
    let before = queue.text("out/log");
    // Two take over, while the three are still hidden.
    let args = ["--idle", "6s", "--visibility", "30s"];
    let again = [start(&queue, &args, "0.3"), start(&queue, &args, "0.3")];
    for mut child in again {
        assert!(child.wait().unwrap().success(), "{}", queue.text("out/stderr"));
    }
    let log = queue.text("out/log");
    assert!(log.starts_with(&before) && !before.contains("end"), "{log}");
    let later: Vec<&str> = log[before.len()..].lines().collect();
    let done: BTreeSet<&str> = later.iter().filter_map(|line| line.strip_prefix("end ")).collect();
    assert_eq!(done.len(), 8, "{log}");
    // Begun once, ended once: 8 of each.
    assert_eq!(later.len(), 16, "{log}");
    assert!(queue.is_empty());
}

#[test]
fn the_command_of_a_killed_queue_recv_ends_with_all_it_has_started() {
    let queue = Queue::new();
    queue.put("1", &put_event("job/a", "e", "01"));
    let script = "sleep 300 & echo $! >$OUT/pid; wait";
    let mut child = Command::new(bin("queue-recv"))
        .args(["--url", &queue.url(), "--", "sh", "-c", script])
        .env("OUT", queue.path("out"))
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    until("it has begun", || queue.text("out/pid").ends_with('\n'));
    child.kill().unwrap();
    child.wait().unwrap();
    let pid = queue.text("out/pid");
    until("the sleep is gone", || !alive(pid.trim()));
}

/// A zombie that nobody has waited for yet is not alive.
fn alive(pid: &str) -> bool {
    let text = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    text.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

#[test]
fn sigterm_ends_commands_and_gives_messages_back_at_once() {
    let queue = Queue::new();
    queue.put("1", &put_event("job/a", "e", "01"));
    let mut child = start(&queue, &["--visibility", "10m"], "300");
    until("it has begun", || !queue.text("out/log").is_empty());
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143), "{}", queue.text("out/stderr"));
    // Not ten minutes later.
    let again = queue.recv(&["--idle", "100ms"], "echo $TS_EVENT_RECEIVES").code(0);
    assert_eq!(again.text(), "2\n");
}

#[test]
fn a_message_is_kept_hidden_as_long_as_its_command_runs() {
    let queue = Queue::new();
    queue.put("1", &put_event("job/a", "e", "01"));
    let mut child = start(&queue, &["--visibility", "3s", "--limit", "1"], "6");
    until("it has begun", || !queue.text("out/log").is_empty());
    // Another one that looks all the time never sees it.
    let other = queue.recv(&["--idle", "4s", "--wait", "100ms"], "echo stolen").code(0);
    assert_eq!(other.text(), "");
    assert!(child.wait().unwrap().success(), "{}", queue.text("out/stderr"));
    assert!(queue.is_empty());
}

#[test]
fn a_lost_message_ends_its_command() {
    let queue = Queue::new();
    queue.put("1", &put_event("job/a", "e", "01"));
    let mut child = start(&queue, &["--visibility", "1s", "--limit", "1"], "300");
    until("it has begun", || !queue.text("out/log").is_empty());
    // As if the clock of another machine were far ahead.
    let name = queue.names("taken").remove(0);
    std::fs::rename(queue.path("taken").join(&name), queue.path("new/1~1")).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(9), "{}", queue.text("out/stderr"));
    assert!(queue.text("out/stderr").contains("the command was ended: its visibility time was over"));
}

#[test]
fn the_end_is_known_by_the_manifest() {
    let queue = Queue::new();
    let folder = queue.path("out").display().to_string();
    let event =
        |name: &str| format!(r#"{{"event":"created","url":"file://{folder}/{name}","key":"{name}","etag":"e"}}"#);
    queue.put("1", &event("a"));
    let run = std::thread::spawn({
        let (url, folder) = (queue.url(), folder.clone());
        move || {
            tool("queue-recv")
                .args(["--url", &url, "--until-manifest", &format!("file://{folder}/_manifest.json"), "--", "true"])
                .run()
        }
    });
    until("the first is done", || queue.is_empty());
    // The manifest is there before the last event is: nothing ends too soon.
    std::fs::write(
        queue.path("tmp/m"),
        r#"{"version":1,"created":"","size":2,"files":[{"name":"a","size":1,"etag":"e"},{"name":"b","size":1}]}"#,
    )
    .unwrap();
    std::fs::rename(queue.path("tmp/m"), queue.path("out/_manifest.json")).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(!run.is_finished());
    queue.put("2", &event("b"));
    let outcome = run.join().unwrap().code(0);
    assert_eq!(outcome.number("rows"), 2);
    assert!(outcome.summary().contains("manifest=complete"), "{}", outcome.summary());
}

/// Where events bear no sequencer, a message that was hidden may tell of a version that is gone.
#[test]
fn an_older_version_that_is_told_of_last_does_not_undo_the_newest() {
    let queue = Queue::new();
    let folder = queue.path("out").display().to_string();
    for (name, etag) in [("1", "new"), ("2", "old")] {
        queue.put(name, &format!(r#"{{"event":"created","url":"file://{folder}/a","key":"a","etag":"{etag}"}}"#));
    }
    std::fs::write(
        queue.path("out/_manifest.json"),
        r#"{"version":1,"created":"","size":1,"files":[{"name":"a","size":1,"etag":"new"}]}"#,
    )
    .unwrap();
    let manifest = format!("file://{folder}/_manifest.json");
    let ledger = queue.path("ledger.jsonl");
    let args = ["--until-manifest", &manifest, "--idle", "20s", "--ledger", ledger.to_str().unwrap()];
    // Once as they come, once as a ledger has them that knows of both.
    for rows in [1, 2] {
        let outcome = queue.recv(&args, "echo $TS_EVENT_ETAG >>$OUT/done").code(0);
        assert!(outcome.summary().contains("manifest=complete"), "{}", outcome.summary());
        assert!(outcome.number("rows") <= rows);
        queue
            .recv(&["--idle", "100ms", "--ledger", ledger.to_str().unwrap()], "echo $TS_EVENT_ETAG >>$OUT/done")
            .code(0);
        assert_eq!(queue.text("out/done"), "new\nold\n");
    }
}

/// An event that was lost, or that another job hides, is not waited for longer than a worker that was killed would hide it.
#[test]
fn what_nobody_tells_of_is_named_in_the_end() {
    let queue = Queue::new();
    let folder = queue.path("out").display().to_string();
    queue.put("1", &format!(r#"{{"event":"created","url":"file://{folder}/a","key":"a","etag":"e"}}"#));
    std::fs::write(
        queue.path("out/_manifest.json"),
        r#"{"version":1,"created":"","size":3,"files":[{"name":"a","size":1},{"name":"b","size":1},{"name":"c","size":1}]}"#,
    )
    .unwrap();
    let manifest = format!("file://{folder}/_manifest.json");
    let start = Instant::now();
    let args = ["--until-manifest", &manifest, "--idle", "10m", "--visibility", "2s"];
    let outcome = queue.recv(&args, "echo $TS_EVENT_URL >>$OUT/done").code(9);
    assert!(start.elapsed() > Duration::from_secs(2) && start.elapsed() < Duration::from_secs(60));
    assert!(outcome.stderr.contains("2 objects of") && outcome.stderr.contains("/out/b"), "{}", outcome.stderr);
    assert_eq!(outcome.number("rows"), 1);
}

#[test]
fn usage_errors() {
    for (args, said) in [
        (&["--url", "dir://relative"][..], "absolute path"),
        (&["--url", "s3://b/k"][..], "not s3"),
        (&[][..], "TS_QUEUE_URL"),
        (&["--url", "sqs+http://h/1/q", "--visibility", "0"][..], "--visibility 0"),
        (&["--url", "dir://HERE", "--prefix", "job/"][..], "--prefix is a URL"),
        (&["--url", "dir://HERE", "--concurrency-file", "/no/such", "--", "true"][..], "/no/such"),
        (&["--url", "sqs+https://key:secret@h/1/q"][..], "credentials come from"),
        (&["--url", "sqs+https://h/a/b/c"][..], "ACCOUNT/QUEUE"),
    ] {
        let dir = testkit::temp_dir();
        let here = |arg: &&str| arg.replace("HERE", &dir.path().display().to_string());
        let outcome = tool("queue-recv").args(args.iter().map(here)).run().code(2);
        assert!(outcome.stderr.contains(said), "{args:?}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains("secret"), "{}", outcome.stderr);
    }
}
