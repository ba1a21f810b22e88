//! Line protocol as InfluxDB 1 and 2 read it: what they accept, what they refuse, and in which words.
//!
//! Follows the observable behaviour of the server's own scanner (dossier influxdb 1.1 to 1.5): lines are cut where the server
//! cuts them, a bad line takes the following lines with it when a quote stays open, escapes are a plain replacement, and a
//! number is checked the way the server checks it (`NaN` is "invalid number", `Inf` is "invalid boolean").
//! Deliberately independent of the encoder under test: nothing here is shared with `lp`.

use std::borrow::Cow;
use std::ops::Range;

/// Longest series key, and longest series key with field key and separator (dossier influxdb 1.4).
pub const MAX_KEY: usize = 65_535;

/// One field's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    Float(f64),
    Int(i64),
    Uint(u64),
    Bool(bool),
    Str(Cow<'a, [u8]>),
}

/// One field of a point; the key is unescaped.
#[derive(Debug)]
pub struct Field<'a> {
    pub key: Cow<'a, [u8]>,
    pub value: Value<'a>,
}

/// One point: the escaped series key with sorted tags, the time in ns, and its fields as a range of [`Batch::fields`].
#[derive(Debug)]
pub struct Point<'a> {
    pub key: Cow<'a, [u8]>,
    pub time: i64,
    pub fields: Range<usize>,
}

/// What one body holds: the good points, and one message for every bad line.
#[derive(Debug, Default)]
pub struct Batch<'a> {
    pub points: Vec<Point<'a>>,
    pub fields: Vec<Field<'a>>,
    /// `unable to parse 'LINE': why`, in the order of the lines.
    pub failed: Vec<Vec<u8>>,
    /// A line that the server's parser lets pass but that ends the server's process when its value is read
    /// (a field key that ends in backslashes and a string value, dossier measured 2.1).
    pub crash: bool,
}

/// How a server differs from the others in what it parses.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// `5u` is an unsigned integer (2.x) and not an invalid number (1.x).
    pub unsigned: bool,
    /// The tag keys `time`, `_field`, `_measurement` make a line unparsable (2.x).
    pub reserved_tags: bool,
    /// One unit of a timestamp in ns.
    pub unit: i64,
    /// The time of a line without timestamp, in ns.
    pub now: i64,
}

type Scan<T> = Result<T, Cow<'static, str>>;

/// Parses a whole body.
pub fn parse(body: &[u8], rules: Rules) -> Batch<'_> {
    let mut batch = Batch::default();
    let mut pos = 0;
    while pos < body.len() {
        let end = line_end(body, pos);
        let line = body.get(pos..end.min(body.len())).unwrap_or_default();
        pos = end + 1;
        let line = line.get(skip_blank(line, 0)..).unwrap_or_default();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        // only a line with an open quote can still hold its LF
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let fields = batch.fields.len();
        match point(line, rules, &mut batch) {
            Ok(point) => batch.points.push(point),
            Err(why) => {
                batch.fields.truncate(fields);
                let mut message = b"unable to parse '".to_vec();
                message.extend_from_slice(line);
                message.extend_from_slice(format!("': {why}").as_bytes());
                batch.failed.push(message);
            }
        }
    }
    batch
}

/// The length of the whole lines at the start of a buffer: what follows may go on in the next one.
pub fn complete_lines(buf: &[u8]) -> usize {
    let mut start = 0;
    loop {
        let end = line_end(buf, start);
        if end >= buf.len() {
            return start;
        }
        start = end + 1;
    }
}

/// Where the line that starts at `i` ends: an unescaped, unquoted LF. May lie one past the end after a trailing backslash.
fn line_end(buf: &[u8], mut i: usize) -> usize {
    let (mut quoted, mut fields, mut equals, mut commas) = (false, false, 0usize, 0usize);
    while let Some(&b) = buf.get(i) {
        match b {
            b'\\' => {
                i += 2;
                continue;
            }
            b' ' => fields = true,
            b'\n' if !quoted => return i,
            b'=' if fields && !quoted => equals += 1,
            b',' if fields && !quoted => commas += 1,
            b'"' if fields && equals > commas => quoted = !quoted,
            _ => {}
        }
        i += 1;
    }
    i
}

fn skip_blank(buf: &[u8], mut i: usize) -> usize {
    while matches!(buf.get(i), Some(b' ' | b'\t' | 0)) {
        i += 1;
    }
    i
}

fn point<'a>(line: &'a [u8], rules: Rules, batch: &mut Batch<'a>) -> Scan<Point<'a>> {
    let (pos, key) = series_key(line, rules)?;
    if key.len() > MAX_KEY {
        return Err(format!("max key length exceeded: {} > {MAX_KEY}", key.len()).into());
    }
    let start = skip_blank(line, pos);
    let pos = scan_fields(line, start, rules)?;
    let text = line.get(start..pos).unwrap_or_default();
    if text.is_empty() {
        return Err("missing fields".into());
    }
    let first = batch.fields.len();
    read_fields(text, key.len(), batch)?;
    let time = read_time(line, pos, rules)?;
    Ok(Point { key, time, fields: first..batch.fields.len() })
}

/// The measurement and tags, sorted by tag key; the position is that of the blank after them.
fn series_key(line: &[u8], rules: Rules) -> Scan<(usize, Cow<'_, [u8]>)> {
    if line.first() == Some(&b',') {
        return Err("missing measurement".into());
    }
    let mut i = 0;
    loop {
        i += 1;
        match line.get(i) {
            None => return Err("missing fields".into()),
            Some(_) if line.get(i - 1) == Some(&b'\\') => {}
            Some(b' ') => return Ok((i, Cow::Borrowed(line.get(..i).unwrap_or_default()))),
            Some(b',') => break,
            Some(_) => {}
        }
    }
    let measurement = line.get(..i).unwrap_or_default();
    let mut tags: Vec<(&[u8], &[u8])> = Vec::with_capacity(8);
    let mut more = true;
    i += 1;
    while more {
        let key_start = i;
        i = scan_tag_key(line, i)?;
        let key = line.get(key_start..i - 1).unwrap_or_default();
        let (end, comma) = scan_tag_value(line, i)?;
        tags.push((key, line.get(key_start..end).unwrap_or_default()));
        more = comma;
        i = if comma { end + 1 } else { end };
    }
    let sorted = tags.windows(2).all(|w| matches!(w, [a, b] if a.0 <= b.0));
    let key = if sorted {
        Cow::Borrowed(line.get(..i).unwrap_or_default())
    } else {
        tags.sort_by(|a, b| a.0.cmp(b.0));
        let mut key = measurement.to_vec();
        for (_, tag) in &tags {
            key.push(b',');
            key.extend_from_slice(tag);
        }
        Cow::Owned(key)
    };
    if tags.windows(2).any(|w| matches!(w, [a, b] if a.0 == b.0)) {
        return Err("duplicate tags".into());
    }
    if rules.reserved_tags
        && let Some((name, _)) = tags.iter().find(|(k, _)| matches!(*k, b"time" | b"_field" | b"_measurement"))
    {
        return Err(format!("cannot use reserved tag key \"{}\"", String::from_utf8_lossy(name)).into());
    }
    Ok((i, key))
}

/// The position after the `=` of the tag key that starts at `i`.
fn scan_tag_key(line: &[u8], mut i: usize) -> Scan<usize> {
    if matches!(line.get(i), None | Some(b' ' | b',' | b'=')) {
        return Err("missing tag key".into());
    }
    loop {
        i += 1;
        let escaped = line.get(i - 1) == Some(&b'\\');
        match line.get(i) {
            None => return Err("missing tag value".into()),
            Some(b' ' | b',') if !escaped => return Err("missing tag value".into()),
            Some(b'=') if !escaped => return Ok(i + 1),
            Some(_) => {}
        }
    }
}

/// The end of the tag value that starts at `i`, and whether another tag follows.
fn scan_tag_value(line: &[u8], mut i: usize) -> Scan<(usize, bool)> {
    if matches!(line.get(i), None | Some(b' ' | b',')) {
        return Err("missing tag value".into());
    }
    loop {
        i += 1;
        let escaped = line.get(i - 1) == Some(&b'\\');
        match line.get(i) {
            None => return Err("missing fields".into()),
            Some(b'=') if !escaped => return Err("invalid tag format".into()),
            Some(b',') if !escaped => return Ok((i, true)),
            Some(b' ') if !escaped => return Ok((i, false)),
            Some(_) => {}
        }
    }
}

/// Checks the fields that start at `start` and returns where they end.
fn scan_fields(line: &[u8], start: usize, rules: Rules) -> Scan<usize> {
    let before = |i: usize, n: usize| i.checked_sub(n).and_then(|j| line.get(j)).copied().unwrap_or(0);
    let (mut i, mut quoted, mut equals, mut commas) = (start, false, 0usize, 0usize);
    while let Some(&b) = line.get(i) {
        match b {
            b'\\' if i + 1 < line.len() => {
                i += 2;
                continue;
            }
            b'"' if equals > commas => quoted = !quoted,
            b'=' if !quoted => {
                equals += 1;
                if matches!(before(i, 1), b' ' | b',') && before(i, 2) != b'\\' {
                    return Err("missing field key".into());
                }
                match line.get(i + 1) {
                    None | Some(b',' | b' ') => return Err("missing field value".into()),
                    Some(b'0'..=b'9' | b'.' | b'-' | b'N' | b'n') => {
                        i = scan_number(line, i + 1, rules)?;
                        continue;
                    }
                    Some(b'"') => {}
                    Some(_) => {
                        i = scan_boolean(line, i + 1)?;
                        continue;
                    }
                }
            }
            b',' if !quoted => commas += 1,
            b' ' if !quoted => break,
            _ => {}
        }
        i += 1;
    }
    if quoted {
        return Err("unbalanced quotes".into());
    }
    if equals == 0 || commas != equals - 1 {
        return Err("invalid field format".into());
    }
    Ok(i)
}

fn value_end(line: &[u8], start: usize) -> usize {
    let rest = line.get(start..).unwrap_or_default();
    start + rest.iter().position(|b| matches!(b, b',' | b' ')).unwrap_or(rest.len())
}

fn scan_number(line: &[u8], start: usize, rules: Rules) -> Scan<usize> {
    let invalid = || -> Scan<usize> { Err("invalid number".into()) };
    let end = value_end(line, start);
    let text = line.get(start..end).unwrap_or_default();
    let body = text.strip_prefix(b"-").unwrap_or(text);
    let (mut int, mut uint, mut decimal, mut scientific) = (false, false, false, false);
    let mut previous = 0u8;
    for (n, &b) in body.iter().enumerate() {
        let first = n == 0 && body.len() == text.len();
        match b {
            b'i' if !first && !int && !uint => int = true,
            b'u' if !first && !int && !uint => uint = true,
            b'.' if decimal => return invalid(),
            b'.' => decimal = true,
            b'e' | b'E' if !first => scientific = true,
            b'+' | b'-' if matches!(previous, b'e' | b'E') => {}
            b'0'..=b'9' => {}
            _ => return invalid(),
        }
        previous = b;
    }
    if (int || uint) && (decimal || scientific) {
        return invalid();
    }
    let marks = usize::from(int) + usize::from(decimal) + text.len().saturating_sub(body.len());
    if text.len() <= marks {
        return invalid();
    }
    let digits = String::from_utf8_lossy(text.get(..text.len() - 1).unwrap_or_default()).into_owned();
    let range = |func: &str, what: &str| -> Scan<usize> {
        Err(format!("unable to parse {what} {digits}: strconv.{func}: parsing \"{digits}\": value out of range").into())
    };
    if int {
        if text.last() != Some(&b'i') {
            return invalid();
        }
        if digits.parse::<i64>().is_err() {
            return range("ParseInt", "integer");
        }
    } else if uint {
        if !rules.unsigned || text.last() != Some(&b'u') || text.first() == Some(&b'-') {
            return invalid();
        }
        if digits.parse::<u64>().is_err() {
            return range("ParseUint", "unsigned");
        }
    } else if float(text).is_none() {
        return Err("invalid float".into());
    }
    Ok(end)
}

/// A finite float as Go's ParseFloat reads it, or `None`.
fn float(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse::<f64>().ok().filter(|f| f.is_finite())
}

fn scan_boolean(line: &[u8], start: usize) -> Scan<usize> {
    let end = value_end(line, start);
    match boolean(line.get(start..end).unwrap_or_default()) {
        Some(_) => Ok(end),
        None => Err("invalid boolean".into()),
    }
}

fn boolean(text: &[u8]) -> Option<bool> {
    match text {
        b"t" | b"T" | b"true" | b"True" | b"TRUE" => Some(true),
        b"f" | b"F" | b"false" | b"False" | b"FALSE" => Some(false),
        _ => None,
    }
}

/// Reads the fields the way the server reads them back: the key ends at the first `=` that no backslash precedes,
/// which is not always where [`scan_fields`] saw it.
fn read_fields<'a>(text: &'a [u8], series_key: usize, batch: &mut Batch<'a>) -> Scan<()> {
    let mut i = 0;
    while i < text.len() {
        let rest = text.get(i..).unwrap_or_default();
        let equals = unescaped(rest, b'=');
        let raw_key = rest.get(..equals).unwrap_or_default();
        let size = series_key + 4 + raw_key.len();
        if size > MAX_KEY {
            return Err(format!("max key length exceeded: {size} > {MAX_KEY}").into());
        }
        let value = rest.get(equals + 1..).unwrap_or_default();
        let end = field_value_end(value);
        let value = value.get(..end).unwrap_or_default();
        i += equals + 1 + end + 1;
        match read_value(value) {
            Some(value) => batch.fields.push(Field { key: unescape(raw_key, b",\" ="), value }),
            None if value == b"\"" => batch.crash = true,
            // the server accepts a handful of such lines and then answers 500 (dossier measured 2.1)
            None => return Err("invalid value".into()),
        }
    }
    Ok(())
}

/// The position of the first `stop` that no backslash precedes, or the length.
fn unescaped(text: &[u8], stop: u8) -> usize {
    let mut previous = 0u8;
    for (i, &b) in text.iter().enumerate() {
        if b == stop && previous != b'\\' {
            return i;
        }
        previous = b;
    }
    text.len()
}

fn field_value_end(text: &[u8]) -> usize {
    let (mut i, mut quoted) = (0, false);
    while let Some(&b) = text.get(i) {
        match b {
            b'\\' if matches!(text.get(i + 1), Some(b'"' | b'\\')) => i += 1,
            b'"' => quoted = !quoted,
            b',' if !quoted => return i,
            _ => {}
        }
        i += 1;
    }
    text.len().min(i)
}

/// The typed value, or `None` where the server itself would fall over.
fn read_value(text: &[u8]) -> Option<Value<'_>> {
    match text.first()? {
        b'"' => {
            let inner = text.get(1..text.len().checked_sub(1)?)?;
            Some(Value::Str(unescape_string(inner)))
        }
        b'0'..=b'9' | b'-' | b'.' | b'n' | b'N' | b'i' | b'I' | b'u' => {
            let digits = |t: &[u8]| std::str::from_utf8(t).map(str::to_string).ok();
            match text.split_last()? {
                (b'i', head) => digits(head)?.parse().ok().map(Value::Int),
                (b'u', head) => digits(head)?.parse().ok().map(Value::Uint),
                _ => float(text).map(Value::Float),
            }
        }
        _ => boolean(text).map(Value::Bool),
    }
}

fn read_time(line: &[u8], pos: usize, rules: Rules) -> Scan<i64> {
    let start = skip_blank(line, pos);
    let mut i = start;
    while let Some(&b) = line.get(i) {
        match b {
            b'\n' | b' ' => break,
            b'-' if i == start => {}
            b'0'..=b'9' => {}
            _ => return Err("bad timestamp".into()),
        }
        i += 1;
    }
    let text = String::from_utf8_lossy(line.get(start..i).unwrap_or_default());
    if text.is_empty() {
        return Ok(rules.now.div_euclid(rules.unit) * rules.unit);
    }
    let number: i64 = text.parse().map_err(|_| {
        let why = if &*text == "-" { "invalid syntax" } else { "value out of range" };
        Cow::from(format!("strconv.ParseInt: parsing \"{text}\": {why}"))
    })?;
    let time = number.checked_mul(rules.unit).filter(|t| *t > i64::MIN + 1 && *t < i64::MAX);
    let time = time.ok_or("time outside range -9223372036854775806 - 9223372036854775806")?;
    if line.get(i..).unwrap_or_default().iter().any(|b| *b != b' ') {
        return Err("point is invalid".into());
    }
    Ok(time)
}

/// Drops the backslash before each of `special`; every other backslash stays.
pub fn unescape<'a>(text: &'a [u8], special: &[u8]) -> Cow<'a, [u8]> {
    if memchr::memchr(b'\\', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut i = 0;
    while let Some(&b) = text.get(i) {
        if b == b'\\'
            && let Some(next) = text.get(i + 1)
            && special.contains(next)
        {
            out.push(*next);
            i += 2;
            continue;
        }
        out.push(b);
        i += 1;
    }
    Cow::Owned(out)
}

fn unescape_string(text: &[u8]) -> Cow<'_, [u8]> {
    unescape(text, b"\"\\")
}

/// Splits a stored series key into measurement and tags, both unescaped.
pub fn split_key(key: &[u8]) -> (Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>) {
    let comma = unescaped(key, b',');
    let name = unescape(key.get(..comma).unwrap_or_default(), b",\" =").into_owned();
    let mut tags = Vec::new();
    let mut rest = key.get(comma + 1..).unwrap_or_default();
    while !rest.is_empty() {
        let end = unescaped(rest, b',');
        let tag = rest.get(..end).unwrap_or_default();
        let equals = unescaped(tag, b'=');
        let part = |range: Option<&[u8]>| unescape(range.unwrap_or_default(), b", =").into_owned();
        tags.push((part(tag.get(..equals)), part(tag.get(equals + 1..))));
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    (name, tags)
}
