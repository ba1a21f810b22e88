//! `--html FILE`: the report as one page for people, without scripts and without anything from the network. Every colour is
//! a symbol and a text too, so it says the same in print, to a screen reader and without a mouse.

use crate::canonical::instant;
use crate::heat::{Heat, Slot};
use cli::output::Output;
use fault::{Error, Result};
use rows::time::Unit;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

const STYLE: &str = include_str!("html.css");

/// Differences that the page shows, at most.
pub const SHOWN: usize = 100;

/// Bytes of one value that the page shows, at most.
const VALUE: usize = 400;

/// The page under construction.
pub struct Page {
    out: Output,
    pub heat: Heat,
}

impl Page {
    /// `out` appears under its name only when the comparison is finished.
    pub fn new(out: Output, heat: Heat) -> Self {
        Page { out, heat }
    }

    /// Writes the page from the summary and the first differences.
    pub fn finish(mut self, summary: &Value, first: &[Value]) -> Result<()> {
        let text = page(summary, first, &self.heat);
        self.out.write_all(text.as_bytes()).map_err(|error| Error::io("cannot write the page", error))?;
        self.out.finish()
    }
}

/// A text between tags or in a quoted attribute. Control characters, which HTML forbids or which turn the direction of
/// text, are shown by their number.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control()
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}') =>
            {
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    safe
}

/// A value of the report, as text, escaped and not too long.
fn value(value: &Value) -> String {
    let text = match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(map) => map.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    let end = (0..=VALUE.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    match text.get(..end) {
        Some(start) if end < text.len() => format!("{} … ({} bytes)", escape(start), text.len()),
        _ => escape(&text),
    }
}

fn get<'a>(summary: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(summary, |value, key| value.get(key).unwrap_or(&Value::Null))
}

fn page(summary: &Value, first: &[Value], heat: &Heat) -> String {
    let text = |path: &[&str]| value(get(summary, path));
    let verdict = get(summary, &["verdict"]).as_str().unwrap_or_default();
    let message = get(summary, &["message"]).as_str().unwrap_or_default();
    let (a, b) = (text(&["a", "name"]), text(&["b", "name"]));
    let complete = match get(summary, &["complete"]) {
        Value::Bool(true) => "Everything that was asked for was compared",
        _ => "Not everything was looked at",
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i128::from(since.as_secs()));
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{verdict}: {a} and {b}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>Comparison of {a} (a) and {b} (b)</h1>\n\
         <p class=\"verdict {verdict}\"><strong>{}</strong> {}</p>\n<p>{complete}, down to the level: {}. Made {} by ts-verify {}.</p>\n",
        if verdict == "none" { "no verdict" } else { verdict },
        escape(message.strip_prefix(&format!("{verdict}: ")).unwrap_or(message)),
        text(&["level"]),
        instant(now * 1_000_000_000, Unit::S),
        text(&["version"]),
    );
    sides(&mut html, summary);
    map(&mut html, heat);
    differences(&mut html, summary, first);
    pairs(&mut html, "Deviations by class", get(summary, &["classes"]), |class| {
        let allowed = if class.get("allowed") == Some(&Value::Bool(true)) { "allowed" } else { "not allowed" };
        format!("{} ({allowed})", value(class.get("count").unwrap_or(&Value::Null)))
    });
    pairs(&mut html, "Columns whose types differ", get(summary, &["read"]), |column| {
        let part = |key: &str| value(column.get(key).unwrap_or(&Value::Null));
        format!("{} in a, {} in b, both read as {}", part("a"), part("b"), part("as"))
    });
    pairs(&mut html, "Options", get(summary, &["options"]), |option| match option {
        Value::Null => "-".to_owned(),
        option => value(option),
    });
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

fn sides(html: &mut String, summary: &Value) {
    html.push_str(
        "<h2>Both sides</h2>\n<table>\n<thead><tr><th scope=\"col\"></th><th scope=\"col\">a</th><th scope=\"col\">b</th></tr></thead>\n<tbody>\n",
    );
    for (key, name) in [
        ("rows", "rows"),
        ("cells", "values"),
        ("series", "series"),
        ("buckets", "buckets"),
        ("all_null_rows", "rows without any value"),
        ("empty_tags", "rows with an empty tag"),
        ("nan_inf", "NaN and infinities"),
        ("duplicates", "values that gave way to another"),
        ("collisions", "the same, through --precision"),
    ] {
        let side = |side: &str| value(get(summary, &[side, key]));
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{name}</th><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            side("a"),
            side("b")
        );
    }
    html.push_str("</tbody>\n</table>\n");
}

/// Class, symbol and word of what is worst in a slot.
fn worst(slot: &Slot, outside: bool) -> (&'static str, char, &'static str) {
    match slot {
        slot if slot.differing > 0 => ("di", '≠', "differing"),
        slot if slot.unchecked > 0 => ("un", '?', "unchecked"),
        slot if slot.tolerated > 0 => ("to", '~', "tolerated"),
        slot if slot.equal > 0 => ("eq", '=', "equal"),
        _ if outside => ("un", '?', "unchecked"),
        _ => ("no", '·', "no data"),
    }
}

/// `3 differing, 17 equal`.
fn words(slot: &Slot) -> String {
    let counts = [
        (slot.differing, "differing"),
        (slot.unchecked, "unchecked"),
        (slot.tolerated, "tolerated"),
        (slot.equal, "equal"),
    ];
    let words: Vec<String> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    words.join(", ")
}

fn map(html: &mut String, heat: &Heat) {
    html.push_str(
        "<h2>Buckets by table and day</h2>\n<p>A bucket is one series in one span of time. A field shows the worst of its \
         buckets, over all series of the table; the last column says it in words.</p>\n<ul class=\"key\">\n\
         <li><b class=\"eq\">=</b>equal</li><li><b class=\"to\">~</b>tolerated: only deviations that are allowed</li>\
         <li><b class=\"di\">≠</b>differing</li><li><b class=\"un\">?</b>unchecked: outside of the range that was compared, or changed meanwhile</li>\
         <li><b class=\"no\">·</b>no data on either side</li>\n</ul>\n",
    );
    let tables = heat.tables();
    if tables.is_empty() {
        html.push_str("<p>There is no bucket on either side.</p>\n");
    }
    for (table, days) in &tables {
        let name = if table.is_empty() {
            "no name of a table".to_owned()
        } else {
            format!("table {}", value(&Value::from(*table)))
        };
        let _ = writeln!(
            html,
            "<h3>{name}</h3>\n<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"heat map, {name}\">\n<table class=\"heat\">\n<thead><tr><th scope=\"col\">day (UTC)</th>{}<th scope=\"col\">in words</th></tr></thead>\n<tbody>",
            (0..heat.slots())
                .map(|slot| format!("<th scope=\"col\" class=\"c\">{}</th>", hour(heat, 0, slot)))
                .collect::<String>()
        );
        for (day, slots) in days {
            day_row(html, heat, *day, slots);
        }
        html.push_str("</tbody>\n</table>\n</div>\n");
    }
    if heat.left_out.total() > 0 {
        let _ = writeln!(html, "<p>Further days have no room here: {} buckets.</p>", words(&heat.left_out));
    }
}

/// `07`, or `07:30`.
fn hour(heat: &Heat, day: i64, slot: usize) -> String {
    let text = instant(heat.start(day, slot), Unit::S);
    let time = text.get(11..16).unwrap_or_default();
    time.strip_suffix(":00").unwrap_or(time).to_owned()
}

/// Slots that a row names in words, at most.
const NAMED: usize = 8;

fn day_row(html: &mut String, heat: &Heat, day: i64, slots: &[Slot]) {
    let date = instant(heat.start(day, 0), Unit::S);
    let date = escape(date.split('T').next().unwrap_or_default());
    let _ = write!(html, "<tr><th scope=\"row\">{date}</th>");
    let (mut sum, mut named, mut more) = (Slot::default(), Vec::new(), 0);
    for (place, slot) in slots.iter().enumerate() {
        let (class, symbol, word) = worst(slot, heat.outside(day, place));
        let counts = words(slot);
        let spoken = if counts.is_empty() { word } else { &counts };
        let _ = write!(
            html,
            "<td class=\"c {class}\"><span aria-hidden=\"true\">{symbol}</span><span class=\"v\">{spoken}</span></td>"
        );
        sum.equal += slot.equal;
        sum.tolerated += slot.tolerated;
        sum.differing += slot.differing;
        sum.unchecked += slot.unchecked;
        if slot.differing + slot.unchecked > 0 {
            if named.len() < NAMED {
                named.push(format!(
                    "{}h: {} of {}",
                    hour(heat, day, place),
                    slot.differing + slot.unchecked,
                    slot.total()
                ));
            } else {
                more += 1;
            }
        }
    }
    let mut text = words(&sum);
    if heat.slots() > 1 && !named.is_empty() {
        let _ = write!(text, " ({}", named.join("; "));
        text.push_str(&if more > 0 { format!("; and {more} more)") } else { ")".to_owned() });
    }
    let _ = writeln!(html, "<td class=\"s\">{text}</td></tr>");
}

fn differences(html: &mut String, summary: &Value, first: &[Value]) {
    html.push_str("<h2>First differences</h2>\n");
    let total: u64 =
        get(summary, &["differences"]).as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum();
    if first.is_empty() {
        html.push_str("<p>None is shown.</p>\n");
        return;
    }
    let _ = writeln!(
        html,
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"first differences\">\n<table>\n<caption>{} of {total}</caption>\n<thead><tr>{}</tr></thead>\n<tbody>",
        first.len(),
        ["what", "time", "series", "field", "in a", "in b", "class"]
            .map(|name| format!("<th scope=\"col\">{name}</th>"))
            .concat()
    );
    for record in first {
        let cell = |key: &str| value(record.get(key).unwrap_or(&Value::Null));
        let series = match get(record, &["series", "tags"]) {
            Value::Object(tags) if !tags.is_empty() => value(&Value::Object(tags.clone())),
            _ => "-".to_owned(),
        };
        let table = match get(record, &["series", "measurement"]) {
            Value::Null => String::new(),
            name => format!("{}: ", value(name)),
        };
        let field = record.get("field").filter(|field| !field.is_null()).map_or("all".to_owned(), value);
        let class = record.get("class").filter(|class| !class.is_null()).map_or(String::new(), value);
        let _ = writeln!(
            html,
            "<tr><td class=\"k\">{}</td><td class=\"k\">{}</td><td>{table}{series}</td><td class=\"f\">{field}</td><td><code>{}</code></td><td><code>{}</code></td><td class=\"k\">{class}</td></tr>",
            cell("kind"),
            record.get("ts").filter(|ts| !ts.is_null()).map_or(String::new(), value),
            cell("a"),
            cell("b"),
        );
    }
    html.push_str("</tbody>\n</table>\n</div>\n");
}

fn pairs(html: &mut String, title: &str, map: &Value, show: impl Fn(&Value) -> String) {
    let Some(map) = map.as_object().filter(|map| !map.is_empty()) else { return };
    let _ = writeln!(html, "<h2>{title}</h2>\n<table>\n<tbody>");
    for (key, value) in map {
        let _ = writeln!(html, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escape(key), show(value));
    }
    html.push_str("</tbody>\n</table>\n");
}
