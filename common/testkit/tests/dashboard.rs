//! Dashboard and alerts ask for metrics that exist: every name in them is one that the tools really write.

use std::collections::BTreeSet;
use testkit::prometheus::Metrics;
use testkit::{Sim, root, temp_dir, tool};

/// Names in a text of PromQL, without what a histogram or a recording rule adds.
fn names(text: &str) -> BTreeSet<String> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let plain = |name: &str| {
        let family = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix));
        family.unwrap_or(name).to_owned()
    };
    text.split(word).filter(|name| name.starts_with("tsferry_")).map(plain).collect()
}

/// What the tools write: a run with everything, and a state with everything.
fn written() -> BTreeSet<String> {
    let directory = temp_dir();
    let path = |name: &str| directory.path().join(name);
    let csv = path("m.csv");
    tool("ts-gen").args(["meters", "--rows", "100", "--tables", "5", "-o"]).arg(&csv).run().code(0);
    let source = Sim::tdengine(["--load", &format!("power.meters={}", csv.display())]);
    let dump = tool("td-dump").args(["--url", &format!("tdengine://root@{}/power", source.host), "--table", "meters"]);
    dump.env("TS_SOURCE_PASSWORD", "taosdata").arg("--metrics-file").arg(path("dump.prom")).run().code(0);
    let sim = Sim::influx(["--database", "d"]);
    let url = format!("influx1+{}/d", sim.base);
    let write =
        tool("influx-write").args(["--url", &url, "--rate-limit", "1MB/s", "--measurement", "meters"]).arg(&csv);
    write.arg("--metrics-file").arg(path("write.prom")).run().code(0);
    let plan = "#ts-plan 1 options=0 source=test\nid\ttable\tpredicate\tfrom\tto\test_rows\n\
        a\tm\t\t2024-01-01T00:00:00Z\t2024-01-02T00:00:00Z\t1\nb\tm\t\t2024-01-02T00:00:00Z\t2024-01-03T00:00:00Z\t1\n";
    std::fs::write(path("plan.tsv"), plan).unwrap();
    let good = "for s in source sink; do printf '{\"tool\":\"x\",\"version\":\"0\",\"stage\":\"%s\",\"exit\":0,\"rows\":1,\"bytes\":1,\"retries\":0,\"rejected\":0}' $s >$TS_RECEIPT_DIR/$s.json; done\n";
    for (id, script, code) in [("a", good, 0), ("b", "exit 6\n", 6)] {
        std::fs::write(path("pipeline.sh"), script).unwrap();
        tool("ts-run").args(["--retries", "0", "--dir"]).arg(directory.path()).arg(id).run().code(code);
    }
    tool("ts-state").args(["metrics", "--dir"]).arg(directory.path()).arg("-o").arg(path("state.prom")).run().code(0);
    let families = |name: &str| Metrics::read(&path(name)).families.into_keys();
    families("dump.prom").chain(families("write.prom")).chain(families("state.prom")).collect()
}

#[test]
fn every_metric_that_is_asked_for_is_written() {
    let written = written();
    for file in ["dashboard.json", "alerts.yml", "alerts.test.yml"] {
        let text = std::fs::read_to_string(root().join("scripts/metrics").join(file)).unwrap();
        let of_file = names(&text);
        assert!(of_file.len() > 5, "{file}: {of_file:?}");
        let unknown: Vec<_> = of_file.difference(&written).collect();
        assert!(unknown.is_empty(), "{file} asks for {unknown:?}; written are {written:?}");
    }
    // And two READMEs name all that there is.
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let told = names(&(read("tools/README.md") + &read("tools/ts-state/README.md")));
    let untold: Vec<_> = written.difference(&told).collect();
    assert!(untold.is_empty(), "nobody tells of {untold:?}");
}

#[test]
fn every_alert_is_explained_and_played() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let (rules, played, readme) =
        (read("scripts/metrics/alerts.yml"), read("scripts/metrics/alerts.test.yml"), read("scripts/README.md"));
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() >= 10, "{alerts:?}");
    for alert in alerts {
        assert!(readme.contains(&format!("`{alert}`")), "{alert} is not in the README of the scripts");
        let fires = played.contains(&format!("alertname: {alert}\n        exp_alerts:"));
        let silent = played.contains(&format!("alertname: {alert} }}"));
        assert!(fires && silent, "{alert}: fires in a test {fires}, does not in another {silent}");
    }
}
