//! `ts-sim starrocks` over HTTP, by a client that shares no code with it.

mod bodies;
mod clients;
mod faults;
mod labels;
mod metrics;
mod redirects;
mod transactions;

use serde_json::Value;
use testkit::http::{self, Reply};
use testkit::{Sim, Starrocks};

/// `root` without password.
pub const ROOT: &str = "Authorization: Basic cm9vdDo=";
/// What a client must send to the FE.
pub const EXPECT: &str = "Expect: 100-continue";

/// A cluster with a Duplicate Key table `d.t`, a Primary Key table `d.p`, and more.
pub struct Cluster {
    pub sim: Starrocks,
    _directory: testkit::tempfile::TempDir,
}

const TABLES: &str = "CREATE DATABASE d;
CREATE TABLE d.t (id INT NOT NULL, ts DATETIME, v DOUBLE, s VARCHAR(8)) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id);
CREATE TABLE d.p (id INT NOT NULL, a INT, b VARCHAR(20)) PRIMARY KEY(id) DISTRIBUTED BY HASH(id);
CREATE TABLE d.x (id INT NOT NULL, big LARGEINT, d DECIMAL(10,2), ok BOOLEAN, j JSON, l ARRAY<INT>, bin VARBINARY) \
DUPLICATE KEY(id) DISTRIBUTED BY HASH(id);
";

/// Starts one with more arguments.
pub fn cluster(args: &[&str]) -> Cluster {
    let directory = testkit::temp_dir();
    let script = directory.path().join("tables.sql");
    std::fs::write(&script, TABLES).unwrap();
    let script = script.to_string_lossy().into_owned();
    let sim = Sim::starrocks(["--sql", &script].iter().chain(args));
    Cluster { sim, _directory: directory }
}

impl Cluster {
    /// A Stream Load straight to the BE; `None` when it hangs up.
    pub fn try_load(&self, table: &str, headers: &[&str], body: &[u8]) -> Option<Value> {
        let headers = [&[ROOT], headers].concat();
        let reply = http::put(&self.sim.be, &format!("/api/d/{table}/_stream_load"), &headers, body)?;
        assert_eq!(reply.status, 200, "{}", reply.text());
        Some(reply.json())
    }

    /// The same, and there is a reply.
    pub fn load(&self, table: &str, headers: &[&str], body: &str) -> Value {
        self.try_load(table, headers, body.as_bytes()).expect("a reply")
    }

    /// The rows of a query: cells by a bar, NULL as `-`.
    pub fn rows(&self, query: &str) -> Vec<String> {
        let row = |row: Vec<Option<String>>| {
            row.into_iter().map(|cell| cell.unwrap_or_else(|| "-".to_string())).collect::<Vec<_>>().join("|")
        };
        self.sim.query(query).into_iter().map(row).collect()
    }

    /// Rows of a table.
    pub fn count(&self, table: &str) -> u64 {
        self.rows(&format!("SELECT count(*) FROM d.{table}"))[0].parse().unwrap()
    }

    /// `state` of a label.
    pub fn state(&self, label: &str) -> String {
        let reply = self.get(&format!("/api/d/get_load_state?label={label}"));
        assert_eq!((reply.status, reply.json()["status"].as_str()), (200, Some("OK")), "{}", reply.text());
        reply.json()["state"].as_str().unwrap().to_owned()
    }

    /// Waits until a label has this state.
    pub fn wait_for(&self, label: &str, state: &str) {
        for _ in 0..1000 {
            if self.state(label) == state {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("{label} is {} and not {state}", self.state(label));
    }

    /// `GET` of the FE.
    pub fn get(&self, path: &str) -> Reply {
        http::get(&self.sim.host, path, &[ROOT])
    }

    /// The lines of an error log.
    pub fn error_log(&self, reply: &Value) -> String {
        let url = reply["ErrorURL"].as_str().expect("an ErrorURL");
        let path = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a URL").1;
        http::get(&self.sim.be, &format!("/{path}"), &[]).text()
    }
}

/// Status, loaded, filtered, unselected.
pub fn numbers(reply: &Value) -> (String, u64, u64, u64) {
    let number = |name: &str| reply[name].as_u64().unwrap_or(u64::MAX);
    let status = reply["Status"].as_str().unwrap_or_default().to_owned();
    (status, number("NumberLoadedRows"), number("NumberFilteredRows"), number("NumberUnselectedRows"))
}

/// A success with these rows loaded, filtered and unselected.
pub fn success(loaded: u64, filtered: u64, unselected: u64) -> (String, u64, u64, u64) {
    ("Success".to_owned(), loaded, filtered, unselected)
}

/// The message of a failed load.
pub fn failure(reply: &Value) -> &str {
    assert_eq!(reply["Status"], "Fail", "{reply}");
    reply["Message"].as_str().unwrap()
}
