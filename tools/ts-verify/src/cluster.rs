//! A StarRocks cluster that is asked: with patience, over a new connection where the old one broke.

use crate::counted::{Counted, FIELDS, Source};
use cli::Run;
use fault::{Error, Kind, Result};
use net::retry::{Policy, repeat};
use rows::time::{Nanos, parse_instant};
use starrocks::catalog::Kindred;
use starrocks::client::{Options, cell};
use starrocks::{Client, Target, roles, sql};
use std::collections::HashMap;

/// One cluster, and the database that its URL names.
pub struct Cluster {
    pub database: String,
    name: String,
    target: Target,
    options: Options,
    policy: Policy,
    run: Run,
    client: Option<Client>,
    tables: Option<Vec<String>>,
    known: HashMap<String, Option<Shape>>,
}

/// What counting by time needs to know of a table.
#[derive(Clone)]
struct Shape {
    time: String,
    fields: Vec<String>,
}

impl Cluster {
    /// Does not connect yet. The URL must name a database.
    pub fn new(target: Target, options: Options, policy: Policy, run: &Run) -> Result<Cluster> {
        Ok(Cluster {
            database: target.database()?.to_owned(),
            name: target.to_string(),
            target,
            options,
            policy,
            run: run.clone(),
            client: None,
            tables: None,
            known: HashMap::new(),
        })
    }

    /// The URL without secrets.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A statement may take so long.
    pub fn wait(&mut self, limit: std::time::Duration) {
        (self.options.timeout, self.options.query_timeout) = (limit, limit);
    }

    /// Asks until there is an answer, as long as the errors may pass.
    pub fn ask<T>(&mut self, mut question: impl FnMut(&mut Client) -> Result<T>) -> Result<T> {
        let Cluster { target, options, policy, run, client, .. } = self;
        let stop = options.stop.clone();
        let answer = repeat(
            *policy,
            &|| stop.is_raised(),
            |error, wait| run.retrying(error, wait),
            || {
                let outcome = match client {
                    Some(client) => question(client),
                    None => Client::open(target, options).and_then(|opened| question(client.insert(opened))),
                };
                if outcome.is_err() {
                    *client = None;
                }
                outcome
            },
        );
        answer.map_err(|error| run.stop().rather_than(error))
    }

    fn shape(&mut self, name: &str) -> Result<Option<Shape>> {
        if let Some(known) = self.known.get(name) {
            return Ok(known.clone());
        }
        let shape = match self.tables()?.iter().any(|known| known == name) {
            false => None,
            true => {
                let database = self.database.clone();
                let columns = self.ask(|client| client.columns(&database, name))?;
                let Some(time) = roles::time_column(&columns) else {
                    let what = format!("{}: table {name} has no DATETIME, so it cannot be counted by time", self.name);
                    return Err(Error::new(Kind::Usage, format!("{what}: choose others with --table")));
                };
                let tags = roles::tag_columns(&columns, Some(time));
                let fields = columns.iter().map(|column| column.name.as_str());
                let fields = fields.filter(|name| *name != time && !tags.contains(name)).map(str::to_owned);
                Some(Shape { time: time.to_owned(), fields: fields.collect() })
            }
        };
        self.known.insert(name.to_owned(), shape.clone());
        Ok(shape)
    }

    fn source(&self, table: &str, time: &str, since: Option<Nanos>, until: Option<Nanos>) -> Result<String> {
        let time = sql::name(time)?;
        let bounds = [(since, ">="), (until, "<")].into_iter();
        let conditions = bounds.filter_map(|(bound, sign)| {
            bound.map(|bound| format!("{time} {sign} {}", sql::string(&sql::datetime(bound))))
        });
        sql::source(&self.database, table, None, &sql::filter(&conditions.collect::<Vec<_>>()))
    }
}

impl Source for Cluster {
    fn tables(&mut self) -> Result<Vec<String>> {
        if self.tables.is_none() {
            let database = self.database.clone();
            let all = self.ask(|client| client.tables(&database))?;
            // What is derived from them is not counted.
            let tables = all.into_iter().filter(|(_, kind)| *kind == Kindred::Table);
            self.tables = Some(tables.map(|(name, _)| name).collect());
        }
        Ok(self.tables.clone().unwrap_or_default())
    }

    fn ends(&mut self, table: &str, since: Option<Nanos>, until: Option<Nanos>) -> Result<Option<(Nanos, Nanos)>> {
        let Some(shape) = self.shape(table)? else { return Ok(None) };
        let (time, from) = (sql::name(&shape.time)?, self.source(table, &shape.time, since, until)?);
        let found = self.ask(|client| client.query(&format!("SELECT min({time}), max({time}) FROM {from}")))?;
        match found.rows.first().map(Vec::as_slice) {
            Some([Some(first), Some(last)]) => Ok(Some((nanos(first)?, nanos(last)?))),
            _ => Ok(None),
        }
    }

    fn count(&mut self, table: &str, from: Nanos, to: Nanos) -> Result<Counted> {
        let Some(shape) = self.shape(table)? else { return Ok(Counted::default()) };
        let source = self.source(table, &shape.time, Some(from), Some(to))?;
        let mut counted = Counted { rows: Some(0), ..Counted::default() };
        let mut parts: Vec<&[String]> = shape.fields.chunks(FIELDS).collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        for fields in parts {
            let names = fields.iter().map(|field| sql::name(field)).collect::<Result<Vec<_>>>()?;
            // Not count(column), which does not take every type.
            let list: String = names.iter().map(|name| format!(", count(if({name} IS NULL, NULL, 1))")).collect();
            self.run.counter("counts").add(1);
            let statement = format!("SELECT count(*){list} FROM {source}");
            let mut counts = Vec::new();
            self.ask(|client| {
                counts.clear();
                client.read(&statement, |row| {
                    let number =
                        |at| cell(row, at).and_then(|text| std::str::from_utf8(text).ok()?.parse::<u64>().ok());
                    counts.extend((0..row.len()).map(number));
                    Ok(true)
                })
            })?;
            let bad = || Error::new(self.options.side.kind(), format!("{}: the answer is no counts", self.name));
            let mut counts = counts.into_iter().map(|count| count.ok_or_else(bad));
            counted.rows = Some(counts.next().ok_or_else(bad)??);
            for field in fields {
                counted.cells.insert(field.clone(), counts.next().ok_or_else(bad)??);
            }
        }
        Ok(counted)
    }
}

/// A DATETIME (in UTC) or a DATE.
fn nanos(text: &str) -> Result<Nanos> {
    match text.contains(' ') {
        true => parse_instant(&format!("{}Z", text.replacen(' ', "T", 1))),
        false => parse_instant(text),
    }
}
