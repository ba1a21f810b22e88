//! What every source must do, against the simulator of TDengine: over the WebSocket, and over REST.

use testkit::conformance::Server;
use testkit::conformance_source::Source;
use testkit::table::Table;
use testkit::{Sim, Tool, tool};

/// The protocol, and the server's version.
struct Dump {
    scheme: &'static str,
    version: &'static str,
}

const WEBSOCKET: Dump = Dump { scheme: "tdengine", version: "3.3.6.0" };
/// Without DECIMAL, and with the older way to ask for blocks.
const OLDER: Dump = Dump { scheme: "tdengine", version: "3.0.2.0" };
const REST: Dump = Dump { scheme: "tdengine+http", version: "3.3.6.0" };

impl Dump {
    fn connected(&self, server: &Server, password: &str) -> Tool {
        let url = format!("{}://root@{}/db", self.scheme, server.sim.host);
        let tool = tool("td-dump").args(["--url", &url, "--reconnect-interval", "100ms"]);
        tool.env("TS_SOURCE_PASSWORD", password)
    }
}

impl Source for Dump {
    fn start(&self, tables: &[Table], faults: &[&str]) -> Server {
        let directory = testkit::temp_dir();
        let mut args = vec!["--server-version".to_owned(), self.version.to_owned()];
        // Smaller blocks than the real server's 4,096 rows: more of them, and the same edges.
        args.extend(["--block-rows".to_owned(), self.page().to_string()]);
        for table in tables {
            let path = directory.path().join(format!("{}.csv", table.name));
            std::fs::write(&path, table.with_sub_tables().to_csv()).expect("a writable directory");
            args.extend(["--load".to_owned(), format!("db.{}={}", table.name, path.display())]);
        }
        args.extend(faults.iter().flat_map(|fault| ["--fault".to_owned(), (*fault).to_owned()]));
        // Loaded before it is ready: the files may go.
        let sim = Sim::tdengine(args);
        Server { direct: sim.host.clone(), place: "db".to_owned(), sim }
    }

    fn tool(&self, server: &Server, table: &str) -> Tool {
        self.connected(server, "taosdata").args(["--table", table])
    }

    fn unauthorised(&self, server: &Server, table: &str) -> Tool {
        self.connected(server, "not-the-password").args(["--table", table])
    }

    fn types(&self) -> Vec<&'static str> {
        let mut types = vec![
            "double",
            "float",
            "long",
            "int",
            "short",
            "byte",
            "ulong",
            "uint",
            "ushort",
            "ubyte",
            "boolean",
            "string",
            "timestamp",
        ];
        if self.version.starts_with("3.3") {
            types.extend(["binary", "geometry", "decimal(20,4)", "decimal(38,10)"]);
        }
        types
    }

    fn page(&self) -> usize {
        1024
    }

    /// With an error code of the database, and a server that is started again.
    fn busy(&self) -> Vec<&'static str> {
        let mut faults =
            vec!["status=503@1", "queue-full@1", "lost-reply@1", "code=0x0903@1", "code=0x000B@2", "restart@1"];
        if self.scheme == "tdengine" {
            faults.push("close-ws@1");
        }
        faults
    }

    fn breaks(&self, requests: &[serde_json::Value]) -> Vec<(String, String)> {
        let count =
            |part: &str| requests.iter().filter(|r| r["path"].as_str().is_some_and(|path| path.contains(part))).count();
        let specs = |kinds: &[&str], at: usize, path: &str| {
            let spec = |kind: &&str| (format!("{kind}@{at}{path}"), format!("{kind}@{at}-{path}"));
            kinds.iter().map(spec).collect::<Vec<_>>()
        };
        if self.scheme == "tdengine+http" {
            // The rows, their number, then the number of sub-tables over a new connection, which asks for the version first:
            // the rows are the last request but three.
            let kinds = ["cut-body", "lost-reply", "no-reply", "status=503", "restart", "truncate-rest=1000"];
            return specs(&kinds, count("/rest/sql") - 3, "");
        }
        // The 30,000 rows are the last 30 blocks before that of the number of sub-tables. The older way announces each; the
        // newer asks once more at the end of a result.
        let block = match count("/fetch_block") {
            0 => count("/fetch_raw_block") - 33 + 5,
            blocks => blocks - 31 + 5,
        };
        let mut all = specs(&["cut-block", "ws-error=0x022D"], block, "");
        all.extend(specs(&["close-ws", "no-reply", "restart"], block, "/ws/fetch"));
        all
    }
}

testkit::source_suite!(websocket, WEBSOCKET);
testkit::source_suite!(websocket_of_3_0, OLDER);
testkit::source_suite!(rest, REST);
