//! REST: one POST per statement, rows streamed out of the JSON (1).
//!
//! The server cuts results in silence (1.5): whoever dumps through here must compare with a COUNT of its own.

use crate::build::{Builder, fraction_digits};
use crate::client::Config;
use crate::json::{Body, cells, check_count, scan_row};
use crate::retry::{Action, Failure, Result};
use crate::text_rows::TextRows;
use crate::types::{Column, Rows, Type};
use crate::version::Version;
use fault::{Error, Kind};
use net::http::{Client, Reply, ReplyBody, Request};
use rows::time::Unit;
use serde_json::Value;
use std::io::Read;

/// Rows in one batch, at most: as many as a block has.
const BATCH_ROWS: usize = 4096;
/// Bytes of row text in one batch, about.
const BATCH_BYTES: usize = 4 << 20;

/// A REST client with its login.
pub struct Rest {
    client: Client,
    config: Config,
    version: Version,
}

impl Rest {
    /// Asks for the version, which also checks the login.
    pub fn open(config: &Config) -> Result<Rest> {
        let client = Client::new(&config.http_base(), config.options.clone())?;
        let mut rest = Rest { client, config: config.clone(), version: Version([3, 0, 0, 0]) };
        let mut stream = rest.query("SELECT SERVER_VERSION()", Some(Unit::Ms))?;
        let mut text = String::new();
        while let Some(rows) = stream.next_rows()? {
            if let Some(column) = rows.columns.first().filter(|_| rows.len > 0) {
                text = crate::value::text(column.as_ref(), 0).unwrap_or_default();
            }
        }
        let version = Version::parse(&text);
        rest.version = version.ok_or_else(|| {
            Failure::protocol(format!("no version: {}", fault::excerpt(text.as_bytes())), config.options.side)
        })?;
        Ok(rest)
    }

    /// The server's version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Runs a statement. `unit` is the unit of its times, where the caller knows it; otherwise the digits of the first
    /// row's times say it.
    pub fn query(&mut self, sql: &str, unit: Option<Unit>) -> Result<Stream> {
        let side = self.config.options.side;
        // 2.x prints times in the server's own zone, without saying which, except as numbers on /rest/sqlt.
        let path = if self.version.major() == 2 { "/rest/sqlt" } else { "/rest/sql" };
        let id = crate::request::req_id();
        let mut path = path.to_owned();
        if let Some(database) = &self.config.login.database {
            path.push('/');
            path.push_str(&percent(database));
        }
        let mut request = Request::post(path).body(sql.to_owned());
        if self.version.major() >= 3 {
            request = request.query("req_id", id.to_string());
        }
        if let Some(zone) = self.config.login.timezone.as_ref().filter(|_| self.version >= Version::CONN_TZ) {
            request = request.query("conn_tz", zone);
        }
        if let Some(token) = &self.config.cloud_token {
            request = request.query("token", token.expose());
        }
        for (header, value) in self.config.headers() {
            request = request.secret_header(header, value);
        }
        let reply = self.client.send(request).map_err(|failure| Failure::net(failure, side))?;
        if reply.status != 200 {
            return Err(self.refused(reply, id));
        }
        let body = Body::open(reply.body)?;
        if body.head.code != 0 || body.head.status.as_deref() == Some("error") {
            let code = u32::try_from(body.head.code & 0xffff_ffff).unwrap_or(crate::retry::ADAPTER);
            return Err(Failure::server(code, &body.head.message, Some(id), side));
        }
        Ok(Stream::open(body, unit)?)
    }

    /// Another status than 200: the adapter is busy, or refuses.
    fn refused(&self, reply: Reply, id: u64) -> Failure {
        let side = self.config.options.side;
        let (status, after) = (reply.status, reply.retry_after());
        let bytes = reply.bytes(4096).unwrap_or_default();
        let said: Option<Value> = serde_json::from_slice(&bytes).ok();
        let member = |key: &str| said.as_ref().and_then(|value| value.get(key));
        let code = member("code").and_then(Value::as_u64).and_then(|code| u32::try_from(code).ok());
        let text = match member("desc").and_then(Value::as_str) {
            Some(text) => fault::excerpt(text.as_bytes()),
            None => fault::excerpt(&bytes),
        };
        let transient = status >= 500 || status == 429 || status == 408;
        let mut failure = Failure::server(code.unwrap_or(crate::retry::ADAPTER), &text, Some(id), side);
        if status == 503 || status == 429 || (transient && code.is_none()) {
            failure.action = Action::Retry;
        } else if !transient {
            failure.action = Action::Refuse;
        }
        let kind = if failure.action == Action::Retry { side.kind() } else { Kind::Refused };
        failure.error = failure.error.with_kind(kind).context(format!("{}: HTTP {status}", self.client.name()));
        failure.after = after;
        failure
    }
}

/// Percent-encodes a path segment.
pub(crate) fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// The result of a statement, batch by batch.
pub struct Stream<R = ReplyBody> {
    body: Body<R>,
    first: Option<Vec<u8>>,
    builders: Vec<Builder>,
    scratch: Vec<u8>,
    ended: bool,
    broken: bool,
    /// The columns; how they are read may be changed before the first batch.
    pub columns: Vec<Column>,
    /// The unit of times.
    pub unit: Unit,
}

impl<R: Read> Stream<R> {
    /// The rows of a reply whose head has been read.
    pub fn open(mut body: Body<R>, unit: Option<Unit>) -> fault::Result<Stream<R>> {
        let columns = body.head.columns.iter().map(column).collect::<fault::Result<Vec<_>>>()?;
        let first = body.next_row()?.map(<[u8]>::to_vec);
        let unit = match unit {
            Some(unit) => unit,
            None => guess_unit(&columns, first.as_deref())?,
        };
        let ended = first.is_none();
        Ok(Stream { body, first, builders: Vec::new(), scratch: Vec::new(), ended, broken: false, columns, unit })
    }

    /// The next rows; `None` once the reply's end has been checked.
    pub fn next_rows(&mut self) -> Result<Option<Rows>> {
        if self.ended {
            return Ok(None);
        }
        if self.broken {
            return Err(Failure::from(Error::new(Kind::Source, "the result broke before")));
        }
        let rows = self.read();
        self.broken = rows.is_err();
        rows
    }

    /// The next rows as CSV, which [`TextRows::written`] gives then, perhaps none; false once the reply's end has been
    /// checked. The same rows and the same failures as by [`Stream::next_rows`]; of one reply only one of them can be
    /// used.
    pub fn next_text(&mut self, text: &mut TextRows) -> Result<bool> {
        if self.broken {
            return Err(Failure::from(Error::new(Kind::Source, "the result broke before")));
        }
        let more = self.read_text(text);
        self.broken = more.is_err();
        Ok(more?)
    }

    fn read_text(&mut self, text: &mut TextRows) -> fault::Result<bool> {
        if text.clear() {
            return Ok(true);
        }
        if self.ended {
            return Ok(false);
        }
        let Stream { body, first, ended, .. } = self;
        if let Some(row) = first.take() {
            text.append(&row)?;
            text.batch.rows += 1;
        }
        while text.batch.rows < BATCH_ROWS && text.batch.bytes < BATCH_BYTES {
            let (most, most_bytes) = (BATCH_ROWS - text.batch.rows, BATCH_BYTES - text.batch.bytes);
            let (rows, bytes) = body.scan(most, most_bytes, |json, len, _| text.scan(json, len));
            text.batch.rows += rows;
            text.batch.bytes += bytes;
            if text.is_full() && text.written().0 > 0 {
                return Ok(true);
            }
            if text.batch.rows >= BATCH_ROWS || text.batch.bytes >= BATCH_BYTES {
                break;
            }
            let number = body.rows() + 1;
            match body.next_row()? {
                None => {
                    *ended = true;
                    break;
                }
                Some(row) => {
                    text.batch.bytes += row.len();
                    text.append(row).map_err(|error| error.context(format!("row {number}")))?;
                    text.batch.rows += 1;
                }
            }
            if text.is_full() {
                return Ok(true);
            }
        }
        text.end_batch()?;
        Ok(true)
    }

    fn read(&mut self) -> Result<Option<Rows>> {
        if self.builders.is_empty() {
            self.builders = self.columns.iter().map(|column| Builder::new(column.clone(), self.unit)).collect();
        }
        let Stream { body, first, builders, scratch, columns, .. } = self;
        let mut len = 0;
        let mut bytes = 0;
        if let Some(row) = first.take() {
            append(&row, columns, builders, scratch)?;
            len += 1;
        }
        while len < BATCH_ROWS && bytes < BATCH_BYTES {
            let mut whole = len;
            let (_, used) = body.scan(BATCH_ROWS - len, BATCH_BYTES - bytes, |json, len, scratch| {
                let taken = json.get(..len).and_then(|json| scan_row(json, builders, scratch));
                match taken {
                    Some(_) => whole += 1,
                    None => builders.iter_mut().for_each(|builder| builder.truncate(whole)),
                }
                taken
            });
            (len, bytes) = (whole, bytes + used);
            if len >= BATCH_ROWS || bytes >= BATCH_BYTES {
                break;
            }
            // What the scanner left: a row at the end of what was read, or one that is spelled unusually.
            let number = body.rows() + 1;
            match body.next_row()? {
                None => {
                    self.ended = true;
                    break;
                }
                Some(row) => {
                    bytes += row.len();
                    append(row, columns, builders, scratch).map_err(|error| error.context(format!("row {number}")))?;
                    len += 1;
                }
            }
        }
        if len == 0 {
            return Ok(None);
        }
        let columns = self.builders.iter_mut().map(Builder::finish).collect::<fault::Result<Vec<_>>>()?;
        Ok(Some(Rows { len, columns }))
    }
}

fn append(row: &[u8], columns: &[Column], builders: &mut [Builder], scratch: &mut Vec<u8>) -> fault::Result<()> {
    let is_json = |i: usize| columns.get(i).is_some_and(|column| column.kind == Type::Json);
    let mut taken = 0;
    let count = cells(row, is_json, scratch, |i, cell| {
        taken = i + 1;
        builders.get_mut(i).map_or(Ok(()), |builder| builder.append(cell))
    })?;
    check_count(count, columns.len())
}

/// `["ts","TIMESTAMP",8]`, or from 2.x `["ts",9,8]`.
fn column(meta: &Value) -> fault::Result<Column> {
    let strange = || Error::new(Kind::Source, format!("the reply is not what taosAdapter sends: column {meta}"));
    let name = meta.get(0).and_then(Value::as_str).ok_or_else(strange)?;
    let (kind, precision, scale) = match meta.get(1) {
        Some(Value::String(text)) => Type::from_name(text),
        Some(Value::Number(number)) => Type::from_number(number.as_i64().ok_or_else(strange)?).map(|kind| (kind, 0, 0)),
        _ => return Err(strange()),
    }
    .map_err(|error| error.context(format!("column {name}")))?;
    Ok(Column { precision, scale, ..Column::new(name, kind) })
}

/// From the digits of the first row's times. Versions since 3.0.5 always print all of them (1.4).
fn guess_unit(columns: &[Column], row: Option<&[u8]>) -> fault::Result<Unit> {
    let mut digits = 3;
    if let Some(row) = row {
        cells(
            row,
            |_| false,
            &mut Vec::new(),
            |i, cell| {
                if let (Some(Type::Timestamp), crate::build::Cell::Text(text)) = (columns.get(i).map(|c| c.kind), cell)
                {
                    digits = digits.max(fraction_digits(text));
                }
                Ok(())
            },
        )?;
    }
    Ok(match digits {
        0..=3 => Unit::Ms,
        4..=6 => Unit::Us,
        _ => Unit::Ns,
    })
}
