//! `store-ls` through its binary, on files.

use std::path::Path;
use testkit::{Outcome, shell, temp_dir, tool};

fn url(folder: &Path, key: &str) -> String {
    format!("file://{}/{key}", folder.display())
}

fn ls(folder: &Path, key: &str, args: &[&str]) -> Outcome {
    tool("store-ls").args(args).arg(url(folder, key)).run()
}

/// The last column, without what all have in common.
fn keys(folder: &Path, outcome: &Outcome) -> Vec<String> {
    let base = url(folder, "");
    outcome.text().lines().map(|line| line.rsplit('\t').next().unwrap_or("").replace(&base, "")).collect()
}

fn write(folder: &Path, key: &str, text: &str) {
    let path = folder.join(key);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn listings_are_sorted_as_stores_sort() {
    let folder = temp_dir();
    let at = folder.path();
    for key in ["a/b.csv", "a-b.csv", "a.csv", "a/c/d.csv", "zürich %20?#1", ".hidden"] {
        write(at, key, "xy");
    }
    let all = ls(at, "", &["--recursive"]).code(0);
    assert_eq!(keys(at, &all), [".hidden", "a-b.csv", "a.csv", "a/b.csv", "a/c/d.csv", "zürich %20?#1"]);
    assert_eq!((all.number("objects"), all.number("size")), (6, 12));
    let level = ls(at, "", &[]).code(0);
    assert_eq!(keys(at, &level), ["a/", ".hidden", "a-b.csv", "a.csv", "zürich %20?#1"]);
    assert_eq!(keys(at, &ls(at, "a", &[]).code(0)), ["a/c/", "a/b.csv"]);
    assert_eq!(keys(at, &ls(at, "a.csv", &[]).code(0)), ["a.csv"]);
    // What is printed is what is taken.
    assert_eq!(tool("store-get").arg(url(at, "zürich %20?#1")).run().code(0).text(), "xy");
}

#[test]
fn json_has_what_is_known() {
    let folder = temp_dir();
    write(folder.path(), "x", "");
    let line = ls(folder.path(), "x", &["-t", "json", "--deep"]).code(0).text();
    for part in
        ["\"size\":0", "\"modified\":\"20", "\"xxh3\":\"99aa06d3014798d86001c324468d497f\"", "\"url\":\"file:///"]
    {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn empty_folders_are_0_and_missing_objects_6() {
    let folder = temp_dir();
    for args in [&[][..], &["--recursive"]] {
        assert!(ls(folder.path(), "none/", args).code(0).stdout.is_empty());
        ls(folder.path(), "none", args).code(6);
    }
    shell(&format!("store-ls {} >/dev/full", url(folder.path(), ""))).run().code(0);
    write(folder.path(), "x", "");
    shell(&format!("store-ls {} >/dev/full", url(folder.path(), ""))).run().code(7);
}

#[test]
fn a_manifest_is_compared_by_name_size_and_digest() {
    let folder = temp_dir();
    let at = folder.path();
    for name in ["a", "b", "c"] {
        write(at, name, name);
    }
    let files = [at.join("a"), at.join("b"), at.join("c")];
    tool("store-put").args(["--manifest", &url(at, "set/")]).args(files).run().code(0);
    assert!(ls(at, "set/", &["--manifest", "--deep"]).code(0).stdout.is_empty());
    write(at, "set/a", "A");
    // Without --deep a change of content alone is not seen.
    ls(at, "set/", &["--manifest"]).code(0);
    let deep = ls(at, "set/", &["--manifest", "--deep"]).code(1);
    assert!(deep.text().contains("set/a\txxh3 "), "{}", deep.text());
    write(at, "set/b", "longer");
    write(at, "set/more/d", "d");
    std::fs::remove_file(at.join("set/c")).unwrap();
    let all = ls(at, "set/", &["--manifest"]).code(1);
    let said: Vec<String> = all.text().lines().map(|line| line.split_once("set/").unwrap().1.to_owned()).collect();
    assert_eq!(said, ["b\tsize 6 is not 1", "c\tmissing", "more/d\tnot in the manifest"]);
    assert_eq!(all.number("differences"), 3);
    ls(at, "none/", &["--manifest"]).code(6);
    ls(at, "set", &["--manifest"]).code(2);
    write(at, "bad/_manifest.json", "{}");
    ls(at, "bad/", &["--manifest"]).code(3);
}

#[test]
fn unfinished_files_are_no_objects() {
    let folder = temp_dir();
    let at = folder.path();
    write(at, "a/.x.ts-put-12-ab", "half");
    write(at, "a/x", "whole");
    assert_eq!(keys(at, &ls(at, "", &["--recursive"]).code(0)), ["a/x"]);
    let uploads = ls(at, "", &["--uploads"]).code(0);
    assert_eq!((uploads.number("uploads"), keys(at, &uploads)), (1, vec!["a/.x.ts-put-12-ab".to_owned()]));
}

#[test]
fn a_closed_pipe_is_a_quiet_141() {
    let folder = temp_dir();
    for n in 0..3000 {
        write(folder.path(), &format!("a-rather-long-name-to-fill-the-pipe-{n}"), "");
    }
    let script =
        format!("set +o pipefail; store-ls {} | head -n 1 >/dev/null; echo ${{PIPESTATUS[0]}}", url(folder.path(), ""));
    let outcome = shell(&script).run().code(0);
    // 3000 lines may fit into the pipe: then nobody is told.
    assert!(matches!(outcome.text().trim(), "0" | "141"), "{}", outcome.text());
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
}
