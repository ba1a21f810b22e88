//! Messages on stderr, as text or as JSON lines.

use crate::args::{Common, LogFormat};
use fault::{Error, conceal};
use indicatif::MultiProgress;
use serde_json::{Value, json};
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) struct Log {
    tool: &'static str,
    format: LogFormat,
    /// -1 quiet, 0 normal, 1 `-v`, 2 `-vv`
    pub(crate) verbosity: i8,
    /// Bars live here, so that a message can be printed above them.
    pub(crate) bars: MultiProgress,
}

impl Log {
    pub(crate) fn new(tool: &'static str, common: &Common) -> Self {
        let verbosity = if common.quiet { -1 } else { common.verbose.min(2) as i8 };
        Log { tool, format: common.log_format, verbosity, bars: MultiProgress::new() }
    }

    pub(crate) fn message(&self, level: &str, message: &str) {
        if self.verbosity < 0 {
            return;
        }
        self.line(match self.format {
            LogFormat::Text => format!("{}: {level}: {message}", self.tool),
            LogFormat::Json => self.json(level, json!({ "message": conceal(message) })),
        });
    }

    pub(crate) fn error(&self, error: &Error) {
        self.line(match self.format {
            LogFormat::Text => format!("{}: error: {error}", self.tool),
            LogFormat::Json => self.json(
                "error",
                json!({ "message": conceal(&error.to_string()), "kind": error.kind().word(), "exit": error.kind().code() }),
            ),
        });
    }

    /// A line of progress for those without a terminal.
    pub(crate) fn progress(&self, text: &str, fields: Value) {
        self.line(match self.format {
            LogFormat::Text => format!("{}: progress: {text}", self.tool),
            LogFormat::Json => self.json("progress", fields),
        });
    }

    pub(crate) fn summary(&self, text: &str, json: &Value) {
        self.line(match self.format {
            LogFormat::Text => text.to_owned(),
            LogFormat::Json => {
                let mut line = json.clone();
                if let Some(map) = line.as_object_mut() {
                    map.insert("t".into(), now().into());
                }
                line.to_string()
            }
        });
    }

    pub(crate) fn clear_progress(&self) {
        let _ = self.bars.clear();
    }

    fn json(&self, level: &str, fields: Value) -> String {
        let mut line = json!({ "t": now(), "level": level, "tool": self.tool });
        if let (Some(line), Value::Object(fields)) = (line.as_object_mut(), fields) {
            line.extend(fields);
        }
        line.to_string()
    }

    /// A message that cannot be written is lost: there is nowhere else to say it.
    fn line(&self, text: String) {
        let text = conceal(&text);
        self.bars.suspend(|| {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        });
    }
}

/// Seconds since the epoch with milliseconds.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs_f64() * 1e3).round() / 1e3
}
