//! `store-put` through its binary, on files: the same code as for buckets, but for the requests.

use std::path::Path;
use testkit::{Outcome, Tool, shell, temp_dir, tool};

fn put() -> Tool {
    tool("store-put")
}

fn url(folder: &Path, key: &str) -> String {
    format!("file://{}/{key}", folder.display())
}

/// Everything in a folder, hidden files too.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

fn receipt(outcome: &Outcome, key: &str) -> String {
    let text = outcome.text();
    let rest = text.split_once(&format!("\"{key}\":")).unwrap_or_else(|| panic!("no {key} in {text}")).1;
    rest.trim_start_matches('"').split(['"', ',', '}']).next().unwrap_or_default().to_owned()
}

#[test]
fn stdin_and_files_become_objects_with_receipts() {
    let folder = temp_dir();
    let at = folder.path();
    let outcome = put().arg(url(at, "a/b/c.txt")).stdin("hello\n").run().code(0);
    assert_eq!(std::fs::read(at.join("a/b/c.txt")).unwrap(), b"hello\n");
    // Checked with xxh128sum.
    assert_eq!((receipt(&outcome, "xxh3").len(), receipt(&outcome, "size").as_str()), (32, "6"));
    assert_eq!((outcome.number("bytes"), outcome.number("objects")), (6, 1));
    let again = put().arg(url(at, "a/b/")).args([at.join("a/b/c.txt")]).run().code(0);
    assert_eq!(receipt(&again, "xxh3"), receipt(&outcome, "xxh3"));
    assert_eq!(names(&at.join("a/b")), ["c.txt"]);
}

#[test]
fn the_digest_is_xxh3_128() {
    let folder = temp_dir();
    let empty = put().arg(url(folder.path(), "empty")).run().code(0);
    // The value of the reference implementation for no bytes at all.
    assert_eq!(receipt(&empty, "xxh3"), "99aa06d3014798d86001c324468d497f");
    assert_eq!(std::fs::read(folder.path().join("empty")).unwrap(), b"");
}

#[test]
fn create_never_replaces() {
    let folder = temp_dir();
    let at = url(folder.path(), "once");
    put().args(["--create", &at]).stdin("first").run().code(0);
    let second = put().args(["--create", &at]).stdin("second").run().code(6);
    assert!(second.stderr.contains("exists already"), "{}", second.stderr);
    assert_eq!(std::fs::read(folder.path().join("once")).unwrap(), b"first");
    assert_eq!(names(folder.path()), ["once"]);
    put().arg(&at).stdin("third").run().code(0);
    assert_eq!(std::fs::read(folder.path().join("once")).unwrap(), b"third");
}

/// Ten writers at once: one wins.
#[test]
fn create_has_one_winner() {
    let folder = temp_dir();
    let at = url(folder.path(), "lock");
    let codes: Vec<i32> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..10)
            .map(|n| {
                scope.spawn({
                    let at = &at;
                    move || put().args(["--create", at]).stdin(format!("writer {n}")).run().code
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert!(codes.iter().all(|code| matches!(code, 0 | 6)), "{codes:?}");
    assert_eq!(names(folder.path()), ["lock"]);
}

#[test]
fn a_manifest_comes_after_all_objects_and_once() {
    let folder = temp_dir();
    let at = folder.path();
    for name in ["x.csv", "y.csv"] {
        std::fs::write(at.join(name), format!("{name}\n")).unwrap();
    }
    let set = url(at, "set/");
    put().args(["--manifest", &set]).args([at.join("x.csv"), at.join("y.csv")]).run().code(0);
    let text = std::fs::read_to_string(at.join("set/_manifest.json")).unwrap();
    for part in ["\"version\": 1", "\"size\": 12", "\"name\": \"x.csv\"", "\"xxh3\": \""] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    put().args(["--manifest", &set]).args([at.join("x.csv")]).run().code(6);
    tool("store-ls").args(["--manifest", "--deep", &set]).run().code(0);
    // A failure on the way: no manifest.
    put().args(["--manifest", &url(at, "other/")]).args([at.join("x.csv"), at.join("none.csv")]).run().code(7);
    assert_eq!(names(&at.join("other")), ["x.csv"]);
}

#[test]
fn receipts_of_earlier_puts_make_a_manifest() {
    let folder = temp_dir();
    let at = folder.path();
    let mut receipts = String::new();
    for (name, rows) in [("a", "2"), ("b", "3")] {
        receipts += &put().args(["--rows", rows, &url(at, &format!("set/{name}"))]).stdin(name).run().code(0).text();
    }
    std::fs::write(at.join("receipts"), &receipts).unwrap();
    let with =
        |file: &str, set: &str| put().args(["--manifest", "--receipts"]).arg(at.join(file)).arg(url(at, set)).run();
    with("receipts", "elsewhere/").code(2);
    std::fs::write(at.join("bad"), "not a receipt\n").unwrap();
    let bad = with("bad", "set/").code(3);
    assert!(bad.stderr.contains("bad:1"), "{}", bad.stderr);
    with("receipts", "set/").code(0);
    assert!(std::fs::read_to_string(at.join("set/_manifest.json")).unwrap().contains("\"rows\": 5"));
    // What a receipt tells of and is not there, or not as it was.
    std::fs::remove_file(at.join("set/_manifest.json")).unwrap();
    std::fs::write(at.join("set/a"), "longer").unwrap();
    with("receipts", "set/").code(5);
    std::fs::remove_file(at.join("set/a")).unwrap();
    with("receipts", "set/").code(6);
    assert_eq!(names(&at.join("set")), ["b"]);
}

#[test]
fn a_queue_hears_of_each_object() {
    let folder = temp_dir();
    let at = folder.path();
    let queue = format!("dir://{}/queue", at.display());
    for name in ["a.csv", "b.csv"] {
        put().args(["--notify", &queue, &url(at, name)]).stdin(name).run().code(0);
    }
    let heard = tool("queue-recv").args(["--url", &queue, "--wait", "0s", "--limit", "2"]).run().code(0).text();
    for name in ["a.csv", "b.csv"] {
        assert!(heard.contains(&format!("\"url\":\"{}\"", url(at, name))), "{heard}");
    }
    put().args(["--notify", "http://h/q", &url(at, "c")]).run().code(2);
    assert!(!at.join("c").exists());
}

#[test]
fn usage_errors_are_found_before_anything_is_read() {
    let folder = temp_dir();
    let at = url(folder.path(), "x/");
    for (args, said) in [
        (vec!["x"], "no URL"),
        (vec!["http://h/x"], "unknown scheme"),
        (vec!["s3://key:secret@bucket/x"], "environment"),
        (vec!["file://relative/x"], "absolute"),
        (vec!["s3://b/a//b"], "bad key"),
        (vec![at.as_str()], "stdin has no name"),
        (vec![at.as_str(), "a", "-"], "one object"),
        (vec!["file:///x", "a", "b"], "slash"),
        (vec!["--part-size", "1MiB", "file:///x"], "5MiB"),
        (vec!["--receipts", "r", "file:///x/"], "--manifest"),
    ] {
        let outcome = put().args(&args).run().code(2);
        assert!(outcome.stderr.contains(said), "{args:?}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains("secret@"), "{}", outcome.stderr);
    }
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

#[test]
fn half_a_key_and_bad_settings_are_2() {
    let of = |name: &str, value: &str| {
        let clean = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"];
        let tool = clean.iter().fold(put(), |tool, name| tool.env(name, ""));
        tool.env(name, value).args(["--retries", "0", "s3://b/k"]).run().code(2)
    };
    assert!(of("AWS_ACCESS_KEY_ID", "a").stderr.contains("half a key"));
    assert!(of("TS_TARGET_AWS_ENDPOINT_URL", "minio:9000").stderr.contains("http://"));
    assert!(of("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "perhaps").stderr.contains("true or false"));
    let oss = put().env("OSS_ENDPOINT", "").env("OSS_REGION", "").args(["oss://b/k"]).run().code(2);
    assert!(oss.stderr.contains("OSS_ENDPOINT"), "{}", oss.stderr);
}

#[test]
fn inputs_and_disks_that_fail_are_7() {
    let folder = temp_dir();
    let at = folder.path();
    for input in ["/no/such/file", "/"] {
        let outcome = put().arg(url(at, "x")).arg(input).run().code(7);
        assert!(outcome.stderr.contains(input), "{}", outcome.stderr);
    }
    let proc = put().args(["file:///proc/none/x"]).stdin("x").run();
    assert!(matches!(proc.code, 6 | 7), "{}: {}", proc.code, proc.stderr);
    // The object is there, but whoever wanted the receipt does not get it.
    shell(&format!("store-put {} </dev/null >/dev/full", url(at, "full"))).run().code(7);
    std::fs::write(at.join("file"), "x").unwrap();
    put().arg(url(at, "file/below")).stdin("x").run().code(6);
    std::fs::create_dir(at.join("folder")).unwrap();
    let folder = put().arg(url(at, "folder")).stdin("x").run().code(6);
    assert!(folder.stderr.contains("it is a folder"), "{}", folder.stderr);
}

#[test]
fn a_source_that_is_interrupted_leaves_nothing() {
    let folder = temp_dir();
    let at = url(folder.path(), "x");
    let script = format!("(echo some; sleep 4) | timeout -s TERM 1 store-put {at}");
    let outcome = shell(&format!("set +e; {script}; exit ${{PIPESTATUS[1]}}")).run();
    assert!(matches!(outcome.code, 124 | 143), "{}: {}", outcome.code, outcome.stderr);
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

/// What a killed writer left goes with the next one; what a living one holds stays.
#[test]
fn the_next_writer_removes_what_a_killed_one_left() {
    let folder = temp_dir();
    let at = folder.path();
    let target = url(at, "x");
    let script = format!(
        "(echo some; sleep 4) | store-put {target} & sleep 1; kill -9 $(pgrep -P $$ -x store-put) || true; ls -A {0}; \
         echo new | store-put {target} >/dev/null 2>&1; ls -A {0}",
        at.display()
    );
    let outcome = shell(&format!("set +e +m; {script}")).run();
    let text = outcome.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text} {}", outcome.stderr);
    assert!(lines[0].starts_with(".x.ts-put-") && lines[1] == "x", "{text}");
    tool("store-ls").arg(url(at, "")).run().code(0);
}

#[test]
fn the_rate_is_kept() {
    let folder = temp_dir();
    let started = std::time::Instant::now();
    let outcome =
        put().args(["--rate-limit", "1MB/s", &url(folder.path(), "x")]).stdin(vec![7; 2_000_000]).run().code(0);
    assert!(started.elapsed().as_secs_f64() > 1.5 && outcome.number("limited_ms") > 900, "{}", outcome.stderr);
}
