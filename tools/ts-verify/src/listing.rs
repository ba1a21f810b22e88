//! The report of a comparison by partition: a line for each that differs, then the summary.

use crate::args::ListArgs;
use crate::partitioned::Plan;
use crate::report::Out;
use cli::Run;
use cli::output::Output;
use fault::{Error, Kind, Result};
use serde_json::{Value, json};
use starrocks::catalog::{Column, Version};
use starrocks::pushdown::{Answer, Function, Question};
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};

/// What became of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    Equal,
    Differs,
    /// In a, not in b.
    Missing,
    /// In b, not in a.
    Extra,
    /// It differs, and changed each time that it was asked.
    Moved,
}

impl Word {
    fn name(self) -> &'static str {
        match self {
            Word::Equal => "equal",
            Word::Differs => "differs",
            Word::Missing => "missing",
            Word::Extra => "extra",
            Word::Moved => "moved",
        }
    }
}

/// A partition as one side has it.
pub struct Seen {
    pub version: Option<u64>,
    pub answer: Answer,
}

/// The report.
pub struct Listing<'a> {
    out: BufWriter<Output>,
    args: &'a ListArgs,
    run: &'a Run,
    names: [String; 2],
    function: Option<Function>,
    versions: Vec<Version>,
    rows: [u64; 2],
    pub tables: u64,
    partitions: u64,
    differing: u64,
    moved: u64,
    /// Tables whose columns are not the same.
    shapes: u64,
    shown: u64,
}

fn cannot_write(error: std::io::Error) -> Error {
    Error::io("cannot write the report", error)
}

impl<'a> Listing<'a> {
    /// Makes the output.
    pub fn new(args: &'a ListArgs, names: [String; 2], run: &'a Run) -> Result<Listing<'a>> {
        let out = BufWriter::new(Output::create(args.output.output.as_deref())?);
        let (function, versions, rows) = (None, Vec::new(), [0; 2]);
        let (tables, partitions, differing, moved, shapes, shown) = (0, 0, 0, 0, 0, 0);
        Ok(Listing {
            out,
            args,
            run,
            names,
            function,
            versions,
            rows,
            tables,
            partitions,
            differing,
            moved,
            shapes,
            shown,
        })
    }

    /// What is known once both sides have answered.
    pub fn begin(&mut self, question: Question, versions: [Version; 2]) {
        self.versions = versions.to_vec();
        self.function = match question {
            Question::Rows(function) | Question::Columns(function) => Some(function),
            Question::Counts => None,
        };
    }

    fn line(&mut self, json: &Value, text: &str) -> Result<()> {
        if self.shown >= self.args.limit {
            return Ok(());
        }
        self.shown += 1;
        match self.args.out {
            Out::Json => writeln!(self.out, "{json}"),
            Out::Text => writeln!(self.out, "{text}"),
        }
        .map_err(cannot_write)
    }

    /// A table whose columns differ: its rows are not compared.
    pub fn other_columns(&mut self, names: &[String; 2], what: &str) -> Result<()> {
        let [name, other] = names;
        self.shapes += 1;
        let mut json = json!({ "kind": "table", "table": name, "verdict": "differs", "reason": what });
        put_other(&mut json, name, other);
        self.line(&json, &format!("differs  - {name} columns: {what} (--ignore COLUMN leaves one out)"))
    }

    /// A partition. `detail`: the answers that tell its columns apart, of those in `columns`.
    pub fn partition(
        &mut self,
        names: &[String; 2],
        partition: &str,
        word: Word,
        seen: [Option<Seen>; 2],
        columns: &[&Column],
        detail: Option<[Option<Answer>; 2]>,
    ) -> Result<()> {
        self.partitions += 1;
        self.differing += u64::from(!matches!(word, Word::Equal | Word::Moved));
        self.moved += u64::from(word == Word::Moved);
        for (sum, seen) in self.rows.iter_mut().zip(&seen) {
            *sum += seen.as_ref().map_or(0, |seen| seen.answer.rows);
        }
        self.run.counter("partitions").set(self.partitions);
        self.run.counter("rows").set(self.rows.iter().sum());
        if word == Word::Equal && !self.args.all {
            return Ok(());
        }
        let [name, other] = names;
        let (fields, hashes) = details(columns, detail);
        let mut json = json!({ "kind": "partition", "table": name, "partition": partition, "verdict": word.name() });
        put_other(&mut json, name, other);
        if let Some(json) = json.as_object_mut() {
            let [a, b] = &seen;
            json.insert("a".into(), side(a));
            json.insert("b".into(), side(b));
            json.insert("fields".into(), fields.iter().map(|(n, (x, y))| (n.clone(), json!([x, y]))).collect());
            if self.function.is_some() {
                json.insert("columns".into(), json!(hashes));
            }
        }
        let hashes = self.function.map(|_| hashes);
        let text = text(name, partition, word, &seen, &fields, hashes.as_deref());
        self.line(&json, &text)
    }

    /// The summary, and the verdict as exit code.
    pub fn end(mut self, plan: &Plan) -> Result<()> {
        let bad = self.differing + self.shapes;
        let empty = self.rows == [0, 0] && bad == 0 && !self.args.allow_empty;
        let [rows, _] = self.rows;
        let counted = format!("{rows} rows of {} tables in {} partitions", self.tables, self.partitions);
        let (word, message) = match (bad, self.moved, self.function) {
            (1.., ..) => {
                let mut words = vec![format!("{} of {} partitions", self.differing, self.partitions)];
                if self.shapes > 0 {
                    words.push(format!("the columns of {} of {} tables", self.shapes, self.tables));
                }
                ("different", format!("different: {}", words.join(", ")))
            }
            (0, 1.., _) => (
                "none",
                format!("none: {} partitions differed, and changed whenever they were asked: ask when nothing is loaded", self.moved),
            ),
            _ if empty => (
                "none",
                "none: no row on either side, which proves nothing: check the names and the partitions, or say --allow-empty".into(),
            ),
            (.., Some(function)) => ("equal", format!("equal hashes: {counted}, by {function}")),
            (.., None) => ("equal", format!("equal counts: {counted}; no value was compared")),
        };
        let level = if self.function.is_some() { "hash" } else { "counts" };
        let side = |which: usize| {
            let version = self.versions.get(which).map(Version::to_string);
            json!({ "name": self.names.get(which), "version": version, "rows": self.rows.get(which) })
        };
        let summary = json!({
            "kind": "summary", "verdict": word, "message": message, "complete": word != "none" && self.shapes + self.moved == 0,
            "level": level, "function": self.function.map(Function::name), "a": side(0), "b": side(1),
            "tables": self.tables, "partitions": self.partitions, "partitions_differing": self.differing,
            "partitions_moved": self.moved, "tables_with_other_columns": self.shapes, "shown": self.shown,
            "options": { "where": plan.select.condition, "ignore": plan.select.ignore },
            "version": env!("CARGO_PKG_VERSION"),
        });
        self.run.counter("differences").set(bad);
        self.run.note("verdict", word);
        let last = match self.args.out {
            Out::Json => summary.to_string(),
            Out::Text => {
                let mut text = String::new();
                for ((which, name), rows) in ["a", "b"].iter().zip(&self.names).zip(self.rows) {
                    text.push_str(&format!("{which}: {rows} rows ({name})\n"));
                }
                format!("{text}verdict: {message}")
            }
        };
        writeln!(self.out, "{last}").map_err(cannot_write)?;
        self.out.into_inner().map_err(|error| cannot_write(error.into_error()))?.finish()?;
        match word {
            "equal" => Ok(()),
            "none" => Err(Error::new(Kind::NoVerdict, message)),
            _ => Err(Error::new(Kind::Negative, message)),
        }
    }
}

fn put_other(json: &mut Value, name: &str, other: &str) {
    if let (true, Some(json)) = (name != other, json.as_object_mut()) {
        json.insert("table_b".into(), other.into());
    }
}

fn side(seen: &Option<Seen>) -> Value {
    let Some(Seen { version, answer }) = seen else { return Value::Null };
    let mut side = json!({ "version": version, "rows": answer.rows });
    if let (false, Some(side)) = (answer.sums.is_empty(), side.as_object_mut()) {
        // Beyond what readers of JSON take for a number.
        let sums: Vec<String> = answer.sums.iter().map(i128::to_string).collect();
        side.insert("hash".into(), sums.join(",").into());
    }
    side
}

/// Columns with other numbers of values, and those whose values differ, as far as their sums tell.
fn details(columns: &[&Column], detail: Option<[Option<Answer>; 2]>) -> (BTreeMap<String, (u64, u64)>, Vec<String>) {
    let (mut fields, mut hashes) = (BTreeMap::new(), Vec::new());
    let Some([Some(a), Some(b)]) = detail else { return (fields, hashes) };
    let sums = a.sums.len() / columns.len().max(1);
    for (at, column) in columns.iter().enumerate() {
        let of = |answer: &Answer| answer.values.get(at).copied().unwrap_or(0);
        let (x, y) = (of(&a), of(&b));
        if x != y {
            fields.insert(column.name.clone(), (x, y));
        }
        let range = at * sums..(at + 1) * sums;
        if x != y || a.sums.get(range.clone()) != b.sums.get(range) {
            hashes.push(column.name.clone());
        }
    }
    (fields, hashes)
}

fn text(
    name: &str,
    partition: &str,
    word: Word,
    [a, b]: &[Option<Seen>; 2],
    fields: &BTreeMap<String, (u64, u64)>,
    hashes: Option<&[String]>,
) -> String {
    let head = format!("{:8} {partition} {name}", word.name());
    let rows = |seen: &Option<Seen>| seen.as_ref().map_or("none".to_owned(), |seen| seen.answer.rows.to_string());
    let version = |seen: &Option<Seen>| {
        seen.as_ref().and_then(|seen| seen.version).map_or("-".to_owned(), |version| version.to_string())
    };
    let versions = format!("versions: a {}, b {}", version(a), version(b));
    if word == Word::Equal {
        return format!("{head} {} rows; {versions}", rows(if a.is_some() { a } else { b }));
    }
    let mut words = vec![format!("rows: a {}, b {}", rows(a), rows(b))];
    words.extend(fields.iter().map(|(field, (x, y))| format!("{field}: a {x}, b {y}")));
    match hashes {
        Some([]) if word == Word::Differs => words.push("each column has the same values, in other rows".to_owned()),
        Some(all @ [_, ..]) => words.push(format!("columns: {}", all.join(", "))),
        _ => {}
    }
    words.push(versions);
    format!("{head} {}", words.join("; "))
}
