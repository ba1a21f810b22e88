//! Subscriptions (`/rest/tmq`): the dialogue of one consumer (dossier tdengine 3, and as recorded).

mod message;
mod meta;
mod offsets;
mod poll;
mod raw;
mod settings;
mod snapshot;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde_json::{Map, Value as Json, json};
use tungstenite::protocol::Message as Frame;

use self::message::{Kind, Message};
use self::settings::Settings;
use super::session::{Answer, Effect};
use super::store::Store;
use super::topic::Topic;
use super::{Server, block, changelog::Change, version};
use crate::faults::Fault;

/// One WebSocket's consumer.
pub struct Consumer {
    server: Arc<Server>,
    started: Instant,
    /// Since the first successful `subscribe`.
    member: Option<Member>,
    held: Option<Held>,
    last_message: u64,
    /// What `fetch_block` sends.
    buffer: Vec<u8>,
    waiting: Option<Waiting>,
}

struct Member {
    id: u64,
    settings: Settings,
    /// Empty after `unsubscribe`.
    topics: Vec<String>,
    /// Where it is in each vgroup of each topic.
    places: HashMap<(String, i32), Place>,
    /// Which vgroup is asked first.
    turn: usize,
    next_commit: Instant,
}

struct Place {
    /// The next entry to read.
    next: i64,
    /// Where the last message started.
    begin: i64,
    /// Left of the snapshot.
    snapshot: VecDeque<Message>,
    snapshot_taken: bool,
}

/// The message that was handed out last.
struct Held {
    id: u64,
    topic: String,
    database: String,
    vgroup: i32,
    message: Message,
    /// The next block that `fetch` announces.
    block: usize,
}

/// A poll without a message yet.
struct Waiting {
    req_id: u64,
    until: Instant,
    effect: Effect,
}

/// Longest that a poll waits.
const LONGEST_WAIT_MS: u64 = 3_600_000;

impl Consumer {
    pub fn new(server: Arc<Server>) -> Consumer {
        let (started, buffer) = (Instant::now(), Vec::new());
        Consumer { server, started, member: None, held: None, last_message: 0, buffer, waiting: None }
    }

    /// A text message; `None` when a poll waits: ask [`Consumer::again`] soon.
    pub fn text(&mut self, text: &str) -> Option<Answer> {
        self.started = Instant::now();
        let Ok(request) = serde_json::from_str::<Map<String, Json>>(text) else { return Some(silent("")) };
        let action = request.get("action").and_then(Json::as_str).unwrap_or_default().to_string();
        let empty = Map::new();
        let args = request.get("args").and_then(Json::as_object).unwrap_or(&empty);
        let call = Call {
            action: &action,
            args,
            req_id: args.get("req_id").and_then(Json::as_u64).unwrap_or(0),
            message_id: args.get("message_id").and_then(Json::as_u64),
        };
        if action == "poll" && self.member.is_some() {
            return self.poll(&call);
        }
        Some(match action.as_str() {
            "version" => self.version(&call),
            "subscribe" => self.subscribe(&call),
            "fetch_raw_data" => self.fetch_raw_data(&call),
            "poll" | "unsubscribe" | "commit" | "committed" | "position" | "assignment" | "seek" | "commit_offset"
            | "list_topics" | "fetch" | "fetch_block" | "fetch_raw" | "fetch_json_meta"
                if self.member.is_none() =>
            {
                self.error(&call, 0xffff, "tmq not init")
            }
            "unsubscribe" => self.unsubscribe(&call),
            "commit" => self.commit(&call),
            "committed" => self.committed(&call),
            "position" => self.position(&call),
            "assignment" => self.assignment(&call),
            "seek" => self.seek(&call),
            "commit_offset" => self.commit_offset(&call),
            "list_topics" => {
                let topics = self.member.as_ref().map(|m| m.topics.clone()).unwrap_or_default();
                self.reply(&call, json!({ "topics": topics }))
            }
            "fetch" => self.fetch(&call),
            "fetch_block" => self.fetch_block(&call),
            "fetch_raw" => self.fetch_raw(&call),
            "fetch_json_meta" => self.fetch_json_meta(&call),
            _ => silent(&action),
        })
    }

    fn version(&self, call: &Call<'_>) -> Answer {
        let version = self.server.engine.version.text();
        if self.server.adapter.at_least(version::CONN_VERSION) {
            return self.reply(call, json!({ "version": version }));
        }
        answer(call.action, 0, json!({"code": 0, "message": "", "action": call.action, "version": version}))
    }

    fn subscribe(&mut self, call: &Call<'_>) -> Answer {
        let version = self.server.engine.version.text().to_string();
        let more =
            if self.server.adapter.at_least(version::CONN_VERSION) { json!({ "version": version }) } else { json!({}) };
        let asked = match settings::parse(call.args, self.server.engine.version.at_least(version::BATCH_META)) {
            // A consumer that exists keeps its settings, whatever is sent.
            _ if self.member.as_ref().is_some_and(|m| !m.topics.is_empty()) => {
                return self.error(call, 0xffff, "tmq should have unsubscribed first");
            }
            Ok(asked) => asked,
            Err((code, message)) => return self.error(call, code, &message),
        };
        if self.member.is_none()
            && (asked.group.is_empty() || self.server.accounts.login(&asked.user, &asked.password).is_err())
        {
            return self.error(call, 0xffff, "new consumer return nil");
        }
        // Recorded: nothing to read from is never answered.
        if asked.topics.is_empty() {
            return silent(call.action);
        }
        let missing = self.with_store(|store| {
            let missing = asked.topics.iter().any(|t| store.topics.get(t).is_none());
            (missing, if missing { 0 } else { store.topics.next_consumer() })
        });
        let (false, id) = missing else { return self.error(call, 0x03E1, "Topic not exist") };
        let member = self.member.get_or_insert_with(|| Member {
            id,
            settings: asked.clone(),
            topics: Vec::new(),
            places: HashMap::new(),
            turn: 0,
            next_commit: Instant::now(),
        });
        member.topics = asked.topics;
        member.places.clear();
        let (id, group, topics) = (member.id, member.settings.group.clone(), member.topics.clone());
        self.with_store(|store| {
            topics.iter().for_each(|topic| store.topics.join(topic, &group, id));
            note(store, &topics);
        });
        self.reply(call, more)
    }

    fn unsubscribe(&mut self, call: &Call<'_>) -> Answer {
        self.leave();
        self.held = None;
        self.reply(call, json!({}))
    }

    /// Leaves the group; what was committed stays.
    fn leave(&mut self) {
        let Some(member) = &mut self.member else { return };
        let (id, group) = (member.id, member.settings.group.clone());
        let topics = std::mem::take(&mut member.topics);
        member.places.clear();
        if !topics.is_empty() {
            self.with_store(|store| {
                store.topics.leave(&group, id);
                note(store, &topics);
            });
        }
    }

    fn with_store<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        let mut store = self.server.engine.store.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut store)
    }

    /// The message that a call names, or why not.
    fn message(&mut self, call: &Call<'_>, unequal: &'static str) -> Result<&mut Held, &'static str> {
        match &mut self.held {
            None => Err("message has been freed"),
            Some(held) if Some(held.id) != call.message_id => Err(unequal),
            Some(held) => Ok(held),
        }
    }

    /// Announces the next block.
    fn fetch(&mut self, call: &Call<'_>) -> Answer {
        let share = self.server.adapter.at_least(version::SHARED_TAGS);
        let name_tables = self.member.as_ref().is_some_and(|m| m.settings.with_table_name);
        let held = match self.message(call, "message ID are not equal") {
            Ok(held) => held,
            Err(why) => return self.error(call, 0xffff, why),
        };
        if held.message.kind == Kind::Meta {
            return self.error(call, 0xffff, "message type is not data");
        }
        let (id, database) = (held.id, held.database.clone());
        let Some(block) = held.message.blocks.get(held.block) else {
            let end = json!({"message_id": id, "completed": true, "table_name": "", "rows": 0, "fields_count": 0, "fields_names": null,
                "fields_types": null, "fields_lengths": null, "precision": 0});
            let mut reply = self.reply_json(call, end);
            reply["timing"] = 0.into();
            return answer(call.action, 0, reply);
        };
        held.block += 1;
        let mut more = json!({
            "message_id": id,
            "completed": false,
            "table_name": if name_tables { block.table.as_str() } else { "" },
            "rows": block.chunk.rows,
            "fields_count": block.fields.len(),
            "fields_names": block.fields.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(),
            "fields_types": block.fields.iter().map(|f| f.ty.number()).collect::<Vec<_>>(),
            "fields_lengths": block.fields.iter().map(|f| f.ty.declared()).collect::<Vec<_>>(),
        });
        let encoded = block::encode_version(&block.chunk, share, block::SUBSCRIBED);
        more["precision"] = self.precision(&database).number().into();
        self.buffer = prefix(0, call.req_id, id, 24 + encoded.len());
        self.buffer.extend_from_slice(&encoded);
        self.reply(call, more)
    }

    /// Sends it, as often as it is asked for.
    fn fetch_block(&mut self, call: &Call<'_>) -> Answer {
        let kind = match self.message(call, "message is nil") {
            Ok(held) => held.message.kind,
            Err(why) => return self.error(call, 0xffff, why),
        };
        if kind == Kind::Meta || self.buffer.is_empty() {
            let why = if kind == Kind::Meta { "message type is not data" } else { "no fetch data" };
            return self.error(call, 0xffff, why);
        }
        let mut frame = self.buffer.clone();
        frame[..8].copy_from_slice(&self.timing().to_le_bytes());
        self.with_block_fault(call, frame)
    }

    fn fetch_json_meta(&mut self, call: &Call<'_>) -> Answer {
        let batch = self.member.as_ref().is_some_and(|m| m.settings.batch_meta);
        let held = match self.message(call, "message ID is not equal") {
            Ok(held) => held,
            Err(why) => return self.error(call, 0xffff, why),
        };
        if held.message.kind == Kind::Data {
            return self.error(call, 0xffff, "message type can not get meta, type: 1");
        }
        let id = held.id;
        let mut data = meta::json(&held.message);
        if batch {
            data = json!({"tmq_meta_version": "1.0", "metas": [data]});
        }
        self.reply(call, json!({"message_id": id, "data": data}))
    }

    /// The message in the server's own form, and its type.
    fn raw(&mut self, call: &Call<'_>) -> Result<(u64, u16, Vec<u8>), &'static str> {
        let share = self.server.adapter.at_least(version::SHARED_TAGS);
        let database = self.message(call, "message ID is not equal")?.database.clone();
        let precision = self.precision(&database);
        let held = self.message(call, "message ID is not equal")?;
        let how = raw::Encoding { vgroup: held.vgroup, precision, database: format!("1.{database}."), share };
        let (kind, body) = raw::encode(&held.message, &how);
        Ok((held.id, kind, body))
    }

    fn fetch_raw(&mut self, call: &Call<'_>) -> Answer {
        let (id, kind, body) = match self.raw(call) {
            Ok(raw) => raw,
            Err(why) => return self.error(call, 0xffff, why),
        };
        let mut frame = prefix(self.timing(), call.req_id, id, 38 + body.len());
        frame.extend_from_slice(&3_u64.to_le_bytes());
        frame.extend_from_slice(&(body.len() as u32).to_le_bytes());
        frame.extend_from_slice(&kind.to_le_bytes());
        frame.extend_from_slice(&body);
        // The adapter has one buffer for both (recorded).
        self.buffer.clone_from(&frame);
        self.with_block_fault(call, frame)
    }

    /// The same with a code and a message in front, and type and length the other way round.
    fn fetch_raw_data(&mut self, call: &Call<'_>) -> Answer {
        let raw = if self.member.is_none() { Err("tmq not init") } else { self.raw(call) };
        let (code, why) = raw.as_ref().map_or_else(|why| (0xffff_u32, *why), |_| (0, ""));
        let mut frame = u64::MAX.to_le_bytes().to_vec();
        frame.extend_from_slice(&8_u64.to_le_bytes());
        frame.extend_from_slice(&1_u16.to_le_bytes());
        frame.extend_from_slice(&self.timing().to_le_bytes());
        frame.extend_from_slice(&call.req_id.to_le_bytes());
        frame.extend_from_slice(&code.to_le_bytes());
        frame.extend_from_slice(&(why.len() as u32).to_le_bytes());
        frame.extend_from_slice(why.as_bytes());
        let id = raw.as_ref().map_or(call.message_id.unwrap_or(0), |(id, _, _)| *id);
        frame.extend_from_slice(&id.to_le_bytes());
        if let Ok((_, kind, body)) = raw {
            frame.extend_from_slice(&kind.to_le_bytes());
            frame.extend_from_slice(&(body.len() as u32).to_le_bytes());
            frame.extend_from_slice(&body);
            return self.with_block_fault(call, frame);
        }
        Answer {
            message: Some(Frame::binary(frame)),
            block: Bytes::new(),
            effect: Effect::None,
            action: call.action.into(),
            code,
        }
    }

    fn precision(&self, database: &str) -> crate::args::Precision {
        let store = self.server.engine.store.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        store.database(database).map_or(crate::args::Precision::Ms, |d| d.precision)
    }

    /// What a `--fault` makes of a block.
    fn with_block_fault(&self, call: &Call<'_>, frame: Vec<u8>) -> Answer {
        let effect = match self.server.faults.block_verdict() {
            Some(Fault::WsError(code) | Fault::Code(code)) => {
                return self.error(call, code & 0xffff, "failure on purpose");
            }
            Some(Fault::CutBlock | Fault::CutBody) => Effect::Cut,
            fault => effect(fault),
        };
        Answer { message: Some(Frame::binary(frame)), block: Bytes::new(), effect, action: call.action.into(), code: 0 }
    }

    fn timing(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    fn reply_json(&self, call: &Call<'_>, more: Json) -> Json {
        let mut reply =
            json!({"code": 0, "message": "", "action": call.action, "req_id": call.req_id, "timing": self.timing()});
        if let (Some(reply), Json::Object(more)) = (reply.as_object_mut(), more) {
            reply.extend(more);
        }
        reply
    }

    fn reply(&self, call: &Call<'_>, more: Json) -> Answer {
        answer(call.action, 0, self.reply_json(call, more))
    }

    /// An error; those of a message repeat its number.
    fn error(&self, call: &Call<'_>, code: u32, message: &str) -> Answer {
        let mut reply = json!({"code": code, "message": message, "action": call.action, "req_id": call.req_id, "timing": self.timing()});
        if let (true, Some(id)) = (call.action.starts_with("fetch"), call.message_id) {
            reply["message_id"] = id.into();
        }
        answer(call.action, code, reply)
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A request.
struct Call<'a> {
    action: &'a str,
    args: &'a Map<String, Json>,
    req_id: u64,
    message_id: Option<u64>,
}

fn answer(action: &str, code: u32, reply: Json) -> Answer {
    Answer {
        message: Some(Frame::text(reply.to_string())),
        block: Bytes::new(),
        effect: Effect::None,
        action: action.into(),
        code,
    }
}

/// What the adapter never answers.
fn silent(action: &str) -> Answer {
    Answer { message: None, block: Bytes::new(), effect: Effect::None, action: action.into(), code: 0 }
}

/// Duration, request and message in front of a binary reply.
fn prefix(timing: u64, req_id: u64, message_id: u64, capacity: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity(capacity);
    for word in [timing, req_id, message_id] {
        frame.extend_from_slice(&word.to_le_bytes());
    }
    frame
}

/// Consumers that come and go are entries in the logs of the vgroups that they read (recorded by the offsets).
fn note(store: &mut Store, topics: &[String]) {
    let mut databases: Vec<String> =
        topics.iter().filter_map(|t| store.topics.get(t)).map(|t: &Topic| t.database.clone()).collect();
    databases.sort();
    databases.dedup();
    for name in databases {
        if let Some(database) = store.database_mut(&name) {
            database.log_everywhere(&Change::Other);
        }
    }
}

/// How a fault spoils the sending of an answer.
fn effect(fault: Option<Fault>) -> Effect {
    match fault {
        Some(Fault::Delay(time)) => Effect::Delay(time),
        Some(Fault::NoReply) => Effect::Silence,
        Some(Fault::CloseWs | Fault::LostReply | Fault::ResetUpload) => Effect::Close,
        Some(Fault::Restart) => Effect::Restart,
        Some(Fault::SlowRead(rate)) => Effect::Slow(rate),
        Some(Fault::CutBody) => Effect::Cut,
        _ => Effect::None,
    }
}
