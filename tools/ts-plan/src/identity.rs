//! What makes a split this split: the same text on every host, without users, secrets and transports.

use crate::args::Args;
use fault::Result;
use net::Endpoint;
use state::plan::split_id;
use state::{Directory, Plan};

/// Where rows come from, where they go, and how they are made.
pub struct Identity {
    pub source: String,
    target: String,
    options: String,
    /// Of a round of an incremental migration: which one.
    round: String,
}

impl Identity {
    /// From the command line and the environment.
    pub fn new(args: &Args) -> Result<Identity> {
        let source = place(&args.source.endpoint()?.url)?;
        let given = args.target.is_some() || std::env::var_os("TS_TARGET_URL").is_some_and(|url| !url.is_empty());
        let target = match given {
            true => place(&cli::args::endpoint("TARGET", args.target.as_deref(), None, None)?.url)?,
            false => String::new(),
        };
        Ok(Identity { source, target, options: args.options.clone(), round: String::new() })
    }

    /// Makes the splits of a plan those of the round that ends with this instant: others than those of any round before,
    /// or rows that were late for it would not be looked for. (Two may end with the same instant, when a clock was set
    /// back, or when the range has a fixed end.)
    pub fn other_round(&mut self, plan: &mut Plan, state: &Directory, end: &str) -> Result<()> {
        for number in 0u64.. {
            self.round = if number == 0 { end.to_owned() } else { format!("{end}#{number}") };
            let mut known = false;
            for split in &mut plan.splits {
                split.id = self.split(&split.table, &split.predicate, &split.from, &split.to);
                known = known || state.receipt(&split.id)?.is_some();
            }
            if !known {
                break;
            }
        }
        Ok(())
    }

    /// The id of a split.
    pub fn split(&self, table: &str, predicate: &str, from: &str, to: &str) -> String {
        let mut parts = vec![&self.source, &self.target, table, predicate, from, to, &self.options];
        if !self.round.is_empty() {
            parts.push(&self.round);
        }
        split_id(&parts)
    }

    /// A hash of all that decides what is written, but for the range: a plan may grow.
    pub fn options(&self, args: &Args) -> String {
        let mut tables = args.table.clone();
        tables.sort();
        let numbers = [args.rows_per_split.to_string(), args.group.unwrap_or(0).to_string(), args.width.to_string()];
        let parts = [&self.source, &self.target, &self.options].into_iter().chain(&numbers).chain(&tables);
        split_id(&parts.map(String::as_str).collect::<Vec<_>>())
    }
}

/// Systems whose scheme may say TLS with an `s` at its end.
const SYSTEMS: [&str; 7] = ["tdengine", "influx1", "influx2", "influx3", "starrocks", "iotdb", "pulsar"];

/// A URL as the place that it names.
fn place(url: &str) -> Result<String> {
    let scheme = url.split_once("://").map_or(String::new(), |(scheme, _)| scheme.to_ascii_lowercase());
    let system = scheme.split('+').next().unwrap_or_default();
    let mut systems = SYSTEMS.to_vec();
    // Any other system will do: the target is not spoken to.
    if !system.is_empty() && !SYSTEMS.contains(&system.trim_end_matches('s')) {
        systems.push(system);
    }
    let mut endpoint = Endpoint::parse(url, &systems)?;
    endpoint.user = None;
    endpoint.transport = None;
    endpoint.tls = false;
    endpoint.query.sort();
    Ok(endpoint.to_string().replace(char::is_whitespace, "%20"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_same_whoever_comes_and_however() {
        for url in
            ["tdengine://root@h:6041/db", "tdengine+https://h:6041/db", "tdengines://bob:secret@h:6041/db?token=x"]
        {
            assert_eq!(place(url).unwrap(), "tdengine://h:6041/db");
        }
        assert_eq!(place("influx2+http://h/?org=o&bucket=b b").unwrap(), "influx2://h?bucket=b%20b&org=o");
        assert_eq!(place("s3://bucket/prefix").unwrap(), "s3://bucket/prefix");
        assert!(place("nothing").is_err());
    }
}
