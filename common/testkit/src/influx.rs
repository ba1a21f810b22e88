//! An InfluxDB for tests: one that `ts-sim` plays, or a real one behind `ts-sim proxy`, with a place of its own for each
//! test. What it holds is read with plain HTTP and a JSON library, nothing of ours.

use crate::conformance::{Server, Sink, row_of};
use crate::http::{self, quote};
use crate::{Sim, Tool, tool};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// Organisation, token and account that the simulators accept.
const ORG: &str = "tsferry";
const TOKEN: &str = "token-of-the-tests";
const USER: &str = "tsferry";
const PASSWORD: &str = "password-of-the-tests";

/// One release of InfluxDB.
pub struct Influx {
    /// 1.6, 1.8, 1.13, 2.9 or 3.
    pub version: &'static str,
    /// Sends compressed bodies.
    pub gzip: bool,
    live: Option<Live>,
}

/// A server that `scripts/live/influx-VERSION.sh start DIR` started.
struct Live {
    /// `http://HOST:PORT`
    base: String,
    /// v1: the password of `tsferry`; v2: the operator token.
    secret: String,
    /// Largest body that it takes, where it has such a setting.
    max_body: Option<usize>,
}

impl Influx {
    /// The simulator.
    pub fn simulated(version: &'static str) -> Influx {
        Influx { version, gzip: false, live: None }
    }

    /// The real server, if this run is for its version (`TS_LIVE_INFLUX`): `TS_LIVE_INFLUX_DIR` is the directory that it
    /// was started in, `TS_LIVE_INFLUX_MAX_BODY` the size of requests that it was told to refuse.
    pub fn live(version: &'static str) -> Option<Influx> {
        if std::env::var("TS_LIVE_INFLUX").ok()? != version {
            return None;
        }
        let directory = std::env::var_os("TS_LIVE_INFLUX_DIR");
        let directory = PathBuf::from(directory.expect("TS_LIVE_INFLUX_DIR: run scripts/test/live-influx.sh"));
        let read = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap_or_default().trim().to_owned();
        let live = Live {
            base: format!("http://127.0.0.1:{}", read("port")),
            secret: read(if version == "2.9" { "token" } else { "password" }),
            max_body: std::env::var("TS_LIVE_INFLUX_MAX_BODY").ok().and_then(|text| text.parse().ok()),
        };
        assert!(!live.secret.is_empty(), "{} holds no secret of a server", directory.display());
        Some(Influx { version, gzip: false, live: Some(live) })
    }

    /// The same with compressed requests.
    pub fn with_gzip(self) -> Influx {
        Influx { gzip: true, ..self }
    }

    fn is_v1(&self) -> bool {
        self.version.starts_with("1.")
    }

    fn secret(&self) -> &str {
        match &self.live {
            Some(live) => &live.secret,
            None if self.is_v1() => PASSWORD,
            None => TOKEN,
        }
    }

    /// A server with these faults and, where it is simulated, these options.
    pub fn open(&self, faults: &[&str], options: &[&str]) -> Server {
        let account = format!("{USER}:{PASSWORD}");
        let faults = faults.iter().flat_map(|fault| ["--fault", fault]);
        let Some(live) = &self.live else {
            let own = match self.version {
                "2.9" => vec!["--org", ORG, "--bucket", "db", "--token", TOKEN],
                "3" => vec!["--database", "db", "--token", TOKEN],
                _ => vec!["--database", "db", "--auth", &account],
            };
            let flavor = ["--flavor", self.version];
            let args: Vec<&str> = flavor.into_iter().chain(own).chain(options.iter().copied()).chain(faults).collect();
            let sim = Sim::influx(args);
            return Server { direct: sim.host.clone(), place: "db".to_owned(), sim };
        };
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let place = format!("t{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let direct = live.base.trim_start_matches("http://").to_owned();
        self.create(&direct, &place);
        let sim = Sim::proxy(&live.base, &faults.collect::<Vec<_>>());
        Server { sim, direct, place }
    }

    /// Makes a database or bucket on a real server.
    fn create(&self, host: &str, place: &str) {
        if self.is_v1() {
            return drop(self.influxql(host, "", &format!("CREATE DATABASE {place}")));
        }
        let header = self.header();
        let found = http::get(host, &format!("/api/v2/orgs?org={ORG}"), &[&header]);
        let found: Value = serde_json::from_slice(&found.body).expect("organisations");
        let id = found.pointer("/orgs/0/id").and_then(Value::as_str).expect("an organisation");
        let body = serde_json::json!({"orgID": id, "name": place, "retentionRules": []}).to_string();
        let reply = http::post(host, "/api/v2/buckets", &[&header, "Content-Type: application/json"], body.as_bytes());
        assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
    }

    /// Is it a real server?
    pub fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// Writes line protocol into a place of a real server, past the proxy.
    pub fn load(&self, server: &Server, lines: &str) {
        let lines: Vec<&str> = lines.split_inclusive('\n').collect();
        // A text may hold a line feed: a piece ends behind a time.
        let ends_row = |line: &&str| line.trim_end().ends_with("000000");
        let mut body = String::new();
        for line in &lines {
            body.push_str(line);
            if body.len() > 100_000 && ends_row(line) {
                self.write(server, &std::mem::take(&mut body));
            }
        }
        self.write(server, &body);
    }

    fn write(&self, server: &Server, body: &str) {
        let (path, header) = match self.is_v1() {
            true => {
                (format!("/write?db={}&u={USER}&p={}", server.place, quote(self.secret())), "Accept: */*".to_owned())
            }
            false => (format!("/api/v2/write?org={ORG}&bucket={}", server.place), self.header()),
        };
        let reply = http::post(&server.direct, &path, &[&header], body.as_bytes());
        assert_eq!(reply.status, 204, "{}", String::from_utf8_lossy(&reply.body));
    }

    fn header(&self) -> String {
        let scheme = if self.version == "3" { "Bearer" } else { "Token" };
        format!("Authorization: {scheme} {}", self.secret())
    }

    /// The answer to an InfluxQL statement (versions 1 and 2), times in ns.
    pub fn influxql(&self, host: &str, place: &str, statement: &str) -> Value {
        let mut path = format!("/query?db={place}&epoch=ns&q={}", quote(statement));
        let mut headers = Vec::new();
        if self.is_v1() {
            path.push_str(&format!("&u={USER}&p={}", quote(self.secret())));
        } else {
            headers.push(self.header());
        }
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let reply = if statement.starts_with("SELECT") || statement.starts_with("SHOW") {
            http::get(host, &path, &headers)
        } else {
            http::post(host, &path, &headers, b"")
        };
        let text = String::from_utf8_lossy(&reply.body);
        assert_eq!(reply.status, 200, "{statement}: {text}");
        let reply: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{statement}: {error}: {text}"));
        assert!(reply.pointer("/results/0/error").is_none(), "{statement}: {reply}");
        reply
    }

    /// The rows of a SQL query (version 3); none of a table that is not there.
    pub fn sql(&self, host: &str, place: &str, query: &str) -> Vec<Value> {
        let path = format!("/api/v3/query_sql?db={place}&format=jsonl&q={}", quote(query));
        let reply = http::get(host, &path, &[&self.header()]);
        let text = String::from_utf8_lossy(&reply.body);
        if text.contains("not found") {
            return Vec::new();
        }
        assert_eq!(reply.status, 200, "{query}: {text}");
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
    }

    /// The URL of a place as `--url` takes it.
    pub fn url(&self, server: &Server) -> String {
        let (host, place) = (&server.sim.host, &server.place);
        match self.version {
            "2.9" => format!("influx2+http://{host}/?org={ORG}&bucket={place}"),
            "3" => format!("influx3+http://{host}/{place}"),
            _ => format!("influx1+http://{USER}@{host}/{place}"),
        }
    }

    /// The variable of the environment that holds the secret of the source or the target (`SOURCE`, `TARGET`).
    pub fn secret_variable(&self, side: &str) -> String {
        format!("TS_{side}_{}", if self.is_v1() { "PASSWORD" } else { "TOKEN" })
    }

    /// A tool with URL and secret. `side`: as for [`Influx::secret_variable`].
    pub fn connected(&self, name: &str, side: &str, server: &Server) -> Tool {
        tool(name).arg("--url").arg(self.url(server)).env(&self.secret_variable(side), self.secret())
    }

    /// The same with a wrong secret.
    pub fn refused(&self, name: &str, side: &str, server: &Server) -> Tool {
        tool(name).arg("--url").arg(self.url(server)).env(&self.secret_variable(side), "not-the-secret")
    }
}

impl Sink for Influx {
    fn start(&self, faults: &[&str]) -> Server {
        self.open(faults, &[])
    }

    fn start_limited(&self) -> Option<(Server, usize)> {
        match &self.live {
            None => Some((self.open(&[], &["--max-body-bytes", "2000"]), 2_000)),
            Some(live) => live.max_body.map(|limit| (self.open(&[], &[]), limit)),
        }
    }

    fn tool(&self, server: &Server, batch: usize, at_once: usize) -> Tool {
        let (batch, at_once) = (batch.to_string(), at_once.to_string());
        let tool = self.connected("influx-write", "TARGET", server);
        tool.args(["--batch-rows", &batch, "--concurrency", &at_once, "--gzip", if self.gzip { "1" } else { "0" }])
    }

    fn unauthorised(&self, server: &Server) -> Tool {
        self.refused("influx-write", "TARGET", server).args(["--concurrency", "1"])
    }

    fn stored(&self, server: &Server) -> BTreeMap<u64, i64> {
        if self.version == "3" {
            let rows = self.sql(&server.direct, &server.place, "SELECT time, v FROM m");
            return rows
                .iter()
                .map(|row| (row_of(first_day(&row["time"])), row["v"].as_i64().expect("an integer")))
                .collect();
        }
        let reply = self.influxql(&server.direct, &server.place, "SELECT v FROM m");
        let rows = reply.pointer("/results/0/series/0/values").and_then(Value::as_array);
        let integer = |value: &Value| value.as_i64().expect("an integer");
        rows.into_iter().flatten().map(|row| (row_of(integer(&row[0])), integer(&row[1]))).collect()
    }

    /// A string where the other rows hold an integer: well-formed, and no server stores it.
    fn refused_row(&self) -> &'static str {
        "m,t=1 v=\"text\" 1704067200500000000"
    }
}

/// The time of `2024-01-01THH:MM:SS` in ns: the suite's rows are all on that day.
fn first_day(text: &Value) -> i64 {
    let text = text.as_str().expect("a time");
    let clock =
        text.strip_prefix("2024-01-01T").unwrap_or_else(|| panic!("{text} is not on the first of January 2024"));
    let seconds = clock
        .get(..8)
        .expect("HH:MM:SS")
        .split(':')
        .fold(0, |sum, part| sum * 60 + part.parse::<i64>().expect("a number"));
    (1_704_067_200 + seconds) * 1_000_000_000
}
