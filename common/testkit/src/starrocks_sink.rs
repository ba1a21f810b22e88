//! StarRocks as a sink under the conformance suite: a simulated cluster with a table whose primary key makes a row that is loaded
//! a second time the same row.

use crate::conformance::{Server, Sink};
use crate::{Sim, Starrocks, Tool, tool};
use std::collections::BTreeMap;

/// The simulated StarRocks.
pub struct StarrocksSink;

const PASSWORD: &str = "pass word";

impl StarrocksSink {
    fn url(server: &Server) -> String {
        // `starrocks://root@HOST:PORT?http=PORT&be=PORT`
        server.sim.base.replacen('?', &format!("/{}?", server.place), 1)
    }

    fn connected(server: &Server, password: &str) -> Tool {
        let tool = tool("sr-stream-load").args(["--url", &Self::url(server), "--table", "m", "-f", "lp"]);
        // Faults count requests of any kind: the question for the columns is tested elsewhere.
        tool.args(["--poll", "50ms", "--no-column-check"]).env("TS_TARGET_PASSWORD", password)
    }
}

impl Sink for StarrocksSink {
    fn start(&self, faults: &[&str]) -> Server {
        let faults = faults.iter().flat_map(|fault| ["--fault", fault]);
        let cluster = Sim::starrocks(["--password", PASSWORD].into_iter().chain(faults));
        cluster.query("CREATE DATABASE plant");
        cluster.query(
            "CREATE TABLE plant.m (time DATETIME, t VARCHAR(8), v BIGINT) PRIMARY KEY(time, t) DISTRIBUTED BY HASH(t) BUCKETS 2",
        );
        let direct = cluster.mysql.clone();
        Server { sim: cluster.into_sim(), direct, place: "plant".to_owned() }
    }

    fn start_limited(&self) -> Option<(Server, usize)> {
        None
    }

    fn tool(&self, server: &Server, batch: usize, at_once: usize) -> Tool {
        let (batch, at_once) = (batch.to_string(), at_once.to_string());
        Self::connected(server, PASSWORD).args(["--batch-rows", &batch, "--concurrency", &at_once])
    }

    fn unauthorised(&self, server: &Server) -> Tool {
        Self::connected(server, "wrong").args(["--concurrency", "1"])
    }

    fn stored(&self, server: &Server) -> BTreeMap<u64, i64> {
        let rows = Starrocks::at(&server.direct, "root", PASSWORD, "SELECT time, v FROM plant.m");
        let rows = rows.unwrap_or_else(|error| panic!("{error}"));
        let cell = |cell: &Option<String>| cell.clone().expect("a value");
        rows.iter().map(|row| (row_of(&cell(&row[0])), cell(&row[1]).parse().expect("an integer"))).collect()
    }

    /// Longer than its column, which only the server knows.
    fn refused_row(&self) -> &'static str {
        "m,t=much-too-long v=1i 1704067200500000000"
    }

    fn refused_text(&self) -> &'static str {
        "2024-01-01T00:00:00.500000Z,much-too-long,1"
    }

    /// Line protocol is read for a MiB before its columns are known.
    fn many(&self) -> u64 {
        40_000
    }

    fn is_write(&self, path: &str) -> bool {
        path.contains("_stream_load")
    }
}

/// The row of `2024-01-01 HH:MM:SS`.
fn row_of(text: &str) -> u64 {
    let clock =
        text.strip_prefix("2024-01-01 ").unwrap_or_else(|| panic!("{text} is not on the first of January 2024"));
    clock.split(':').fold(0, |sum, part| sum * 60 + part.parse::<u64>().expect("a number"))
}
