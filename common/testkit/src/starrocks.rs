//! A simulated StarRocks cluster, and questions to it over the MySQL protocol.

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder, Row, Value};

use crate::Sim;

/// A running `ts-sim starrocks`. Ended when dropped.
pub struct Starrocks {
    sim: Sim,
    /// `starrocks://root@127.0.0.1:PORT/?http=PORT`: what our tools take, once a database is put behind the slash.
    pub url: String,
    /// The frontend's HTTP, `127.0.0.1:PORT`.
    pub host: String,
    /// The backend's HTTP.
    pub be: String,
    /// The frontend's MySQL protocol.
    pub mysql: String,
    /// The port of its Arrow Flight SQL, with `--flight-listen`; `url` has it too.
    pub flight: Option<String>,
    user: String,
    password: String,
}

impl Sim {
    /// `ts-sim starrocks …`
    pub fn starrocks<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Starrocks {
        let args: Vec<std::ffi::OsString> = args.into_iter().map(|a| a.as_ref().to_owned()).collect();
        let given = |option: &str, other: &str| {
            let at = args.iter().position(|a| a == option);
            at.and_then(|at| args.get(at + 1)).map_or(other.to_owned(), |v| v.to_string_lossy().into_owned())
        };
        let (user, password) = (given("--user", "root"), given("--password", ""));
        let sim = Sim::start("starrocks", "127.0.0.1:0", &args);
        let parts = sim.base.strip_prefix("starrocks://").and_then(|rest| {
            let (mysql, ports) = rest.split_once('@')?.1.split_once("?http=")?;
            let (http, be) = ports.split_once("&be=")?;
            let (be, flight) = be.split_once("&flight=").map_or((be, None), |(be, port)| (be, Some(port.to_owned())));
            let host = mysql.rsplit_once(':')?.0;
            Some((mysql.to_owned(), http.to_owned(), format!("{host}:{http}"), format!("{host}:{be}"), flight))
        });
        let (mysql, port, host, be, flight) =
            parts.unwrap_or_else(|| panic!("not the URL of a StarRocks: {}", sim.base));
        let mut url = format!("starrocks://{user}@{mysql}/?http={port}");
        if let Some(flight) = &flight {
            url.push_str(&format!("&flight={flight}"));
        }
        Starrocks { sim, url, host, be, mysql, flight, user, password }
    }
}

impl Starrocks {
    /// The URL with a database.
    pub fn database(&self, name: &str) -> String {
        self.url.replace("/?", &format!("/{name}?"))
    }

    /// Runs a statement: its rows as texts, `None` is NULL. An error of the server ends the test.
    pub fn query(&self, statement: &str) -> Vec<Vec<Option<String>>> {
        self.ask(statement).unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    /// The same; the error is what the server said.
    pub fn ask(&self, statement: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        Starrocks::at(&self.mysql, &self.user, &self.password, statement)
    }

    /// The simulator alone, for who knows its addresses.
    pub(crate) fn into_sim(self) -> Sim {
        self.sim
    }

    /// The same of any cluster (`host:port` of the MySQL protocol).
    pub fn at(mysql: &str, user: &str, password: &str, statement: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        let (host, port) = mysql.rsplit_once(':').expect("host and port");
        let options = OptsBuilder::default()
            .ip_or_hostname(host)
            .tcp_port(port.parse().expect("a port"))
            .user(Some(user))
            .pass(Some(password))
            .prefer_socket(false)
            .max_allowed_packet(Some(1 << 26))
            .wait_timeout(Some(3600));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut connection = Conn::new(options).await.map_err(|e| e.to_string())?;
            let rows: Result<Vec<Row>, _> = connection.query(statement).await;
            let rows = rows.map_err(|e| e.to_string())?;
            let _ = connection.disconnect().await;
            Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect())
        })
    }

    /// The requests that it has seen, SQL too (`method` is `MYSQL`), one JSON object a line.
    pub fn requests(&self) -> Vec<serde_json::Value> {
        self.sim.requests()
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true)),
    }
}
