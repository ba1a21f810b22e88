//! `queue-ack` through its binary.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use testkit::{bin, tool};

fn event(n: u32) -> String {
    format!(r#"{{"event":"created","url":"s3://b/{n}","bucket":"b","key":"{n}"}}"#)
}

#[test]
fn messages_are_deleted_as_soon_as_their_lines_come() {
    let dir = testkit::temp_dir();
    let url = format!("dir://{}", dir.path().display());
    std::fs::create_dir_all(dir.path().join("new")).unwrap();
    for n in 0..25 {
        std::fs::write(dir.path().join(format!("new/{n:02}")), event(n)).unwrap();
    }
    let lines = tool("queue-recv").args(["--url", &url, "--limit", "25"]).run().code(0).text();
    let left = || std::fs::read_dir(dir.path().join("taken")).unwrap().count();
    assert_eq!((lines.lines().count(), left()), (25, 25));
    let mut child = Command::new(bin("queue-ack"))
        .args(["--url", &url])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let (first, rest) = lines.split_once('\n').unwrap();
    writeln!(stdin, "{first}").unwrap();
    // While its input stays open.
    let end = Instant::now() + Duration::from_secs(60);
    while left() != 24 {
        assert!(Instant::now() < end, "{} left", left());
        std::thread::sleep(Duration::from_millis(20));
    }
    stdin.write_all(rest.as_bytes()).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert_eq!(left(), 0);
}

#[test]
fn what_is_not_ours_any_more_is_incomplete() {
    let dir = testkit::temp_dir();
    let url = format!("dir://{}", dir.path().display());
    let outcome = tool("queue-ack").args(["--url", &url]).stdin("{\"receipt\":\"a~1~0\"}\n").run().code(9);
    assert!(outcome.stderr.contains("their visibility time was over"), "{}", outcome.stderr);
    assert_eq!((outcome.number("rows"), outcome.number("lost"), outcome.number("messages")), (1, 1, 0));
}

#[test]
fn inputs() {
    let dir = testkit::temp_dir();
    let url = format!("dir://{}", dir.path().display());
    let ack = || tool("queue-ack").args(["--url", &url]);
    assert_eq!(ack().stdin("").run().code(0).number("rows"), 0);
    let outcome = ack().stdin("{\"receipt\":\"a\"}\nnonsense\n").run().code(3);
    assert!(outcome.stderr.contains("stdin:2"), "{}", outcome.stderr);
    ack().stdin("x".repeat(2 << 20)).run().code(3);
    ack().stdin("{\"receipt\":\"../new/x\"}\n").run().code(2);
    for path in ["/no/such/file", "/"] {
        ack().arg(path).run().code(7);
    }
    tool("queue-ack").run().code(2);
}
