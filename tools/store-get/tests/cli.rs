//! `store-get` through its binary, on files.

use std::path::Path;
use testkit::{Tool, shell, temp_dir, tool};

fn get(folder: &Path, key: &str) -> Tool {
    tool("store-get").arg(url(folder, key))
}

fn url(folder: &Path, key: &str) -> String {
    format!("file://{}/{key}", folder.display())
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn an_object_comes_as_it_is() {
    let folder = temp_dir();
    let at = folder.path();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (name, bytes) in [("big", &bytes[..]), ("empty", &[]), ("one", &[7])] {
        std::fs::write(at.join(name), bytes).unwrap();
        let outcome = get(at, name).run().code(0);
        assert!(outcome.stdout == bytes, "{name}");
        assert_eq!(outcome.number("bytes"), bytes.len() as u64);
        assert!(outcome.summary().contains("verified=length"), "{}", outcome.summary());
        get(at, name).arg("-o").arg(at.join("copy")).run().code(0);
        assert!(std::fs::read(at.join("copy")).unwrap() == bytes, "{name}");
    }
    get(at, "one").args(["-o", "-"]).run().code(0);
}

#[test]
fn a_wrong_digest_is_9_and_no_file() {
    let folder = temp_dir();
    let at = folder.path();
    std::fs::write(at.join("x"), "").unwrap();
    let right = "99aa06d3014798d86001c324468d497f";
    for options in [&[][..], &["--resume"]] {
        let path = at.join("copy");
        let wrong =
            get(at, "x").args(["--xxh3", &right.replace('9', "8")]).args(options).arg("-o").arg(&path).run().code(9);
        assert!(wrong.stderr.contains(right) && wrong.stderr.contains("damaged"), "{}", wrong.stderr);
        assert_eq!(names(at), ["x"]);
        let good = get(at, "x").args(["--xxh3", right]).args(options).arg("-o").arg(&path).run().code(0);
        assert!(good.summary().contains("verified=xxh3"), "{}", good.summary());
        std::fs::remove_file(path).unwrap();
    }
    get(at, "x").args(["--xxh3", "12"]).run().code(2);
}

#[test]
fn as_a_manifest_says_or_not_at_all() {
    let folder = temp_dir();
    let at = folder.path();
    std::fs::write(at.join("a"), "content").unwrap();
    tool("store-put").args(["--manifest", &url(at, "set/")]).arg(at.join("a")).run().code(0);
    let manifest = url(at, "set/_manifest.json");
    let with = |key: &str| get(at, key).args(["--manifest", &manifest]).run();
    assert_eq!(with("set/a").code(0).text(), "content");
    std::fs::write(at.join("set/a"), "Content").unwrap();
    with("set/a").code(9);
    std::fs::write(at.join("set/a"), "longer content").unwrap();
    with("set/a").code(9);
    std::fs::write(at.join("set/other"), "x").unwrap();
    with("set/other").code(6);
    get(at, "set/a").args(["--manifest", &url(at, "none")]).run().code(6);
    get(at, "set/a").args(["--manifest", &url(at, "a")]).run().code(3);
}

#[test]
fn what_was_begun_is_gone_on_with_only_for_the_same_version() {
    let folder = temp_dir();
    let at = folder.path();
    let bytes: Vec<u8> = (0..2_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(at.join("x"), &bytes).unwrap();
    std::fs::create_dir(at.join("to")).unwrap();
    let resume = || get(at, "x").arg("--resume").arg("-o").arg(at.join("to/x"));
    // A second's worth of it, then an end.
    resume().args(["--rate-limit", "500kB/s"]).terminate_after(std::time::Duration::from_millis(1500)).run().code(143);
    let part = names(&at.join("to"));
    assert!(part.len() == 1 && part[0].starts_with(".x.ts-get-"), "{part:?}");
    let there = std::fs::metadata(at.join("to").join(&part[0])).unwrap().len();
    assert!(there > 0 && there < bytes.len() as u64, "{there}");
    let rest = resume().run().code(0);
    assert_eq!((rest.number("resumed_bytes"), rest.number("bytes")), (there, bytes.len() as u64 - there));
    assert!(std::fs::read(at.join("to/x")).unwrap() == bytes);
    assert_eq!(names(&at.join("to")), ["x"]);
    // Of another version nothing is taken over.
    resume().args(["--rate-limit", "500kB/s"]).terminate_after(std::time::Duration::from_millis(1500)).run().code(143);
    std::fs::write(at.join("x"), "another").unwrap();
    let other = resume().run().code(0);
    assert_eq!((other.number("resumed_bytes"), std::fs::read(at.join("to/x")).unwrap()), (0, b"another".to_vec()));
    assert_eq!(names(&at.join("to")), ["x"]);
    tool("store-get").args([&url(at, "x"), "--resume"]).run().code(2);
}

#[test]
fn what_is_not_there_is_6_and_bad_places_are_7() {
    let folder = temp_dir();
    let at = folder.path();
    std::fs::write(at.join("x"), "x").unwrap();
    let missing = get(at, "none").run().code(6);
    assert!(missing.stderr.contains("not found"), "{}", missing.stderr);
    get(at, "x/below").run().code(6);
    get(at, "").run().code(2);
    for place in ["/no/such/directory/out", "/", "/dev/full"] {
        let outcome = get(at, "x").args(["-o", place]).run().code(7);
        assert!(outcome.stdout.is_empty(), "{place}");
    }
    shell(&format!("store-get {} >/dev/full", url(at, "x"))).run().code(7);
}

#[test]
fn a_closed_pipe_is_a_quiet_141() {
    let folder = temp_dir();
    std::fs::write(folder.path().join("x"), vec![b'x'; 8 << 20]).unwrap();
    let script = format!(
        "set +o pipefail; store-get {} | head -c 10 >/dev/null; echo ${{PIPESTATUS[0]}}",
        url(folder.path(), "x")
    );
    let outcome = shell(&script).run().code(0);
    assert_eq!((outcome.text().trim(), outcome.stderr.lines().count()), ("141", 1), "{}", outcome.stderr);
}
