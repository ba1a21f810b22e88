//! A strict reader of Prometheus' text format, for files that we write: what a scraper would only warn of is an error here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What was read.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Type by family.
    pub families: BTreeMap<String, String>,
    pub samples: Vec<Sample>,
}

/// A line with a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Metrics {
    /// Reads a file; panics with what is wrong with it.
    pub fn read(path: &Path) -> Metrics {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Metrics::parse(&text).unwrap_or_else(|why| panic!("{}: {why}\n{text}", path.display()))
    }

    /// Reads a text; says what is wrong with it.
    pub fn parse(text: &str) -> Result<Metrics, String> {
        if !text.ends_with('\n') {
            return Err("the last line has no end".into());
        }
        let mut metrics = Metrics::default();
        let (mut help, mut family) = (String::new(), String::new());
        let mut seen = BTreeSet::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, words) = rest.split_once(' ').ok_or_else(|| format!("no text: {line}"))?;
                if words.trim().is_empty() || !is_name(name, true) {
                    return Err(format!("bad head: {line}"));
                }
                help = name.to_owned();
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').ok_or_else(|| format!("no type: {line}"))?;
                if name != help {
                    return Err(format!("TYPE of {name} after HELP of {help}"));
                }
                match kind {
                    "counter" if name.ends_with("_total") => {}
                    "gauge" | "histogram" if !name.ends_with("_total") => {}
                    _ => return Err(format!("{name} is no name for a {kind}")),
                }
                if metrics.families.insert(name.to_owned(), kind.to_owned()).is_some() {
                    return Err(format!("{name} is there twice"));
                }
                family = name.to_owned();
            } else {
                let sample = sample(line)?;
                let suffixes: &[&str] = match metrics.families.get(&family).map(String::as_str) {
                    Some("histogram") => &["_bucket", "_sum", "_count"],
                    _ => &[""],
                };
                if !suffixes.iter().any(|suffix| sample.name == format!("{family}{suffix}")) {
                    return Err(format!("a sample of {} among those of {family}", sample.name));
                }
                if !seen.insert((sample.name.clone(), sample.labels.clone())) {
                    return Err(format!("the same series twice: {line}"));
                }
                let counter = metrics.families.get(&family).is_some_and(|kind| kind == "counter");
                if counter && (sample.value < 0.0 || !sample.value.is_finite()) {
                    return Err(format!("no value for a counter: {line}"));
                }
                metrics.samples.push(sample);
            }
        }
        metrics.check()?;
        Ok(metrics)
    }

    /// Every family has samples; buckets only grow, and the last is the count.
    fn check(&self) -> Result<(), String> {
        for (family, kind) in &self.families {
            let own = |suffix: &str| {
                let name = format!("{family}{suffix}");
                self.samples.iter().filter(move |sample| sample.name == name)
            };
            if kind != "histogram" {
                own("").next().ok_or_else(|| format!("{family} has no sample"))?;
                continue;
            }
            let counts: Vec<f64> = own("_count").map(|sample| sample.value).collect();
            let (mut last, mut bound, mut totals) = (0.0, f64::NEG_INFINITY, Vec::new());
            for bucket in own("_bucket") {
                let text = bucket.labels.get("le").ok_or_else(|| format!("{family}: a bucket without le"))?;
                let le = if text == "+Inf" { f64::INFINITY } else { text.parse().map_err(|_| format!("le={text}"))? };
                if le <= bound || bucket.value < last {
                    return Err(format!("{family}: the bucket {text} is out of order"));
                }
                (last, bound) = (bucket.value, le);
                if le.is_infinite() {
                    totals.push(bucket.value);
                    (last, bound) = (0.0, f64::NEG_INFINITY);
                }
            }
            if counts.is_empty() || totals != counts || own("_sum").count() != counts.len() {
                return Err(format!("{family}: {totals:?} in the buckets, {counts:?} counted"));
            }
        }
        Ok(())
    }

    /// The value of the one series with this name and these labels (among others).
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |sample: &&Sample| {
            sample.name == name && labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|v| v == value))
        };
        let mut found = self.samples.iter().filter(fits);
        let first = found.next()?;
        assert!(found.next().is_none(), "several series {name} with {labels:?}");
        Some(first.value)
    }
}

fn is_name(text: &str, colon: bool) -> bool {
    let first = text.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    first && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || (colon && b == b':'))
}

/// `name{key="value",…} 1.5`, without a time.
fn sample(line: &str) -> Result<Sample, String> {
    let bad = |what: &str| format!("{what}: {line}");
    let (head, value) = line.rsplit_once(' ').ok_or_else(|| bad("no value"))?;
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        // Rust reads `inf` too, which the format has not.
        text if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            text.parse().map_err(|_| bad("no number"))?
        }
        _ => return Err(bad("no number")),
    };
    let mut labels = BTreeMap::new();
    let name = match head.split_once('{') {
        None => head,
        Some((name, rest)) => {
            let mut rest = rest.strip_suffix('}').ok_or_else(|| bad("no end of the labels"))?;
            while !rest.is_empty() {
                let (key, after) = rest.split_once("=\"").ok_or_else(|| bad("no label"))?;
                let (text, left) = quoted(after).ok_or_else(|| bad("no end of a label"))?;
                if !is_name(key, false) || labels.insert(key.to_owned(), text).is_some() {
                    return Err(bad("a bad label, or one twice"));
                }
                rest = match left.strip_prefix(',') {
                    Some(more) if !more.is_empty() => more,
                    None if left.is_empty() => left,
                    _ => return Err(bad("no comma")),
                };
            }
            name
        }
    };
    if !is_name(name, true) {
        return Err(bad("no name"));
    }
    Ok(Sample { name: name.to_owned(), labels, value })
}

/// The text up to the closing quote, and what comes after that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                c @ ('\\' | '"') => value.push(c),
                _ => return None,
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_is_right_and_nothing_else() {
        let head = "# HELP a_total A.\n# TYPE a_total counter\n";
        let good = format!("{head}a_total{{x=\"1\\\"\\\\\\n,}}\",y=\"\"}} 3\na_total 4.5e3\n");
        let metrics = Metrics::parse(&good).unwrap();
        assert_eq!(metrics.samples[0].labels["x"], "1\"\\\n,}");
        assert_eq!(metrics.value("a_total", &[("y", "")]), Some(3.0));
        let histogram = "# HELP h_seconds H.\n# TYPE h_seconds histogram\nh_seconds_bucket{le=\"1\"} 1\nh_seconds_bucket{le=\"+Inf\"} 2\nh_seconds_sum 3\nh_seconds_count 2\n";
        Metrics::parse(histogram).unwrap();
        for bad in [
            "a_total 1\n".to_owned(),
            format!("{head}a_total 1"),
            format!("{head}a_total -1\n"),
            format!("{head}a_total inf\n"),
            format!("{head}a_total 1\na_total 1\n"),
            format!("{head}a_total 1\n\n"),
            format!("{head}b_total 1\n"),
            format!("{head}a_total{{x=1}} 1\n"),
            format!("{head}a_total{{x=\"1\",x=\"2\"}} 1\n"),
            format!("{head}a_total{{x=\"1\",}} 1\n"),
            format!("{head}a_total{{x=\"\\t\"}} 1\n"),
            head.to_owned(),
            "# HELP a A.\n# TYPE a counter\na 1\n".to_owned(),
            "# HELP a_total A.\n# TYPE a_total gauge\na_total 1\n".to_owned(),
            histogram.replace("le=\"+Inf\"} 2", "le=\"+Inf\"} 3"),
            histogram.replace("le=\"1\"} 1", "le=\"1\"} 3"),
        ] {
            assert!(Metrics::parse(&bad).is_err(), "{bad}");
        }
    }
}
