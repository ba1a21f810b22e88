//! Every fault that a load can meet, and what is stored afterwards.

use crate::{EXPECT, ROOT, cluster, failure, numbers, success};
use testkit::http;

const ROW: &str = "1\t\\N\t1\ta\n";
const LABEL: &str = "label: l";

#[test]
fn refusals_store_nothing_and_free_the_label() {
    for (fault, message) in [
        ("too-many-versions@1", "too many versions"),
        ("running-txns@1", "current running txns on db"),
        ("http-limit@1", "limit 47, please try again later"),
        ("mem-limit@1", "Memory of process exceed limit"),
        ("truncated-body@1", "receive body don't equal with body bytes"),
        ("fail=primary key size exceed the limit@1", "primary key size exceed the limit"),
    ] {
        let cluster = cluster(&["--fault", fault]);
        let reply = cluster.load("t", &[LABEL], ROW);
        assert!(failure(&reply).contains(message), "{fault}: {reply}");
        assert_eq!(cluster.count("t"), 0, "{fault}");
        assert!(["UNKNOWN", "ABORTED"].contains(&cluster.state("l").as_str()), "{fault}");
        assert_eq!(numbers(&cluster.load("t", &[LABEL], ROW)), success(1, 0, 0), "{fault}");
    }
}

#[test]
fn a_lost_reply_leaves_the_rows_and_the_state() {
    let cluster = cluster(&["--fault", "lost-reply@1"]);
    assert!(cluster.try_load("t", &[LABEL], ROW.as_bytes()).is_none());
    assert_eq!((cluster.state("l"), cluster.count("t")), ("VISIBLE".to_owned(), 1));
    assert_eq!(cluster.load("t", &[LABEL], ROW)["ExistingJobStatus"], "FINISHED");
    assert_eq!(cluster.count("t"), 1);
}

#[test]
fn a_late_commit_is_running_first_and_finished_then() {
    let cluster = cluster(&["--fault", "late-commit=700ms@1"]);
    assert!(cluster.try_load("t", &[LABEL], ROW.as_bytes()).is_none());
    assert_eq!(cluster.state("l"), "PREPARE");
    assert_eq!(cluster.load("t", &[LABEL], ROW)["ExistingJobStatus"], "RUNNING");
    cluster.wait_for("l", "VISIBLE");
    assert_eq!(cluster.load("t", &[LABEL], ROW)["ExistingJobStatus"], "FINISHED");
    assert_eq!(cluster.count("t"), 1);
}

#[test]
fn publish_timeout_is_committed_and_becomes_visible() {
    let cluster = cluster(&["--fault", "publish-timeout=700ms@1"]);
    let reply = cluster.load("t", &[LABEL], ROW);
    assert_eq!(
        (reply["Status"].as_str(), reply["NumberLoadedRows"].as_u64()),
        (Some("Publish Timeout"), Some(1)),
        "{reply}"
    );
    assert_eq!((cluster.state("l"), cluster.count("t")), ("COMMITTED".to_owned(), 0));
    assert_eq!(cluster.load("t", &[LABEL], ROW)["ExistingJobStatus"], "FINISHED");
    cluster.wait_for("l", "VISIBLE");
    assert_eq!(cluster.count("t"), 1);
}

#[test]
fn evicted_labels_load_again() {
    let cluster = cluster(&["--fault", "label-evict@2", "--fault", "label-evict@/fe/api/d/get_load_state"]);
    cluster.load("t", &[LABEL], ROW);
    assert_eq!(numbers(&cluster.load("t", &[LABEL], ROW)), success(1, 0, 0));
    assert_eq!((cluster.count("t"), cluster.state("l")), (2, "UNKNOWN".to_owned()));
}

#[test]
fn rows_are_filtered_or_lost_in_silence() {
    let cluster = cluster(&["--fault", "filtered=2@1-2", "--fault", "lose-rows=2@3"]);
    let rows = ROW.repeat(5);
    let reply = cluster.load("t", &[], &rows);
    assert_eq!(failure(&reply), "too many filtered rows");
    assert!(cluster.error_log(&reply).contains("filtered on purpose. Row: 1\t\\N\t1\ta"));
    assert_eq!(numbers(&cluster.load("t", &["max_filter_ratio: 0.5"], &rows)), success(3, 2, 0));
    assert_eq!(numbers(&cluster.load("t", &[], &rows)), success(3, 0, 0));
    assert_eq!(cluster.count("t"), 6);
}

#[test]
fn faults_of_http_count_loads_and_can_name_a_side() {
    let cluster = cluster(&[
        "--fault",
        "status=503:retry-after=1@1",
        "--fault",
        "status=500@1/fe",
        "--fault",
        "be-unreachable@2",
    ]);
    let path = "/api/d/t/_stream_load";
    let fe = || http::put(&cluster.sim.host, path, &[ROOT, EXPECT], b"").unwrap();
    assert_eq!(fe().status, 500);
    assert!(fe().header("location").unwrap().contains(".invalid:8040/"));
    assert!(fe().header("location").unwrap().contains(&cluster.sim.be));
    let busy = http::put(&cluster.sim.be, path, &[ROOT], ROW.as_bytes()).unwrap();
    assert_eq!((busy.status, busy.header("retry-after")), (503, Some("1")));
    assert_eq!(numbers(&cluster.load("t", &[], ROW)), success(1, 0, 0));
}

#[test]
fn broken_connections_and_slow_ones() {
    let cluster = cluster(&[
        "--fault",
        "reset-upload@1",
        "--fault",
        "cut-body@2",
        "--fault",
        "delay=300ms@3",
        "--fault",
        "slow-read=100B/s@4",
    ]);
    assert!(cluster.try_load("t", &["label: a"], ROW.as_bytes()).is_none());
    let path = "/api/d/t/_stream_load";
    let cut = http::put(&cluster.sim.be, path, &[ROOT, "label: b"], ROW.as_bytes()).unwrap();
    assert!(cut.json().is_null() && cut.text().contains("TxnId"), "{}", cut.text());
    assert_eq!((cluster.state("a"), cluster.state("b")), ("UNKNOWN".to_owned(), "VISIBLE".to_owned()));
    for least in [300, 80] {
        let begun = std::time::Instant::now();
        assert_eq!(numbers(&cluster.load("t", &[], ROW)), success(1, 0, 0));
        assert!(begun.elapsed().as_millis() >= least);
    }
    assert_eq!(cluster.count("t"), 3);
}

#[test]
fn what_starrocks_does_not_do_is_refused() {
    let outcome = testkit::tool("ts-sim").args(["starrocks", "--fault", "publish-timeout=x"]).run();
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    let outcome = testkit::tool("ts-sim").args(["influx", "--fault", "publish-timeout"]).run();
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
}
