//! `--query`: a statement of the user's own.

use crate::args::Args;
use crate::dump::Sink;
use crate::layout::Layout;
use crate::session::{Connector, Patience, Session};
use cli::output::Output;
use fault::{Context as _, Error, Kind, Result};
use rows::{Limits, batch};
use tdengine::catalog;

/// Runs the statement and writes its rows. They are written as they come, so only a failure before the first row is
/// tried again.
pub fn run(sql: &str, output: Output, args: &Args, connector: &Connector) -> Result<()> {
    let run = &connector.run;
    let sql = sql.trim().trim_end_matches(';');
    let mut session = connector.session();
    let mut patience = Patience::new(connector);
    let limits = Limits {
        rows: args.batch.batch_rows as usize,
        bytes: usize::try_from(args.batch.batch_bytes).unwrap_or(usize::MAX),
    };
    let tags = args.tags.clone().unwrap_or_default();
    let source = connector.config.name();
    let mut output = Some(output);
    let mut sink: Option<Sink> = None;
    let mut known: Option<Layout> = None;
    loop {
        let attempt = (|| -> std::result::Result<bool, Stopped> {
            let client = session.client()?;
            let mut results = client.query(sql, None)?;
            let unit = results.unit();
            let layout = match &known {
                Some(layout) => layout.clone(),
                None => {
                    Layout::of_query(results.columns(), unit, &tags, &args.as_binary, &source).map_err(Stopped::Here)?
                }
            };
            layout.apply(results.columns_mut(), unit).map_err(Stopped::Here)?;
            known = Some(layout.clone());
            loop {
                let rows = results.next_rows()?;
                if sink.is_none() {
                    let output =
                        output.take().ok_or_else(|| Stopped::Here(Error::new(Kind::Bug, "the output was used up")))?;
                    let options = args.write_options(args.output.output.as_deref());
                    sink = Some(
                        Sink::create(output, layout.schema.clone(), options, args.limit, run).map_err(Stopped::Here)?,
                    );
                }
                let (Some(rows), Some(sink)) = (rows, &mut sink) else { return Ok(true) };
                if rows.len == 0 {
                    continue;
                }
                for slice in batch::rechunk(layout.batch(rows).map_err(Stopped::Here)?, limits) {
                    if !sink.write(slice).map_err(Stopped::Here)? {
                        return Ok(false);
                    }
                }
            }
        })();
        match attempt {
            Ok(complete) => {
                if complete && connector.config.rest {
                    check(&mut session, sql, run.counter("rows").get())?;
                }
                return sink.map_or(Ok(()), Sink::finish);
            }
            Err(Stopped::Here(error)) => return Err(error),
            Err(Stopped::Server(failure)) => {
                session.drop_client();
                let written = run.counter("rows").get();
                if written > 0 {
                    run.stop().check()?;
                    return Err(failure.error.context(format!(
                        "{written} rows of the statement were already written, so it cannot be run again"
                    )));
                }
                patience.again(failure)?;
            }
        }
    }
}

enum Stopped {
    Here(Error),
    Server(tdengine::Failure),
}

impl From<tdengine::Failure> for Stopped {
    fn from(failure: tdengine::Failure) -> Stopped {
        Stopped::Server(failure)
    }
}

/// REST cuts results in silence: a statement that reads a table is counted.
fn check(session: &mut Session, sql: &str, rows: u64) -> Result<()> {
    let lower = sql.to_ascii_lowercase();
    let reads_a_table = lower.starts_with("select") && lower.split_whitespace().any(|word| word == "from");
    if !reads_a_table {
        return Ok(());
    }
    let counted = session.repeat(|client| catalog::count(client, &format!("({sql})"), "")).context(
        || "the statement cannot be counted, and REST may have cut its result in silence: use tdengine:// (WebSocket)",
    )?;
    if counted != rows {
        return Err(Error::new(
            Kind::Source,
            format!("{rows} rows came, the server counts {counted}: REST cut the result in silence"),
        ));
    }
    Ok(())
}
