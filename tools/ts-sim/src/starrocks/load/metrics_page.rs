//! `/metrics` of FE and BE: Prometheus text, or JSON with `?type=json` (dossier starrocks 7).

use std::fmt::Write;
use std::sync::atomic::Ordering;

use serde_json::{Map, Value, json};

use crate::starrocks::http::Node;
use crate::starrocks::server::Server;

/// The metrics of a node: those that the simulator counts, and those of the tape's next step on top. Names of the tape
/// are with or without `starrocks_be_` / `starrocks_fe_` (without: the BE's), and may have labels in braces; names with
/// capital letters are columns of SHOW BACKENDS and left out.
pub fn page(server: &Server, node: Node, as_json: bool) -> String {
    let (own, other) = match node {
        Node::Fe => ("starrocks_fe_", "starrocks_be_"),
        Node::Be(_) => ("starrocks_be_", "starrocks_fe_"),
    };
    let mut values: Map<String, Value> = Map::new();
    for (name, value) in counted(server, node) {
        values.insert(format!("{own}{name}"), value);
    }
    for (name, value) in server.metrics.step() {
        if name.contains(|c: char| c.is_ascii_uppercase()) || name.starts_with(other) || !value.is_number() {
            continue;
        }
        match name.strip_prefix(own) {
            Some(_) => values.insert(name, value),
            None if node != Node::Fe => values.insert(format!("{own}{name}"), value),
            None => continue,
        };
    }
    if as_json { as_array(&values) } else { as_text(&values) }
}

fn counted(server: &Server, node: Node) -> Vec<(&'static str, Value)> {
    let loads = &server.loads;
    let number = |counter: &std::sync::atomic::AtomicU64| json!(counter.load(Ordering::Relaxed));
    match node {
        Node::Be(_) => vec![
            ("streaming_load_requests_total", number(&loads.requests)),
            ("streaming_load_bytes", number(&loads.bytes)),
            ("streaming_load_duration_ms", number(&loads.milliseconds)),
            ("streaming_load_current_processing", number(&loads.running)),
            ("process_mem_bytes", json!(1u64 << 30)),
            ("load_mem_bytes", json!(0)),
            ("max_disk_io_util_percent", json!(0)),
            ("publish_version_queue_count", json!(0)),
            ("tablet_cumulative_max_compaction_score", json!(1)),
            ("tablet_base_max_compaction_score", json!(1)),
            ("tablet_update_max_compaction_score", json!(0)),
            ("cpu{device=\"cpu\",mode=\"idle\"}", json!(0)),
            ("cpu{device=\"cpu\",mode=\"user\"}", json!(0)),
        ],
        Node::Fe => vec![
            ("txn_success", number(&loads.requests)),
            ("connection_total", json!(0)),
            ("unfinished_query", json!(0)),
            ("tablet_max_compaction_score", json!(1)),
            ("safe_mode", json!(0)),
        ],
    }
}

fn split(name: &str) -> (&str, &str) {
    name.split_once('{').map_or((name, ""), |(name, labels)| (name, labels.trim_end_matches('}')))
}

fn as_text(values: &Map<String, Value>) -> String {
    let mut out = String::new();
    let mut last = "";
    for (name, value) in values {
        let (metric, _) = split(name);
        if metric != last {
            let kind = if metric.ends_with("_total") { "counter" } else { "gauge" };
            let _ = writeln!(out, "# TYPE {metric} {kind}");
            last = metric;
        }
        let _ = writeln!(out, "{name} {value}");
    }
    out
}

fn as_array(values: &Map<String, Value>) -> String {
    let all = values.iter().map(|(name, value)| {
        let (metric, labels) = split(name);
        let mut tags = Map::new();
        tags.insert("metric".to_owned(), json!(metric));
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (key, text) = label.split_once('=').unwrap_or((label, ""));
            tags.insert(key.to_owned(), json!(text.trim_matches('"')));
        }
        json!({"tags": tags, "unit": "nounit", "value": value})
    });
    Value::Array(all.collect()).to_string()
}
