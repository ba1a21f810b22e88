//! `/metrics`, replayed from a tape.

use crate::cluster;
use testkit::http;

#[test]
fn a_tape_is_played_one_step_a_scrape() {
    let directory = testkit::temp_dir();
    let tape = directory.path().join("tape.jsonl");
    let steps = "{\"process_mem_bytes\":5,\"MemUsedPct\":\"90%\",\"starrocks_fe_tablet_max_compaction_score\":120}\n\
        {\"cpu{device=\\\"cpu\\\",mode=\\\"idle\\\"}\":77}\n";
    std::fs::write(&tape, steps).unwrap();
    let cluster = cluster(&["--metrics-tape", tape.to_str().unwrap()]);
    cluster.load("t", &[], "1\t\\N\t1\ta\n");
    let be = |query: &str| http::get(&cluster.sim.be, &format!("/metrics{query}"), &[]).text();
    let first = be("");
    assert!(first.contains("\nstarrocks_be_process_mem_bytes 5\n") && !first.contains("MemUsedPct"), "{first}");
    assert!(
        first.contains(
            "# TYPE starrocks_be_streaming_load_requests_total counter\nstarrocks_be_streaming_load_requests_total 1\n"
        ),
        "{first}"
    );
    assert!(!first.contains("starrocks_fe_"));
    let second: serde_json::Value = serde_json::from_str(&be("?type=json")).unwrap();
    let idle = second.as_array().unwrap().iter().find(|m| m["tags"]["mode"] == "idle").unwrap();
    assert_eq!((idle["value"].as_u64(), idle["tags"]["metric"].as_str()), (Some(77), Some("starrocks_be_cpu")));
    // the last step stays, and needs no account
    let fe = http::get(&cluster.sim.host, "/metrics", &[]).text();
    assert!(fe.contains("starrocks_fe_tablet_max_compaction_score 1\n") && !fe.contains("starrocks_be_"), "{fe}");
}
