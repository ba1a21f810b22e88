//! What the directory says of splits, and that nothing half-written is ever believed.

use fault::Kind;
use state::{Directory, Failure, Holder, Plan, Receipt, Split, Status};
use std::time::Duration;

fn split(id: &str) -> Split {
    Split {
        id: id.into(),
        table: "t".into(),
        predicate: String::new(),
        from: "2024-01-01T00:00:00Z".into(),
        to: "2024-01-02T00:00:00Z".into(),
        est_rows: None,
    }
}

fn receipt(id: &str) -> Receipt {
    Receipt {
        id: id.into(),
        table: "t".into(),
        predicate: String::new(),
        from: "2024-01-01T00:00:00Z".into(),
        to: "2024-01-02T00:00:00Z".into(),
        rows: 3,
        rejected: 0,
        dropped: 0,
        throttled: 0,
        attempt: 1,
        host: "h".into(),
        started: "2024-01-03T00:00:00Z".into(),
        ended: "2024-01-03T00:00:01Z".into(),
        stages: Vec::new(),
    }
}

fn failure(id: &str, exit: u8, retryable: bool) -> Failure {
    Failure { id: id.into(), attempts: 1, exit, retryable, error: "e".into(), host: "h".into(), at: "now".into() }
}

fn me() -> Holder {
    Holder { pid: std::process::id(), host: "here".into(), since: "now".into() }
}

fn directory() -> (testkit::tempfile::TempDir, Directory, Plan) {
    let scratch = testkit::temp_dir();
    let plan = Plan { options: "o".into(), source: "s".into(), splits: ["a", "b", "c", "d", "e"].map(split).to_vec() };
    std::fs::write(scratch.path().join("plan.tsv"), plan.print()).unwrap();
    let directory = Directory::open(scratch.path()).unwrap();
    (scratch, directory, plan)
}

#[test]
fn each_state_and_what_is_pending() {
    let (_scratch, directory, plan) = directory();
    assert_eq!(directory.plan().unwrap(), plan);
    directory.done(&receipt("a")).unwrap();
    directory.failed(&failure("b", 4, true)).unwrap();
    directory.failed(&failure("c", 3, false)).unwrap();
    directory.skip("d", "now", "no longer wanted").unwrap();
    let words: Vec<&str> = plan.splits.iter().map(|s| directory.status(&s.id).unwrap().word()).collect();
    assert_eq!(words, ["done", "failed", "blocked", "skipped", "pending"]);
    let pending: Vec<&str> = directory.pending(&plan).unwrap().iter().map(|s| s.id.as_str()).collect();
    assert_eq!(pending, ["b", "e"]);

    assert!(directory.retry("c", "later").unwrap() && directory.retry("d", "later").unwrap());
    assert!(!directory.retry("e", "later").unwrap());
    assert_eq!(directory.pending(&plan).unwrap().len(), 4);
    let what: Vec<String> = directory.history("c").unwrap().into_iter().map(|event| event.what).collect();
    assert_eq!(what, ["failed", "retry"]);
}

#[test]
fn a_receipt_ends_a_failure() {
    let (_scratch, directory, _) = directory();
    directory.failed(&failure("a", 5, true)).unwrap();
    directory.done(&receipt("a")).unwrap();
    assert_eq!(directory.failure("a").unwrap(), None);
    assert!(matches!(directory.status("a").unwrap(), Status::Done(found) if *found == receipt("a")));
}

#[test]
fn a_lock_is_the_state_of_running() {
    let (_scratch, directory, _) = directory();
    let lock = directory.lock("a", &me(), Duration::ZERO).unwrap();
    assert_eq!(directory.status("a").unwrap(), Status::Running(me()));
    let error = directory.lock("a", &me(), Duration::from_millis(120)).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    drop(lock);
    assert_eq!(directory.status("a").unwrap(), Status::Pending);
    directory.lock("a", &me(), Duration::ZERO).unwrap();
}

#[test]
fn a_child_keeps_the_lock_of_a_parent_that_is_gone() {
    let (_scratch, directory, _) = directory();
    let lock = directory.lock("a", &me(), Duration::ZERO).unwrap();
    let mut orphan = std::process::Command::new("sleep").arg("30").spawn().unwrap();
    drop(lock);
    assert_eq!(directory.status("a").unwrap().word(), "running");
    orphan.kill().unwrap();
    orphan.wait().unwrap();
    assert_eq!(directory.status("a").unwrap().word(), "pending");
}

#[test]
fn what_is_damaged_is_never_taken_for_done() {
    let (scratch, directory, _) = directory();
    std::fs::write(scratch.path().join("done/a.json"), "{\"id\":\"a\",").unwrap();
    let error = directory.status("a").unwrap_err();
    assert_eq!(error.kind(), Kind::LocalIo);
    assert!(error.to_string().contains("done/a.json is damaged"), "{error}");
    // A temporary file that a killed writer left is nothing.
    std::fs::write(scratch.path().join("done/.b.json.tmp-1"), "{").unwrap();
    assert_eq!(directory.status("b").unwrap(), Status::Pending);
    // A torn line of the journal is passed over.
    std::fs::write(
        scratch.path().join("journal.jsonl"),
        "{\"at\":\"1\",\"id\":\"b\",\"what\":\"started\"}\n{\"at\":\"2\",\"id\":\"b\"",
    )
    .unwrap();
    assert_eq!(directory.history("b").unwrap().len(), 1);
}

#[test]
fn a_line_that_was_cut_does_not_take_the_next_one_with_it() {
    let (scratch, directory, _) = directory();
    let path = scratch.path().join("journal.jsonl");
    // A full disk leaves a part of a line.
    std::fs::write(&path, "{\"at\":\"1\",\"id\":\"b\",\"what\":\"started\"}\n{\"at\":\"2\",\"id\":\"b\"").unwrap();
    directory.note("3", "b", "done", String::new()).unwrap();
    directory.note("4", "b", "retry", String::new()).unwrap();
    let what: Vec<String> = directory.history("b").unwrap().into_iter().map(|event| event.what).collect();
    assert_eq!(what, ["started", "done", "retry"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 4);
}

#[test]
fn two_that_look_do_not_see_each_other_at_work() {
    let (scratch, directory, _) = directory();
    drop(directory.lock("a", &me(), Duration::ZERO).unwrap());
    // Another look at the same instant: a lock that others may share.
    let other = std::fs::File::open(scratch.path().join("lock/a")).unwrap();
    rustix::fs::flock(&other, rustix::fs::FlockOperation::LockShared).unwrap();
    assert_eq!(directory.status("a").unwrap(), Status::Pending);
    // And whoever wants to work waits for it.
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        drop(other);
    });
    directory.lock("a", &me(), Duration::ZERO).unwrap();
}

#[test]
fn a_directory_without_a_plan_is_a_usage_error() {
    let scratch = testkit::temp_dir();
    let error = Directory::open(scratch.path()).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    assert!(error.to_string().contains("ts-plan -o"), "{error}");
}
