//! What a comparison says in the end.

use crate::args::ReportArgs;
use crate::classes::{Class, Classes};
use crate::digest::Counts;
use crate::report::Report;
use crate::rowdiff::{self, RowOutcome};
use crate::sample::Sample;
use fault::{Error, Kind, Result};

/// The verdict; each but the first has its exit code.
pub enum Verdict {
    Equal(String),
    /// No difference in some of the series; and is that enough?
    Sampled(String, bool),
    Different(String),
    None(Error),
}

impl Verdict {
    pub fn new(
        rows: &RowOutcome,
        classes: &Classes,
        report: &Report<impl std::io::Write>,
        (a, b): (Counts, Counts),
        sample: Option<Sample>,
        args: &ReportArgs,
    ) -> Verdict {
        let mut reasons = Vec::new();
        if rows.real > 0 {
            reasons.push(report.words());
        }
        let violations = classes.violations();
        if !violations.is_empty() {
            reasons.push(format!("not allowed: {}", violations.join(", ")));
        }
        if rows.not_examined > 0 {
            reasons.push(format!("{} more buckets differ", rows.not_examined));
        }
        if !reasons.is_empty() {
            return Verdict::Different(format!("different: {}", reasons.join("; ")));
        }
        if rows.unexplained {
            return Verdict::None(rowdiff::changed_meanwhile());
        }
        if a.cells + b.cells == 0
            && !args.allow_empty
            && let Some(sample) = sample
        {
            return Verdict::None(Error::new(
                Kind::NoVerdict,
                format!("the sample of {sample} has no value on either side, which proves nothing: take a larger one"),
            ));
        }
        if a.cells + b.cells == 0 && !args.allow_empty {
            return Verdict::None(Error::new(
                Kind::NoVerdict,
                "both sides are empty, which proves nothing: check the names and the range, or say --allow-empty",
            ));
        }
        if let Some(sample) = sample {
            return Verdict::Sampled(
                format!(
                    "sampled: no difference in {sample} of the series: {} cells in {} rows; the others were not looked at",
                    a.cells, a.rows
                ),
                args.allow_sampled,
            );
        }
        let tolerated = match classes.count(Class::Tolerated) {
            0 => String::new(),
            n => format!(", {n} of them within the tolerance"),
        };
        Verdict::Equal(format!("equal: {} cells in {} rows{tolerated}", a.cells, a.rows))
    }

    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Equal(_) => "equal",
            Verdict::Sampled(..) => "sampled",
            Verdict::Different(_) => "different",
            Verdict::None(_) => "none",
        }
    }

    pub fn message(&self) -> String {
        match self {
            Verdict::Equal(text) | Verdict::Sampled(text, _) | Verdict::Different(text) => text.clone(),
            Verdict::None(error) => format!("none: {error}"),
        }
    }

    pub fn into_result(self) -> Result<()> {
        match self {
            Verdict::Equal(_) | Verdict::Sampled(_, true) => Ok(()),
            Verdict::Sampled(text, false) => {
                Err(Error::new(Kind::NoVerdict, format!("{text} (--allow-sampled: exit 0)")))
            }
            Verdict::Different(text) => Err(Error::new(Kind::Negative, text)),
            Verdict::None(error) => Err(error),
        }
    }
}
