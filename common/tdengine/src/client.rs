//! A connection to TDengine, WebSocket or REST behind one face.

use crate::connector::Code;
use crate::request::Login;
use crate::retry::Result;
use crate::types::{Column, Rows};
use crate::value::Value;
use crate::version::Version;
use crate::{rest, value, ws};
use fault::{Error, Kind, Secret};
use net::Endpoint;
use net::http::Options;
use rows::time::Unit;

/// The port of taosAdapter.
pub const PORT: u16 = 6041;
/// The scheme of our URLs.
pub const SYSTEM: &str = "tdengine";
/// User and password of a fresh installation, the vendor's defaults for every client.
const DEFAULT_USER: &str = "root";
const DEFAULT_PASSWORD: &str = "taosdata";

/// Where and how to connect.
#[derive(Clone, Debug)]
pub struct Config {
    endpoint: Endpoint,
    /// REST instead of WebSocket.
    pub rest: bool,
    /// User, password, database, zone.
    pub login: Login,
    /// A token of the vendor's cloud, which goes into the URL.
    pub cloud_token: Option<Secret>,
    /// Time limits, TLS, compression, whose failures these are.
    pub options: Options,
}

impl Config {
    /// From a URL (`tdengine://user@host:6041/db`, `tdengine+http://…`) and secrets given apart; those win. A token in
    /// the URL is one of the vendor's cloud, a token given apart is a bearer token (server 3.4).
    pub fn new(url: &str, password: Option<Secret>, token: Option<Secret>, options: Options) -> fault::Result<Config> {
        let endpoint = Endpoint::parse(url, &[SYSTEM])
            .map_err(|error| Error::new(error.kind(), format!("{error}{}", Code::Parameter.note())))?;
        let coded = |error: Error| Error::new(error.kind(), format!("{error}{}", Code::Parameter.note()));
        endpoint.refuse_unknown_params(&["timezone"]).map_err(coded)?;
        if endpoint.path.len() > 1 {
            return Err(coded(Error::usage(format!("{endpoint}: the path names more than a database"))));
        }
        let login = Login {
            user: endpoint.user.clone().unwrap_or_else(|| DEFAULT_USER.to_owned()),
            password: Some(
                password.or_else(|| endpoint.password.clone()).unwrap_or_else(|| Secret::public(DEFAULT_PASSWORD)),
            ),
            bearer: token,
            database: endpoint.path.first().cloned(),
            timezone: endpoint.param("timezone").map(str::to_owned),
        };
        let rest = endpoint.transport.as_deref() == Some("http");
        let cloud_token = endpoint.token.clone();
        Ok(Config { endpoint, rest, login, cloud_token, options })
    }

    /// The URL without secrets, for messages and metadata.
    pub fn name(&self) -> String {
        self.endpoint.to_string()
    }

    pub(crate) fn http_base(&self) -> String {
        self.endpoint.http_base(PORT)
    }

    pub(crate) fn ws_url(&self, path: &str) -> String {
        let base = self.endpoint.ws_base(PORT);
        match &self.cloud_token {
            Some(token) => format!("{base}{path}?token={}", rest::percent(token.expose())),
            None => format!("{base}{path}"),
        }
    }

    /// The login as a header; WebSocket sends it in its first frame as well.
    pub(crate) fn headers(&self) -> Vec<(&'static str, Secret)> {
        let value = match (&self.login.bearer, &self.login.password) {
            (Some(token), _) => net::auth::bearer(token),
            (None, Some(password)) => net::auth::basic(&self.login.user, password),
            (None, None) => return Vec::new(),
        };
        vec![("authorization", value)]
    }
}

/// A connection.
pub struct Client {
    inner: Inner,
}

enum Inner {
    Ws(Box<ws::Session>),
    Rest(Box<rest::Rest>),
}

/// The result of a statement.
pub enum Results<'a> {
    Ws(ws::Stream<'a>),
    Rest(Box<rest::Stream>),
}

impl Client {
    /// Connects and checks the login.
    pub fn open(config: &Config) -> Result<Client> {
        let client = Client::open_any(config)?;
        if let Some(zone) = config.login.timezone.as_ref().filter(|_| client.version() < Version::CONN_TZ) {
            // Older servers would ignore it in silence, and read times without zone differently.
            let (version, since) = (client.version(), Version::CONN_TZ);
            return Err(Error::new(Kind::Refused, format!("time zone {zone}: server {version} knows no time zone of a connection (since {since}): write times with their offset")).into());
        }
        Ok(client)
    }

    fn open_any(config: &Config) -> Result<Client> {
        let inner = if config.rest {
            Inner::Rest(Box::new(rest::Rest::open(config)?))
        } else {
            Inner::Ws(Box::new(ws::Session::open(config)?))
        };
        Ok(Client { inner })
    }

    /// The server's version.
    pub fn version(&self) -> Version {
        match &self.inner {
            Inner::Ws(session) => session.version(),
            Inner::Rest(rest) => rest.version(),
        }
    }

    /// Does the server cut results in silence? REST does, at its row limit.
    pub fn cuts_results(&self) -> bool {
        matches!(self.inner, Inner::Rest(_))
    }

    /// Starts a statement. `unit`: the unit of its times where it is known (REST prints times as text); WebSocket
    /// replies state it.
    pub fn query(&mut self, sql: &str, unit: Option<Unit>) -> Result<Results<'_>> {
        let in_sql = |failure: crate::Failure| match failure.code {
            Some(_) => failure.context(format!("in {}", shorten(sql))),
            None => failure,
        };
        Ok(match &mut self.inner {
            Inner::Ws(session) => Results::Ws(session.query(sql).map_err(in_sql)?),
            Inner::Rest(rest) => Results::Rest(Box::new(rest.query(sql, unit).map_err(in_sql)?)),
        })
    }

    /// Runs a statement with a small result, row by row.
    pub fn each(&mut self, sql: &str, mut row: impl FnMut(&[Value]) -> fault::Result<()>) -> Result<()> {
        let mut results = self.query(sql, Some(Unit::Ms))?;
        while let Some(rows) = results.next_rows()? {
            for index in 0..rows.len {
                let values: Vec<Value> = rows.columns.iter().map(|column| value::at(column.as_ref(), index)).collect();
                row(&values)?;
            }
        }
        Ok(())
    }

    /// As [`Client::each`], with the rows kept: for results that are small by nature.
    pub fn all(&mut self, sql: &str) -> Result<Vec<Vec<Value>>> {
        let mut all = Vec::new();
        self.each(sql, |row| {
            all.push(row.to_vec());
            Ok(())
        })?;
        Ok(all)
    }
}

impl Results<'_> {
    /// The columns.
    pub fn columns(&self) -> &[Column] {
        match self {
            Results::Ws(stream) => &stream.columns,
            Results::Rest(stream) => &stream.columns,
        }
    }

    /// The reply over REST, whose rows can also be had as text.
    pub fn as_rest(&mut self) -> Option<&mut rest::Stream> {
        match self {
            Results::Ws(_) => None,
            Results::Rest(stream) => Some(stream),
        }
    }

    /// The columns, to say before the first rows how they are to be read.
    pub fn columns_mut(&mut self) -> &mut [Column] {
        match self {
            Results::Ws(stream) => &mut stream.columns,
            Results::Rest(stream) => &mut stream.columns,
        }
    }

    /// The unit of times.
    pub fn unit(&self) -> Unit {
        match self {
            Results::Ws(stream) => stream.unit,
            Results::Rest(stream) => stream.unit,
        }
    }

    /// The next rows; `None` at an end that the server has stated. A cut result is a failure.
    pub fn next_rows(&mut self) -> Result<Option<Rows>> {
        match self {
            Results::Ws(stream) => stream.next_rows(),
            Results::Rest(stream) => stream.next_rows(),
        }
    }
}

/// The beginning of a statement, for messages.
fn shorten(sql: &str) -> String {
    let end = sql.char_indices().nth(120).map_or(sql.len(), |(at, _)| at);
    if end < sql.len() { format!("\"{}…\"", &sql[..end]) } else { format!("\"{sql}\"") }
}
