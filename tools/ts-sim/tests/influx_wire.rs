//! Every recorded write to a real InfluxDB, sent again to the simulator: the same status, the same words, and the same
//! content afterwards. The recordings are in `testdata/wire/influx`, one file per exchange.
mod influx_common;

use influx_common::{Reply, Running, get, send, start};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One recorded exchange.
struct Case {
    name: String,
    setup: Option<Vec<u8>>,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Body,
    status: u16,
    answer: Text,
    stored: Option<Text>,
}

enum Body {
    /// As recorded.
    Whole(Vec<u8>),
    /// Cut in the recording and made again by a rule that is known from its head and its end.
    ByRule(Vec<u8>),
    /// Cannot be had, and why.
    Lost(&'static str),
}

/// A recorded text, with its whole length when it was cut.
#[derive(Debug)]
struct Text {
    shown: Vec<u8>,
    whole: Option<usize>,
}

fn sections(text: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    for line in text.split_inclusive(|b| *b == b'\n') {
        match line.strip_prefix(b"--- ") {
            Some(title) => found.push((String::from_utf8_lossy(title).trim_end().to_string(), Vec::new())),
            None => {
                if let Some((_, content)) = found.last_mut() {
                    content.extend_from_slice(line)
                }
            }
        }
    }
    found
}

fn unrepr(text: &[u8]) -> Option<Vec<u8>> {
    let inner = text.strip_prefix(b"(binary, python repr) b")?;
    let quote = *inner.first()?;
    let inner = &inner[1..];
    let end = inner.iter().rposition(|b| *b == quote)?;
    let mut out = Vec::new();
    let mut bytes = inner[..end].iter().copied();
    while let Some(b) = bytes.next() {
        if b != b'\\' {
            out.push(b);
            continue;
        }
        out.push(match bytes.next()? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    Some(out)
}

/// The shown text and its whole length when it says `... [N chars in all] ...`.
fn text(shown: &[u8]) -> Text {
    let mark = b" chars in all] ...\n";
    let cut = shown.windows(mark.len()).position(|w| w == mark);
    let whole = cut.and_then(|at| {
        let start = shown[..at].iter().rposition(|b| *b == b'[')?;
        std::str::from_utf8(&shown[start + 1..at]).ok()?.parse().ok()
    });
    let shown = match unrepr(shown) {
        Some(bytes) if whole.is_none() => bytes,
        _ => shown.to_vec(),
    };
    Text { shown, whole }
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(from) {
            out.extend_from_slice(to);
            at += from.len();
        } else {
            out.push(text[at]);
            at += 1;
        }
    }
    out
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn body(case: &str, shown: &[u8], size: usize) -> Body {
    if let (Some(bytes), None) = (unrepr(shown), text(shown).whole) {
        assert_eq!(bytes.len(), size, "{case}");
        return Body::Whole(bytes);
    }
    let shown = shown.strip_suffix(b"\n").unwrap_or(shown);
    // a CR is printed as two characters; the length tells whether these were one
    for candidate in [shown.to_vec(), replace(shown, b"\\r", b"\r")] {
        if candidate.len() == size {
            return Body::Whole(candidate);
        }
    }
    let time = shown.rsplit(|b| *b == b' ').next().unwrap_or_default();
    let time = String::from_utf8_lossy(time).trim().to_string();
    let fields = |n: usize| (0..n).map(|i| format!("f{i}=1")).collect::<Vec<_>>().join(",");
    let made = match case {
        "all_bad_5000" => (0..5000).map(|i| format!("all_bad_5000,t=a f=oops{i} {time}\n")).collect(),
        "one_bad_5000" => {
            (0..5000).map(|i| format!("one_bad_5000,t=t{i} f={} {time}\n", if i == 2500 { "x" } else { "1" })).collect()
        }
        "fields_1000" => format!("fields_1000 {} {time}\n", fields(1000)),
        "line_5MB" => format!("line_5MB {} {time}\n", fields(500_000)),
        "gzip_truncated" => {
            let lines: String =
                (0..2000).map(|i| format!("gzip_truncated,t=t{i} f={i} 1795258800000000000\n")).collect();
            let whole = gzip(lines.as_bytes());
            return Body::ByRule(whole[..whole.len() / 2].to_vec());
        }
        _ => {
            // head and end of one long run of x
            let mark = b"\n... [";
            let Some(at) = shown.windows(mark.len()).position(|w| w == mark) else {
                return Body::Lost("its bytes do not add up");
            };
            let head = &shown[..at];
            let rest = &shown[at + 1..];
            let tail = &rest[rest.iter().position(|b| *b == b'\n').unwrap() + 1..];
            if !head.ends_with(b"xxxx") || !tail.starts_with(b"xxxx") {
                return Body::Lost("cut, and no rule is known");
            }
            let mut whole = head.to_vec();
            whole.resize(size - tail.len(), b'x');
            whole.extend_from_slice(tail);
            return Body::ByRule(whole);
        }
    };
    assert_eq!(made.len(), size, "{case}: the rule makes another body");
    Body::ByRule(made.into_bytes())
}

fn read_case(name: &str, file: &[u8]) -> Case {
    let sections = sections(file);
    let find = |title: &str| sections.iter().find(|(t, _)| t.starts_with(title)).map(|(_, c)| c.as_slice());
    let request = find("request").unwrap_or_else(|| panic!("{name}: no request"));
    let (head, shown, size) = head_and_body(request);
    let mut lines = head.lines();
    let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
    let headers = lines.filter_map(|l| l.split_once(": ")).map(|(n, v)| (n.to_string(), v.to_string())).collect();
    let (response, answer, _) = head_and_body(find("response").unwrap());
    Case {
        name: name.to_string(),
        setup: find("setup write").map(|s| s.strip_suffix(b"\n").unwrap_or(s).to_vec()),
        method: method.to_string(),
        target: target.to_string(),
        headers,
        body: body(name, shown, size),
        status: response[..3].parse().unwrap(),
        answer: text(answer),
        stored: find("stored").map(text),
    }
}

/// Lines up to `(N bytes)`, what follows, and N.
fn head_and_body(section: &[u8]) -> (String, &[u8], usize) {
    let mark = b" bytes)\n";
    let end = section.windows(mark.len()).position(|w| w == mark).unwrap();
    let open = section[..end].iter().rposition(|b| *b == b'(').unwrap();
    let size = std::str::from_utf8(&section[open + 1..end]).unwrap().parse().unwrap();
    (String::from_utf8_lossy(&section[..open]).into_owned(), &section[end + mark.len()..], size)
}

/// Times of the recording and random ids, which no second run can repeat.
fn masked(text: &[u8]) -> String {
    // older Go spells two control characters differently
    let text = String::from_utf8_lossy(text).replace("\\u0008", "\\b").replace("\\u000c", "\\f");
    let mut out = String::new();
    for part in text.trim_end().split_inclusive([' ', ',']) {
        let word = part.trim_end_matches([' ', ',', '"', '}']);
        let id = word.len() == 16 && word.bytes().all(|b| b.is_ascii_hexdigit());
        let time = word.starts_with("20") && word.ends_with('Z') && word.contains('.');
        match (id, time) {
            (true, _) => out.push_str("ID "),
            (_, true) => out.push_str("TIME "),
            _ => out.push_str(part),
        }
    }
    out
}

fn same_answer(case: &Case, reply: &Reply) -> Result<(), String> {
    if reply.status != case.status {
        return Err(format!(
            "status {} instead of {}: {}",
            reply.status,
            case.status,
            reply.text().chars().take(200).collect::<String>()
        ));
    }
    if let Some(whole) = case.answer.whole {
        let head = &case.answer.shown[..500.min(case.answer.shown.len())];
        let same = reply.body.starts_with(head) && reply.body.len().abs_diff(whole) <= 1;
        return if same {
            Ok(())
        } else {
            Err(format!("answer of {} bytes instead of {whole}, or another head", reply.body.len()))
        };
    }
    let (got, expected) = (masked(&reply.body), masked(&case.answer.shown));
    if got == expected { Ok(()) } else { Err(format!("answer {got}\n   instead of {expected}")) }
}

/// Cases whose points have no timestamp: the time is the server's.
const UNTIMED: [&str; 2] = ["no_timestamp", "crlf_nots"];

fn rows_v1(case: &str, json: &[u8]) -> Vec<String> {
    let value: serde_json::Value =
        serde_json::from_slice(json).unwrap_or_else(|e| panic!("{case}: {e}: {}", String::from_utf8_lossy(json)));
    let mut rows = Vec::new();
    for series in value["results"][0]["series"].as_array().into_iter().flatten() {
        rows.push(format!("columns {}", series["columns"]));
        for row in series["values"].as_array().into_iter().flatten() {
            let mut row = row.clone();
            if UNTIMED.contains(&case) {
                row[0] = "now".into();
            }
            rows.push(row.to_string());
        }
    }
    rows.sort();
    rows
}

fn stored_v1(server: &Running, case: &Case) -> Result<(), String> {
    let Some(expected) = &case.stored else { return Ok(()) };
    let database = if case.target.contains("ix1h") { "ix1h" } else { "ix" };
    let query = format!("SELECT * FROM {}", measurement(&case.name, &expected.shown));
    let got = get(&server.address, "/query", &[("db", database), ("epoch", "ns"), ("q", &query)], &[]);
    assert_eq!(got.status, 200, "{}: {}", case.name, got.text());
    if let Some(whole) = expected.whole {
        let same = got.body.len().abs_diff(whole) <= 1;
        return if same { Ok(()) } else { Err(format!("stored {} bytes instead of {whole}", got.body.len())) };
    }
    let (got, expected) = (rows_v1(&case.name, &got.body), rows_v1(&case.name, &expected.shown));
    if got == expected { Ok(()) } else { Err(format!("stored {got:?}\n   instead of {expected:?}")) }
}

/// The rows of annotated CSV, as `column=value` lists without table numbers.
fn rows_flux(case: &str, text: &[u8]) -> Vec<String> {
    let mut header: Vec<Vec<u8>> = Vec::new();
    let mut rows = Vec::new();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    for record in reader.byte_records() {
        let cells: Vec<Vec<u8>> = record.unwrap().iter().map(<[u8]>::to_vec).collect();
        if cells.get(1).map(Vec::as_slice) == Some(b"result") {
            header = cells;
            continue;
        }
        let named = header.iter().zip(&cells).skip(3).map(|(name, cell)| {
            let untimed = UNTIMED.contains(&case) && name == b"_time";
            let cell = if untimed { "now".into() } else { String::from_utf8_lossy(cell) };
            format!("{}={cell}", String::from_utf8_lossy(name))
        });
        rows.push(named.collect::<Vec<_>>().join("|"));
    }
    rows.sort();
    rows
}

fn stored_v2(server: &Running, case: &Case) -> Result<(), String> {
    let Some(expected) = &case.stored else { return Ok(()) };
    let recorded =
        if expected.shown.contains(&0) { expected.shown.clone() } else { replace(&expected.shown, b"\\r\n", b"\r\n") };
    let recorded = rows_flux(&case.name, &recorded);
    // the recording names the measurement that was written
    let named = recorded.iter().find_map(|r| r.split('|').find_map(|c| c.strip_prefix("_measurement=")));
    let name = named.unwrap_or(&case.name).replace('\\', r"\\").replace('"', "\\\"");
    let bucket = if case.target.contains("ix1h") { "ix1h" } else { "ix" };
    let script = format!(
        "from(bucket: \"{bucket}\") |> range(start: 1677-09-21T00:12:44Z, stop: 2262-04-11T23:47:16Z) \
         |> filter(fn: (r) => r._measurement == \"{name}\") |> drop(columns: [\"_start\", \"_stop\"])"
    );
    let headers = [("Authorization", TOKEN), ("Content-Type", "application/vnd.flux")]
        .map(|(n, v)| (n.to_string(), v.to_string()));
    let got = send(&server.address, "POST", "/api/v2/query?org=ixorg", &headers, script.as_bytes(), false);
    assert_eq!(got.status, 200, "{}: {}", case.name, got.text());
    if let Some(whole) = expected.whole {
        let same = got.body.len().abs_diff(whole) <= 1;
        return if same { Ok(()) } else { Err(format!("stored {} bytes instead of {whole}", got.body.len())) };
    }
    let got = rows_flux(&case.name, &got.body);
    if got == recorded { Ok(()) } else { Err(format!("stored {got:?}\n   instead of {recorded:?}")) }
}

/// The measurement that a case wrote to, quoted for a query: as the recording names it, else the case's own name.
fn measurement(case: &str, stored: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(stored).unwrap_or_default();
    let name = value["results"][0]["series"][0]["name"].as_str().unwrap_or(case);
    format!("\"{}\"", name.replace('\\', r"\\").replace('"', "\\\""))
}

fn load(folder: &str) -> Vec<Case> {
    let directory = testkit::testdata(&format!("wire/influx/{folder}"));
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    for entry in std::fs::read_dir(&directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display())) {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "txt") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let case = read_case(&name, &std::fs::read(&path).unwrap());
            cases.insert(name, case);
        }
    }
    assert!(cases.len() > 150, "{folder}: {} recordings only", cases.len());
    cases.into_values().collect()
}

type Check = fn(&Running, &Case) -> Result<(), String>;

fn replay(folder: &str, args: &[&str], clock: i64, prepare: fn(&str), stored: Check, skip: &[(&str, &str)]) {
    let server = start(args, |server| server.clock = Some(clock));
    prepare(&server.address);
    let (mut failures, mut count, mut by_rule, mut skipped) = (String::new(), 0, 0, Vec::new());
    for case in load(folder) {
        if let Some((name, why)) = skip.iter().find(|(name, _)| *name == case.name) {
            skipped.push(format!("{name} ({why})"));
            continue;
        }
        let bytes = match &case.body {
            Body::Whole(bytes) => bytes,
            Body::ByRule(bytes) => {
                by_rule += 1;
                bytes
            }
            Body::Lost(why) => {
                skipped.push(format!("{} ({why})", case.name));
                continue;
            }
        };
        count += 1;
        if let Some(setup) = &case.setup {
            let reply = send(&server.address, "POST", &case.target, &case.headers, setup, false);
            assert_eq!(reply.status, 204, "{folder}/{}: setup: {}", case.name, reply.text());
        }
        let reply =
            send(&server.address, &case.method, &case.target, &case.headers, bytes, case.name == "chunked_transfer");
        for outcome in [same_answer(&case, &reply), stored(&server, &case)] {
            if let Err(why) = outcome {
                let _ = writeln!(failures, "{folder}/{}: {why}", case.name);
            }
        }
    }
    println!(
        "{folder}: {count} exchanges replayed, {by_rule} of them with a body made by rule; skipped {}: {skipped:?}",
        skipped.len()
    );
    assert!(failures.is_empty(), "\n{failures}");
}

const T: i64 = 1_795_258_800_000_000_000;
const HOUR: i64 = 3_600_000_000_000;

fn v1(flavor: &str, folder: &str, t: i64, skip: &[(&str, &str)]) {
    let args = ["--flavor", flavor, "--database", "ix"];
    replay(folder, &args, t + HOUR / 2 + 123_456_789, prepare_v1, stored_v1, skip);
}

fn prepare_v1(address: &str) {
    let made = get(address, "/query", &[("q", "CREATE DATABASE ix1h WITH DURATION 1h")], &[]);
    assert_eq!((made.status, made.text().as_str()), (200, "{\"results\":[{\"statement_id\":0}]}\n"));
}

const TOKEN: &str = "Token ix-token-0123456789";

fn prepare_v2(address: &str) {
    let headers = [("Authorization".to_string(), TOKEN.to_string())];
    let body = br#"{"orgID":"ixorg","name":"ix1h","retentionRules":[{"type":"expire","everySeconds":3600}]}"#;
    let made = send(address, "POST", "/api/v2/buckets", &headers, body, false);
    assert_eq!(made.status, 201, "{}", made.text());
}

#[test]
fn v29() {
    let args = ["--flavor", "2.9", "--bucket", "ix", "--org", "ixorg", "--token", "ix-token-0123456789"];
    replay("v2", &args, T + HOUR / 2 + 123_456_789, prepare_v2, stored_v2, &[]);
}

#[test]
fn v16() {
    v1("1.6", "v16", T, &[]);
}

#[test]
fn v18() {
    v1("1.8", "v18", T, &[("line_5MB", "the server hangs for ten seconds and then says timeout")]);
}

#[test]
fn v18_through_the_v2_path() {
    v1("1.8", "v18v2", T, &[]);
}

#[test]
fn v113() {
    v1("1.13", "v1latest", T + HOUR, &[]);
}
