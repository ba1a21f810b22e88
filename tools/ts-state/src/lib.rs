//! `ts-state`: what of a migration is done, running, failed or left.

pub mod args;
mod list;
mod metrics;
mod report;

pub use args::Args;

use args::{Command, Retry, Skip, State};
use cli::{Run, Tool, stdout};
use fault::{Error, Result};
use state::{Directory, Plan, Split, Status, Survey, now};

/// What the tool says of itself.
pub static TOOL: Tool = Tool {
    name: "ts-state",
    stage: cli::Stage::Control,
    about: "Tell what of a migration is done, running, failed or left, and decide about what failed",
    description: "\
Reads the state directory that ts-plan and ts-run fill. A split is done when it has a receipt, running while somebody holds its lock, \
failed when its last attempt failed and may be tried again, blocked when it failed for a reason that will not pass by itself, skipped \
when an operator said so, and pending otherwise. Nothing here depends on the order of the plan, so a plan that has grown loses nothing.

report ends with 0 only if every split has its receipt; with 8 if the rest was skipped or rows were rejected; with 1 if splits are \
left; with 10 if the plan is empty.",
    examples: &[
        ("what is left, for an executor", "ts-state pending --dir migration | xargs -r -n 1 -P 4 ts-run --dir migration"),
        ("may I go home?", "ts-state report --dir migration"),
        ("for Prometheus, through the node exporter's textfile collector", "ts-state metrics --dir migration -o /var/lib/node_exporter/migration.prom"),
        ("why did it fail, and again", "ts-state why --dir migration 9f86d081884c7d65 && ts-state retry --dir migration failed"),
    ],
    environment: &[("TS_STATE_DIR", "as --dir"), ("TS_MIGRATION", "as --migration of metrics")],
};

/// Runs one of the commands.
pub fn run(args: Args, run: &Run) -> Result<()> {
    match args.command {
        Command::Pending(args) => {
            let (directory, plan) = open(&args.state)?;
            let pending = directory.pending(&plan)?;
            run.counter("splits").set(pending.len() as u64);
            let text: String = pending.iter().map(|split| format!("{}\n", split.id)).collect();
            stdout::write_all(text.as_bytes())
        }
        Command::Ls(args) => {
            let (directory, plan) = open(&args.state)?;
            stdout::write_all(list::all(&directory, &plan, &args.only, args.out)?.as_bytes())
        }
        Command::Report(args) => {
            let (directory, plan) = open(&args.state)?;
            let survey = Survey::of(&directory, &plan)?;
            tell(&survey, run);
            stdout::write_all(report::text(&survey, args.out).as_bytes())?;
            report::verdict(&survey)
        }
        Command::Retry(args) => retry(&args, run),
        Command::Skip(args) => skip(&args, run),
        Command::Why(args) => {
            let (directory, plan) = open(&args.state)?;
            stdout::write_all(list::one(&directory, find(&plan, &args.id)?)?.as_bytes())
        }
        Command::Metrics(args) => {
            let (directory, plan) = open(&args.state)?;
            metrics::run(&args, &directory, &plan, run)
        }
        Command::Watch(args) => {
            let (directory, plan) = open(&args.state)?;
            let survey = report::watch(&directory, &plan, args.every, &run.stop())?;
            tell(&survey, run);
            report::verdict(&survey)
        }
    }
}

fn open(state: &State) -> Result<(Directory, Plan)> {
    let directory = Directory::open(&state.dir)?;
    let plan = directory.plan()?;
    Ok((directory, plan))
}

fn find<'a>(plan: &'a Plan, id: &str) -> Result<&'a Split> {
    plan.find(id).ok_or_else(|| Error::usage(format!("no split {id} in the plan: ts-state ls shows them")))
}

fn tell(survey: &Survey, run: &Run) {
    run.counter("rows").set(survey.rows);
    run.counter("splits").set(survey.splits);
    run.counter("done").set(survey.done);
}

fn retry(args: &Retry, run: &Run) -> Result<()> {
    let (directory, plan) = open(&args.state)?;
    let mut ids = Vec::new();
    for id in &args.ids {
        if id == "failed" {
            for split in &plan.splits {
                if matches!(directory.status(&split.id)?, Status::Failed(_)) {
                    ids.push(split.id.as_str());
                }
            }
        } else {
            ids.push(find(&plan, id)?.id.as_str());
        }
    }
    for id in ids {
        if directory.retry(id, &now())? {
            run.counter("splits").add(1);
        } else {
            run.warn(format!("split {id} has neither failed nor been skipped: nothing to do"));
        }
    }
    Ok(())
}

fn skip(args: &Skip, run: &Run) -> Result<()> {
    let (directory, plan) = open(&args.state)?;
    for id in &args.ids {
        let split = find(&plan, id)?;
        if let Status::Done(_) = directory.status(&split.id)? {
            return Err(Error::usage(format!("split {id} is done: it cannot be skipped")));
        }
        directory.skip(&split.id, &now(), &args.reason)?;
        run.counter("splits").add(1);
    }
    Ok(())
}
