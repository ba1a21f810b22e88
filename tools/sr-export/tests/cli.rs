//! What a user of `sr-export` sees.

use testkit::tool;

#[test]
fn what_cannot_be_meant_is_2() {
    for args in [
        &["--url", "mysql://h/db"][..],
        &["--url", "starrocks://h"],
        &["--url", "starrocks://u:pw@h/db"],
        &["--url", "starrocks://h/db", "--partitions", "RANGE(b,a)"],
        &["--url", "starrocks://h/db", "--since", "2024-01-02", "--until", "2024-01-01"],
        &["--url", "starrocks://h/db", "--via", "files"],
        &["--url", "starrocks://h/db", "--storage", "s3://b/p"],
        &["--url", "starrocks://h/db", "--via", "export", "--storage", "s3://b/p", "--where", "a > 1"],
        &["--url", "starrocks://h/db", "--be-map", "a=b"],
        &["--url", "starrocks://h/db", "--via", "flight", "--storage", "s3://b/p"],
        &["--url", "starrockss://h/db?flight=9408", "--via", "flight"],
        &["--url", "starrocks://h/db?flight=0", "--via", "flight"],
        &["--url", "starrocks://h/db?flight=9408", "--via", "flight", "--be-map", "a"],
        &["--url", "starrocks://h/db", "--where", "1=1; DROP TABLE t"],
        &["--url", "starrocks://h/db", "--columns", ""],
        &["--url", "starrocks://h/db", "--replication-num", "1"],
        &["--url", "starrocks://h/db", "--output-dir", "x", "-o", "y"],
        &["--url", "starrocks://h/db", "--expression", "no"],
        &[],
    ] {
        let outcome = tool("sr-export").args(args).run().code(2);
        assert!(outcome.summary().starts_with("sr-export: usage rows=0"), "{args:?}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains("pw@"), "{}", outcome.stderr);
    }
}

#[test]
fn nobody_there_is_4() {
    let args = ["--url", "starrocks://127.0.0.1:1,127.0.0.1:2/db", "--list", "--retries", "1"];
    let outcome = tool("sr-export").args(args).run().code(4);
    assert!(outcome.stderr.contains("none of 2 front ends answers"), "{}", outcome.stderr);
    assert_eq!(outcome.number("retries"), 1);
}

#[test]
fn a_bad_path_is_7_before_anything_is_asked() {
    tool("sr-export")
        .args(["--url", "starrocks://127.0.0.1:1/db", "--table", "t", "-o", "/no/such/directory/out"])
        .run()
        .code(7);
}

#[test]
fn help_is_as_recorded() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/help.txt");
    let help = tool("sr-export").arg("-h").run().code(0).text();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &help).expect("writable");
    }
    assert_eq!(help, std::fs::read_to_string(path).expect("tests/help.txt; UPDATE=1 writes it"));
}
