//! Offsets: `commit`, `committed`, `position`, `assignment`, `seek`, `commit_offset`.

use std::time::Instant;

use serde_json::{Value as Json, json};

use super::super::session::Answer;
use super::super::store::{FIRST_VGROUP, Store};
use super::{Call, Consumer};

/// What `committed` says of a vgroup in which nothing was committed: the error code 0x4011 as a number.
const NONE_COMMITTED: i64 = 0x8000_4011_u32 as i32 as i64;

type Refusal = (u32, &'static str);

const NO_TOPIC: Refusal = (0x4009, "Topic does not belong to this consumer");
const NO_VGROUP: Refusal = (0x4008, "VgId does not belong to this consumer");
const OUT_OF_RANGE: Refusal = (0x4007, "Offset out of range");
const IN_SNAPSHOT: Refusal = (0x4006, "Can not operate in snapshot mode");
const NOT_YET: Refusal = (0x4010, "Assignment or poll interface need to be called first");

impl Consumer {
    /// Commits what was handed out so far, of all vgroups; which message is named does not matter (recorded).
    pub(super) fn commit(&mut self, call: &Call<'_>) -> Answer {
        self.commit_all();
        self.reply(call, json!({"message_id": call.message_id.unwrap_or(0)}))
    }

    fn commit_all(&self) {
        let Some(member) = &self.member else { return };
        let places =
            member.places.iter().filter(|(_, p)| p.snapshot_taken && p.snapshot.is_empty() && p.next != i64::MAX);
        let offsets: Vec<(&(String, i32), i64)> = places.map(|(key, place)| (key, place.next)).collect();
        self.with_store(|store| {
            for ((topic, vgroup), offset) in offsets {
                store.topics.commit(topic, &member.settings.group, *vgroup, offset);
            }
        });
    }

    /// The automatic commit, which is made by a poll before it reads on.
    pub(super) fn commit_in_time(&mut self) {
        let now = Instant::now();
        let Some(member) = &mut self.member else { return };
        let Some(every) = member.settings.auto_commit.filter(|_| now >= member.next_commit) else { return };
        member.next_commit = now + every;
        self.commit_all();
    }

    pub(super) fn committed(&mut self, call: &Call<'_>) -> Answer {
        self.each(call, "committed", |store, consumer, topic, vgroup| {
            let group = consumer.member.as_ref().map(|m| m.settings.group.as_str()).unwrap_or_default();
            Ok(store.topics.committed(topic, group, vgroup).unwrap_or(NONE_COMMITTED))
        })
    }

    pub(super) fn position(&mut self, call: &Call<'_>) -> Answer {
        self.each(call, "position", |store, consumer, topic, vgroup| {
            let Some(member) = &mut consumer.member else { return Err(NO_VGROUP) };
            let place = member.place(store, topic, vgroup);
            if !place.snapshot_taken || !place.snapshot.is_empty() { Err(IN_SNAPSHOT) } else { Ok(place.next) }
        })
    }

    /// Asks something of each (topic, vgroup) of a list.
    fn each(
        &mut self,
        call: &Call<'_>,
        key: &str,
        ask: impl Fn(&Store, &mut Consumer, &str, i32) -> Result<i64, Refusal>,
    ) -> Answer {
        let server = self.server.clone();
        let store = server.engine.store.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut found = Vec::new();
        for pair in call.args.get("topic_vgroup_ids").and_then(Json::as_array).into_iter().flatten() {
            let (topic, vgroup) = named(pair.as_object());
            match self.owned(&store, topic, vgroup).and_then(|()| ask(&store, self, topic, vgroup)) {
                Ok(offset) => found.push(offset),
                Err((code, message)) => return self.error(call, code, message),
            }
        }
        let mut more = json!({});
        more[key] = json!(found);
        self.reply(call, more)
    }

    /// Says why a vgroup of a topic is not this consumer's.
    fn owned(&self, store: &Store, topic: &str, vgroup: i32) -> Result<(), Refusal> {
        let member = self.member.as_ref().ok_or(NO_TOPIC)?;
        if !member.topics.iter().any(|t| t == topic) {
            return Err(NO_TOPIC);
        }
        let own = member.vgroups(store);
        if own.iter().any(|(t, v)| t == topic && *v == vgroup) { Ok(()) } else { Err(NO_VGROUP) }
    }

    pub(super) fn assignment(&mut self, call: &Call<'_>) -> Answer {
        let topic = call.args.get("topic").and_then(Json::as_str).unwrap_or_default();
        let server = self.server.clone();
        let store = server.engine.store.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(member) = self.member.as_mut().filter(|m| m.topics.iter().any(|t| t == topic)) else {
            return self.error(call, NO_TOPIC.0, NO_TOPIC.1);
        };
        let mut assignment = Vec::new();
        for (_, vgroup) in member.vgroups(&store).into_iter().filter(|(t, _)| t == topic) {
            let place = member.place(&store, topic, vgroup);
            if !place.snapshot_taken || !place.snapshot.is_empty() {
                return self.error(call, IN_SNAPSHOT.0, IN_SNAPSHOT.1);
            }
            let (begin, end) = bounds(&store, topic, vgroup);
            assignment.push(json!({"vgroup_id": vgroup, "offset": place.begin, "begin": begin, "end": end}));
        }
        self.reply(call, json!({ "assignment": assignment }))
    }

    pub(super) fn seek(&mut self, call: &Call<'_>) -> Answer {
        match self.offset(call) {
            Ok((topic, vgroup, offset)) => {
                if let Some(place) = self.member.as_mut().and_then(|m| m.places.get_mut(&(topic, vgroup))) {
                    (place.next, place.begin) = (offset, offset);
                }
                self.reply(call, json!({}))
            }
            Err((code, message)) => self.error(call, code, message),
        }
    }

    pub(super) fn commit_offset(&mut self, call: &Call<'_>) -> Answer {
        match self.offset(call) {
            Ok((topic, vgroup, offset)) => {
                let group = self.member.as_ref().map(|m| m.settings.group.clone()).unwrap_or_default();
                self.with_store(|store| store.topics.commit(&topic, &group, vgroup, offset));
                self.reply(call, json!({"topic": topic, "vgroup_id": vgroup, "offset": offset}))
            }
            Err((code, message)) => self.error(call, code, message),
        }
    }

    /// Topic, vgroup and offset of a call, checked.
    fn offset(&self, call: &Call<'_>) -> Result<(String, i32, i64), Refusal> {
        let (topic, vgroup) = named(Some(call.args));
        let offset = call.args.get("offset").and_then(Json::as_i64).unwrap_or(0);
        let store = self.server.engine.store.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.owned(&store, topic, vgroup)?;
        let place = self.member.as_ref().and_then(|m| m.places.get(&(topic.to_string(), vgroup))).ok_or(NOT_YET)?;
        if !place.snapshot_taken || !place.snapshot.is_empty() {
            return Err(IN_SNAPSHOT);
        }
        let (begin, end) = bounds(&store, topic, vgroup);
        if offset < begin || offset > end { Err(OUT_OF_RANGE) } else { Ok((topic.to_string(), vgroup, offset)) }
    }
}

fn named(pair: Option<&serde_json::Map<String, Json>>) -> (&str, i32) {
    let topic = pair.and_then(|p| p.get("topic")).and_then(Json::as_str).unwrap_or_default();
    let vgroup = pair.and_then(|p| p.get("vgroup_id")).and_then(Json::as_i64).unwrap_or(0);
    (topic, i32::try_from(vgroup).unwrap_or(0))
}

/// The first entry of a vgroup's log, and the next one to come.
fn bounds(store: &Store, topic: &str, vgroup: i32) -> (i64, i64) {
    let log = store.topics.get(topic).and_then(|t| store.database(&t.database)).map(|d| &d.log);
    let log = log.and_then(|log| log.get((vgroup - FIRST_VGROUP) as usize));
    log.map_or((0, 0), |l| (l.first(), l.end()))
}
