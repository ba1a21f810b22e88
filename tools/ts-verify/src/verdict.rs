//! What a comparison says in the end.

use crate::classes::Classes;
use crate::digest::Counts;
use crate::report::Report;
use crate::rowdiff::{self, RowOutcome};
use fault::{Error, Kind, Result};

/// The verdict; each but the first has its exit code.
pub enum Verdict {
    Equal(String),
    Different(String),
    None(Error),
}

impl Verdict {
    pub fn new(
        rows: &RowOutcome,
        classes: &Classes,
        report: &Report<impl std::io::Write>,
        (a, b): (Counts, Counts),
        allow_empty: bool,
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
        if a.cells + b.cells == 0 && !allow_empty {
            return Verdict::None(Error::new(
                Kind::NoVerdict,
                "both sides are empty, which proves nothing: check the names and the range, or say --allow-empty",
            ));
        }
        Verdict::Equal(format!("equal: {} cells in {} rows", a.cells, a.rows))
    }

    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Equal(_) => "equal",
            Verdict::Different(_) => "different",
            Verdict::None(_) => "none",
        }
    }

    pub fn message(&self) -> String {
        match self {
            Verdict::Equal(text) | Verdict::Different(text) => text.clone(),
            Verdict::None(error) => format!("none: {error}"),
        }
    }

    pub fn into_result(self) -> Result<()> {
        match self {
            Verdict::Equal(_) => Ok(()),
            Verdict::Different(text) => Err(Error::new(Kind::Negative, text)),
            Verdict::None(error) => Err(error),
        }
    }
}
