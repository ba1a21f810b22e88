//! InfluxDB as a source under test: how its tables get in, and what breaks its replies.

use crate::Tool;
use crate::conformance::Server;
use crate::conformance_source::Source;
use crate::influx::Influx;
use crate::table::Table;

impl Source for Influx {
    fn start(&self, tables: &[Table], faults: &[&str]) -> Server {
        let lines: String = tables.iter().map(Table::to_lines).collect();
        if self.is_live() {
            let server = self.open(faults, &[]);
            self.load(&server, &lines);
            return server;
        }
        let directory = crate::temp_dir();
        let path = directory.path().join("lines.lp");
        std::fs::write(&path, lines).expect("a writable directory");
        // Loaded before it is ready: the file may go.
        self.open(faults, &["--load", path.to_str().expect("UTF-8")])
    }

    fn tool(&self, server: &Server, table: &str) -> Tool {
        let tool = self.connected("influx-dump", "SOURCE", server);
        tool.args(["--measurement", table, "--chunk-rows", "4096"])
    }

    fn unauthorised(&self, server: &Server, table: &str) -> Tool {
        self.refused("influx-dump", "SOURCE", server).args(["--measurement", table])
    }

    /// 1.x has no unsigned integers (dossier measured 2.8).
    fn types(&self) -> Vec<&'static str> {
        let mut types = vec!["double", "long", "boolean", "string"];
        if !self.version.starts_with("1.") {
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
