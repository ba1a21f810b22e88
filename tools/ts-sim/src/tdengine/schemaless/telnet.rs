//! OpenTSDB's telnet lines: `metric time value tag=text tag=text`.

use super::super::sql::error::SqlError;
use super::super::time;
use super::super::types::Kind;
use super::super::value::Value;
use super::value::{self, INVALID_VALUE};
use super::{
    BAD_KEY, Item, MAX_KEY, MAX_NCHAR, MAX_TABLE, NO_LINES, Point, complaint, lines, number, table_name, too_long,
};
use crate::args::Precision;

/// The column of the value.
pub const VALUE: &str = "_value";

/// All points of the data.
pub fn parse(data: &[u8]) -> Result<Vec<Point<'_>>, SqlError> {
    let points: Vec<Point<'_>> = lines(data).map(|(start, end)| point(data, start, end)).collect::<Result<_, _>>()?;
    if points.is_empty() { Err(SqlError::new(0x3002, NO_LINES)) } else { Ok(points) }
}

/// The next word. One that nothing follows counts as none (recorded: `garbage` has no metric).
fn word<'a>(data: &'a [u8], at: &mut usize, end: usize) -> &'a [u8] {
    while *at < end && data[*at] == b' ' {
        *at += 1;
    }
    let start = *at;
    while *at < end && data[*at] != b' ' {
        *at += 1;
    }
    if *at < end { &data[start..*at] } else { &[] }
}

fn point(data: &[u8], start: usize, end: usize) -> Result<Point<'_>, SqlError> {
    let mut at = start;
    let metric = word(data, &mut at, end);
    if metric.is_empty() || metric.len() > MAX_TABLE {
        return Err(complaint(0x020A, "invalid data", &data[at..]));
    }
    let text = word(data, &mut at, end);
    if text.is_empty() {
        return Err(complaint(0x3002, "invalid timestamp", &data[at..]));
    }
    let time = instant(text).ok_or_else(|| complaint(0x0127, "invalid timestamp", &data[at..]))?;
    let start_of_value = data[at..].iter().position(|b| *b != b' ').map_or(at, |skip| at + skip);
    let text = word(data, &mut at, end);
    if text.is_empty() {
        return Err(complaint(INVALID_VALUE, "invalid value", &data[at..]));
    }
    let parsed = value::parse(text).map_err(|wrong| match wrong.why {
        Some(why) => complaint(INVALID_VALUE, why, &data[start_of_value..]),
        None => SqlError::new(INVALID_VALUE, "Invalid value in client"),
    })?;
    let len = if let Value::Bytes(text) = &parsed.value { text.len() as u32 } else { 0 };
    let near = VALUE.as_bytes();
    let field = Item { name: VALUE.to_string(), near, kind: parsed.kind, len, value: parsed.value };
    while at < end && data[at] == b' ' {
        at += 1;
    }
    if at == end {
        return Err(complaint(INVALID_VALUE, "invalid value", &data[at..]));
    }
    let tags = tags(data, at, end)?;
    let measure = metric.iter().map(|b| if *b == b'.' { b'_' } else { *b }).collect();
    Ok(Point { stable: table_name(metric), measure, tags, fields: vec![field], time })
}

/// Ten digits are seconds, thirteen milliseconds, `0` is now.
fn instant(text: &[u8]) -> Option<i64> {
    if text == b"0" {
        return Some(time::now(Precision::Ns));
    }
    let unit = match text.len() {
        10 => 1_000_000_000,
        13 => 1_000_000,
        _ => return None,
    };
    let (number, used) = number::whole(text);
    let time = i64::try_from(number).ok()?.saturating_mul(unit);
    (used == text.len() && time >= 0).then_some(time)
}

fn tags(data: &[u8], mut at: usize, end: usize) -> Result<Vec<Item<'_>>, SqlError> {
    let mut tags = Vec::new();
    while at < end {
        while at < end && data[at] == b' ' {
            at += 1;
        }
        // Blanks before the end of the data are no tag; before the end of a line they are an empty one.
        if at == data.len() || data[at] == 0 {
            break;
        }
        let start = at;
        let mut key: &[u8] = &[];
        while at < end {
            match data[at] {
                b' ' => return Err(complaint(0x3002, "invalid data", &data[at..])),
                b'=' => {
                    key = &data[start..at];
                    at += 1;
                    break;
                }
                _ => at += 1,
            }
        }
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(complaint(0x021F, BAD_KEY, &data[start..]));
        }
        let value = at;
        while at < end && data[at] != b' ' {
            if data[at] == b'=' {
                return Err(complaint(0x3002, "invalid data", &data[at..]));
            }
            at += 1;
        }
        let text = &data[value..at];
        if text.is_empty() {
            return Err(complaint(INVALID_VALUE, "invalid value", &data[value..]));
        }
        if text.len() > MAX_NCHAR {
            return Err(too_long());
        }
        tags.push(Item {
            name: String::from_utf8_lossy(key).into_owned(),
            near: &data[start..],
            kind: Kind::NChar,
            len: text.len() as u32,
            value: Value::Bytes(text.to_vec().into()),
        });
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_a_point() {
        let points = parse(b"sys.mem 1700000000 42i a=b  c=d\nx 1700000000123 \"t\" e=f\n").unwrap();
        assert_eq!((points[0].stable.as_str(), points[0].time), ("sys_mem", 1_700_000_000_000_000_000));
        assert_eq!(points[0].fields[0].value, Value::Int(42));
        assert_eq!(points[0].tags.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!((points[1].time, &points[1].fields[0].value), (1_700_000_000_123_000_000, &Value::text("t")));
    }

    #[test]
    fn refusals_have_the_servers_words() {
        for (text, code, message) in [
            ("garbage", 0x020A, "invalid data:"),
            ("m 1700000000", 0x3002, "invalid timestamp:"),
            ("m 17 1 a=b", 0x0127, "invalid timestamp: 1 a=b"),
            ("m 1700000000 x1 a=b", 0x0203, "invalid data:x1 a=b"),
            ("m 1700000000 tru a=b", 0x0203, "Invalid value in client"),
            ("m 1700000000 1 ", 0x0203, "invalid value:"),
            ("m 1700000000 1 a b=c", 0x3002, "invalid data: b=c"),
            ("m 1700000000 1 a=", 0x0203, "invalid value:"),
            ("m 1700000000 1 a=b=c", 0x3002, "invalid data:=c"),
            ("m 1700000000 1 =b", 0x021F, "invalid key or key is too long than 64:=b"),
            ("", 0x3002, "line num is invalid"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert_eq!((error.code, error.message.as_str()), (code, message), "{text}");
        }
    }

    testkit::proptest::proptest! {
        #[test]
        fn no_bytes_break_the_parser(data in "[m=1 \\n\"a\u{0}]{0,12} 17000000000? [1i\" a=]{0,12}\\n?") {
            let _ = parse(data.as_bytes());
        }
    }
}
