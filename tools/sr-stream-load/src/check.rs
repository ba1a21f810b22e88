//! Does the table have the columns that are loaded? The server takes any name in the list of columns, and drops what the table
//! does not have, in silence: so it is asked before, over the MySQL protocol.

use crate::args::Args;
use crate::fill::Columns;
use fault::{Error, Kind, Result};
use net::tls::Tls;
use net::{Side, Stop};
use starrocks::Target;
use starrocks::catalog::Version;
use starrocks::client::{Client, Options};
use std::time::Duration;

/// The first version that takes Arrow.
const ARROW: Version = Version(4, 2, 0);

/// Exit 6 for a column, or a table, that is not there. `arrow`: the server must take it.
pub fn columns(target: &Target, database: &str, args: &Args, columns: &Columns, stop: Stop, arrow: bool) -> Result<()> {
    let options = Options {
        connect_timeout: args.retry.timeout.min(Duration::from_secs(30)),
        timeout: args.retry.timeout,
        tls: Tls { insecure: args.tls.tls_insecure, ca_file: args.tls.tls_ca_file.clone() },
        stop,
        ..Options::new(Side::Target)
    };
    let mut client = Client::open(target, &options).map_err(|error| {
        error.context("the columns of the table cannot be asked for (--no-column-check loads without)")
    })?;
    if arrow {
        let Version(major, minor, _) = client.version()?;
        if (major, minor) < (ARROW.0, ARROW.1) {
            let reason = format!("Arrow is taken by servers from 4.2 on, this one is {major}.{minor}");
            return Err(Error::new(Kind::Refused, reason));
        }
    }
    let there = client.columns(database, &args.table)?;
    let known = |name: &str| {
        // By name, and in Arrow with the case of its letters.
        there.iter().any(|column| if arrow { column.name == name } else { column.name.eq_ignore_ascii_case(name) })
    };
    // What a --set makes use of needs no column.
    let used = |name: &str| {
        args.set.iter().any(|set| set.split_once('=').is_some_and(|(_, expression)| expression.contains(name)))
    };
    let missing: Vec<&str> = columns.names().filter(|name| *name != "__op" && !known(name) && !used(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = there.iter().map(|column| column.name.as_str()).collect();
    Err(Error::new(
        Kind::Refused,
        format!(
            "table {} has no column {}: there are {} (--columns names or leaves out what is loaded)",
            args.table,
            missing.join(", "),
            names.join(", ")
        ),
    ))
}
