//! Queries recorded from InfluxDB 1.8.10 and 2.9.1 over ten points of every type: InfluxQL in JSON and CSV, chunked or
//! not, SHOW statements, errors, and Flux. The simulator answers the same bytes.
mod influx_common;

use influx_common::{Running, send, start};
use serde_json::Value as Json;
use std::fmt::Write as _;

/// Times of the recording; those of the data are in 1970.
fn masked(text: &str) -> String {
    let mut out = String::new();
    for part in text.split_inclusive(',') {
        let word = part.trim_end_matches(',');
        let now = word.len() >= 20 && word.starts_with("20") && word.ends_with('Z');
        out.push_str(if now { "NOW" } else { word });
        out.push_str(&part[word.len()..]);
    }
    out
}

fn replay(server: &Running, file: &str, write: &str, headers: &[(String, String)], skip: &[(&str, &str)]) {
    let points = std::fs::read(testkit::testdata("wire/influx/queries/setup.lp")).unwrap();
    assert_eq!(send(&server.address, "POST", write, headers, &points, false).status, 204);
    let recorded = std::fs::read_to_string(testkit::testdata(&format!("wire/influx/queries/{file}"))).unwrap();
    let (mut count, mut failures, mut skipped) = (0, String::new(), Vec::new());
    for line in recorded.lines() {
        let one: Json = serde_json::from_str(line).unwrap();
        let text = |key: &str| one[key].as_str().unwrap_or_default();
        let name = text("name");
        if let Some((_, why)) = skip.iter().find(|(skipped, _)| *skipped == name) {
            skipped.push(format!("{name} ({why})"));
            continue;
        }
        let mut headers = headers.to_vec();
        for (key, header) in [("accept", "Accept"), ("content_type", "Content-Type")] {
            headers.extend(one[key].as_str().map(|value| (header.to_string(), value.to_string())));
        }
        let reply = send(&server.address, text("method"), text("target"), &headers, text("body").as_bytes(), false);
        count += 1;
        let (got, expected) = (masked(&reply.text()), masked(text("answer")));
        let kind = one["type"].as_str();
        if Some(u64::from(reply.status)) != one["status"].as_u64() || got != expected || !reply.complete {
            writeln!(failures, "{name}: {} {got}\n   instead of {} {expected}", reply.status, one["status"]).unwrap();
        } else if kind.is_some() && reply.header("content-type") != kind {
            writeln!(failures, "{name}: {:?} instead of {kind:?}", reply.header("content-type")).unwrap();
        }
    }
    println!("{file}: {count} queries answered alike; skipped {}: {skipped:?}", skipped.len());
    assert!(count > 100 && failures.is_empty(), "\n{failures}");
}

#[test]
fn v18() {
    let server = start(&["--flavor", "1.8", "--database", "wire", "--database", "tsferry"], |_| ());
    replay(&server, "v18.jsonl", "/write?db=wire", &[], &[("into", "SELECT INTO is not simulated")]);
}

#[test]
fn v29() {
    let mut args = vec!["--flavor", "2.9", "--org", "tsferry", "--token", "t"];
    ["_monitoring", "_tasks", "tsferry", "wire"].iter().for_each(|b| args.extend(["--bucket", b]));
    let server = start(&args, |_| ());
    let headers = [("Authorization".to_string(), "Token t".to_string())];
    let why = "the error names a place in the script";
    let skip = [("flux_pivot_all_plain", why), ("flux_pivot_all_json", why)];
    replay(&server, "v29.jsonl", "/api/v2/write?org=tsferry&bucket=wire", &headers, &skip);
    let script = "from(bucket: \"wire\") |> range(start: 0) |> pivot(rowKey: [\"_time\"], columnKey: [\"_field\"], valueColumn: \"_value\")";
    let flux = [headers.to_vec(), vec![("Content-Type".to_string(), "application/vnd.flux".to_string())]].concat();
    let reply = send(&server.address, "POST", "/api/v2/query?org=tsferry", &flux, script.as_bytes(), false);
    assert_eq!(
        (reply.status, reply.text().contains("a column named \\\"x\\\" already exists")),
        (400, true),
        "{}",
        reply.text()
    );
}
