//! Every recorded write to a real server, against [`lp::Checker`]: what a server could not parse is refused, what it
//! stored passes. Where we are stricter or where the record says nothing, the case stands in a list with its reason.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lp::{Checker, Dialect, Lines, Precision};
use serde_json::Value;

/// Cases in which a line is refused although a server stored it, and why.
const STRICTER: &[(&str, &str)] = &[
    ("dup_fields", "the first of two values would be lost in silence"),
    ("dup_fields_types", "the same, with a type conflict on top"),
    ("field_time", "1.6 and 1.8 drop the field in silence, 1.13 and 2.9 say so, none keeps it"),
    ("field_time_only", "dropped"),
    ("tag_time", "1.x drops the line, 2.x refuses it"),
    (
        "mixed_bad_and_conflict",
        "1.x names only the type conflict; the line that it could not parse is not stored either",
    ),
    ("tag_newline_escaped", "a backslash and a line feed in a tag value: no dialect writes this, v3 refuses it"),
];

/// Cases in which a line passes although the server refused it, and why.
const LOOSER: &[(&str, &str)] = &[
    ("crlf", "the carriage return has been cut off before the line is checked"),
    ("crlf_nots", "the same"),
    ("unterminated_string", "the server swallows the lines after the open quote, we read on at the next line feed"),
    ("unterminated_string_q", "the same"),
    ("str_bs_end_raw", "the same: the backslash escapes the closing quote"),
];

/// Cases that say nothing about a line: the request was refused as a whole, or its bytes are not in the record.
fn says_nothing(record: &Record) -> bool {
    let encoded = record.name.contains("gzip") || record.name.starts_with("encoding_");
    let refused = matches!(record.status, 401 | 403 | 404 | 405);
    let whole = ["invalid precision", "database is required", "either orgID or org", "retention policy not found"];
    encoded || refused || record.body.is_none() || whole.iter().any(|w| record.reply.contains(w))
}

struct Record {
    name: String,
    precision: Precision,
    /// None where the record shows only a part of the body.
    body: Option<Vec<u8>>,
    status: u16,
    /// The message of the reply, JSON decoded.
    reply: String,
}

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/wire/influx")
}

fn read(path: &Path) -> Record {
    let text = fs::read(path).unwrap();
    let text = String::from_utf8_lossy(&text).into_owned();
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let (request, rest) = text.split_once("\n--- response").unwrap();
    let (head, body) = request.split_once("bytes)\n").unwrap();
    let size: usize = head.rsplit_once('(').unwrap().1.trim().parse().unwrap();
    let uri = head.lines().nth(2).unwrap();
    let precision = match uri.split("precision=").nth(1).map(|p| p.split('&').next().unwrap()) {
        Some("s") => Precision::S,
        Some("ms") => Precision::Ms,
        _ => Precision::Ns,
    };
    let body = match body.strip_prefix("(binary, python repr) b'") {
        Some(repr) => python_bytes(repr.trim_end().trim_end_matches('\'')),
        None => body.replace("\\r\n", "\r\n").into_bytes(),
    };
    // A body that ends in a line feed is followed by an empty line.
    let body = [body.clone(), [body.as_slice(), b"\n"].concat()].into_iter().find(|b| b.len() == size);
    let body = body.or((size == 0).then(Vec::new));
    let reply = rest.split_once('\n').unwrap().1;
    let status = reply.split(' ').next().unwrap().parse().unwrap();
    let message = reply
        .split("bytes)\n")
        .nth(1)
        .and_then(|json| serde_json::from_str::<Value>(json.lines().next()?).ok())
        .and_then(|v| Some(v.get("error").or(v.get("message"))?.as_str()?.to_owned()))
        .unwrap_or_default();
    Record { name, precision, body, status, reply: message }
}

/// The bytes of a Python literal; what a cut literal loses is noticed by its length.
fn python_bytes(repr: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut chars = repr.bytes();
    while let Some(b) = chars.next() {
        if b != b'\\' {
            out.push(b);
            continue;
        }
        match chars.next().unwrap_or(b'?') {
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'x' => {
                let hex: String = chars.by_ref().take(2).map(char::from).collect();
                out.push(u8::from_str_radix(&hex, 16).unwrap_or(b'?'));
            }
            other => out.push(other),
        }
    }
    out
}

/// Replays a folder of recordings; gives the number of lines by (server's verdict, our verdict).
fn replay(folder: &str, dialect: Dialect) -> BTreeMap<(bool, bool), usize> {
    let mut seen = BTreeMap::new();
    let mut used = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(recordings().join(folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.file_stem().unwrap() == "INDEX" {
            continue;
        }
        let record = read(&path);
        if says_nothing(&record) {
            continue;
        }
        used += 1;
        let body = record.body.clone().unwrap_or_default();
        let mut checker = Checker::new(dialect).precision(record.precision).allow_missing_timestamps();
        for raw in Lines::new(&body, dialect) {
            let line = String::from_utf8_lossy(raw.bytes);
            let refused_there = record.reply.contains("unable to parse") && record.reply.contains(line.trim());
            let here = checker.check(raw.bytes);
            *seen.entry((!refused_there, here.is_ok())).or_insert(0) += 1;
            let listed = |list: &[(&str, &str)]| list.iter().any(|(name, _)| *name == record.name);
            match here {
                Ok(()) if refused_there && !listed(LOOSER) => {
                    wrong.push(format!("{folder}/{}: passes, refused by the server: {line}", record.name));
                }
                Err(bad) if !refused_there && !listed(STRICTER) => {
                    wrong.push(format!("{folder}/{}: {bad}, stored by the server: {line}", record.name));
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(used > 110, "only {used} recordings of {folder} could be used");
    seen
}

#[test]
fn v1_6_agrees() {
    let seen = replay("v16", Dialect::V1);
    assert!(seen[&(true, true)] >= 130 && seen[&(false, false)] >= 58, "{seen:?}");
}

#[test]
fn v1_8_agrees() {
    replay("v18", Dialect::V1);
    replay("v18v2", Dialect::V1);
}

#[test]
fn v1_13_agrees() {
    replay("v1latest", Dialect::V1);
}

#[test]
fn v2_9_agrees() {
    replay("v2", Dialect::V2);
}

/// The lines whose bodies are too long to stand in a recording whole; verdicts as recorded.
#[test]
fn long_lines_agree() {
    let string = |n: usize| format!("str,t=a s=\"{}\" 1", "x".repeat(n)).into_bytes();
    let tag = |n: usize| format!("tag,t={} f=1 1", "x".repeat(n)).into_bytes();
    for dialect in [Dialect::V1, Dialect::V2] {
        assert_eq!(lp::check(&string(1 << 20), dialect), Ok(()), "str_1MiB");
        // 1.6 and 1.8 keep it, 1.13 and 2.9 drop it.
        assert_eq!(lp::check(&string((1 << 20) + 1), dialect), Err(lp::Reason::StringTooLong), "str_1MiB1");
        assert_eq!(lp::check(&string(65_537), dialect), Ok(()), "str_64KiB1");
        assert_eq!(lp::check(&tag(60_000), dialect), Ok(()), "tag_60K");
        assert_eq!(lp::check(&tag(65_600), dialect), Err(lp::Reason::KeyTooLong), "tag_64K");
    }
    let fields = |n: usize| {
        let list: Vec<_> = (0..n).map(|i| format!("f{i}=1")).collect();
        format!("line_5MB {} 1", list.join(",")).into_bytes()
    };
    assert_eq!(lp::check(&fields(1_000), Dialect::V1), Ok(()), "fields_1000");
    // Stopped a 1.8 server for ten minutes.
    assert_eq!(lp::check(&fields(500_000), Dialect::V1), Err(lp::Reason::LineTooLong), "line_5MB");
    assert_eq!(lp::check(&fields(100_000), Dialect::V1), Err(lp::Reason::TooManyFields));
}

/// One request with this line ends the process of a 1.8 or a 2.9 server.
#[test]
fn the_line_that_kills_servers_never_passes() {
    let line = fs::read(recordings().join("crash_line.lp")).unwrap();
    for dialect in Dialect::ALL {
        for raw in Lines::new(&line, dialect) {
            for tail in ["", " 1"] {
                let line = [raw.bytes, tail.as_bytes()].concat();
                let bad = Checker::new(dialect).allow_missing_timestamps().check(&line).unwrap_err();
                assert_ne!(bad.reason, lp::Reason::MissingTimestamp, "{dialect}");
            }
        }
    }
}
