//! `store-cp` through its binary, on files.

use std::path::Path;
use testkit::{Outcome, shell, temp_dir, tool};

fn url(folder: &Path, key: &str) -> String {
    format!("file://{}/{key}", folder.display())
}

fn cp(folder: &Path, from: &str, to: &str, args: &[&str]) -> Outcome {
    tool("store-cp").args(args).args([url(folder, from), url(folder, to)]).run()
}

fn write(folder: &Path, key: &str, text: &str) {
    let path = folder.join(key);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_folder_is_copied_once() {
    let folder = temp_dir();
    let at = folder.path();
    for (key, text) in [("from/a", "1"), ("from/b/c", "22"), ("from/empty", ""), ("from/b/_manifest.json", "{}")] {
        write(at, key, text);
    }
    let first = cp(at, "from", "to", &["--recursive"]).code(0);
    assert_eq!((first.number("objects"), first.number("skipped"), first.number("bytes")), (4, 0, 5));
    assert_eq!(std::fs::read(at.join("to/b/c")).unwrap(), b"22");
    let again = cp(at, "from/", "to/", &["--recursive"]).code(0);
    assert_eq!((again.number("objects"), again.number("skipped"), again.number("bytes")), (0, 4, 0));
    // One of the same size and other content, one that is missing.
    write(at, "to/b/c", "23");
    std::fs::remove_file(at.join("to/a")).unwrap();
    let dry = cp(at, "from/", "to/", &["--recursive", "--dry-run"]).code(0);
    assert_eq!((dry.text().lines().count(), at.join("to/a").exists()), (2, false));
    assert_eq!(cp(at, "from/", "to/", &["--recursive"]).code(0).number("objects"), 2);
    assert_eq!(std::fs::read(at.join("to/b/c")).unwrap(), b"22");
    assert_eq!(cp(at, "from/", "to/", &["--recursive", "--always"]).code(0).number("objects"), 4);
    shell("diff -r from to").current_dir(at).run().code(0);
}

#[test]
fn one_object_by_name_or_into_a_folder() {
    let folder = temp_dir();
    let at = folder.path();
    write(at, "x", "content");
    cp(at, "x", "y", &[]).code(0);
    cp(at, "x", "d/", &[]).code(0);
    assert_eq!(std::fs::read(at.join("y")).unwrap(), b"content");
    assert_eq!(std::fs::read(at.join("d/x")).unwrap(), b"content");
    cp(at, "none", "y", &[]).code(6);
    assert_eq!(std::fs::read(at.join("y")).unwrap(), b"content");
}

#[test]
fn what_makes_no_sense_is_2() {
    let folder = temp_dir();
    let at = folder.path();
    write(at, "d/x", "x");
    for (from, to, args, said) in [
        ("d/", "e/", &[][..], "--recursive"),
        ("d/x", "d/x", &[], "the same"),
        ("d/x", "d/", &[], "the same"),
        ("d/", "d", &["--recursive"], "the same"),
        ("d/", "d/e/", &["--recursive"], "into itself"),
    ] {
        let outcome = cp(at, from, to, args).code(2);
        assert!(outcome.stderr.contains(said), "{from} {to}: {}", outcome.stderr);
    }
    let nothing = cp(at, "none/", "e/", &["--recursive"]).code(6);
    assert!(nothing.stderr.contains("nothing in it"), "{}", nothing.stderr);
}

#[test]
fn a_disk_that_fails_is_7_and_the_first_error_is_told() {
    let folder = temp_dir();
    let at = folder.path();
    for n in 0..50 {
        write(at, &format!("from/{n}"), "x");
    }
    write(at, "file", "");
    let outcome = cp(at, "from/", "file/below/", &["--recursive"]).code(6);
    assert!(outcome.stderr.contains("file/below"), "{}", outcome.stderr);
    let listed =
        shell(&format!("store-cp --recursive --dry-run {} {} >/dev/full", url(at, "from/"), url(at, "to/"))).run();
    listed.code(7);
}
