//! What a tool says of itself, and the command line built from it.

use crate::args::Common;
use clap::{Args, Command};
use fault::Kind;
use std::fmt::Write as _;

/// What a tool is in a pipeline. `ts-run` compares what the sources gave with what the sinks wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reads a system, writes a stream.
    Source,
    /// Reads a stream, writes a stream.
    Filter,
    /// Reads a stream, writes a system.
    Sink,
    /// Moves a stream from or to a store as it is: it counts bytes, and knows of no rows.
    Carrier,
    /// Stands beside the pipelines.
    Control,
}

impl Stage {
    /// The word in the JSON summary.
    pub fn word(self) -> &'static str {
        match self {
            Stage::Source => "source",
            Stage::Filter => "filter",
            Stage::Sink => "sink",
            Stage::Carrier => "carrier",
            Stage::Control => "control",
        }
    }
}

/// A tool: name and texts for `--help`, the man page and the README.
pub struct Tool {
    /// The binary's name.
    pub name: &'static str,
    /// Its place in a pipeline.
    pub stage: Stage,
    /// One line.
    pub about: &'static str,
    /// Paragraphs for the long help: what it reads, what it writes, what it promises.
    pub description: &'static str,
    /// Pairs of (what it does, command line). Every one is executed by the tests.
    pub examples: &'static [(&'static str, &'static str)],
    /// Pairs of (variable, meaning), besides those that every tool knows.
    pub environment: &'static [(&'static str, &'static str)],
}

impl Tool {
    /// The complete clap command: the tool's own arguments, the common ones, and the sections after them.
    pub fn command<A: Args>(&self) -> Command {
        // The doc comments of argument structs would become the tool's description: ours is set after them.
        Common::augment_args(A::augment_args(Command::new(self.name)))
            .version(env!("CARGO_PKG_VERSION"))
            .about(self.about)
            .long_about(format!("{}\n\n{}", self.about, self.description.trim()))
            .after_help("Exit codes, examples and environment: --help")
            .after_long_help(self.sections())
            .max_term_width(100)
    }

    fn sections(&self) -> String {
        let mut text = String::from("EXAMPLES\n");
        for (what, line) in self.examples {
            let _ = writeln!(text, "  # {what}\n  {line}\n");
        }
        text.push_str("ENVIRONMENT\n");
        for (name, meaning) in self.environment {
            let _ = writeln!(text, "  {name:<20} {meaning}");
        }
        let _ = writeln!(
            text,
            "  {:<20} as --end-mark: end CSV and line protocol with #ts-end, and require it",
            "TS_END_MARK=1"
        );
        let _ = writeln!(text, "  {:<20} write the summary as JSON into this directory too", "TS_RECEIPT_DIR");
        let _ = writeln!(
            text,
            "  {:<20} write metrics for Prometheus into this directory, a file for each tool of a pipeline",
            "TS_METRICS_DIR"
        );
        let _ = writeln!(text, "  {:<20} the label `migration` in the metrics", "TS_MIGRATION");
        text.push_str("\nEXIT CODES\n    0  done, every row\n");
        for kind in Kind::ALL {
            let _ = writeln!(text, "  {:>3}  {}", kind.code(), kind.meaning());
        }
        text.truncate(text.trim_end().len());
        text
    }
}
