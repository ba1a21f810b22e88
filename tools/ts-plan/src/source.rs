//! The source: its tables, and how many rows they have where.

use crate::args::Args;
use cli::Run;
use fault::{Error, Kind, Result};
use globset::{GlobBuilder, GlobMatcher};
use net::Side;
use net::http::Options;
use net::retry::Policy;
use net::tls::Tls;
use rows::time::Unit;
use tdengine::catalog::{self, Extent, TableKind};
use tdengine::value::Value;
use tdengine::{Asker, Client, Config, sql};

/// A connection to TDengine that is made again when it breaks.
pub struct Source {
    asker: Asker,
    run: Run,
    database: String,
}

/// A table that is planned.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    pub unit: Unit,
    is_super: bool,
    /// `` `db`.`table` ``.
    from: String,
    /// The time key's name.
    time: String,
}

impl Source {
    /// From the command line and the environment; the URL names the database.
    pub fn new(args: &Args, run: &Run) -> Result<Source> {
        let endpoint = args.source.endpoint()?;
        let options = Options {
            connect_timeout: args.retry.timeout,
            timeout: args.retry.timeout,
            tls: Tls { insecure: args.tls.tls_insecure, ca_file: args.tls.tls_ca_file.clone() },
            stop: net::Stop::new(run.stopped()),
            ..Options::new(Side::Source)
        };
        let config = Config::new(&endpoint.url, endpoint.password, endpoint.token, options)?;
        let Some(database) = config.login.database.clone() else {
            return Err(Error::usage(format!("{}: the URL names no database: add /NAME", config.name())));
        };
        let asker = Asker::new(config, Policy::new(args.retry.retries));
        Ok(Source { asker, run: run.clone(), database })
    }

    fn ask<T>(&mut self, question: impl FnMut(&mut Client) -> tdengine::Result<T>) -> Result<T> {
        let run = &self.run;
        let answer = self.asker.ask(|error, wait| run.retrying(error, wait), question);
        // A signal shows as a broken wait; what it was is the run's to say.
        answer.map_err(|error| run.stop().rather_than(error))
    }

    /// Super tables and ordinary tables that the patterns name, in the order of their names.
    pub fn tables(&mut self, patterns: &[String]) -> Result<Vec<Table>> {
        let database = self.database.clone();
        let unit = self.ask(|client| catalog::unit(client, &database))?;
        let mut all: Vec<(String, bool)> = Vec::new();
        all.extend(self.ask(|client| catalog::super_tables(client, &database))?.into_iter().map(|name| (name, true)));
        let ordinary = self.ask(|client| {
            let mut names = Vec::new();
            catalog::tables(client, &database, false, |name, _| names.push(name))?;
            Ok(names)
        })?;
        all.extend(ordinary.into_iter().map(|name| (name, false)));
        all.sort();
        let mut wanted = vec![patterns.is_empty(); all.len()];
        for pattern in patterns {
            let matcher = matcher(pattern)?;
            let mut any = false;
            for ((name, _), wanted) in all.iter().zip(&mut wanted) {
                if matcher.as_ref().map_or(name == pattern, |matcher| matcher.is_match(name)) {
                    *wanted = true;
                    any = true;
                }
            }
            if !any {
                return Err(self.unknown(pattern)?);
            }
        }
        if all.is_empty() {
            return Err(Error::new(Kind::Refused, format!("database {database} has no tables")));
        }
        let mut tables = Vec::new();
        for ((name, is_super), _) in all.into_iter().zip(wanted).filter(|(_, wanted)| *wanted) {
            let time = self.ask(|client| catalog::describe(client, &database, &name))?.time.name;
            tables.push(Table { from: sql::table(&database, &name)?, name, unit, is_super, time });
        }
        Ok(tables)
    }

    /// Why there is no such table.
    fn unknown(&mut self, pattern: &str) -> Result<Error> {
        let database = self.database.clone();
        let kind = self.ask(|client| catalog::kind(client, &database, pattern))?;
        Ok(match kind {
            Some(TableKind::Child(stable)) => Error::usage(format!(
                "{pattern} is a sub-table of {stable}: plan {stable}, its sub-tables are moved together"
            )),
            _ => Error::new(
                Kind::Refused,
                format!("no table of database {database} matches {pattern}: td-dump --list shows what is there"),
            ),
        })
    }

    /// Rows, and the first and last of them, from one instant (inclusive) to another.
    pub fn extent(&mut self, table: &Table, predicate: &str, from: Option<i64>, to: Option<i64>) -> Result<Extent> {
        self.run.stop().check()?;
        let window = sql::window(&table.time, from, to)?;
        let predicate = Some(format!("({predicate})")).filter(|_| !predicate.is_empty());
        let condition = sql::filter(window.into_iter().chain(predicate));
        self.run.counter("counts").add(1);
        self.ask(|client| catalog::extent(client, &table.from, &table.time, &condition, table.unit))
    }

    /// Conditions that divide the sub-tables into about `groups` ranges of their names. Together they hold every name,
    /// also of a sub-table that comes later. One without a condition where there is nothing to divide.
    pub fn groups(&mut self, table: &Table, groups: usize) -> Result<Vec<String>> {
        if !table.is_super {
            return Ok(vec![String::new()]);
        }
        let database = self.database.clone();
        if self.ask(|client| Ok(client.version().major()))? < 3 {
            return Err(Error::usage(
                "--group compares names of sub-tables, which TDengine can from 3.0 on: use --width",
            ));
        }
        let names = self.ask(|client| {
            let mut names = Vec::new();
            catalog::each_child(client, &database, &table.name, &[], None, |row| {
                names.extend(row.first().and_then(Value::as_str).map(str::to_owned));
                Ok(())
            })?;
            Ok(names)
        })?;
        Ok(ranges(names, groups))
    }
}

/// A pattern with `* ? [a-z]`; `None` for a plain name.
fn matcher(pattern: &str) -> Result<Option<GlobMatcher>> {
    if !pattern.contains(['*', '?', '[']) {
        return Ok(None);
    }
    let glob = GlobBuilder::new(pattern).literal_separator(false).backslash_escape(true).build();
    Ok(Some(glob.map_err(|error| Error::usage(format!("--table {pattern}: {}", error.kind())))?.compile_matcher()))
}

/// Ranges of names with about the same number of them: `tbname < 'b'`, `tbname >= 'b' AND tbname < 'c'`, `tbname >= 'c'`.
fn ranges(mut names: Vec<String>, groups: usize) -> Vec<String> {
    names.sort();
    names.dedup();
    let groups = groups.min(names.len()).max(1);
    let bounds: Vec<String> =
        (1..groups).filter_map(|group| names.get(group * names.len() / groups)).map(|name| sql::string(name)).collect();
    (0..groups)
        .map(|group| {
            let low = group.checked_sub(1).and_then(|at| bounds.get(at)).map(|name| format!("tbname >= {name}"));
            let high = bounds.get(group).map(|name| format!("tbname < {name}"));
            low.into_iter().chain(high).collect::<Vec<_>>().join(" AND ")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_names_leave_no_gap() {
        let names = |n: usize| (0..n).map(|at| format!("d{at}")).collect::<Vec<_>>();
        assert_eq!(ranges(names(4), 2), ["tbname < 'd2'", "tbname >= 'd2'"]);
        assert_eq!(ranges(names(9), 3), ["tbname < 'd3'", "tbname >= 'd3' AND tbname < 'd6'", "tbname >= 'd6'"]);
        assert_eq!(ranges(names(2), 5), ["tbname < 'd1'", "tbname >= 'd1'"]);
        assert_eq!(ranges(names(1), 5), [""]);
        assert_eq!(ranges(names(0), 5), [""]);
        assert_eq!(ranges(vec!["o'b".into(), "z".into()], 2), ["tbname < 'z'", "tbname >= 'z'"]);
    }
}
