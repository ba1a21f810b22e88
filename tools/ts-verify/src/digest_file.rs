//! The digest as a file: a JSON header, one line per (series, bucket) in sorted order, a JSON trailer with counts and a
//! checksum. Sorted, so that two files of any size are compared line by line; without its trailer a file is cut (exit 9).

use crate::canonical::VERSION;
use crate::digest::{Counts, Digest};
use crate::form::Form;
use crate::layout::{Column, Layout, Measurement};
use crate::lines::Line;
use crate::options::Options;
use fault::{Error, Kind, Result};
use rows::types::Type;
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use xxhash_rust::xxh3::Xxh3;

/// How a digest file begins: what tells it from data.
pub const MAGIC: &[u8] = br#"{"ts-verify":"digest""#;

/// What a header says of a column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnHead {
    pub name: String,
    pub tag: bool,
    pub declared: Type,
    pub form: Form,
}

/// The header of a digest.
#[derive(Clone, Debug)]
pub struct Header {
    pub options: Options,
    pub columns: Vec<ColumnHead>,
    /// The series carry the name of their measurement.
    pub measurement: bool,
}

impl Header {
    /// Of a digest made from this layout.
    pub fn new(layout: &Layout, options: Options) -> Header {
        let head = |tag: bool| {
            move |column: &Column| ColumnHead {
                name: column.name.clone(),
                tag,
                declared: column.declared,
                form: column.form,
            }
        };
        Header {
            options,
            columns: layout.tags.iter().map(head(true)).chain(layout.fields.iter().map(head(false))).collect(),
            measurement: !matches!(layout.measurement, Measurement::Unknown),
        }
    }

    fn to_json(&self) -> Value {
        let columns: Vec<Value> = self
            .columns
            .iter()
            .map(|c| {
                // The unit of a timestamp is no part of its name in a CSV header, but it is here.
                let declared = match c.declared {
                    Type::Timestamp(unit) => format!("timestamp({unit})"),
                    other => other.to_string(),
                };
                json!({ "name": c.name, "role": if c.tag { "tag" } else { "field" }, "type": declared, "read": c.form.to_string() })
            })
            .collect();
        json!({
            "ts-verify": "digest",
            "version": VERSION,
            "hash": "xxh3-128, sum mod 2^128",
            "options": self.options.to_json(),
            "measurement": self.measurement,
            "columns": columns,
        })
    }

    fn from_json(value: &Value) -> Result<Header> {
        let bad = |what: &str| Error::malformed(format!("the header of the digest has no valid '{what}'"));
        let version = value.get("version").and_then(Value::as_u64);
        if version != Some(u64::from(VERSION)) {
            return Err(Error::usage(format!(
                "the digest has version {}, this ts-verify makes and compares version {VERSION}: make both digests with one release",
                version.map_or("?".to_owned(), |v| v.to_string())
            )));
        }
        let mut columns = Vec::new();
        for column in value.get("columns").and_then(Value::as_array).ok_or_else(|| bad("columns"))? {
            let text = |key: &str| column.get(key).and_then(Value::as_str).ok_or_else(|| bad(key));
            let declared = text("type")?;
            let declared = match declared.parse::<Form>() {
                Ok(Form::Timestamp(unit)) => Type::Timestamp(unit),
                _ => declared.parse()?,
            };
            columns.push(ColumnHead {
                name: text("name")?.to_owned(),
                tag: text("role")? == "tag",
                declared,
                form: text("read")?.parse()?,
            });
        }
        Ok(Header {
            options: Options::from_json(value.get("options").unwrap_or(&Value::Null))?,
            columns,
            measurement: value.get("measurement").and_then(Value::as_bool).ok_or_else(|| bad("measurement"))?,
        })
    }
}

/// Writes a digest.
pub fn write(out: &mut impl Write, header: &Header, digest: &Digest) -> Result<()> {
    let mut lines = LineWriter::new(out, header)?;
    let mut cursor = digest.cursor();
    while let Some(line) = cursor.next()? {
        lines.put(&line)?;
    }
    lines.finish(&digest.counts)
}

/// Writes the lines of a digest, which must come in sorted order.
pub struct LineWriter<'a, W: Write> {
    out: &'a mut W,
    hash: Xxh3,
    entries: u64,
    /// Series with a cell: those without one have no line.
    series: u64,
    label: Option<String>,
}

impl<'a, W: Write> LineWriter<'a, W> {
    /// Writes the header.
    pub fn new(out: &'a mut W, header: &Header) -> Result<Self> {
        let mut lines = LineWriter { out, hash: Xxh3::new(), entries: 0, series: 0, label: None };
        lines.text(&format!("{}\n", header.to_json()))?;
        Ok(lines)
    }

    /// Writes a line.
    pub fn put(&mut self, line: &Line) -> Result<()> {
        self.entries += 1;
        if self.label.as_ref() != Some(&line.label) {
            self.series += 1;
            self.label = Some(line.label.clone());
        }
        self.text(&format!(
            "{}\t{}\t{}\t{}\t{:032x}\t{}\t{:032x}\t{}\t{}\n",
            line.label,
            line.bucket,
            line.cells,
            line.rows,
            line.sum,
            line.odd_cells,
            line.odd_sum,
            line.first,
            line.last
        ))
    }

    /// Writes the trailer.
    pub fn finish(self, c: &Counts) -> Result<()> {
        let mut trailer = json!({
            "end": true, "entries": self.entries, "series": self.series, "rows": c.rows, "cells": c.cells,
            "all_null_rows": c.all_null_rows, "empty_tags": c.empty_tags, "non_finite": c.non_finite,
            "duplicates": c.duplicates, "collisions": c.collisions, "xxh3": format!("{:016x}", self.hash.digest()),
        });
        // Without any, the trailer is that of releases that did not count them.
        if let (Some(map), true) = (trailer.as_object_mut(), c.float32 > 0) {
            map.insert("float32".into(), c.float32.into());
        }
        self.out.write_all(format!("{trailer}\n").as_bytes()).map_err(cannot_write)
    }

    fn text(&mut self, text: &str) -> Result<()> {
        self.hash.update(text.as_bytes());
        self.out.write_all(text.as_bytes()).map_err(cannot_write)
    }
}

fn cannot_write(error: std::io::Error) -> Error {
    Error::io("cannot write the digest", error)
}

/// Reads a digest file.
pub struct FileCursor {
    pub header: Header,
    pub name: String,
    input: Box<dyn BufRead + Send>,
    hash: Xxh3,
    line: u64,
    /// Complete after the last line.
    pub counts: Counts,
    pub series: u64,
    last: Option<(String, i64)>,
    done: bool,
}

impl FileCursor {
    /// Reads the header.
    pub fn open(name: &str, input: Box<dyn BufRead + Send>) -> Result<FileCursor> {
        let mut cursor = FileCursor {
            header: Header { options: crate::args::DEFAULTS, columns: Vec::new(), measurement: false },
            name: name.to_owned(),
            input,
            hash: Xxh3::new(),
            line: 0,
            counts: Counts::default(),
            series: 0,
            last: None,
            done: false,
        };
        let line = cursor.line()?;
        let value = serde_json::from_str(&line).map_err(|_| cursor.malformed("the header is no JSON"))?;
        cursor.hash.update(line.as_bytes());
        cursor.header = Header::from_json(&value).map_err(|error| error.context(name))?;
        Ok(cursor)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.input.read_line(&mut line).map_err(|error| Error::io(format!("cannot read {}", self.name), error))?;
        self.line += 1;
        if line.ends_with('\n') { Ok(line) } else { Err(self.cut()) }
    }

    fn cut(&self) -> Error {
        Error::new(
            Kind::Incomplete,
            format!("{} ends after line {} without its trailer: it was cut", self.name, self.line - 1),
        )
    }

    fn malformed(&self, what: &str) -> Error {
        Error::malformed(format!("{}:{}: {what}", self.name, self.line))
    }

    /// The next line; `None` once the trailer was there and its checksum fitted.
    pub fn next(&mut self) -> Result<Option<Line>> {
        if self.done {
            return Ok(None);
        }
        let text = self.line()?;
        if text.starts_with(r#"{"end""#) {
            return self.end(&text).map(|()| None);
        }
        self.hash.update(text.as_bytes());
        let line = parse(text.trim_end_matches('\n')).ok_or_else(|| self.malformed("no line of a digest"))?;
        if self.last.as_ref().is_some_and(|(label, bucket)| (label, *bucket) >= (&line.label, line.bucket)) {
            return Err(self.malformed("the lines are not sorted"));
        }
        self.last = Some((line.label.clone(), line.bucket));
        Ok(Some(line))
    }

    fn end(&mut self, text: &str) -> Result<()> {
        let value: Value = serde_json::from_str(text).map_err(|_| self.malformed("the trailer is no JSON"))?;
        if value.get("xxh3").and_then(Value::as_str) != Some(format!("{:016x}", self.hash.digest()).as_str()) {
            return Err(Error::new(
                Kind::Incomplete,
                format!("{}: the checksum of the trailer does not fit: the digest was cut or altered", self.name),
            ));
        }
        let number = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or_default();
        self.counts = Counts {
            rows: number("rows"),
            cells: number("cells"),
            all_null_rows: number("all_null_rows"),
            empty_tags: number("empty_tags"),
            non_finite: number("non_finite"),
            duplicates: number("duplicates"),
            collisions: number("collisions"),
            float32: number("float32"),
        };
        self.series = number("series");
        self.done = true;
        Ok(())
    }
}

fn parse(text: &str) -> Option<Line> {
    let mut parts = text.split('\t');
    let mut next = || parts.next();
    let line = Line {
        label: next()?.to_owned(),
        bucket: next()?.parse().ok()?,
        cells: next()?.parse().ok()?,
        rows: next()?.parse().ok()?,
        sum: u128::from_str_radix(next()?, 16).ok()?,
        odd_cells: next()?.parse().ok()?,
        odd_sum: u128::from_str_radix(next()?, 16).ok()?,
        first: next()?.parse().ok()?,
        last: next()?.parse().ok()?,
        hash: 0,
        again: false,
        epoch: 0,
    };
    parts.next().is_none().then_some(line)
}
