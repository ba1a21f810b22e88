//! What a comparison says: a record per difference, then the summary. JSON lines for programs, text for people.

use crate::classes::Class;
use fault::{Error, Result};
use rows::time::Unit;
use serde_json::{Map, Value, json};
use std::io::{BufWriter, Write};

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Out {
    /// One JSON object per line, the summary last
    Json,
    /// Lines for people
    Text,
}

/// What kind of difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In a, not in b.
    Missing,
    /// In b, not in a.
    Extra,
    /// Another value.
    Changed,
    /// A value of another type, or a column of another role.
    Type,
    /// A whole bucket, where rows were not looked at.
    Bucket,
}

impl Kind {
    const ALL: [Kind; 5] = [Kind::Missing, Kind::Extra, Kind::Changed, Kind::Type, Kind::Bucket];

    fn name(self) -> &'static str {
        match self {
            Kind::Missing => "missing",
            Kind::Extra => "extra",
            Kind::Changed => "changed",
            Kind::Type => "type",
            Kind::Bucket => "bucket",
        }
    }
}

/// One difference.
pub struct Record<'a> {
    pub kind: Kind,
    /// The series' label.
    pub series: Option<&'a str>,
    pub time: Option<i128>,
    /// The field; `None` where a whole row is missing or extra: then `a` or `b` holds its values by field.
    pub field: Option<&'a str>,
    pub a: Value,
    pub b: Value,
    pub class: Option<Class>,
    /// Further keys.
    pub more: Map<String, Value>,
}

/// Writes records, up to a limit, and counts all.
pub struct Report<W: Write> {
    out: BufWriter<W>,
    form: Out,
    limit: u64,
    unit: Unit,
    pub shown: u64,
    /// Deviations of classes that are allowed in any number: neither shown nor counted as differences.
    pub allowed: u64,
    counts: [u64; Kind::ALL.len()],
    /// The first differences, at most `keep`, whatever the limit.
    pub first: Vec<Value>,
    keep: usize,
}

impl<W: Write> Report<W> {
    /// `unit`: the digits of times; `keep`: so many differences are kept in memory, too.
    pub fn new(out: W, form: Out, limit: u64, unit: Unit, keep: usize) -> Self {
        Report {
            out: BufWriter::with_capacity(1 << 16, out),
            form,
            limit,
            unit,
            shown: 0,
            allowed: 0,
            counts: [0; Kind::ALL.len()],
            first: Vec::new(),
            keep,
        }
    }

    /// Counts a difference, and shows it unless the limit is reached.
    pub fn difference(&mut self, record: &Record) -> Result<()> {
        self.counts[record.kind as usize] += 1;
        if self.first.len() < self.keep {
            self.first.push(self.value(record));
        }
        if self.shown >= self.limit {
            return Ok(());
        }
        self.shown += 1;
        let line = match self.form {
            Out::Json => self.value(record).to_string(),
            Out::Text => self.text(record),
        };
        self.line(&line)
    }

    /// Counts differences that are not shown.
    pub fn count_more(&mut self, kind: Kind, n: u64) {
        self.counts[kind as usize] += n;
    }

    /// Is there room for another record?
    pub fn has_room(&self) -> bool {
        self.shown < self.limit
    }

    /// Differences of all kinds, shown or not.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// `2 missing, 1 changed`.
    pub fn words(&self) -> String {
        let some = Kind::ALL.into_iter().filter(|kind| self.counts[*kind as usize] > 0);
        let words: Vec<String> = some.map(|kind| format!("{} {}", self.counts[kind as usize], kind.name())).collect();
        words.join(", ")
    }

    /// The counts for the summary.
    pub fn counts(&self) -> Value {
        Value::Object(
            Kind::ALL.iter().map(|kind| (kind.name().to_owned(), self.counts[*kind as usize].into())).collect(),
        )
    }

    /// Writes the last line and gives back the output.
    pub fn finish(mut self, summary: &Value) -> Result<W> {
        match self.form {
            Out::Json => self.line(&summary.to_string())?,
            Out::Text => {
                let hidden = self.total() - self.shown;
                if hidden > 0 {
                    self.line(&format!("... and {hidden} more"))?;
                }
                for line in text_summary(summary) {
                    self.line(&line)?;
                }
            }
        }
        self.out.into_inner().map_err(|error| Error::io("cannot write the report", error.into_error()))
    }

    fn line(&mut self, line: &str) -> Result<()> {
        let written = self.out.write_all(line.as_bytes()).and_then(|()| self.out.write_all(b"\n"));
        written.map_err(|error| Error::io("cannot write the report", error))
    }

    fn value(&self, record: &Record) -> Value {
        let series: Value = record.series.map_or(Value::Null, |label| serde_json::from_str(label).unwrap_or_default());
        let mut map = Map::new();
        map.insert("kind".into(), record.kind.name().into());
        map.insert("series".into(), series);
        map.insert(
            "ts".into(),
            record.time.map_or(Value::Null, |time| crate::canonical::instant(time, self.unit).into()),
        );
        map.insert("field".into(), record.field.map_or(Value::Null, Value::from));
        map.insert("a".into(), record.a.clone());
        map.insert("b".into(), record.b.clone());
        if let Some(class) = record.class {
            map.insert("class".into(), class.name().into());
        }
        map.extend(record.more.clone());
        Value::Object(map)
    }

    fn text(&self, record: &Record) -> String {
        let mut parts = vec![format!("{:<8}", record.kind.name())];
        if let Some(time) = record.time {
            parts.push(crate::canonical::instant(time, self.unit));
        }
        parts.extend(record.series.map(series_text));
        parts.extend(record.field.map(str::to_owned));
        let side = |value: &Value| match value {
            Value::Null => "nothing".to_owned(),
            Value::Object(map) => map.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" "),
            other => other.to_string(),
        };
        parts.push(match record.kind {
            Kind::Missing => format!("only in a: {}", side(&record.a)),
            Kind::Extra => format!("only in b: {}", side(&record.b)),
            _ => format!("a: {}  b: {}", side(&record.a), side(&record.b)),
        });
        for (key, value) in &record.more {
            parts.push(format!("{key}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
        }
        parts.extend(record.class.map(|class| format!("({})", class.name())));
        parts.join(" ")
    }
}

/// `meters,device=d1` from a label.
fn series_text(label: &str) -> String {
    let value: Value = serde_json::from_str(label).unwrap_or_default();
    let mut text = value.get("measurement").and_then(Value::as_str).unwrap_or("-").to_owned();
    for (name, tag) in value.get("tags").and_then(Value::as_object).into_iter().flatten() {
        text.push_str(&format!(",{name}={}", tag.as_str().unwrap_or_default()));
    }
    text
}

fn text_summary(summary: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for side in ["a", "b"] {
        let get = |key: &str| summary.get(side).and_then(|s| s.get(key)).cloned().unwrap_or_default();
        lines.push(format!(
            "{side}: {} rows, {} cells, {} series, {} buckets ({})",
            get("rows"),
            get("cells"),
            get("series"),
            get("buckets"),
            get("name").as_str().unwrap_or_default()
        ));
    }
    for (name, class) in summary.get("classes").and_then(Value::as_object).into_iter().flatten() {
        let allowed = if class.get("allowed") == Some(&json!(true)) { "allowed" } else { "not allowed" };
        lines.push(format!("class {name}: {} ({allowed})", class.get("count").cloned().unwrap_or_default()));
    }
    if let Some(end) = summary.get("options").and_then(|options| options.get("settled_until")).and_then(Value::as_str) {
        lines.push(format!("left out: rows from {end} on, which may not have settled"));
    }
    if let Some(rechecks) = summary.get("rechecks").filter(|rechecks| !rechecks.is_null()) {
        let get = |key: &str| rechecks.get(key).cloned().unwrap_or_default();
        lines.push(format!(
            "rechecks: {} made; of {} buckets that differed at first, {} settled",
            get("made"),
            get("buckets"),
            get("settled")
        ));
    }
    lines.push(format!("verdict: {}", summary.get("message").and_then(Value::as_str).unwrap_or_default()));
    lines
}
