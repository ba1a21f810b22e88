//! StarRocks as a source under test: how its tables get in, and what breaks its results.

use crate::conformance::Server;
use crate::conformance_source::Source;
use crate::table::Table;
use crate::{Sim, Tool, tool};

/// A simulated StarRocks, and the way that rows come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum StarrocksSource {
    Mysql,
    Flight,
}

impl StarrocksSource {
    /// The same fault for this way.
    fn fault(self, spec: &str) -> String {
        let spec = Self::fault_of_mysql(spec);
        if self == StarrocksSource::Mysql {
            return spec;
        }
        let spec = spec.replace("@/mysql", "@/flight").replace("/mysql", "/flight");
        let spec = spec.replace("mysql-kill", "flight-kill").replace("silent-loss", "flight-loss");
        // These are StarRocks' own errors, whoever asked.
        match (spec.starts_with("busy") || spec.starts_with("query-timeout"), spec.contains('@')) {
            (true, true) => format!("{spec}/flight"),
            (true, false) => format!("{spec}@/flight"),
            (false, _) => spec,
        }
    }

    /// Over MySQL nothing has a status, and a result is slow as a whole.
    fn fault_of_mysql(spec: &str) -> String {
        if spec.starts_with("status=") {
            return spec.replacen(spec.split('@').next().unwrap_or(spec), "busy", 1);
        }
        let spec = if spec.starts_with("slow-read=") { "delay=300ms@1" } else { spec };
        match (spec.starts_with("delay") || spec.starts_with("no-reply"), spec.contains('@')) {
            (true, true) => format!("{spec}/mysql"),
            (true, false) => format!("{spec}@/mysql"),
            (false, _) => spec.to_owned(),
        }
    }
}

impl Source for StarrocksSource {
    fn start(&self, tables: &[Table], faults: &[&str]) -> Server {
        let directory = crate::temp_dir();
        let mut args = Vec::new();
        for table in tables {
            let path = directory.path().join(format!("{}.csv", table.name));
            std::fs::write(&path, table.to_csv()).expect("a writable directory");
            args.extend(["--load".to_owned(), format!("db.{}={}", table.name, path.display())]);
        }
        if *self == StarrocksSource::Flight {
            args.extend(["--flight-listen", "127.0.0.1:0", "--server-version", "4.0.4"].map(str::to_owned));
        }
        for fault in faults {
            args.extend(["--fault".to_owned(), self.fault(fault)]);
        }
        // Loaded before it is ready: the files may go.
        let sim = Sim::start("starrocks", "127.0.0.1:0", args);
        Server { direct: sim.host.clone(), place: "db".to_owned(), sim }
    }

    fn tool(&self, server: &Server, table: &str) -> Tool {
        let url = server.sim.base.replacen('?', "/db?", 1);
        let via = if *self == StarrocksSource::Flight { "flight" } else { "mysql" };
        tool("sr-export").args(["--url", &url, "--table", table, "--via", via])
    }

    fn unauthorised(&self, server: &Server, table: &str) -> Tool {
        self.tool(server, table).env("TS_SOURCE_PASSWORD", "not the password")
    }

    /// No unsigned numbers; what stands in for those is another type.
    fn types(&self) -> Vec<&'static str> {
        let numbers = ["double", "float", "long", "int", "short", "byte", "decimal(20,4)", "decimal(38,10)"];
        numbers.into_iter().chain(["boolean", "string", "timestamp", "binary"]).collect()
    }

    fn breaks(&self, _: &[serde_json::Value]) -> Vec<(String, String)> {
        ["mysql-kill=0", "mysql-kill=100", "mysql-kill=29999", "silent-loss=7", "no-reply"]
            .iter()
            .map(|kind| (format!("{kind}@1"), (*kind).to_owned()))
            .collect()
    }

    fn busy(&self) -> Vec<&'static str> {
        vec!["busy@1", "query-timeout@1", "mysql-kill=0@1", "mysql-kill=100@1-2", "silent-loss=5@1"]
    }
}
