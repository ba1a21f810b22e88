//! Labels: taken once, remembered for a while (dossier starrocks 1.6).

use crate::{ROOT, cluster, failure, numbers, success};
use testkit::http;

const ROW: &str = "1\t\\N\t1\ta\n";

#[test]
fn a_label_loads_once_and_its_state_is_known() {
    let cluster = cluster(&[]);
    assert_eq!(cluster.state("l"), "UNKNOWN");
    let reply = cluster.load("t", &["label: l"], ROW);
    assert_eq!((reply["Label"].as_str(), reply["TxnId"].as_i64().is_some_and(|id| id > 0)), (Some("l"), true));
    assert_eq!(cluster.state("l"), "VISIBLE");
    // in any table of the database
    for table in ["t", "p"] {
        let again = cluster.load(table, &["label: l"], ROW);
        assert_eq!(
            (again["Status"].as_str(), again["ExistingJobStatus"].as_str()),
            (Some("Label Already Exists"), Some("FINISHED"))
        );
        assert_eq!(again["Message"], "Label [l] has already been used.");
    }
    assert_eq!(cluster.count("t"), 1);
    // without a label one is made
    let one = cluster.load("t", &[], ROW)["Label"].as_str().unwrap().to_owned();
    let other = cluster.load("t", &[], ROW)["Label"].as_str().unwrap().to_owned();
    assert!(one.len() >= 32 && one != other);
    assert_eq!(cluster.count("t"), 3);
    assert!(failure(&cluster.load("t", &["label: not a label"], ROW)).contains("Label format error"));
}

#[test]
fn a_failed_load_frees_its_label_and_says_why() {
    let cluster = cluster(&[]);
    let reply = cluster.load("t", &["label: l", "strict_mode: true"], "x\t\\N\t1\ta\n");
    assert_eq!(failure(&reply), "too many filtered rows");
    let state = cluster.get("/api/d/get_load_state?label=l").json();
    assert_eq!((state["state"].as_str(), state["reason"].as_str()), (Some("ABORTED"), Some("too many filtered rows")));
    assert_eq!(numbers(&cluster.load("t", &["label: l"], ROW)), success(1, 0, 0));
    assert_eq!(cluster.state("l"), "VISIBLE");
}

#[test]
fn labels_are_forgotten_by_count_and_then_rows_come_twice() {
    let cluster = cluster(&["--label-keep", "2"]);
    for label in ["a", "b", "c"] {
        cluster.load("t", &[&format!("label: {label}")], ROW);
    }
    assert_eq!(["a", "b", "c"].map(|l| cluster.state(l)), ["UNKNOWN", "VISIBLE", "VISIBLE"]);
    assert_eq!(numbers(&cluster.load("t", &["label: a"], ROW)), success(1, 0, 0));
    assert_eq!(cluster.count("t"), 4);
}

#[test]
fn loads_can_be_cancelled_until_they_are_committed() {
    let cluster = cluster(&["--fault", "late-commit=3600s@1"]);
    assert!(cluster.try_load("t", &["label: l"], ROW.as_bytes()).is_none());
    assert_eq!(cluster.state("l"), "PREPARE");
    let cancel = |path: &str| http::post(&cluster.sim.host, path, &[ROOT], b"").json();
    assert_eq!(cancel("/api/d/t/_cancel?label=l")["status"], "OK");
    assert_eq!(cluster.get("/api/d/get_load_state?label=l").json()["reason"], "user cancel");
    assert_eq!(numbers(&cluster.load("t", &["label: l"], ROW)), success(1, 0, 0));
    // the label may stand in the path too
    let late = cancel("/api/d/l/_cancel");
    assert_eq!(late["status"], "FAILED");
    assert!(late["msg"].as_str().unwrap().contains("VISIBLE"), "{late}");
    assert!(cancel("/api/d/none/_cancel")["msg"].as_str().unwrap().contains("not found"));
    assert_eq!(cluster.count("t"), 1);
}

#[test]
fn merge_commit_puts_small_loads_into_one_transaction() {
    let old = cluster(&[]);
    let headers = ["enable_merge_commit: true", "merge_commit_interval_ms: 300", "label: mine"];
    // a server before 3.4 knows nothing of it
    assert_eq!(old.load("t", &headers, ROW)["Label"], "mine");
    let new = cluster(&["--server-version", "3.4.1"]);
    let replies: Vec<serde_json::Value> = std::thread::scope(|scope| {
        let one = |n: u32| new.load("t", &headers[..2], &format!("{n}\t\\N\t1\ta\n"));
        let threads: Vec<_> = (0..5).map(|n| scope.spawn(move || one(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let labels: std::collections::BTreeSet<&str> =
        replies.iter().map(|reply| reply["Label"].as_str().unwrap()).collect();
    assert!(replies.iter().all(|reply| reply["Status"] == "Success" && reply["RequestId"].is_string()), "{replies:?}");
    assert!(labels.len() < 5 && labels.iter().all(|label| label.starts_with("merge_commit_")), "{labels:?}");
    assert_eq!(new.count("t"), 5);
    // one bad request fails its group
    let bad = new.load("t", &[headers[0], "strict_mode: true", "merge_commit_interval_ms: 1"], "x\t\\N\t1\ta\n");
    assert_eq!(failure(&bad), "too many filtered rows");
    // where to send them
    let meta = http::get(&new.sim.host, "/api/d/t/_stream_load_meta?type=nodes", &[ROOT, headers[0]]).json();
    assert_eq!(meta["nodes"]["http"].as_str(), Some(new.sim.be.as_str()), "{meta}");
}
