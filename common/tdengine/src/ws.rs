//! The WebSocket dialogue: `/ws` with binary queries and raw blocks, `/ws` with text and `fetch_block` for servers
//! before 3.3.2, `/rest/ws` for 2.x (2.1, 2.2).

use crate::ahead::Ahead;
use crate::client::Config;
use crate::reply::{Text, fetched_block, raw_block};
use crate::request;
use crate::retry::{Action, Failure, Result};
use crate::types::{Column, Rows};
use crate::version::Version;
use crate::{block, block2};
use net::ws::{Message, Socket};
use net::{Bytes, What};
use rows::time::Unit;
use std::sync::Arc;
use std::time::Duration;

/// Both generations answer `version` before the login; an old adapter that does not know it says nothing at all.
const VERSION_WAIT: Duration = Duration::from_secs(5);

/// A logged-in connection.
pub struct Session {
    socket: Socket,
    config: Config,
    version: Version,
    /// A result was abandoned: its replies may still come, so this connection is not used again.
    dirty: bool,
}

impl Session {
    /// Connects and logs in.
    pub fn open(config: &Config) -> Result<Session> {
        let side = config.options.side;
        let connect = |path: &str| net::ws::connect(&config.ws_url(path), &config.headers(), &config.options);
        let modern = match connect("/ws") {
            // 2.x and the first 3.x have only the old path.
            Err(failure) if failure.what() == What::Handshake(404) => None,
            other => Some(other.map_err(|failure| Failure::net(failure, side))?),
        };
        let is_modern = modern.is_some();
        let mut socket = match modern {
            Some(socket) => socket,
            None => connect("/rest/ws").map_err(|failure| Failure::net(failure, side))?,
        };
        let version = match ask_version(&socket, config) {
            Ok(version) => version,
            Err(_) if !is_modern => {
                socket = connect("/rest/ws").map_err(|failure| Failure::net(failure, side))?;
                Version([2, 0, 0, 0])
            }
            Err(failure) => return Err(failure),
        };
        let session = Session { socket, config: config.clone(), version, dirty: false };
        let id = request::req_id();
        session.send(request::conn(id, &config.login))?;
        session.text(id, "conn")?;
        Ok(session)
    }

    /// The version that the adapter's client library states.
    pub fn version(&self) -> Version {
        self.version
    }

    fn fail(&self, failure: net::Failure) -> Failure {
        Failure::net(failure, self.config.options.side)
    }

    fn send(&self, text: String) -> Result<()> {
        self.socket.send_text(text).map_err(|failure| self.fail(failure))
    }

    fn receive(&self, doing: &str) -> Result<Message> {
        self.socket.recv(self.config.options.timeout).map_err(|failure| self.fail(failure).context(doing.to_owned()))
    }

    /// The text reply to request `id`; an error reply is a failure.
    fn text(&self, id: u64, doing: &str) -> Result<Text> {
        match self.receive(doing)? {
            Message::Text(text) => self.check(&text, id, doing),
            Message::Binary(bytes) => Err(Failure::protocol(
                format!("{doing}: a binary frame of {} bytes came where text belongs", bytes.len()),
                self.config.options.side,
            )),
        }
    }

    fn check(&self, text: &str, id: u64, doing: &str) -> Result<Text> {
        let reply = Text::parse(text)?;
        if reply.code != 0 {
            let code = u32::try_from(reply.code & 0xffff_ffff).unwrap_or(crate::retry::ADAPTER);
            return Err(Failure::server(code, &reply.message, Some(id), self.config.options.side));
        }
        // Servers echo the number; one request is in flight at a time, so anything else belongs to nobody.
        if reply.req_id != id && reply.req_id != 0 {
            return Err(Failure::protocol(
                format!("{doing}: the reply is to request 0x{:x}, not 0x{id:x}", reply.req_id),
                self.config.options.side,
            ));
        }
        Ok(reply)
    }

    /// Starts a query.
    pub fn query(&mut self, sql: &str) -> Result<Stream<'_>> {
        if self.dirty {
            *self = Session::open(&self.config)?;
        }
        let binary = self.version >= Version::BINARY_QUERY;
        let id = request::req_id();
        if binary {
            self.socket.send_binary(request::binary_query(id, sql)).map_err(|failure| self.fail(failure))?;
        } else {
            self.send(request::query(id, sql))?;
        }
        self.dirty = true;
        let reply = match self.text(id, "query") {
            Ok(reply) => reply,
            Err(failure) => {
                // An error reply ends the exchange properly.
                self.dirty = failure.code.is_none();
                return Err(failure);
            }
        };
        let (columns, unit) = reply.columns()?;
        let mut stream = Stream { session: self, id: reply.id, columns, unit, asked: None, ahead: None, done: false };
        if reply.is_update {
            stream.finish();
        } else if binary {
            let (ahead, first) = Ahead::start(stream.id);
            stream.session.socket.follow(Some(ahead.follow()));
            stream.ahead = Some(ahead);
            stream.ask_raw(first)?;
        } else {
            stream.ask()?;
        }
        Ok(stream)
    }
}

fn ask_version(socket: &Socket, config: &Config) -> Result<Version> {
    let side = config.options.side;
    let net = |failure| Failure::net(failure, side);
    socket.send_text(request::action("version", serde_json::json!({}))).map_err(net)?;
    match socket.recv(config.options.timeout.min(VERSION_WAIT)).map_err(net)? {
        Message::Text(text) => {
            let reply = Text::parse(&text)?;
            Version::parse(&reply.version)
                .ok_or_else(|| Failure::protocol(format!("no version: {}", fault::excerpt(text.as_bytes())), side))
        }
        Message::Binary(_) => Err(Failure::protocol("a binary frame came where the version belongs", side)),
    }
}

/// The result of a query, block by block. One block is asked for ahead, so that the server works while we do.
pub struct Stream<'a> {
    session: &'a mut Session,
    id: u64,
    /// The columns; how they are read may be changed before the first block.
    pub columns: Vec<Column>,
    /// The unit of times.
    pub unit: Unit,
    asked: Option<u64>,
    /// How raw blocks are asked for; servers before 3.3.2 have none.
    ahead: Option<Arc<Ahead>>,
    done: bool,
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        self.session.socket.follow(None);
    }
}

impl Stream<'_> {
    fn ask(&mut self) -> Result<()> {
        let id = request::req_id();
        self.session.send(request::of_result("fetch", id, self.id))?;
        self.asked = Some(id);
        Ok(())
    }

    fn ask_raw(&self, request: Bytes) -> Result<()> {
        self.session.socket.send_binary(request).map_err(|failure| self.session.fail(failure))
    }

    fn finish(&mut self) {
        self.done = true;
        self.session.dirty = false;
    }

    /// The next rows, or `None` once the server has said that there are no more.
    pub fn next_rows(&mut self) -> Result<Option<Rows>> {
        if self.done {
            return Ok(None);
        }
        // Nothing asked and not done: it broke before, and a broken result has no end.
        let ahead = self.ahead.take();
        let asked = ahead.as_ref().map_or(self.asked.take(), |ahead| ahead.take());
        let Some(id) = asked else {
            return Err(Failure::protocol("the result broke before", self.session.config.options.side));
        };
        match ahead {
            Some(ahead) => self.next_raw(id, ahead),
            None => self.next_fetched(id),
        }
    }

    fn next_raw(&mut self, id: u64, ahead: Arc<Ahead>) -> Result<Option<Rows>> {
        let side = self.session.config.options.side;
        let frame = match self.session.receive("fetch")? {
            Message::Binary(frame) => frame,
            Message::Text(text) => {
                self.session.check(&text, id, "fetch")?;
                return Err(Failure::protocol(
                    format!("text came where a block belongs: {}", fault::excerpt(text.as_bytes())),
                    side,
                ));
            }
        };
        let raw = raw_block(&frame)?;
        if raw.req_id != id {
            return Err(Failure::protocol(
                format!("fetch: the reply is to request 0x{:x}, not 0x{id:x}", raw.req_id),
                side,
            ));
        }
        if raw.code != 0 {
            let mut failure = Failure::server(raw.code, &raw.message, Some(id), side);
            // The handle vanished in the middle of a result that we were reading: only a new query helps.
            if failure.code == Some(crate::retry::ADAPTER) {
                failure.action = Action::Retry;
            }
            return Err(failure);
        }
        match raw.block {
            None => {
                self.finish();
                Ok(None)
            }
            Some(block) => {
                if let Some(next) = ahead.block() {
                    self.ask_raw(next)?;
                }
                self.ahead = Some(ahead);
                Ok(Some(self.decode(&block)?))
            }
        }
    }

    fn next_fetched(&mut self, id: u64) -> Result<Option<Rows>> {
        let reply = self.session.text(id, "fetch")?;
        if reply.completed {
            self.finish();
            return Ok(None);
        }
        let block_id = request::req_id();
        self.session.send(request::of_result("fetch_block", block_id, self.id))?;
        let frame = match self.session.receive("fetch_block")? {
            Message::Binary(frame) => frame,
            Message::Text(text) => {
                self.session.check(&text, block_id, "fetch_block")?;
                return Err(Failure::protocol(
                    format!("text came where a block belongs: {}", fault::excerpt(text.as_bytes())),
                    self.session.config.options.side,
                ));
            }
        };
        let rows = if self.session.version.major() == 2 {
            let block = legacy_block(&frame, self.id)?;
            let lengths = reply.lengths.unwrap_or_default();
            block2::decode(&block, reply.rows, &lengths, &self.columns, self.unit)?
        } else {
            self.decode(&fetched_block(&frame, self.id, reply.rows)?)?
        };
        if rows.len != reply.rows {
            let text = format!("damaged block: it has {} rows, {} were promised", rows.len, reply.rows);
            return Err(Failure::protocol(text, self.session.config.options.side));
        }
        self.ask()?;
        Ok(Some(rows))
    }

    fn decode(&self, block: &[u8]) -> Result<Rows> {
        Ok(block::decode(block, &self.columns, self.unit)?)
    }
}

/// A 2.x frame: `u64 result | columns` (2.4).
fn legacy_block(frame: &Bytes, result: u64) -> Result<Bytes> {
    match frame.split_first_chunk::<8>() {
        Some((id, _)) if u64::from_le_bytes(*id) == result => Ok(frame.slice(8..)),
        _ => Err(Failure::from(fault::Error::new(
            fault::Kind::Source,
            format!("damaged block: the frame of {} bytes is not of result {result}", frame.len()),
        ))),
    }
}
