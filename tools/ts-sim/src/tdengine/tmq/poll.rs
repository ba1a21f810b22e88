//! `poll`: the next message of the vgroups that are this consumer's, each in its turn.

use std::time::{Duration, Instant};

use serde_json::{Map, Value as Json, json};

use super::super::session::{Answer, Effect};
use super::super::store::{FIRST_VGROUP, Store};
use super::super::version;
use super::message::{Message, View};
use super::settings::Reset;
use super::{Call, Consumer, Held, LONGEST_WAIT_MS, Member, Place, Waiting, answer, effect, silent};
use crate::faults::Fault;

impl Consumer {
    pub(super) fn poll(&mut self, call: &Call<'_>) -> Option<Answer> {
        let fault = self.server.faults.query_verdict("/rest/tmq/poll");
        match fault {
            Some(Fault::Code(code)) => return Some(self.error(call, code & 0xffff, "failure on purpose")),
            Some(Fault::Status { .. } | Fault::QueueFull { .. }) => {
                return Some(self.error(call, 0xfffe, "over the query limit"));
            }
            Some(Fault::NoReply) => return Some(Answer { effect: Effect::Silence, ..silent(call.action) }),
            Some(Fault::CloseWs | Fault::ResetUpload) => {
                return Some(Answer { effect: Effect::Close, ..silent(call.action) });
            }
            Some(Fault::Restart) => return Some(Answer { effect: Effect::Restart, ..silent(call.action) }),
            _ => {}
        }
        // Newer adapters send a message again until the client has named it.
        if self.server.adapter.at_least(version::POLL_REPEATS)
            && let (Some(held), Some(id)) = (&self.held, call.message_id)
            && held.id != id
        {
            let more = described(held);
            return Some(Answer { effect: effect(fault), ..self.reply(call, more) });
        }
        self.commit_in_time();
        let wait = call.args.get("blocking_time").and_then(Json::as_i64).unwrap_or(0);
        let wait = u64::try_from(wait).unwrap_or(LONGEST_WAIT_MS).min(LONGEST_WAIT_MS);
        let until = Instant::now() + Duration::from_millis(wait);
        self.waiting = Some(Waiting { req_id: call.req_id, until, effect: effect(fault) });
        self.again()
    }

    /// Looks again for a poll that waits; `None` while there is nothing and time is left.
    pub fn again(&mut self) -> Option<Answer> {
        let waiting = self.waiting.as_ref()?;
        let (req_id, late) = (waiting.req_id, Instant::now() >= waiting.until);
        let found = self.take();
        if !found && !late {
            return None;
        }
        let effect = self.waiting.take().map_or(Effect::None, |w| w.effect);
        let args = Map::new();
        let call = Call { action: "poll", args: &args, req_id, message_id: None };
        let more = match &self.held {
            Some(held) if found => described(held),
            _ => {
                json!({"have_message": false, "topic": "", "database": "", "vgroup_id": 0, "message_type": 0, "message_id": 0, "offset": 0})
            }
        };
        Some(Answer { effect, ..answer(call.action, 0, self.reply_json(&call, more)) })
    }

    /// Finds the next message; true when there is one.
    fn take(&mut self) -> bool {
        let server = self.server.clone();
        let store = server.engine.store.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(member) = &mut self.member else { return false };
        let vgroups = member.vgroups(&store);
        member.places.retain(|place, _| vgroups.contains(place));
        for step in 0..vgroups.len() {
            let turn = (member.turn + step) % vgroups.len();
            // From the last to the first.
            let (name, vgroup) = &vgroups[vgroups.len() - 1 - turn];
            let Some(topic) = store.topics.get(name) else { continue };
            let Some(database) = store.database(&topic.database) else { continue };
            let view = View { engine: &server.engine, store: &store, database, topic };
            let at = (*vgroup - FIRST_VGROUP) as usize;
            let Some(message) = member.next(&store, &view, name, *vgroup, at) else { continue };
            member.turn = turn + 1;
            self.last_message += 1;
            self.held = Some(Held {
                id: self.last_message,
                topic: name.clone(),
                database: topic.database.clone(),
                vgroup: *vgroup,
                message,
                block: 0,
            });
            return true;
        }
        false
    }
}

impl Member {
    /// The vgroups of all topics that are this consumer's now.
    pub(super) fn vgroups(&self, store: &Store) -> Vec<(String, i32)> {
        let mut all = Vec::new();
        for topic in self.topics.iter().filter_map(|t| store.topics.get(t)) {
            let Some(database) = store.database(&topic.database) else { continue };
            let own = store.topics.assigned(&topic.name, &self.settings.group, self.id, database.vgroup_ids());
            all.extend(own.into_iter().map(|vgroup| (topic.name.clone(), vgroup)));
        }
        all
    }

    /// Where this consumer is in a vgroup: at first where its group is, or where `auto.offset.reset` says.
    pub(super) fn place(&mut self, store: &Store, topic: &str, vgroup: i32) -> &mut Place {
        let settings = &self.settings;
        self.places.entry((topic.to_string(), vgroup)).or_insert_with(|| {
            let log = store.topics.get(topic).and_then(|t| store.database(&t.database)).map(|d| &d.log);
            let log = log.and_then(|log| log.get((vgroup - FIRST_VGROUP) as usize));
            let committed = store.topics.committed(topic, &settings.group, vgroup);
            let next = committed.unwrap_or(match settings.reset {
                Reset::Earliest => log.map_or(0, |l| l.first()),
                Reset::Latest => log.map_or(0, |l| l.end()),
                Reset::None => i64::MAX,
            });
            let snapshot = settings.snapshot && committed.is_none();
            Place { next, begin: next, snapshot: Default::default(), snapshot_taken: !snapshot }
        })
    }

    fn next(&mut self, store: &Store, view: &View<'_>, topic: &str, vgroup: i32, at: usize) -> Option<Message> {
        let place = self.place(store, topic, vgroup);
        if !place.snapshot_taken {
            place.snapshot_taken = true;
            place.snapshot = view.snapshot(at);
            place.next = view.database.log.get(at).map_or(place.next, |l| l.end());
        }
        if let Some(message) = place.snapshot.pop_front() {
            return Some(message);
        }
        if place.next == i64::MAX {
            return None;
        }
        let (message, next) = view.next(at, place.next);
        place.next = next;
        if let Some(message) = &message {
            place.begin = message.offset();
        }
        message
    }
}

fn described(held: &Held) -> Json {
    json!({
        "have_message": true,
        "topic": held.topic,
        "database": held.database,
        "vgroup_id": held.vgroup,
        "message_type": held.message.kind as u8,
        "message_id": held.id,
        "offset": held.message.offset(),
    })
}
