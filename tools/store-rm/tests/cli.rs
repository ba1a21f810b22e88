//! `store-rm` through its binary, on files.

use std::path::Path;
use testkit::{Outcome, temp_dir, tool};

fn rm(folder: &Path, key: &str, args: &[&str]) -> Outcome {
    tool("store-rm").args(args).arg(format!("file://{}/{key}", folder.display())).run()
}

fn write(folder: &Path, key: &str) {
    let path = folder.join(key);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, key).unwrap();
}

#[test]
fn removing_is_repeatable() {
    let folder = temp_dir();
    write(folder.path(), "x");
    for _ in 0..2 {
        assert_eq!(rm(folder.path(), "x", &[]).code(0).number("objects"), 1);
        assert!(!folder.path().join("x").exists());
    }
    rm(folder.path(), "none/below", &[]).code(0);
}

#[test]
fn folders_and_buckets_only_on_request() {
    let folder = temp_dir();
    let at = folder.path();
    for key in ["d/a", "d/e/b", "f"] {
        write(at, key);
    }
    let refused = rm(at, "d/", &[]).code(2);
    assert!(refused.stderr.contains("--recursive"), "{}", refused.stderr);
    let whole = tool("store-rm").arg("s3://bucket").run().code(2);
    assert!(whole.stderr.contains("a whole bucket"), "{}", whole.stderr);
    tool("store-rm").args(["--recursive", "file:///"]).run().code(2);
    tool("store-rm").run().code(2);
    let dry = rm(at, "d/", &["--recursive", "--dry-run"]).code(0);
    assert_eq!((dry.text().lines().count(), at.join("d/a").exists()), (2, true));
    assert_eq!(rm(at, "d/", &["--recursive"]).code(0).number("objects"), 2);
    assert!(!at.join("d/a").exists() && !at.join("d/e/b").exists() && at.join("f").exists());
    assert_eq!(rm(at, "d/", &["--recursive"]).code(0).number("objects"), 0);
}

/// One bad URL among good ones: nothing is removed.
#[test]
fn all_urls_are_checked_first() {
    let folder = temp_dir();
    write(folder.path(), "x");
    let good = format!("file://{}/x", folder.path().display());
    tool("store-rm").args([&good, "nonsense"]).run().code(2);
    assert!(folder.path().join("x").exists());
}

#[test]
fn remains_of_killed_writers_go_but_no_objects() {
    let folder = temp_dir();
    let at = folder.path();
    for key in ["d/.x.ts-put-12-ab", "d/x", ".y.ts-put-9-1", "d/.mine"] {
        write(at, key);
    }
    assert_eq!(rm(at, "", &["--uploads", "--older-than", "1h"]).code(0).number("uploads"), 0);
    assert_eq!(rm(at, "", &["--uploads", "--dry-run"]).code(0).text().lines().count(), 2);
    assert_eq!(rm(at, "", &["--uploads"]).code(0).number("uploads"), 2);
    assert!(at.join("d/x").exists() && at.join("d/.mine").exists());
    assert!(!at.join("d/.x.ts-put-12-ab").exists() && !at.join(".y.ts-put-9-1").exists());
    rm(at, "", &["--older-than", "1h"]).code(2);
}
