//! What every source must do, against the simulator of every InfluxDB.

use testkit::Tool;
use testkit::conformance::Server;
use testkit::conformance_source::Source;
use testkit::influx::Influx;
use testkit::table::Table;

struct Dump(&'static str);

impl Source for Dump {
    fn start(&self, tables: &[Table], faults: &[&str]) -> Server {
        let directory = testkit::temp_dir();
        let path = directory.path().join("lines.lp");
        let lines: String = tables.iter().map(Table::to_lines).collect();
        std::fs::write(&path, lines).expect("a writable directory");
        // Loaded before it is ready: the file may go.
        Influx::simulated(self.0).open(faults, &["--load", path.to_str().expect("UTF-8")])
    }

    fn tool(&self, server: &Server, table: &str) -> Tool {
        let tool = Influx::simulated(self.0).connected("influx-dump", "SOURCE", server);
        tool.args(["--measurement", table, "--chunk-rows", "4096"])
    }

    fn unauthorised(&self, server: &Server, table: &str) -> Tool {
        Influx::simulated(self.0).refused("influx-dump", "SOURCE", server).args(["--measurement", table])
    }

    /// 1.x has no unsigned integers (dossier measured 2.8).
    fn types(&self) -> Vec<&'static str> {
        let mut types = vec!["double", "long", "boolean", "string"];
        if !self.0.starts_with("1.") {
            types.push("ulong");
        }
        types
    }

    /// A measurement is there as long as it has points.
    fn has_empty_tables(&self) -> bool {
        false
    }

    /// The last request is the one for the rows; those before it ask the catalog.
    fn breaks(&self, requests: &[serde_json::Value]) -> Vec<(String, String)> {
        let last = requests.len();
        ["cut-body", "lost-reply", "no-reply", "status=500"]
            .iter()
            .map(|kind| (format!("{kind}@{last}"), format!("{kind}@{last}-")))
            .collect()
    }
}

testkit::source_suite!(influx_1_6, Dump("1.6"));
testkit::source_suite!(influx_1_8, Dump("1.8"));
testkit::source_suite!(influx_1_13, Dump("1.13"));
testkit::source_suite!(influx_2_9, Dump("2.9"));
testkit::source_suite!(influx_3, Dump("3"));
