//! A connection to a front end over the MySQL protocol, for statements and small results: text only.

use crate::packets::LONGEST;
use crate::retry;
use crate::target::Target;
use fault::{Error, Kind, Result};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row, SslOpts, Value};
use net::tls::Tls;
use net::{Side, Stop};
use std::cell::Cell;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How to connect and how long to wait.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose failures these are.
    pub side: Side,
    /// For the connection and the login, for each front end.
    pub connect_timeout: Duration,
    /// For any reply, and between two rows.
    pub timeout: Duration,
    /// `query_timeout` of the session: statements are stopped by the server after this time.
    pub query_timeout: Duration,
    /// What to trust with TLS.
    pub tls: Tls,
    /// Ends every wait.
    pub stop: Stop,
}

impl Options {
    /// 30 s for a connection, 60 s for a reply, and queries of up to three days (the server's default of 300 s ends large
    /// exports).
    pub fn new(side: Side) -> Options {
        Options {
            side,
            connect_timeout: Duration::from_secs(30),
            timeout: Duration::from_secs(60),
            query_timeout: Duration::from_secs(259_200),
            tls: Tls::default(),
            stop: Stop::default(),
        }
    }
}

/// A small result: the names of its columns, and its rows as text, `None` for NULL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    pub names: Vec<String>,
    pub rows: Vec<Vec<Option<String>>>,
}

impl Table {
    /// The number of a column; names differ in case between versions, and columns come and go.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|other| other.eq_ignore_ascii_case(name))
    }

    /// A cell by the name of its column; `None` for NULL too.
    pub fn get(&self, row: usize, name: &str) -> Option<&str> {
        self.rows.get(row)?.get(self.column(name)?)?.as_deref()
    }
}

/// What a statement without a result did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Rows, as the OK packet has them.
    pub rows: u64,
    /// Its text: `{'label':'…','status':'VISIBLE','txnId':'…'}` after an INSERT (not JSON).
    pub info: String,
}

/// A connection. After an error it is to be dropped.
pub struct Client {
    // Dropped outside of the runtime: closed without reading what is still to come.
    conn: Conn,
    options: Options,
    front: (String, u16),
    at: String,
}

impl Client {
    /// Connects to one of the front ends (each connection begins with another one) and sets up the session. A front end that
    /// does not answer is passed over; one that refuses the login ends it (exit 6).
    pub fn open(target: &Target, options: &Options) -> Result<Client> {
        net::tls::install_provider();
        one_of(target, options, |host, port| Client::connect(target, host, port, options))
    }

    fn connect(target: &Target, host: &str, port: u16, options: &Options) -> Result<Client> {
        let at = format!("starrocks://{host}:{port}");
        let mut builder = OptsBuilder::default()
            .ip_or_hostname(net::endpoint::bare(host))
            .tcp_port(port)
            .user(Some(target.user.clone()))
            .pass(Some(target.password.expose().to_owned()))
            .db_name(target.database.clone())
            // Without these three the library asks for variables that not every version knows.
            .max_allowed_packet(Some(LONGEST))
            .wait_timeout(Some(28_800))
            .prefer_socket(false)
            .stmt_cache_size(0)
            .tcp_keepalive(Some(Duration::from_secs(60)));
        if target.tls {
            let mut tls = SslOpts::default().with_danger_accept_invalid_certs(options.tls.insecure);
            if let Some(path) = &options.tls.ca_file {
                tls = tls.with_root_certs(vec![PathBuf::from(path).into()]);
            }
            // Only behind TLS may a password travel as it is (LDAP).
            builder = builder.ssl_opts(tls).enable_cleartext_plugin(true);
        }
        let start = Instant::now();
        let conn = net::wait(
            Conn::new(builder),
            options.connect_timeout,
            || start,
            &options.stop,
            "waiting for the connection",
        );
        let conn = match conn {
            Ok(Ok(conn)) => conn,
            Ok(Err(mysql_async::Error::Io(mysql_async::IoError::Io(error)))) => {
                return Err(Error::new(options.side.kind(), format!("{at}: cannot connect: {error}")));
            }
            Ok(Err(error)) => return Err(retry::error(options.side, &at, error)),
            Err(failure) => return Err(failure.context(&at).error(options.side)),
        };
        let mut client = Client { conn, options: options.clone(), front: (host.to_owned(), port), at };
        for sql in setup(options) {
            client.execute(&sql, options.timeout)?;
        }
        Ok(client)
    }

    /// The front end: `starrocks://host:port`.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// Its host and port.
    pub fn front(&self) -> &(String, u16) {
        &self.front
    }

    /// Whose failures these are.
    pub fn side(&self) -> Side {
        self.options.side
    }

    /// Runs a statement without a result, for at most `timeout`.
    pub fn execute(&mut self, sql: &str, timeout: Duration) -> Result<Done> {
        let (at, side, stop) = (self.at.clone(), self.options.side, self.options.stop.clone());
        let conn = &mut self.conn;
        let start = Instant::now();
        let running = async {
            let result = conn.query_iter(sql).await?;
            let done = Done { rows: result.affected_rows(), info: result.info().into_owned() };
            result.drop_result().await?;
            Ok(done)
        };
        match net::wait(running, timeout, || start, &stop, "waiting for a reply") {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(in_sql(retry::error(side, &at, error), sql)),
            Err(failure) => Err(failure.context(&at).error(side)),
        }
    }

    /// A small result as a whole: for a large one see [`crate::RowStream`]. One that ends before its end is an error.
    pub fn query(&mut self, sql: &str) -> Result<Table> {
        let (at, side, stop, timeout) =
            (self.at.clone(), self.options.side, self.options.stop.clone(), self.options.timeout);
        let conn = &mut self.conn;
        let count = Cell::new(0u64);
        let running = async {
            let mut result = conn.query_iter(sql).await?;
            let names = result.columns_ref().iter().map(|column| column.name_str().into_owned()).collect();
            let mut rows = Vec::new();
            while let Some(row) = result.next().await? {
                count.set(count.get() + 1);
                rows.push((0..row.len()).map(|index| text(&row, index)).collect());
            }
            Ok(Table { names, rows })
        };
        match net::wait(running, timeout, while_growing(&count), &stop, "waiting for rows") {
            Ok(outcome) => outcome.map_err(|error| in_sql(retry::error(side, &at, error), sql)),
            Err(failure) => Err(failure.context(&at).error(side)),
        }
    }

    /// The one cell of a result; an error if there is none.
    pub fn value(&mut self, sql: &str) -> Result<String> {
        let table = self.query(sql)?;
        match table.rows.first().and_then(|row| row.first()) {
            Some(Some(text)) => Ok(text.clone()),
            _ => Err(in_sql(Error::new(self.options.side.kind(), format!("{}: no value", self.at)), sql)),
        }
    }
}

/// A cell: `None` for NULL.
fn text(row: &Row, index: usize) -> Option<String> {
    match row.as_ref(index) {
        Some(Value::Bytes(bytes)) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    }
}

/// Connects to one of the front ends, each time another one first. One that does not answer is passed over.
pub(crate) fn one_of<T>(
    target: &Target,
    options: &Options,
    mut connect: impl FnMut(&str, u16) -> Result<T>,
) -> Result<T> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let count = target.frontends.len().max(1);
    let first = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut last = None;
    for turn in 0..count {
        let Some((host, port)) = target.frontends.get((first + turn) % count) else { continue };
        match connect(host, *port) {
            Ok(client) => return Ok(client),
            Err(error) if error.kind() == options.side.kind() => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    let error = last.unwrap_or_else(|| Error::usage(format!("{target}: no front end")));
    Err(if count > 1 { error.context(format!("none of {count} front ends answers, the last")) } else { error })
}

/// Statements that set up a session for reading large results, or for writing.
pub(crate) fn setup(options: &Options) -> Vec<String> {
    let mut setup = vec![
        format!("SET query_timeout = {}", options.query_timeout.as_secs().clamp(1, 259_200)),
        "SET time_zone = 'UTC'".to_owned(),
    ];
    if options.side == Side::Source {
        // A limit that an administrator has set for people would cut results in silence.
        setup.push("SET sql_select_limit = 9223372036854775807".to_owned());
    }
    setup
}

/// Alive while what comes is counted; time spent on it is not the server's, so the count is looked at only while we wait.
pub(crate) fn while_growing(count: &Cell<u64>) -> impl Fn() -> Instant + '_ {
    let seen = Cell::new((u64::MAX, Instant::now()));
    move || {
        if seen.get().0 != count.get() {
            seen.set((count.get(), Instant::now()));
        }
        seen.get().1
    }
}

/// The error with the beginning of its statement, unless it is about something else.
pub(crate) fn in_sql(error: Error, sql: &str) -> Error {
    if !matches!(error.kind(), Kind::Refused | Kind::Source | Kind::Target) {
        return error;
    }
    let end = sql.char_indices().nth(160).map_or(sql.len(), |(at, _)| at);
    let more = if end < sql.len() { "…" } else { "" };
    error.context(format!("in \"{}{more}\"", &sql[..end]))
}
