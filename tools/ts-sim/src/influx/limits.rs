//! Limits of series, of values per tag, and of the write cache: what a full server refuses, and how much of a batch it
//! takes with it (dossier measured 2.11 and 2.12; 1.6.7 and 1.8.10 were asked).

use super::flavor::Flavor;
use super::points::{Point, Value};
use super::store::{Data, SplitKey};
use crate::args::LimitArgs;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// The limits of a server; 0 is none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// 1.x `max-series-per-database`.
    pub series: u64,
    /// 1.x `max-values-per-tag`.
    pub values_per_tag: u64,
    /// 1.x `cache-max-memory-size`, 2.x `storage-cache-max-memory-size`, in bytes. It counts for every shard by itself.
    pub cache: u64,
}

impl Limits {
    /// What the command line says; an error names the option that this version does not have.
    pub fn new(args: &LimitArgs, flavor: Flavor) -> Result<Limits, String> {
        let only = |given: bool, known: bool, what: &str, versions: &str| match given && !known {
            true => Err(format!("{what} is a limit of InfluxDB {versions} only")),
            false => Ok(()),
        };
        let (v1, v2) = (flavor.is_v1(), flavor == Flavor::V29);
        only(args.max_series > 0, v1, "--max-series", "1")?;
        only(args.max_values_per_tag > 0, v1, "--max-values-per-tag", "1")?;
        only(args.max_concurrent_writes > 0, v1, "--max-concurrent-writes", "1")?;
        only(args.cache_max_memory.is_some(), v1 || v2, "--cache-max-memory", "1 and 2")?;
        only(args.query_concurrency > 0, v2, "--query-concurrency", "2")?;
        Ok(Limits {
            series: args.max_series,
            values_per_tag: args.max_values_per_tag,
            cache: args.cache_max_memory.unwrap_or(0),
        })
    }
}

/// The limits during one write, and what else is in the database.
pub struct Bounds<'a> {
    limits: Limits,
    /// Other policies of the database: its series are counted over all of them.
    others: Vec<&'a Data>,
    /// Series of the database.
    series: u64,
}

/// Points that a limit of series keeps out.
pub struct Over {
    pub reason: String,
    /// What the server says that it dropped: points of new series, and only those.
    pub dropped: usize,
    /// For each point of the shard's part: it is not stored.
    pub lost: Vec<bool>,
    /// Keys of new series that are made all the same.
    pub created: Vec<Box<[u8]>>,
}

/// The values of a tag, by measurement and tag key.
type TagValues = HashMap<(Vec<u8>, Vec<u8>), HashSet<Vec<u8>>>;

impl<'a> Bounds<'a> {
    /// `data` is what is written to.
    pub fn new(limits: Limits, data: &Data, others: Vec<&'a Data>) -> Bounds<'a> {
        if limits.series == 0 {
            return Bounds { limits, others, series: 0 };
        }
        let mut elsewhere: HashSet<&[u8]> = HashSet::new();
        for other in &others {
            elsewhere.extend(other.keys().filter(|key| !data.knows(key)));
        }
        let series = (data.keys().count() + elsewhere.len()) as u64;
        Bounds { limits, others, series }
    }

    /// No limits: for data that are there from the start.
    pub fn none() -> Bounds<'a> {
        Bounds { limits: Limits::default(), others: Vec::new(), series: 0 }
    }

    /// Checks one shard's points. The state before the batch counts, so that any number of new values may come in one
    /// batch; and points count, not series: two points of one new series take two places.
    pub fn check(&mut self, data: &Data, points: &[&Point], split: SplitKey) -> Option<Over> {
        if self.limits.series == 0 && self.limits.values_per_tag == 0 {
            return None;
        }
        let known = |key: &[u8]| data.knows(key) || self.others.iter().any(|other| other.knows(key));
        // The server moves the keys it still has to look at to the front of the only list that it has. Later it takes
        // the n-th key of that list for the n-th point's: which point is lost depends on that (1.6.7).
        let mut keys: Vec<&[u8]> = points.iter().map(|point| &*point.key).collect();
        let fresh: Vec<&[u8]> = keys.iter().copied().filter(|key| !known(key)).collect();
        keys.iter_mut().zip(&fresh).for_each(|(place, key)| *place = key);
        let (mut reason, mut values) = (None, TagValues::new());
        let (mut passed, mut refused) = (Vec::new(), Vec::new());
        for key in fresh {
            match self.tag_over(data, key, split, &mut values) {
                Some(text) => {
                    reason.get_or_insert(text);
                    refused.push(key);
                }
                None => passed.push(key),
            }
        }
        keys.iter_mut().zip(&passed).for_each(|(place, key)| *place = key);
        if self.limits.series > 0 && self.series + passed.len() as u64 > self.limits.series {
            reason = Some(format!("max-series-per-database limit exceeded: ({})", self.limits.series));
            refused.append(&mut passed);
        }
        self.series += passed.iter().collect::<HashSet<_>>().len() as u64;
        let (reason, dropped) = (reason?, refused.len());
        let refused: HashSet<&[u8]> = refused.into_iter().collect();
        let lost = keys.iter().map(|key| refused.contains(key)).collect();
        Some(Over { reason, dropped, lost, created: passed.into_iter().map(Box::from).collect() })
    }

    /// Why one of a new series' tag values is too many.
    fn tag_over(&self, data: &Data, key: &[u8], split: SplitKey, values: &mut TagValues) -> Option<String> {
        let most = self.limits.values_per_tag;
        if most == 0 {
            return None;
        }
        let (name, tags) = split(key);
        tags.into_iter().find_map(|(tag, value)| {
            let known = values.entry((name.clone(), tag.clone())).or_insert_with(|| {
                let everywhere = self.others.iter().copied().chain([data]);
                let series = everywhere.filter_map(|d| d.measurement(&name)).flat_map(|m| &m.series);
                series.map(|s| s.tag(&tag).to_vec()).filter(|v| !v.is_empty()).collect()
            });
            let n = known.len() as u64;
            (n >= most && !known.contains(&value)).then(|| {
                let (name, tag, value) = (text(&name), text(&tag), text(&value));
                format!(
                    "max-values-per-tag limit exceeded ({n}/{most}): measurement={name:?} tag={tag:?} value={value:?}"
                )
            })
        })
    }

    /// The limit of the cache of a shard.
    pub fn cache(&self) -> u64 {
        self.limits.cache
    }
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// The write cache of one shard. It is never written out here, like one that is smaller than the size at which a server
/// begins to.
#[derive(Debug, Default)]
pub struct Cache {
    size: u64,
    columns: HashMap<(u32, u32, u32), u64>,
}

/// Between a series key and a field key, in the cache's keys.
const SEPARATOR: u64 = 4;

impl Cache {
    /// The bytes that the values of a batch would make of it, if that is more than `limit`.
    pub fn over<'a>(&self, limit: u64, values: impl Iterator<Item = &'a Value<'a>>) -> Option<u64> {
        let needed = self.size + values.map(size).sum::<u64>();
        (needed > limit).then_some(needed)
    }

    /// Takes a value of (measurement, series, field); the first of a column brings its key.
    pub fn add(&mut self, column: (u32, u32, u32), series_key: &[u8], field: &[u8], value: &Value) {
        let key = series_key.len() as u64 + SEPARATOR + field.len() as u64;
        let held = self.columns.entry(column).or_insert_with(|| {
            self.size += key;
            key
        });
        *held += size(value);
        self.size += size(value);
    }

    /// Forgets a measurement.
    pub fn drop_measurement(&mut self, measurement: u32) {
        self.columns.retain(|(m, _, _), held| {
            if *m == measurement {
                self.size -= *held;
            }
            *m != measurement
        });
    }
}

/// Bytes of a value with its time, as the servers count them.
fn size(value: &Value) -> u64 {
    match value {
        Value::Float(_) | Value::Int(_) | Value::Uint(_) => 16,
        Value::Bool(_) => 9,
        Value::Str(text) => 8 + text.len() as u64,
    }
}
