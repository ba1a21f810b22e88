//! The recorded `curl` sessions (authentication, size limits, v2's other API) sent again in their order.
//! The limits of cache, series and queues are in `influx_limits.rs`.
mod influx_common;

use influx_common::{Reply, Running, encode, send, start};
use std::fmt::Write as _;

/// One recorded command and what it printed.
struct Exchange {
    name: String,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    status: u16,
    answer: String,
}

/// The words of a `curl` line as the recording prints them, without quotes.
fn exchange(name: &str, file: &str) -> Option<Exchange> {
    let file = file.replace("\r\n", "\n");
    let (_, rest) = file.split_once("$ curl ")?;
    let at = rest.find("\nHTTP/1.1")?;
    let (mut line, reply) = (&rest[..at], &rest[at + 1..]);
    let (mut method, mut url, mut headers, mut body, mut pairs) =
        ("GET".to_string(), String::new(), Vec::new(), Vec::new(), Vec::new());
    let mut get = false;
    while !line.trim().is_empty() {
        let (word, after) = line.split_once(' ').unwrap_or((line, ""));
        let until = |stops: &[&str]| stops.iter().filter_map(|s| after.find(s)).min().unwrap_or(after.len());
        let (value, next) = match word {
            "-u" => after.split_at(until(&[" "])),
            "-H" => after.split_at(until(&[" -", " http://"])),
            "--data-urlencode" => after.split_at(until(&[" --data-urlencode"])),
            "--data-binary" | "-d" => (after, ""),
            _ => ("", after),
        };
        match word {
            "-G" => get = true,
            "-XPOST" => method = "POST".into(),
            "-u" => headers.push(("Authorization".to_string(), format!("Basic {}", base64(value)))),
            "-H" => headers.extend(value.split_once(": ").map(|(n, v)| (n.to_string(), v.to_string()))),
            "--data-urlencode" => pairs.extend(value.split_once('=').map(|(k, v)| format!("{k}={}", encode(v)))),
            "--data-binary" | "-d" => {
                method = "POST".into();
                body = value.as_bytes().to_vec();
            }
            word => url = word.to_string(),
        }
        line = next.trim_start();
    }
    let mut target = url.trim_start_matches("http://");
    target = target.find('/').map_or("/", |at| &target[at..]);
    let mut target = target.to_string();
    if get {
        write!(target, "?{}", pairs.join("&")).unwrap();
    } else if !pairs.is_empty() {
        method = "POST".into();
        body = pairs.join("&").into_bytes();
        headers.push(("Content-Type".to_string(), "application/x-www-form-urlencoded".to_string()));
    }
    // the last head counts: `100 Continue` comes before it
    let head = reply.rfind("HTTP/1.1").unwrap();
    let (head, answer) = reply[head..].split_once("\n\n").unwrap_or((&reply[head..], ""));
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Exchange { name: name.to_string(), method, target, headers, body, status, answer: answer.trim().to_string() })
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// Times and line ends, which no second run repeats.
fn masked(text: &str) -> String {
    let mut out = String::new();
    for part in text.trim().replace('\r', "").split_inclusive([',', '"', '\n']) {
        let word = part.trim_end_matches([',', '"', '\n']);
        let time = word.len() >= 20 && word.starts_with("20") && word.ends_with('Z');
        let end = &part[word.len()..];
        out.push_str(if time { "TIME" } else { word });
        out.push_str(end);
    }
    out
}

/// Learns which of our ids and tokens stand for the recorded ones.
fn learn(names: &mut Vec<(String, String)>, recorded: &str, ours: &str) {
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap_or_default();
    let (recorded, ours) = (parse(recorded), parse(ours));
    for key in ["id", "token", "orgID"] {
        if let (Some(a), Some(b)) = (recorded[key].as_str(), ours[key].as_str()) {
            names.push((a.to_string(), b.to_string()));
        }
    }
}

fn same(exchange: &Exchange, reply: &Reply) -> Result<(), String> {
    if reply.status != exchange.status {
        return Err(format!("status {} instead of {}: {}", reply.status, exchange.status, reply.text()));
    }
    let got = reply.text();
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text);
    if let (Ok(serde_json::Value::Object(recorded)), Ok(ours)) = (json(&exchange.answer), json(&got)) {
        // documents of the management API: every recorded key is there; errors and results are the same in full
        for (key, value) in &recorded {
            let same = match key.as_str() {
                "error" | "message" | "code" | "results" | "name" | "status" | "type" | "description"
                | "retentionRules" => ours[key] == *value,
                _ => !ours[key].is_null(),
            };
            if !same {
                return Err(format!("{key}: {}\n   instead of {value}", ours[key]));
            }
        }
        return Ok(());
    }
    let (got, expected) = (masked(&got), masked(&exchange.answer));
    let mut lines = got.lines().zip(expected.lines()).enumerate();
    match lines.find(|(_, (a, b))| a != b) {
        _ if got == expected => Ok(()),
        Some((n, (a, b))) => Err(format!("line {}: {a}\n   instead of {b}", n + 1)),
        None => Err(format!("{} lines instead of {}", got.lines().count(), expected.lines().count())),
    }
}

fn replay(folder: &str, server: &Running, skip: &[(&str, &str)], adjust: impl Fn(&mut Exchange)) {
    let directory = testkit::testdata(&format!("wire/influx/{folder}"));
    let index = std::fs::read_to_string(directory.join("INDEX.md")).unwrap();
    let (mut count, mut skipped, mut failures) = (0, Vec::new(), String::new());
    let mut names: Vec<(String, String)> = Vec::new();
    for line in index.lines() {
        let name = line.trim_start_matches("| ").split(" | ").next().unwrap_or_default().trim();
        let path = directory.join(format!("{name}.txt"));
        if name.is_empty() || !path.exists() {
            continue;
        }
        if let Some((_, why)) = skip.iter().find(|(skipped, _)| *skipped == name) {
            skipped.push(format!("{name} ({why})"));
            continue;
        }
        let file = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        let mut one = exchange(name, &file).unwrap_or_else(|| panic!("{folder}/{name}: not a curl session"));
        adjust(&mut one);
        for (recorded, ours) in &names {
            let swap = |text: &mut String| *text = text.replace(recorded, ours);
            swap(&mut one.target);
            one.headers.iter_mut().for_each(|(_, value)| swap(value));
            let mut body = String::from_utf8_lossy(&one.body).into_owned();
            if body.contains(recorded) {
                swap(&mut body);
                one.body = body.into_bytes();
            }
        }
        let chunked = one.headers.iter().any(|(n, v)| n == "Transfer-Encoding" && v == "chunked");
        one.headers.retain(|(n, _)| n != "Transfer-Encoding");
        let reply = send(&server.address, &one.method, &one.target, &one.headers, &one.body, chunked);
        learn(&mut names, &one.answer, &reply.text());
        count += 1;
        if let Err(why) = same(&one, &reply) {
            writeln!(failures, "{folder}/{}: {why}", one.name).unwrap();
        }
    }
    println!("{folder}: {count} exchanges replayed; skipped {}: {skipped:?}", skipped.len());
    assert!(count > 0 && failures.is_empty(), "\n{failures}");
}

#[test]
fn authentication_and_size_limits_of_1_8() {
    // the clock stands where the recording was made, so that its Flux range finds the same points
    let server = start(&["--flavor", "1.8", "--max-body-bytes", "1000"], |server| {
        server.clock = Some(1_795_262_103_686_657_299);
        server.accounts_mut().required = true;
    });
    // `big.lp` was not kept; the recorded Flux answer shows its hundred series
    let big: String = (0..100).map(|i| format!("m,t=a{i} f=1\n")).collect();
    assert!(big.len() > 1000);
    let skip = [
        ("v2query_flux", "its points have the server's times of single writes"),
        ("v2query_json_dialect", "its points have the server's times of single writes"),
        ("throttle_503", "not a curl session: four connections at once; sent by influx_limits.rs"),
        ("huge_413_midbody", "not a curl session; sent by the test below"),
    ];
    replay("v18_auth_limits", &server, &skip, |one| {
        if one.body == b"@big.lp" {
            one.body = big.clone().into_bytes();
        } else if one.body == b"@big.lp.gz" {
            use std::io::Write;
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            out.write_all(big.as_bytes()).unwrap();
            one.body = out.finish().unwrap();
        }
    });
    // recorded in huge_413_midbody: the client cannot send it all, and the 413 can still be read
    let huge = vec![b'x'; 50_000_000];
    let headers = [("Authorization".to_string(), format!("Basic {}", base64("admin:pw")))];
    let reply = send(&server.address, "POST", "/write?db=ix", &headers, &huge, false);
    assert_eq!((reply.status, reply.text().trim()), (413, "{\"error\":\"Request Entity Too Large\"}"));
    assert_eq!(reply.header("connection"), Some("close"));
}

#[test]
fn flux_of_1_8_as_it_was_recorded() {
    // the same points as in the recording, with their times: the whole answer is the same
    let server =
        start(&["--flavor", "1.8", "--database", "ix"], |server| server.clock = Some(1_795_262_103_868_526_191));
    let mut points = "m f=1 1795262103107623130\nm f=1 1795262103165981471\n".to_string();
    (0..100).for_each(|i| points.push_str(&format!("m,t=a{i} f=1 1795262103686657299\n")));
    assert_eq!(send(&server.address, "POST", "/write?db=ix", &[], points.as_bytes(), false).status, 204);
    for name in ["v2query_flux", "v2query_json_dialect"] {
        let file =
            std::fs::read_to_string(testkit::testdata(&format!("wire/influx/v18_auth_limits/{name}.txt"))).unwrap();
        let one = exchange(name, &file).unwrap();
        let reply = send(&server.address, &one.method, &one.target, &one.headers, &one.body, false);
        same(&one, &reply).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

#[test]
fn the_other_api_of_2_9() {
    let args = ["--flavor", "2.9", "--org", "ixorg", "--bucket", "ix", "--token", "ix-token-0123456789"];
    let server = start(&args, |_| ());
    let skip = [
        ("big_50MB", "its body was not kept"),
        ("flux_runtime_error", "map() is not simulated"),
        ("metrics_series", "not a curl session; tested below"),
    ];
    replay("v2_api", &server, &skip, |one| {
        // the organisation was made before the recording began; its id is also its name here
        one.target = one.target.replace("c457798232e05af2", "ixorg").replace("orgID=ixorg", "org=ixorg");
        one.body = String::from_utf8_lossy(&one.body).replace("c457798232e05af2", "ixorg").into_bytes();
    });
    let metrics = send(&server.address, "GET", "/metrics", &[], b"", false).text();
    assert!(
        metrics.contains("# TYPE storage_bucket_series_num gauge\nstorage_bucket_series_num{bucket=\""),
        "{metrics}"
    );
}
