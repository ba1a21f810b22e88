//! `report` and `watch`: the sums.

use crate::args::Form;
use cli::stdout;
use fault::{Error, Kind, Result};
use serde_json::json;
use state::{Directory, Failure, Lookout, Plan, Strain, Survey};
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Failures shown by `watch`.
const SHOWN: usize = 5;

/// The sums as text or JSON.
pub fn text(survey: &Survey, form: Form) -> String {
    let fields = [
        ("splits", survey.splits),
        ("done", survey.done),
        ("running", survey.running),
        ("pending", survey.pending),
        ("failed", survey.failed),
        ("blocked", survey.blocked),
        ("skipped", survey.skipped),
        ("rows", survey.rows),
        ("rejected", survey.rejected),
        ("dropped", survey.dropped),
        ("throttled", survey.throttled),
        ("repeated", survey.repeated),
    ];
    match form {
        Form::Text => {
            let mut text: String = fields.iter().map(|(name, value)| format!("{name:<10} {value}\n")).collect();
            for Strain { id, throttled, outage_ms } in &survey.strained {
                let down = Duration::from_millis(*outage_ms).as_secs_f64();
                let _ = writeln!(text, "split {id}: {throttled} requests throttled, target down for {down:.1} s");
            }
            text
        }
        Form::Json => {
            let mut map: serde_json::Map<_, _> =
                fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            let strained = survey
                .strained
                .iter()
                .map(|strain| json!({ "id": strain.id, "throttled": strain.throttled, "outage_ms": strain.outage_ms }));
            map.insert("strained".to_owned(), strained.collect());
            format!("{}\n", serde_json::Value::Object(map))
        }
    }
}

/// What a report ends with: 0 if every split has its receipt, 8 if the rest, or rows, were left out on purpose, else 1.
pub fn verdict(survey: &Survey) -> Result<()> {
    let open = survey.splits - survey.done - survey.skipped;
    if survey.splits == 0 {
        return Err(Error::new(Kind::NoVerdict, "the plan has no split: there was nothing to move"));
    }
    if open > 0 {
        return Err(Error::new(Kind::Negative, format!("{open} of {} splits are not done", survey.splits)));
    }
    if survey.skipped > 0 || survey.rejected > 0 {
        return Err(Error::new(
            Kind::Rejected,
            format!("{} splits were skipped, {} rows rejected", survey.skipped, survey.rejected),
        ));
    }
    Ok(())
}

/// Looks again and again, until nothing runs and nothing is pending.
pub fn watch(directory: &Directory, plan: &Plan, every: Duration, stop: &cli::Stop) -> Result<Survey> {
    let terminal = std::io::stdout().is_terminal();
    let mut before: Option<(Instant, u64)> = None;
    let mut lookout = Lookout::new(directory, plan);
    loop {
        let look = lookout.look()?;
        let survey = look.survey;
        let shown = |failure: &Failure| {
            (failure.at.clone(), format!("{} exit {}: {}", failure.id, failure.exit, failure.error))
        };
        let mut failures: Vec<_> = look.failures.iter().map(shown).collect();
        let now = Instant::now();
        let rate =
            before.map_or(0.0, |(at, rows)| (survey.rows - rows.min(survey.rows)) as f64 / (now - at).as_secs_f64());
        before = before.or(Some((now, survey.rows)));
        let eta = match survey.rows_left {
            Some(left) if rate > 0.0 => format!(", {} left", spoken(left as f64 / rate)),
            _ => String::new(),
        };
        let line = format!(
            "{}/{} splits, {} running, {} failed, {} blocked, {} rows, {rate:.0} rows/s{eta}",
            survey.done, survey.splits, survey.running, survey.failed, survey.blocked, survey.rows
        );
        let mut screen = String::new();
        if terminal {
            // Home, then each line cleared to its end: nothing flickers.
            screen.push_str("\x1b[H\x1b[J");
        }
        screen.push_str(&line);
        screen.push('\n');
        failures.sort();
        if terminal {
            failures.iter().rev().take(SHOWN).for_each(|(at, text)| screen.push_str(&format!("  {at} {text}\n")));
        }
        stdout::write_all(screen.as_bytes())?;
        if survey.running == 0 && survey.pending == 0 {
            return Ok(survey);
        }
        stop.sleep(every)?;
    }
}

/// `75 s`, `12 min`, `3.4 h`.
fn spoken(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(done: u64, skipped: u64, rejected: u64) -> Survey {
        Survey { splits: 4, done, skipped, rejected, ..Survey::default() }
    }

    #[test]
    fn only_receipts_for_all_are_a_clean_end() {
        let kind = |survey: &Survey| verdict(survey).err().map(|error| error.kind());
        assert_eq!(kind(&survey(4, 0, 0)), None);
        assert_eq!(kind(&survey(3, 0, 0)), Some(Kind::Negative));
        assert_eq!(kind(&survey(3, 1, 0)), Some(Kind::Rejected));
        assert_eq!(kind(&survey(4, 0, 1)), Some(Kind::Rejected));
        assert_eq!(kind(&Survey::default()), Some(Kind::NoVerdict));
    }
}
