//! The grammar of `--fault` and how requests are counted.
use std::time::Duration;
use ts_sim::faults::{Fault, Faults};

fn hits(spec: &str, paths: &[&str]) -> Vec<bool> {
    let faults = Faults::parse(&[spec]).unwrap();
    paths.iter().map(|p| faults.verdict(p).is_some()).collect()
}

#[test]
fn every_example_of_the_manual_is_read() {
    let one = |spec: &str| Faults::parse(&[spec]).unwrap().verdict("/write");
    assert_eq!(one("status=503"), Some(Fault::Status { code: 503, retry_after: None }));
    assert_eq!(one("status=429:retry-after=1@1-3"), Some(Fault::Status { code: 429, retry_after: Some(1) }));
    assert_eq!(one("delay=500ms"), Some(Fault::Delay(Duration::from_millis(500))));
    assert_eq!(one("delay=2s@1"), Some(Fault::Delay(Duration::from_secs(2))));
    assert_eq!(one("cut-body@1"), Some(Fault::CutBody));
    assert_eq!(one("cut-block@1"), Some(Fault::CutBlock));
    assert_eq!(one("lost-reply@1"), Some(Fault::LostReply));
    assert_eq!(one("reset-upload@1"), Some(Fault::ResetUpload));
    assert_eq!(one("slow-read=1MB/s"), Some(Fault::SlowRead(1_000_000)));
    assert_eq!(one("slow-read=64KiB/s"), Some(Fault::SlowRead(65_536)));
    assert_eq!(one("queue-full@1-5"), Some(Fault::QueueFull { retry_after: 1 }));
    assert_eq!(one("queue-full=3"), Some(Fault::QueueFull { retry_after: 3 }));
    assert_eq!(one("truncate-rest=1000@1"), Some(Fault::TruncateRest(1000)));
    assert_eq!(one("no-reply@1"), Some(Fault::NoReply));
    assert_eq!(Faults::default().verdict("/write"), None);
}

#[test]
fn requests_count_from_one_and_ranges_are_closed() {
    let five = ["/write"; 5];
    assert_eq!(hits("lost-reply@2", &five), [false, true, false, false, false]);
    assert_eq!(hits("lost-reply@2-3", &five), [false, true, true, false, false]);
    assert_eq!(hits("lost-reply@4-", &five), [false, false, false, true, true]);
    assert_eq!(hits("lost-reply", &five), [true; 5]);
}

#[test]
fn a_path_prefix_has_its_own_count() {
    let mixed = ["/query", "/write", "/query", "/write", "/query"];
    assert_eq!(hits("no-reply@2/write", &mixed), [false, false, false, true, false]);
    assert_eq!(hits("no-reply@/query", &mixed), [true, false, true, false, true]);
}

#[test]
fn the_first_rule_that_matches_wins_and_all_count() {
    let faults = Faults::parse(&["status=500@2", "status=503@1-2", "delay=1ms"]).unwrap();
    let code = |f: Option<Fault>| match f {
        Some(Fault::Status { code, .. }) => code,
        Some(Fault::Delay(_)) => 1,
        _ => 0,
    };
    let got: Vec<u16> = (0..3).map(|_| code(faults.verdict("/write"))).collect();
    assert_eq!(got, [503, 500, 1]);
}

#[test]
fn mistakes_are_named() {
    for (spec, why) in [
        ("bang", "unknown kind `bang`"),
        ("status", "needs a value"),
        ("status=abc", "not an HTTP status"),
        ("status=503:later=1", "expected retry-after=SECONDS"),
        ("cut-body=1", "takes no value"),
        ("delay=5", "unit must be ms or s"),
        ("delay=ms", "not a duration"),
        ("slow-read=1MB", "not a rate"),
        ("slow-read=0MB/s", "not a rate"),
        ("slow-read=1XB/s", "unit must be"),
        ("no-reply@0", "count from 1"),
        ("no-reply@3-2", "empty range 3-2"),
        ("no-reply@x", "not a request number"),
        ("no-reply@", "nothing after"),
        ("truncate-rest=many", "number of rows"),
        ("queue-full=soon", "takes seconds"),
    ] {
        let error = Faults::parse(&[spec]).err().unwrap_or_else(|| panic!("{spec} was accepted"));
        assert!(error.contains(why) && error.contains(spec), "{spec}: {error}");
    }
}
