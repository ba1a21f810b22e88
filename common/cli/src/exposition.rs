//! Prometheus' text format (0.0.4), and how a file of it is put where the node exporter looks.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the process that counts is another one. Named `…_total`.
    Counter,
    Gauge,
    Histogram,
}

/// Families of samples, being written. Every sample of a family follows its head.
#[derive(Clone, Debug)]
pub struct Exposition {
    text: String,
    /// Labels that every sample has, as text: `tool="td-dump",stage="source"`.
    labels: String,
}

impl Exposition {
    /// `labels` go to every sample; those without a value are left out.
    pub fn new(labels: &[(&str, &str)]) -> Exposition {
        let mut text = String::new();
        for (name, value) in labels.iter().filter(|(_, value)| !value.is_empty()) {
            label(&mut text, name, value);
        }
        Exposition { text: String::new(), labels: text }
    }

    /// The head of a family. Units are base units: seconds, bytes, rows.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let word = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {word}");
    }

    /// One sample: `name` is the family's (with `_bucket`, `_sum`, `_count` in a histogram).
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let mut all = self.labels.clone();
        for (name, value) in labels {
            label(&mut all, name, value);
        }
        let labels = if all.is_empty() { all } else { format!("{{{all}}}") };
        let value =
            if value.is_infinite() { format!("{}Inf", if value > 0.0 { '+' } else { '-' }) } else { value.to_string() };
        let _ = writeln!(self.text, "{name}{labels} {value}");
    }

    /// A family of one sample.
    pub fn one(&mut self, name: &str, kind: Kind, help: &str, value: f64) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// The text.
    pub fn finish(self) -> String {
        self.text
    }
}

fn label(text: &mut String, name: &str, value: &str) {
    let comma = if text.is_empty() { "" } else { "," };
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let _ = write!(text, "{comma}{name}=\"{value}\"");
}

/// Writes a file that is never there in part: a collector may read it at any moment. It is not synced: after a crash of the
/// machine it is written anew. A device or a named pipe is written in place.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
        return std::fs::write(path, text);
    }
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it is no file name"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    // Not .prom: the collector must not take it.
    hidden.push(format!(".tmp-{}", std::process::id()));
    let temporary = path.with_file_name(hidden);
    let written = std::fs::write(&temporary, text).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_empty_ones_left_out() {
        let mut out = Exposition::new(&[("tool", "td-dump"), ("migration", ""), ("slot", "a\"b\\c\nd")]);
        out.one("x_total", Kind::Counter, "lines\nand \\", 3.0);
        out.family("y", Kind::Gauge, "y");
        out.sample("y", &[("le", "+Inf")], f64::INFINITY);
        let labels = r#"tool="td-dump",slot="a\"b\\c\nd""#;
        let expected = format!(
            "# HELP x_total lines\\nand \\\\\n# TYPE x_total counter\nx_total{{{labels}}} 3\n# HELP y y\n# TYPE y gauge\ny{{{labels},le=\"+Inf\"}} +Inf\n"
        );
        assert_eq!(out.finish(), expected);
        let mut bare = Exposition::new(&[]);
        bare.sample("z", &[], 0.25);
        assert_eq!(bare.finish(), "z 0.25\n");
    }
}
