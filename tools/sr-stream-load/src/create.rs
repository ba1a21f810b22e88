//! `--create`, `--ddl`: the table for the rows that come, from their schema.

use crate::args::Args;
use arrow_schema::Schema;
use clap::{Args as ClapArgs, ValueEnum};
use cli::{Run, stdout};
use fault::{Error, Result};
use net::retry::{Policy, repeat};
use net::{Side, tls::Tls};
use starrocks::client::Options;
use starrocks::create::{Model, Shape, Span, create_table};
use starrocks::{Client, Target};

/// Making the table.
#[derive(ClapArgs, Clone, Debug)]
#[command(next_help_heading = "Making the table")]
pub struct CreateArgs {
    /// Make the table if it is not there: its key is the time and the series (sub-table, else tags), its partitions are months
    #[arg(long, conflicts_with_all = ["dry_run", "step"])]
    pub create: bool,
    /// Print the statement that --create would run, and load nothing
    #[arg(long, conflicts_with_all = ["create", "step"])]
    pub ddl: bool,
    /// Of the table: a row that comes again replaces itself, or stands there twice
    #[arg(long, value_enum, value_name = "MODEL", default_value_t = KeyModel::Primary, hide_short_help = true)]
    pub model: KeyModel,
    /// Of the table: a partition for each
    #[arg(long, value_enum, value_name = "SPAN", default_value_t = Partition::Month, hide_short_help = true)]
    pub partition_by: Partition,
    /// Of the table (default: the server's choice)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024), hide_short_help = true)]
    pub buckets: Option<u32>,
    /// Of the table (default: the server's, 3)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16), hide_short_help = true)]
    pub replication: Option<u32>,
}

/// What becomes of a row whose key is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeyModel {
    Primary,
    Duplicate,
}

/// Partitions by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Partition {
    Day,
    Month,
    Year,
    None,
}

impl CreateArgs {
    fn shape(&self, truncate: bool) -> Shape {
        Shape {
            model: match self.model {
                KeyModel::Primary => Model::Primary,
                KeyModel::Duplicate => Model::Duplicate,
            },
            span: match self.partition_by {
                Partition::Day => Span::Day,
                Partition::Month => Span::Month,
                Partition::Year => Span::Year,
                Partition::None => Span::All,
            },
            buckets: self.buckets,
            replication: self.replication,
            truncate,
        }
    }
}

/// Prints the statement, or runs it; true if there is nothing more to do.
pub fn table(args: &Args, target: &Target, schema: &Schema, run: &Run) -> Result<bool> {
    let wanted = &args.make;
    if !wanted.create && !wanted.ddl {
        return Ok(false);
    }
    let statement = create_table(target.database()?, &args.table, schema, &wanted.shape(args.truncate_times))?;
    if wanted.ddl {
        stdout::write_all(format!("{statement};\n").as_bytes())?;
        return Ok(true);
    }
    let options = Options {
        connect_timeout: args.retry.timeout,
        timeout: args.retry.timeout,
        tls: Tls { insecure: args.tls.tls_insecure, ca_file: args.tls.tls_ca_file.clone() },
        stop: net::Stop::new(run.stopped()),
        ..Options::new(Side::Target)
    };
    let policy = Policy::new(args.retry.retries);
    let retrying = |error: &Error, wait| run.retrying(error, wait);
    let made = repeat(policy, &run.stopped(), retrying, || {
        Client::open(target, &options)?.execute(&statement, options.timeout).map(|_| ())
    });
    made.map_err(|error| run.stop().rather_than(error))?;
    Ok(false)
}
