//! What the simulated server holds: databases (v2: buckets), retention policies, measurements, series.

use super::limits::Cache;
use super::points::{self, Value};
use super::rows::Rows;
use std::collections::{BTreeMap, HashMap};

/// A field's type, in the words of `SHOW FIELD KEYS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    Float,
    Integer,
    Unsigned,
    String,
    Boolean,
}

impl Type {
    /// The type of a value.
    pub fn of(value: &Value) -> Type {
        match value {
            Value::Float(_) => Type::Float,
            Value::Int(_) => Type::Integer,
            Value::Uint(_) => Type::Unsigned,
            Value::Bool(_) => Type::Boolean,
            Value::Str(_) => Type::String,
        }
    }

    /// The name that InfluxDB 1 and 2 use.
    pub fn name(self) -> &'static str {
        match self {
            Type::Float => "float",
            Type::Integer => "integer",
            Type::Unsigned => "unsigned",
            Type::String => "string",
            Type::Boolean => "boolean",
        }
    }
}

/// All databases by name.
#[derive(Default)]
pub struct Store {
    pub databases: BTreeMap<String, Database>,
}

/// One database (v2: bucket, with the single policy `autogen`).
pub struct Database {
    pub default_policy: String,
    pub policies: BTreeMap<String, Policy>,
}

/// One retention policy with its data.
pub struct Policy {
    /// How long points are kept, ns; 0 = for ever.
    pub duration: i64,
    /// Length of a shard group, ns; 0 = one shard for all time (v3: a column's type is fixed for ever).
    pub shard: i64,
    pub data: Data,
}

/// Measurements and series of one policy.
#[derive(Default)]
pub struct Data {
    pub measurements: Vec<Measurement>,
    by_name: HashMap<Box<[u8]>, u32>,
    by_key: HashMap<Box<[u8]>, (u32, u32)>,
    /// Write caches by shard start, when their size is limited.
    pub caches: HashMap<i64, Cache>,
}

/// One measurement (v3: table).
pub struct Measurement {
    pub name: Vec<u8>,
    /// Field names by id.
    pub fields: Vec<Box<[u8]>>,
    field_ids: HashMap<Box<[u8]>, u32>,
    /// Types by shard start and field id.
    pub shards: BTreeMap<i64, Vec<Option<Type>>>,
    pub series: Vec<Series>,
    /// Some series has rows that are not in order yet.
    pub disorder: bool,
}

/// One series: sorted tags and rows.
pub struct Series {
    pub tags: Vec<(Vec<u8>, Vec<u8>)>,
    pub rows: Rows,
}

const HOUR: i64 = 3_600_000_000_000;
const DAY: i64 = 24 * HOUR;

/// The shard group length that InfluxDB chooses for a retention duration (dossier influxdb 2.2).
pub fn default_shard(duration: i64) -> i64 {
    match duration {
        0 => 7 * DAY,
        d if d >= 180 * DAY => 7 * DAY,
        d if d >= 2 * DAY => DAY,
        _ => HOUR,
    }
}

impl Database {
    /// A database with one policy.
    pub fn new(policy: &str, duration: i64, shard: i64) -> Database {
        let policies = BTreeMap::from([(policy.to_string(), Policy::new(duration, shard))]);
        Database { default_policy: policy.to_string(), policies }
    }

    /// The policy of this name, or the default one for `None`.
    pub fn policy(&self, name: Option<&str>) -> Option<&Policy> {
        self.policies.get(name.unwrap_or(&self.default_policy))
    }

    /// As [`Database::policy`], to write to.
    pub fn policy_mut(&mut self, name: Option<&str>) -> Option<&mut Policy> {
        let name = name.unwrap_or(&self.default_policy).to_string();
        self.policies.get_mut(&name)
    }
}

impl Database {
    /// The policy to write to, and the data of the others.
    pub fn apart(&mut self, name: Option<&str>) -> Option<(&mut Policy, Vec<&Data>)> {
        let name = name.unwrap_or(&self.default_policy);
        let (mut target, mut others) = (None, Vec::new());
        for (policy_name, policy) in &mut self.policies {
            match policy_name == name {
                true => target = Some(policy),
                false => others.push(&policy.data),
            }
        }
        target.map(|target| (target, others))
    }
}

impl Policy {
    /// An empty policy; both lengths in ns.
    pub fn new(duration: i64, shard: i64) -> Policy {
        Policy { duration, shard, data: Data::default() }
    }

    /// The start of the shard group that holds `time`. Groups are counted from the year 1, as Go truncates times.
    pub fn shard_of(&self, time: i64) -> i64 {
        const YEAR_ONE: i128 = 62_135_596_800 * 1_000_000_000;
        if self.shard == 0 {
            return 0;
        }
        let since = i128::from(time) + YEAR_ONE;
        let start = since - since.rem_euclid(i128::from(self.shard)) - YEAR_ONE;
        i64::try_from(start).unwrap_or(i64::MIN)
    }
}

/// How a series key is read; v3 has its own form because its escapes differ.
pub type SplitKey = fn(&[u8]) -> (Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>);

impl Data {
    /// True when the series exists.
    pub fn knows(&self, key: &[u8]) -> bool {
        self.by_key.contains_key(key)
    }

    /// The keys of all series.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.by_key.keys().map(|key| &**key)
    }

    /// The measurement and series of a key, made when new.
    pub fn series(&mut self, key: &[u8], split: SplitKey) -> (u32, u32) {
        if let Some(&ids) = self.by_key.get(key) {
            return ids;
        }
        let (name, tags) = split(key);
        let m = match self.by_name.get(name.as_slice()) {
            Some(&m) => m,
            None => {
                let m = self.measurements.len() as u32;
                self.by_name.insert(name.clone().into(), m);
                self.measurements.push(Measurement::new(name));
                m
            }
        };
        let mut s = 0;
        if let Some(measurement) = self.measurements.get_mut(m as usize) {
            s = measurement.series.len() as u32;
            measurement.series.push(Series { tags, rows: Rows::default() });
        }
        self.by_key.insert(key.into(), (m, s));
        (m, s)
    }

    /// The measurement of this name.
    pub fn measurement(&self, name: &[u8]) -> Option<&Measurement> {
        self.measurements.get(*self.by_name.get(name)? as usize)
    }

    /// Forgets one measurement; its ids are not used again.
    pub fn drop_measurement(&mut self, name: &[u8]) {
        if let Some(m) = self.by_name.remove(name) {
            self.by_key.retain(|_, (of, _)| *of != m);
            self.caches.values_mut().for_each(|cache| cache.drop_measurement(m));
            if let Some(measurement) = self.measurements.get_mut(m as usize) {
                *measurement = Measurement::new(Vec::new());
            }
        }
    }

    /// Names of the measurements that hold data, in order.
    pub fn names(&self) -> Vec<&[u8]> {
        let mut names: Vec<&[u8]> =
            self.measurements.iter().filter(|m| !m.series.is_empty()).map(|m| m.name.as_slice()).collect();
        names.sort_unstable();
        names
    }

    /// Puts everything in order, so that it can be read.
    pub fn settle(&mut self) {
        for measurement in self.measurements.iter_mut().filter(|m| m.disorder) {
            measurement.series.iter_mut().for_each(|series| series.rows.settle());
            measurement.disorder = false;
        }
    }
}

impl Measurement {
    fn new(name: Vec<u8>) -> Measurement {
        Measurement {
            name,
            fields: Vec::new(),
            field_ids: HashMap::new(),
            shards: BTreeMap::new(),
            series: Vec::new(),
            disorder: false,
        }
    }

    /// The id of a field, made when new.
    pub fn field(&mut self, key: &[u8]) -> u32 {
        if let Some(&id) = self.field_ids.get(key) {
            return id;
        }
        let id = self.fields.len() as u32;
        self.fields.push(key.into());
        self.field_ids.insert(key.into(), id);
        id
    }

    /// The id of a field that exists.
    pub fn field_id(&self, key: &[u8]) -> Option<u32> {
        self.field_ids.get(key).copied()
    }

    /// Names and types of all fields, one pair for every type that a field has in some shard, in order.
    pub fn field_types(&self) -> Vec<(&[u8], Type)> {
        let mut all: Vec<(&[u8], Type)> = Vec::new();
        for types in self.shards.values() {
            for (id, ty) in types.iter().enumerate() {
                if let (Some(name), Some(ty)) = (self.fields.get(id), ty) {
                    all.push((name, *ty));
                }
            }
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// All tag keys of all series, in order.
    pub fn tag_keys(&self) -> Vec<&[u8]> {
        let mut keys: Vec<&[u8]> = Vec::new();
        for series in &self.series {
            for (key, _) in &series.tags {
                if let Err(at) = keys.binary_search(&key.as_slice()) {
                    keys.insert(at, key);
                }
            }
        }
        keys
    }
}

impl Measurement {
    /// Adds a point to one of the series.
    pub fn push<'a>(&mut self, series: u32, time: i64, fields: impl Iterator<Item = (u32, &'a Value<'a>)>) {
        if let Some(series) = self.series.get_mut(series as usize) {
            series.rows.push(time, fields);
            self.disorder |= series.rows.unsettled();
        }
    }
}

impl Series {
    /// The value of a tag; a tag that is missing is empty.
    pub fn tag(&self, key: &[u8]) -> &[u8] {
        self.tags.iter().find(|(k, _)| k == key).map_or(&[], |(_, v)| v.as_slice())
    }
}

/// Reads the series keys of InfluxDB 1 and 2.
pub const SPLIT_V1: SplitKey = points::split_key;
