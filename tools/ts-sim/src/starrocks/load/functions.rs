//! Functions that derived columns use.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use super::evaluate::Value;

/// All functions.
pub const NAMES: [&str; 37] = [
    "from_unixtime",
    "from_unixtime_ms",
    "unix_timestamp",
    "str_to_date",
    "str2date",
    "date_format",
    "date_trunc",
    "date",
    "to_date",
    "now",
    "current_timestamp",
    "unhex",
    "hex",
    "from_base64",
    "to_base64",
    "to_bitmap",
    "bitmap_from_string",
    "base64_to_bitmap",
    "bitmap_empty",
    "hll_hash",
    "hll_empty",
    "parse_json",
    "upper",
    "lower",
    "trim",
    "concat",
    "substr",
    "substring",
    "replace",
    "length",
    "if",
    "ifnull",
    "coalesce",
    "nullif",
    "cast",
    "abs",
    "round",
];

/// Calls a function; `None` when there is none of this name.
pub fn call(name: &str, values: &[Value]) -> Option<Value> {
    let text = |at: usize| values.get(at).cloned().and_then(Value::into_text);
    let string = |at: usize| text(at).map(|t| String::from_utf8_lossy(&t).into_owned());
    let value = |at: usize| values.get(at).cloned().unwrap_or(Value::Null);
    let maybe = |text: Option<Vec<u8>>| text.map_or(Value::Null, Value::Text);
    let time = |at: usize| string(at).as_deref().and_then(datetime);
    let shown = |time: Option<NaiveDateTime>| maybe(time.map(|t| show(t).into_bytes()));
    Some(match name {
        // The session's time zone would move these; the simulator's is UTC.
        "from_unixtime" => match (values.first().and_then(Value::int).and_then(|s| instant(s, 1)), string(1)) {
            (Some(at), Some(format)) => Value::Text(formatted(at, &format).into_bytes()),
            (at, _) => maybe(at.map(|at| at.format("%Y-%m-%d %H:%M:%S").to_string().into_bytes())),
        },
        "from_unixtime_ms" => shown(values.first().and_then(Value::int).and_then(|ms| instant(ms, 1000))),
        "unix_timestamp" => match values.is_empty() {
            true => Value::Int(Utc::now().timestamp().into()),
            false => time(0).map_or(Value::Null, |t| Value::Int(t.and_utc().timestamp().into())),
        },
        "str_to_date" | "str2date" => match (string(0), string(1)) {
            (Some(text), Some(format)) => match parsed(&text, &format) {
                Some(at) if name == "str2date" => Value::Text(at.date().to_string().into_bytes()),
                at => shown(at),
            },
            _ => Value::Null,
        },
        "date_format" => match (time(0), string(1)) {
            (Some(at), Some(format)) => Value::Text(formatted(at, &format).into_bytes()),
            _ => Value::Null,
        },
        "date_trunc" => match (string(0), time(1)) {
            (Some(unit), Some(at)) => shown(truncated(&unit, at)),
            _ => Value::Null,
        },
        "date" | "to_date" => maybe(time(0).map(|t| t.date().to_string().into_bytes())),
        "now" | "current_timestamp" => Value::Text(Utc::now().format("%Y-%m-%d %H:%M:%S").to_string().into_bytes()),
        "unhex" => maybe(text(0).and_then(|t| hex::decode(t).ok())),
        "hex" => maybe(text(0).map(|t| hex::encode_upper(t).into_bytes())),
        "from_base64" => maybe(text(0).and_then(|t| base64::engine::general_purpose::STANDARD.decode(t).ok())),
        "to_base64" => maybe(text(0).map(|t| base64::engine::general_purpose::STANDARD.encode(t).into_bytes())),
        "to_bitmap" => maybe(string(0).and_then(|t| t.trim().parse().ok()).map(|n: u64| set(&[n]))),
        "bitmap_from_string" => maybe(string(0).and_then(|t| {
            let numbers: Option<Vec<u64>> = t.split(',').map(|n| n.trim().parse().ok()).collect();
            numbers.map(|numbers| set(&numbers))
        })),
        // What bitmap_to_base64 gave: here the numbers themselves, not Roaring's bytes.
        "base64_to_bitmap" => maybe(text(0).and_then(|t| base64::engine::general_purpose::STANDARD.decode(t).ok())),
        "bitmap_empty" | "hll_empty" => Value::Text(Vec::new()),
        "hll_hash" => maybe(text(0).map(|t| {
            let mut hasher = DefaultHasher::new();
            t.hash(&mut hasher);
            set(&[hasher.finish()])
        })),
        "parse_json" => match text(0) {
            Some(text) if serde_json::from_slice::<serde_json::Value>(&text).is_ok() => Value::Text(text),
            _ => Value::Null,
        },
        "upper" => maybe(string(0).map(|t| t.to_uppercase().into_bytes())),
        "lower" => maybe(string(0).map(|t| t.to_lowercase().into_bytes())),
        "trim" => maybe(string(0).map(|t| t.trim_matches(' ').to_owned().into_bytes())),
        "concat" => {
            let parts: Option<Vec<Vec<u8>>> = values.iter().cloned().map(Value::into_text).collect();
            maybe(parts.map(|parts| parts.concat()))
        }
        "substr" | "substring" => match (string(0), values.get(1).and_then(Value::int)) {
            (Some(text), Some(from)) => {
                let all = text.chars().count() as i128;
                let from = if from < 0 { all + from } else { from - 1 };
                let most = values.get(2).and_then(Value::int).unwrap_or(all).clamp(0, all);
                let inside = (0..all).contains(&from);
                let taken: String =
                    text.chars().skip(if inside { from as usize } else { all as usize }).take(most as usize).collect();
                Value::Text(taken.into_bytes())
            }
            _ => Value::Null,
        },
        "replace" => match (string(0), string(1), string(2)) {
            (Some(text), Some(from), Some(to)) if !from.is_empty() => {
                Value::Text(text.replace(&from, &to).into_bytes())
            }
            (Some(text), Some(_), Some(_)) => Value::Text(text.into_bytes()),
            _ => Value::Null,
        },
        "length" => text(0).map_or(Value::Null, |t| Value::Int(t.len() as i128)),
        "if" => value(if value(0).truth() == Some(true) { 1 } else { 2 }),
        "ifnull" | "coalesce" => values.iter().find(|v| **v != Value::Null).cloned().unwrap_or(Value::Null),
        "nullif" if text(0) == text(1) => Value::Null,
        "nullif" => value(0),
        "cast" => cast(value(0), &string(1).unwrap_or_default()),
        "abs" => match value(0) {
            Value::Int(n) => Value::Int(n.saturating_abs()),
            other => other.number().map_or(Value::Null, |f| Value::Float(f.abs())),
        },
        "round" => value(0).number().map_or(Value::Null, |f| {
            let factor = 10f64.powi(values.get(1).and_then(Value::int).unwrap_or(0).clamp(-300, 300) as i32);
            Value::Float((f * factor).round() / factor)
        }),
        _ => return None,
    })
}

/// A set as the store holds it: ascending numbers, eight bytes each.
fn set(numbers: &[u64]) -> Vec<u8> {
    let numbers: BTreeSet<u64> = numbers.iter().copied().collect();
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

fn cast(value: Value, ty: &str) -> Value {
    match ty {
        "tinyint" | "smallint" | "int" | "integer" | "bigint" | "largeint" => {
            value.int().map_or(Value::Null, Value::Int)
        }
        "float" | "double" | "decimal" => value.number().map_or(Value::Null, Value::Float),
        "boolean" => value.truth().map_or(Value::Null, |t| Value::Int(t.into())),
        "date" | "datetime" => {
            let at = value.into_text().and_then(|t| datetime(&String::from_utf8_lossy(&t)));
            at.map_or(Value::Null, |at| {
                Value::Text(if ty == "date" { at.date().to_string() } else { show(at) }.into_bytes())
            })
        }
        _ => value.into_text().map_or(Value::Null, Value::Text),
    }
}

fn instant(n: i128, per_second: i64) -> Option<NaiveDateTime> {
    let micros = i64::try_from(n).ok()?.checked_mul(1_000_000 / per_second)?;
    DateTime::from_timestamp_micros(micros).map(|t| t.naive_utc())
}

fn show(at: NaiveDateTime) -> String {
    let micros = at.and_utc().timestamp_subsec_micros();
    let format = if micros == 0 { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S%.6f" };
    at.format(format).to_string()
}

fn datetime(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim();
    ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|d| d.and_time(NaiveTime::MIN)))
}

/// MySQL's letters in chrono's.
fn translated(format: &str) -> String {
    let mut out = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        out.push_str(match letters.next() {
            Some('i') => "%M",
            Some('s' | 'S') => "%S",
            Some('f') => "%6f",
            Some('h' | 'I') => "%I",
            Some('M') => "%B",
            Some('c') => "%-m",
            Some('e') => "%-d",
            Some('T') => "%H:%M:%S",
            Some('p') => "%p",
            Some('Y') => "%Y",
            Some('y') => "%y",
            Some('m') => "%m",
            Some('d') => "%d",
            Some('H' | 'k') => "%H",
            Some('j') => "%j",
            Some('b') => "%b",
            Some('a') => "%a",
            Some('W') => "%A",
            _ => "%%",
        });
    }
    out
}

fn formatted(at: NaiveDateTime, format: &str) -> String {
    // The names that StarRocks takes besides MySQL's letters.
    let format = match format {
        "yyyy-MM-dd HH:mm:ss" => "%Y-%m-%d %H:%i:%s",
        "yyyy-MM-dd" => "%Y-%m-%d",
        "yyyyMMdd" => "%Y%m%d",
        other => other,
    };
    at.format(&translated(format)).to_string()
}

fn parsed(text: &str, format: &str) -> Option<NaiveDateTime> {
    let text = text.trim();
    // A fraction may have fewer digits than six.
    let format = translated(format).replace(".%6f", "%.f");
    NaiveDateTime::parse_from_str(text, &format)
        .ok()
        .or_else(|| NaiveDate::parse_from_str(text, &format).ok().map(|d| d.and_time(NaiveTime::MIN)))
        .or_else(|| NaiveDateTime::parse_from_str(&format!("{text} 0"), &format!("{format} %S")).ok())
}

fn truncated(unit: &str, at: NaiveDateTime) -> Option<NaiveDateTime> {
    use chrono::{Datelike, Timelike};
    let day = at.date();
    let date = match unit {
        "year" => NaiveDate::from_ymd_opt(day.year(), 1, 1)?,
        "month" => NaiveDate::from_ymd_opt(day.year(), day.month(), 1)?,
        "week" => day.checked_sub_days(chrono::Days::new(day.weekday().num_days_from_monday().into()))?,
        "day" | "hour" | "minute" | "second" => day,
        _ => return None,
    };
    let time = at.time();
    let time = match unit {
        "hour" => NaiveTime::from_hms_opt(time.hour(), 0, 0)?,
        "minute" => NaiveTime::from_hms_opt(time.hour(), time.minute(), 0)?,
        "second" => NaiveTime::from_hms_opt(time.hour(), time.minute(), time.second())?,
        _ => NaiveTime::MIN,
    };
    Some(date.and_time(time))
}

#[cfg(test)]
mod tests {
    use super::super::evaluate::evaluate;
    use super::super::expression::parse_condition;
    use super::*;

    #[test]
    fn functions_of_loads() {
        for (text, expected) in [
            ("from_unixtime(1704067200)", Some(&b"2024-01-01 00:00:00"[..])),
            ("from_unixtime('1704067200' / 1, '%Y%m%d')", Some(b"20240101")),
            ("from_unixtime_ms(1704067200123)", Some(b"2024-01-01 00:00:00.123000")),
            ("str_to_date('31/12/2024 23:59', '%d/%m/%Y %H:%i')", Some(b"2024-12-31 23:59:00")),
            ("str_to_date('20240101', '%Y%m%d')", Some(b"2024-01-01 00:00:00")),
            ("str2date('20240101', '%Y%m%d')", Some(b"2024-01-01")),
            ("str_to_date('2024-01-01 00:00:00.5', '%Y-%m-%d %H:%i:%s.%f')", Some(b"2024-01-01 00:00:00.500000")),
            ("str_to_date('x', '%Y')", None),
            ("date_trunc('month', '2024-05-17 10:00:00')", Some(b"2024-05-01 00:00:00")),
            ("unhex('00ff')", Some(b"\x00\xff")),
            ("unhex('0')", None),
            ("from_base64('AP8=')", Some(b"\x00\xff")),
            ("to_bitmap('3')", Some(b"\x03\0\0\0\0\0\0\0")),
            ("to_bitmap('x')", None),
            ("upper('a') ", Some(b"A")),
            ("concat('a', 1, 'b')", Some(b"a1b")),
            ("concat('a', null)", None),
            ("substr('straße', 5, 2)", Some("ße".as_bytes())),
            ("substr('abc', -2)", Some(b"bc")),
            ("ifnull(null, 7)", Some(b"7")),
            ("nullif('', '')", None),
            ("if(1 > 2, 'a', 'b')", Some(b"b")),
            ("cast('12.7' as int)", Some(b"12")),
            ("round(2.345, 2)", Some(b"2.35")),
        ] {
            let value = evaluate(&parse_condition(text).unwrap(), &|_| None);
            assert_eq!(value.into_text().as_deref(), expected, "{text}");
        }
        assert!(NAMES.iter().all(|name| call(name, &[]).is_some()));
    }
}
