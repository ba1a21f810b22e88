//! The dialogue of one WebSocket: text actions, binary query and fetch, result handles (dossier tdengine 2.1, 2.2).

mod raw;
mod sml;
mod stmt;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Map, Value as Json, json};
use tungstenite::protocol::Message;

use super::Server;
use super::chunk::Chunk;
use super::exec::{Outcome, ResultSet};
use super::replay::{Pieces, description};
use super::time::Zone;
use super::ws::Dialect;
use super::ws_frame::{self, Fetched, Request};
use super::{block, block_2x, version};
use crate::faults::Fault;

/// What is wrong with the sending of an answer.
#[derive(Debug)]
pub enum Effect {
    None,
    Delay(Duration),
    /// Not sent, and the connection stays.
    Silence,
    /// Half of it is sent.
    Cut,
    /// The connection ends without it.
    Close,
    Restart,
    /// At this many bytes a second.
    Slow(u64),
}

/// What a message gets.
pub struct Answer {
    pub message: Option<Message>,
    /// More of the (binary) message: bytes that many answers share.
    pub block: Bytes,
    pub effect: Effect,
    /// For the log.
    pub action: String,
    pub code: u32,
}

/// A result that is being read.
struct Handle {
    result: ResultSet,
    /// The block that `fetch` announced and `fetch_block` sends, as often as it is asked for.
    current: Option<Chunk>,
    /// Blocks that were encoded before.
    replayed: Option<Pieces>,
}

/// One connection's state.
pub struct Session {
    server: Arc<Server>,
    dialect: Dialect,
    connected: bool,
    database: Option<String>,
    zone: Zone,
    handles: HashMap<u64, Handle>,
    last_handle: u64,
    statements: stmt::Statements,
    started: Instant,
}

const NIL: &str = "result is nil";

impl Session {
    pub fn new(server: Arc<Server>, dialect: Dialect) -> Session {
        Session {
            server,
            dialect,
            connected: false,
            database: None,
            zone: Zone::default(),
            handles: HashMap::new(),
            last_handle: 0,
            statements: stmt::Statements::default(),
            started: Instant::now(),
        }
    }

    fn timing(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    /// A text message.
    pub fn text(&mut self, text: &str) -> Answer {
        self.started = Instant::now();
        let Ok(request) = serde_json::from_str::<Map<String, Json>>(text) else {
            return self.error("", 0, 0xffff, "unmarshal ws request error");
        };
        let action = request.get("action").and_then(Json::as_str).unwrap_or_default().to_string();
        let empty = Map::new();
        let args = request.get("args").and_then(Json::as_object).unwrap_or(&empty);
        let req_id = args.get("req_id").and_then(Json::as_u64).unwrap_or(0);
        let id = args.get("id").and_then(Json::as_u64).unwrap_or(0);
        match action.as_str() {
            "version" => self.version(req_id),
            "check_server_status" => self.reply(&action, req_id, json!({"status": 2, "details": ""})),
            "conn" => self.conn(args, req_id),
            _ if !self.connected => {
                // The newer endpoint looks at the connection before it reads the arguments (recorded).
                let req_id = if self.dialect == Dialect::New { 0 } else { req_id };
                self.error(&action, req_id, 0xffff, "server not connected")
            }
            "query" => {
                let sql = args.get("sql").and_then(Json::as_str).unwrap_or_default();
                self.query(&action, req_id, sql)
            }
            "fetch" => self.fetch(req_id, id),
            "fetch_block" => self.fetch_block(req_id, id),
            "free_result" => {
                self.handles.remove(&id);
                nothing(&action)
            }
            "get_current_db" if self.dialect == Dialect::New => {
                let database = self.database.clone().unwrap_or_default();
                self.reply(&action, req_id, json!({"db": database}))
            }
            "get_server_info" if self.dialect == Dialect::New => {
                let info = format!(
                    "ver:{}\nbuild:ts-sim {}\ngitinfo:none",
                    self.server.engine.version.text(),
                    env!("CARGO_PKG_VERSION")
                );
                self.reply(&action, req_id, json!({"info": info}))
            }
            "num_fields" if self.dialect == Dialect::New => {
                let id = args.get("result_id").and_then(Json::as_u64).unwrap_or(0);
                match self.handles.get(&id).map(|h| h.result.fields.len()) {
                    Some(fields) => self.reply(&action, req_id, json!({"num_fields": fields})),
                    None => self.error(&action, req_id, 0xffff, NIL),
                }
            }
            _ if self.dialect == Dialect::Old => nothing(&action),
            "insert" => self.insert(args, req_id),
            _ => match self.statement(&action, args, req_id) {
                Some(answer) => answer,
                None => self.error(&action, req_id, 0xffff, &format!("unknown action {action}")),
            },
        }
    }

    /// A binary message.
    pub fn binary(&mut self, bytes: &[u8]) -> Answer {
        self.started = Instant::now();
        if self.dialect == Dialect::Old {
            return nothing("binary");
        }
        let Some(request) = ws_frame::parse(bytes) else {
            return self.error("", 0, 0xffff, "message length is too short");
        };
        if matches!(request, Request::Unknown { .. })
            && let Some(answer) = self.binary_write(bytes)
        {
            return answer;
        }
        let known = self.server.adapter.at_least(version::BINARY_QUERY);
        match request {
            Request::Query { req_id, version, .. } if known && version != 1 => {
                self.error("binary_query", req_id, 0xffff, &format!("unknown binary query version:{version}"))
            }
            Request::Query { req_id, .. } if known && !self.connected => {
                self.error("binary_query", req_id, 0xffff, "server not connected")
            }
            Request::Query { req_id, sql, .. } if known => match std::str::from_utf8(sql) {
                Ok(sql) => self.query("binary_query", req_id, sql),
                Err(_) => self.error("binary_query", req_id, 0x2600, "syntax error near \"invalid UTF-8\""),
            },
            Request::Fetch { req_id, id, version } if known && version != 1 => {
                self.raw(req_id, id, Fetched::Error(0xffff, "unknown fetch raw block version"))
            }
            Request::Fetch { req_id, id, .. } if known => self.fetch_raw_block(req_id, id),
            Request::TooShort { req_id, action } if known => {
                let action = if action == ws_frame::QUERY { "binary_query" } else { "fetch_raw_block" };
                self.error(action, req_id, 0xffff, "message length is too short")
            }
            Request::Query { req_id, .. }
            | Request::Fetch { req_id, .. }
            | Request::TooShort { req_id, .. }
            | Request::Unknown { req_id, .. } => self.error("unknown", req_id, 0xffff, "unknown action unknown"),
        }
    }

    fn version(&mut self, req_id: u64) -> Answer {
        let version = self.server.engine.version.text();
        if self.dialect == Dialect::New {
            return self.reply("version", req_id, json!({"version": version}));
        }
        let text = json!({"code": 0, "message": "", "action": "version", "version": version}).to_string();
        Answer {
            message: Some(Message::text(text)),
            block: Bytes::new(),
            effect: Effect::None,
            action: "version".into(),
            code: 0,
        }
    }

    fn conn(&mut self, args: &Map<String, Json>, req_id: u64) -> Answer {
        let text = |name: &str| args.get(name).and_then(Json::as_str).unwrap_or_default();
        if self.connected {
            return self.error("conn", req_id, 0xffff, "duplicate connections");
        }
        let accounts = &self.server.accounts;
        let login = match text("bearer_token") {
            "" => accounts.login(text("user"), text("password")),
            token if accounts.bearer => accounts.token(token),
            _ => accounts.login(text("user"), text("password")),
        };
        if let Err(denied) = login {
            return self.error("conn", req_id, denied.code, denied.message);
        }
        let database = text("db");
        if !database.is_empty() && !self.server.engine.has_database(database) {
            return self.error("conn", req_id, 0x0388, "Database not exist");
        }
        match (text("tz"), Zone::parse(text("tz"))) {
            ("", _) => {}
            (_, Some(zone)) => self.zone = zone,
            (name, None) => return self.error("conn", req_id, 0xffff, &format!("unknown time zone {name}")),
        }
        self.database = Some(database.to_string()).filter(|d| !d.is_empty());
        self.connected = true;
        let more = if self.server.adapter.at_least(version::CONN_VERSION) {
            json!({"version": self.server.engine.version.text()})
        } else {
            json!({})
        };
        self.reply("conn", req_id, more)
    }

    fn query(&mut self, action: &str, req_id: u64, sql: &str) -> Answer {
        self.with_fault("/ws/query", action, req_id, |session| session.run(action, req_id, sql))
    }

    /// Does the work of a data request as far as the `--fault`s let it, and spoils the answer as they say.
    fn with_fault(
        &mut self,
        path: &str,
        action: &str,
        req_id: u64,
        work: impl FnOnce(&mut Session) -> Answer,
    ) -> Answer {
        let fault = self.server.faults.query_verdict(path);
        match fault {
            Some(Fault::Code(code)) => return self.error(action, req_id, code & 0xffff, "failure on purpose"),
            Some(Fault::Status { .. } | Fault::QueueFull { .. }) => {
                return self.error(action, req_id, 0xfffe, "over the query limit");
            }
            Some(Fault::NoReply) => return Answer { effect: Effect::Silence, ..nothing(action) },
            Some(Fault::CloseWs | Fault::ResetUpload) => return Answer { effect: Effect::Close, ..nothing(action) },
            Some(Fault::Restart) => return Answer { effect: Effect::Restart, ..nothing(action) },
            _ => {}
        }
        let mut answer = work(self);
        answer.effect = match fault {
            Some(Fault::Delay(time)) => Effect::Delay(time),
            Some(Fault::LostReply) => Effect::Close,
            Some(Fault::CutBody) => Effect::Cut,
            Some(Fault::SlowRead(rate)) => Effect::Slow(rate),
            _ => Effect::None,
        };
        answer
    }

    fn run(&mut self, action: &str, req_id: u64, sql: &str) -> Answer {
        let sql = sql.trim();
        let replay = self.server.replay.as_ref().filter(|_| action == "binary_query");
        let key = format!("ws {:?} {:?} {sql}", self.database, self.zone);
        let kept = replay.and_then(|replay| replay.get(&key));
        let outcome = match &kept {
            Some(kept) => Ok(Outcome::Rows(kept.described())),
            None => self.server.engine.execute(sql, self.database.as_deref(), self.zone),
        };
        match outcome {
            Err(failed) => self.error(action, req_id, failed.code & 0xffff, &failed.message),
            Ok(Outcome::Affected(rows)) => self.reply(action, req_id, update(rows)),
            Ok(Outcome::Database(name)) => {
                self.database = Some(name);
                self.reply(action, req_id, update(0))
            }
            Ok(Outcome::Rows(result)) => {
                self.last_handle += 1;
                let described = self.described(&result);
                let (fields, precision) = (result.fields.clone(), result.precision);
                let (replayed, result) = match (replay, kept) {
                    (_, Some(kept)) => (Some(kept.pieces()), result),
                    (Some(replay), None) => {
                        let fresh = Box::new(encoded(result, self.shares()));
                        let pieces = replay.keep(key, fields.clone(), precision, fresh);
                        (Some(pieces), description(fields, precision))
                    }
                    (None, None) => (None, result),
                };
                self.handles.insert(self.last_handle, Handle { result, current: None, replayed });
                self.reply(action, req_id, described)
            }
        }
    }

    /// The reply that describes a result.
    fn described(&self, result: &ResultSet) -> Json {
        let fields = &result.fields;
        let mut more = json!({
            "id": self.last_handle,
            "is_update": false,
            "affected_rows": 0,
            "fields_count": fields.len(),
            "fields_names": fields.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(),
            "fields_types": fields.iter().map(|f| f.ty.number()).collect::<Vec<_>>(),
            "fields_lengths": fields.iter().map(|f| f.ty.declared()).collect::<Vec<_>>(),
            "precision": result.precision.number(),
        });
        if let (Some(more), true) = (more.as_object_mut(), self.server.adapter.at_least(version::DECIMAL)) {
            more.insert("fields_precisions".into(), json!(fields.iter().map(|f| f.ty.precision).collect::<Vec<_>>()));
            more.insert("fields_scales".into(), json!(fields.iter().map(|f| f.ty.scale).collect::<Vec<_>>()));
        }
        more
    }

    /// The older way, first step: announces the next block.
    fn fetch(&mut self, req_id: u64, id: u64) -> Answer {
        let old = self.server.engine.version.is_2x();
        let Some(handle) = self.handles.get_mut(&id) else { return self.error("fetch", req_id, 0xffff, NIL) };
        handle.current = handle.result.cursor.next();
        let more = match &handle.current {
            Some(chunk) => {
                let lengths: Vec<u64> = handle
                    .result
                    .fields
                    .iter()
                    .map(|f| if old { block_2x::slot(f.ty) as u64 } else { u64::from(f.ty.block_bytes()) })
                    .collect();
                json!({"id": id, "completed": false, "lengths": lengths, "rows": chunk.rows})
            }
            None => {
                self.handles.remove(&id);
                json!({"id": id, "completed": true, "lengths": null, "rows": 0})
            }
        };
        self.reply("fetch", req_id, more)
    }

    /// The older way, second step: sends it.
    fn fetch_block(&mut self, req_id: u64, id: u64) -> Answer {
        let block = match self.handles.get(&id).and_then(|h| h.current.as_ref()) {
            Some(chunk) if self.server.engine.version.is_2x() => {
                let mut message = id.to_le_bytes().to_vec();
                message.extend_from_slice(&block_2x::encode(chunk));
                message
            }
            Some(chunk) => ws_frame::fetch_block(self.timing(), id, &self.encode(chunk)),
            None => return self.error("fetch_block", req_id, 0xffff, NIL),
        };
        let good = Answer {
            message: Some(Message::binary(block)),
            block: Bytes::new(),
            effect: Effect::None,
            action: "fetch_block".into(),
            code: 0,
        };
        self.with_block_fault(good, id, |session, code| {
            session.error("fetch_block", req_id, code, "failure on purpose")
        })
    }

    /// The newer way: the next block at once.
    fn fetch_raw_block(&mut self, req_id: u64, id: u64) -> Answer {
        let Some(handle) = self.handles.get_mut(&id) else { return self.raw(req_id, id, Fetched::Error(0xffff, NIL)) };
        let block = match &mut handle.replayed {
            Some(replayed) => replayed.next(),
            None => {
                let chunk = handle.result.cursor.next();
                chunk.map(|chunk| Bytes::from(self.encode(&chunk)))
            }
        };
        let Some(block) = block else {
            self.handles.remove(&id);
            return self.raw(req_id, id, Fetched::End);
        };
        let good = Answer { block: block.clone(), ..self.raw(req_id, id, Fetched::Follows(block.len())) };
        self.with_block_fault(good, id, |session, code| {
            session.raw(req_id, id, Fetched::Error(code, "failure on purpose"))
        })
    }

    fn encode(&self, chunk: &Chunk) -> Vec<u8> {
        block::encode(chunk, self.shares())
    }

    /// Do rows with the same tag share its bytes?
    fn shares(&self) -> bool {
        self.server.adapter.at_least(version::SHARED_TAGS)
    }

    /// What a `--fault` makes of a block; after an error the handle is gone.
    fn with_block_fault(&mut self, mut good: Answer, id: u64, failed: impl Fn(&Session, u32) -> Answer) -> Answer {
        good.effect = match self.server.faults.block_verdict() {
            Some(Fault::WsError(code) | Fault::Code(code)) => {
                self.handles.remove(&id);
                return failed(self, code & 0xffff);
            }
            Some(Fault::CutBlock | Fault::CutBody) => Effect::Cut,
            Some(Fault::Delay(time)) => Effect::Delay(time),
            Some(Fault::NoReply) => Effect::Silence,
            Some(Fault::CloseWs | Fault::LostReply | Fault::ResetUpload) => Effect::Close,
            Some(Fault::Restart) => Effect::Restart,
            Some(Fault::SlowRead(rate)) => Effect::Slow(rate),
            _ => Effect::None,
        };
        good
    }

    fn raw(&self, req_id: u64, id: u64, fetched: Fetched<'_>) -> Answer {
        let code = if let Fetched::Error(code, _) = &fetched { *code } else { 0 };
        let message = ws_frame::fetch_raw_block(self.timing(), req_id, id, fetched);
        Answer {
            message: Some(Message::binary(message)),
            block: Bytes::new(),
            effect: Effect::None,
            action: "fetch_raw_block".into(),
            code,
        }
    }

    fn error(&self, action: &str, req_id: u64, code: u32, message: &str) -> Answer {
        self.answer(action, req_id, code, message, json!({}))
    }

    /// A message of JSON; `more` stands behind what every reply has.
    fn answer(&self, action: &str, req_id: u64, code: u32, message: &str, more: Json) -> Answer {
        let mut reply =
            json!({"code": code, "message": message, "action": action, "req_id": req_id, "timing": self.timing()});
        if let (Some(reply), Json::Object(more)) = (reply.as_object_mut(), more) {
            reply.extend(more);
        }
        Answer {
            message: Some(Message::text(reply.to_string())),
            block: Bytes::new(),
            effect: Effect::None,
            action: action.into(),
            code,
        }
    }

    fn reply(&self, action: &str, req_id: u64, more: Json) -> Answer {
        self.answer(action, req_id, 0, "", more)
    }
}

fn nothing(action: &str) -> Answer {
    Answer { message: None, block: Bytes::new(), effect: Effect::None, action: action.into(), code: 0 }
}

/// The blocks of a result.
fn encoded(mut result: ResultSet, share: bool) -> impl Iterator<Item = Bytes> + Send {
    std::iter::from_fn(move || result.cursor.next().map(|chunk| Bytes::from(block::encode(&chunk, share))))
}

/// The reply to a statement without rows (recorded).
fn update(rows: u64) -> Json {
    json!({"id": 0, "is_update": true, "affected_rows": rows, "fields_count": 0, "fields_names": null, "fields_types": null,
        "fields_lengths": null, "precision": 0})
}
