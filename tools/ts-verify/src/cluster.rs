//! A StarRocks cluster that is asked: with patience, over a new connection where the old one broke.

use crate::counted::{Counted, Source};
use cli::Run;
use fault::{Error, Kind, Result};
use net::retry::{Policy, repeat};
use rows::time::{Nanos, parse_instant};
use starrocks::catalog::{Column, Kindred};
use starrocks::client::Options;
use starrocks::pushdown::Question;
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
    fields: Vec<Column>,
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
                let is_field = |column: &&Column| column.name != time && !tags.contains(&column.name.as_str());
                let fields = columns.iter().filter(is_field).cloned().collect();
                Some(Shape { time: time.to_owned(), fields })
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
        self.run.counter("counts").add(1);
        let fields: Vec<&Column> = shape.fields.iter().collect();
        let answer = self.ask(|client| Question::Counts.ask(client, &fields, &source))?;
        let names = fields.iter().map(|field| field.name.clone());
        Ok(Counted { rows: Some(answer.rows), cells: names.zip(answer.values).collect() })
    }
}

/// A DATETIME (in UTC) or a DATE.
fn nanos(text: &str) -> Result<Nanos> {
    match text.contains(' ') {
        true => parse_instant(&format!("{}Z", text.replacen(' ', "T", 1))),
        false => parse_instant(text),
    }
}
