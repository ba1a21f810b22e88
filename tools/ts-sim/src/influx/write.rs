//! Putting parsed points into a policy: retention, type conflicts, limits, and what the server says about them.
//!
//! The order of the checks is the server's: retention first, then shard by shard; all shards are written, but only
//! the first one's complaint reaches the client (dossier influxdb 2.4, measured 2.4 and 2.5).

use super::flavor::Flavor;
use super::points::{Batch, Value};
use super::store::{Data, Policy, SplitKey, Type};
use super::time::{duration_text, rfc3339};
use std::collections::HashMap;

/// Why not everything was stored.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Some points were dropped, the others are stored: `partial write: REASON dropped=N`.
    /// `placed`: 2.x goes on to name the bucket and the policy.
    Partial { reason: String, dropped: usize, placed: bool },
    /// The batch of a shard was refused as a whole.
    Whole(String),
}

/// Stores a batch. `now` is the server's clock in ns.
pub fn write(policy: &mut Policy, batch: &Batch, flavor: Flavor, split: SplitKey, now: i64) -> Result<(), Refusal> {
    let oldest = if policy.duration == 0 { i64::MIN } else { now.saturating_sub(policy.duration) };
    let mut expired = Expired::default();
    let mut shards: Vec<(i64, Vec<usize>)> = Vec::new();
    let mut places: HashMap<i64, usize> = HashMap::new();
    for (n, point) in batch.points.iter().enumerate() {
        if point.time < oldest {
            expired.add(point.time, &point.key);
            continue;
        }
        let start = policy.shard_of(point.time);
        let place = match shards.last() {
            Some((last, _)) if *last == start => shards.len() - 1,
            _ => *places.entry(start).or_insert(shards.len()),
        };
        match shards.get_mut(place) {
            Some((_, points)) => points.push(n),
            None => shards.push((start, vec![n])),
        }
    }
    let mut first: Option<Refusal> = None;
    for (start, points) in shards {
        let refusal = write_shard(&mut policy.data, start, &points, batch, flavor, split);
        first = first.or(refusal.err());
    }
    match first.or_else(|| expired.refusal(flavor, policy.duration, oldest)) {
        Some(refusal) => Err(refusal),
        None => Ok(()),
    }
}

/// Points older than the retention period.
#[derive(Default)]
struct Expired {
    count: usize,
    oldest: Option<(i64, Vec<u8>)>,
    newest: Option<(i64, Vec<u8>)>,
}

impl Expired {
    fn add(&mut self, time: i64, key: &[u8]) {
        self.count += 1;
        if self.oldest.as_ref().is_none_or(|(t, _)| time < *t) {
            self.oldest = Some((time, key.to_vec()));
        }
        if self.newest.as_ref().is_none_or(|(t, _)| time > *t) {
            self.newest = Some((time, key.to_vec()));
        }
    }

    fn refusal(&self, flavor: Flavor, duration: i64, bound: i64) -> Option<Refusal> {
        let (oldest, newest) = (self.oldest.as_ref()?, self.newest.as_ref()?);
        let reason = if flavor.verbose_drops() {
            let one = |(time, key): &(i64, Vec<u8>)| {
                let key = String::from_utf8_lossy(key).into_owned();
                let (time, bound) = (rfc3339(*time), rfc3339(bound));
                format!("{key} at {time} dropped because it violates a Retention Policy Lower Bound at {bound}")
            };
            let duration = duration_text(duration);
            let ends = format!("oldest point {}, newest point {}", one(oldest), one(newest));
            format!("dropped {} points outside retention policy of duration {duration} - {ends}", self.count)
        } else {
            "points beyond retention policy".to_string()
        };
        Some(Refusal::Partial { reason, dropped: self.count, placed: true })
    }
}

/// The first reason and the number of dropped points.
#[derive(Default)]
struct Drops {
    reason: Option<String>,
    count: usize,
}

impl Drops {
    fn note(&mut self, reason: impl FnOnce() -> String) {
        self.reason.get_or_insert_with(reason);
    }
}

fn write_shard(
    data: &mut Data,
    start: i64,
    points: &[usize],
    batch: &Batch,
    flavor: Flavor,
    split: SplitKey,
) -> Result<(), Refusal> {
    let mut drops = Drops::default();
    let mut pending: HashMap<(u32, u32), Type> = HashMap::new();
    let mut clash = false;
    let mut accepted: Vec<(u32, u32, i64, Vec<(u32, usize)>)> = Vec::with_capacity(points.len());
    let mut located = Vec::with_capacity(points.len());
    for point in points.iter().filter_map(|&n| batch.points.get(n)) {
        if !data.knows(&point.key) {
            let (name, tags) = split(&point.key);
            if tags.iter().any(|(k, _)| k == b"time") {
                drops.count += 1;
                drops.note(|| {
                    format!("invalid tag key: input tag \"time\" on measurement \"{}\" is invalid", text(&name))
                });
                continue;
            }
        }
        let (m, s) = data.series(&point.key, split);
        located.push((point, m, s));
    }
    for (point, m, s) in located {
        let Some(measurement) = data.measurements.get_mut(m as usize) else { continue };
        let fields = batch.fields.get(point.fields.clone()).unwrap_or_default();
        let kept = |key: &[u8]| key != b"time";
        if !fields.iter().any(|f| kept(&f.key)) {
            drops.count += 1;
            drops.note(|| {
                format!(
                    "invalid field name: input field \"time\" on measurement \"{}\" is invalid",
                    text(&measurement.name)
                )
            });
            continue;
        }
        if flavor.reports_stripped_time() && fields.iter().any(|f| !kept(&f.key)) {
            drops.note(|| {
                let name = text(&measurement.name);
                format!("invalid field name: input field \"time\" on measurement \"{name}\" is invalid. Field \"time\" has been stripped from point.")
            });
        }
        let mut ids = Vec::with_capacity(fields.len());
        for (at, field) in fields.iter().enumerate().filter(|(_, f)| kept(&f.key)) {
            ids.push((measurement.field(&field.key), at + point.fields.start));
        }
        let conflict = |known: Type, key: &[u8], value: &Value, name: &[u8]| {
            let (input, known) = (Type::of(value).name(), known.name());
            let (key, name) = (text(key), text(name));
            format!(
                "field type conflict: input field \"{key}\" on measurement \"{name}\" is type {input}, already exists as type {known}"
            )
        };
        let types = measurement.shards.entry(start).or_default();
        let complaint = ids.iter().find_map(|&(id, at)| {
            let field = batch.fields.get(at)?;
            if let Value::Str(s) = &field.value
                && s.len() > flavor.max_string()
            {
                let (key, name) = (text(&field.key), text(&measurement.name));
                return Some(format!(
                    "input field \"{key}\" on measurement \"{name}\" is too long, {} > {}",
                    s.len(),
                    flavor.max_string()
                ));
            }
            let known = types.get(id as usize).copied().flatten()?;
            (known != Type::of(&field.value)).then(|| conflict(known, &field.key, &field.value, &measurement.name))
        });
        let late = complaint.or_else(|| {
            ids.iter().find_map(|&(id, at)| {
                let field = batch.fields.get(at)?;
                let ty = Type::of(&field.value);
                if flavor.refuses_new_conflicts() {
                    if types.get(id as usize).copied().flatten().is_none() {
                        clash |= *pending.entry((m, id)).or_insert(ty) != ty;
                    }
                    return None;
                }
                if types.len() <= id as usize {
                    types.resize(id as usize + 1, None);
                }
                let known = *types.get_mut(id as usize)?.get_or_insert(ty);
                (known != ty).then(|| conflict(known, &field.key, &field.value, &measurement.name))
            })
        });
        match late {
            Some(reason) => {
                drops.count += 1;
                drops.note(|| reason);
            }
            None => accepted.push((m, s, point.time, ids)),
        }
    }
    if clash {
        return Err(Refusal::Whole("field type conflict".into()));
    }
    for ((m, id), ty) in pending {
        if let Some(measurement) = data.measurements.get_mut(m as usize) {
            let types = measurement.shards.entry(start).or_default();
            if types.len() <= id as usize {
                types.resize(id as usize + 1, None);
            }
            if let Some(slot) = types.get_mut(id as usize) {
                *slot = Some(ty);
            }
        }
    }
    for (m, s, time, ids) in accepted {
        if let Some(measurement) = data.measurements.get_mut(m as usize) {
            measurement.push(s, time, ids.iter().filter_map(|&(id, at)| batch.fields.get(at).map(|f| (id, &f.value))));
        }
    }
    match drops.reason {
        Some(reason) => {
            let placed = reason.ends_with("stripped from point.");
            Err(Refusal::Partial { reason, dropped: drops.count, placed })
        }
        None => Ok(()),
    }
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
