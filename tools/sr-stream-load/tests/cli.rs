//! The command line: what is refused before anything is read or sent.

use testkit::{Tool, tool};

fn load() -> Tool {
    tool("sr-stream-load").args(["--url", "starrocks://root@127.0.0.1:1/plant?http=1", "--table", "m"])
}

#[test]
fn what_cannot_be_meant_is_2() {
    for args in [
        &["--be-map", "a"][..],
        &["--be-map", "a=b", "--be-url", "http://c"],
        &["--header", "strict_mode:false"],
        &["--header", "nothing"],
        &["--label", "no label"],
        &["--label", "a", "--label-prefix", "b"],
        &["--label-prefix", "a.b"],
        &["--txn", "--begin", "--label", "L"],
        &["--txn", "--dry-run"],
        &["--commit"],
        &["--batch-bytes", "2GiB"],
        &["--merge-commit", "--label", "L"],
        &["--set", "x"],
        &["--load-format", "orc"],
    ] {
        let outcome = load().args(args).stdin("ts|time,v|long\n2024-01-01T00:00:00Z,1\n").run();
        assert_eq!(outcome.code, 2, "{args:?}: {}", outcome.stderr);
    }
    for url in ["starrocks://root@h", "mysql://h/db", "starrocks://root:secret@h/db"] {
        let outcome = tool("sr-stream-load").args(["--url", url, "--table", "m"]).run().code(2);
        assert!(!outcome.stderr.contains("secret"), "{}", outcome.stderr);
    }
}

#[test]
fn an_empty_input_asks_nobody() {
    let outcome = load().stdin("ts|time,v|long\n").run().code(0);
    assert_eq!((outcome.number("rows"), outcome.number("requests")), (0, 0));
}

#[test]
fn nobody_there_is_5() {
    let row = "ts|time,v|long\n2024-01-01T00:00:00Z,1\n";
    let outcome = load().stdin(row).run().code(5);
    assert!(outcome.stderr.contains("--no-column-check"), "{}", outcome.stderr);
    let tool = load().args(["--retries", "1", "--no-column-check"]);
    let outcome = tool.stdin(row).run().code(5);
    assert!(outcome.stderr.contains("http://127.0.0.1:1"), "{}", outcome.stderr);
    assert_eq!(outcome.number("retries"), 1);
}

#[test]
fn help_is_as_recorded() {
    let help = tool("sr-stream-load").arg("-h").run().code(0).text();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &help).unwrap();
    }
    assert_eq!(help, std::fs::read_to_string(path).unwrap());
}
