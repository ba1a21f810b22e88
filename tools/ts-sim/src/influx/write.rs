//! Putting parsed points into a policy: retention, type conflicts, limits, and what the server says about them.
//!
//! The order of the checks is the server's: retention first, then shard by shard; all shards are written, but only
//! the first one's complaint reaches the client (dossier influxdb 2.4, measured 2.4 and 2.5).

use super::flavor::Flavor;
use super::limits::Bounds;
use super::points::{Batch, Point, Value};
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
    /// The write cache of a shard has no room; nothing of that shard's part is stored.
    Full(String),
}

/// Stores a batch. `now` is the server's clock in ns.
pub fn write(
    policy: &mut Policy,
    mut bounds: Bounds,
    batch: &Batch,
    flavor: Flavor,
    split: SplitKey,
    now: i64,
) -> Result<(), Refusal> {
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
        let refusal = write_shard(&mut policy.data, &mut bounds, (start, &points), batch, flavor, split);
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
    bounds: &mut Bounds,
    (start, points): (i64, &[usize]),
    batch: &Batch,
    flavor: Flavor,
    split: SplitKey,
) -> Result<(), Refusal> {
    let mut drops = Drops::default();
    let mut pending: HashMap<(u32, u32), Type> = HashMap::new();
    let mut clash = false;
    let mut accepted: Vec<(u32, u32, &Point, Vec<(u32, usize)>)> = Vec::with_capacity(points.len());
    let mut valid: Vec<&Point> = Vec::with_capacity(points.len());
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
        valid.push(point);
    }
    if let Some(over) = bounds.check(data, &valid, split) {
        for key in over.created {
            data.series(&key, split);
        }
        if flavor != Flavor::V16 {
            // good points of known series go with the others, and are not counted (1.8.10)
            return Err(Refusal::Partial { reason: over.reason, dropped: over.dropped, placed: false });
        }
        drops.count += over.dropped;
        drops.reason = Some(over.reason);
        let mut lost = over.lost.into_iter();
        valid.retain(|_| lost.next() != Some(true));
    }
    let located: Vec<(&Point, u32, u32)> = valid
        .into_iter()
        .map(|point| {
            let (m, s) = data.series(&point.key, split);
            (point, m, s)
        })
        .collect();
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
            None => accepted.push((m, s, point, ids)),
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
    if bounds.cache() > 0 {
        fill_cache(data, bounds.cache(), start, &accepted, batch)?;
    }
    for (m, s, point, ids) in accepted {
        if let Some(measurement) = data.measurements.get_mut(m as usize) {
            measurement.push(
                s,
                point.time,
                ids.iter().filter_map(|&(id, at)| batch.fields.get(at).map(|f| (id, &f.value))),
            );
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

/// Makes room in the cache of a shard, or not at all.
fn fill_cache(
    data: &mut Data,
    limit: u64,
    start: i64,
    accepted: &[(u32, u32, &Point, Vec<(u32, usize)>)],
    batch: &Batch,
) -> Result<(), Refusal> {
    let cache = data.caches.entry(start).or_default();
    let fields = accepted.iter().flat_map(|(m, s, point, ids)| {
        ids.iter().filter_map(move |&(id, at)| batch.fields.get(at).map(|field| ((*m, *s, id), point, field)))
    });
    if let Some(needed) = cache.over(limit, fields.clone().map(|(_, _, field)| &field.value)) {
        return Err(Refusal::Full(format!("engine: cache-max-memory-size exceeded: ({needed}/{limit})")));
    }
    fields.for_each(|(column, point, field)| cache.add(column, &point.key, &field.key, &field.value));
    Ok(())
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
