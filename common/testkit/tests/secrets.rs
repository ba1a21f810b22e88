//! Secrets that others repeat: a server that echoes what it was sent, in every kind of error; redirects; arguments that
//! were not expected; panics. What the tools say and write must not hold them. `scripts/test/secrets.sh` watches the
//! process list and whole migrations.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use testkit::{Outcome, tool};

const SECRET: &str = "sEcr3t/Pa+ss \"w0rd\"&9";

/// The secret in every form that could be printed; three of base64, as it may begin at any byte of a triple.
fn forms() -> Vec<String> {
    let mut forms = vec!["sEcr3t".to_owned(), "w0rd".to_owned()];
    for before in ["", "x", "xy", "root:", "u:"] {
        let text = base64(format!("{before}{SECRET}").as_bytes());
        forms.push(text[8..text.len() - 8].to_owned());
    }
    forms
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let n = (u32::from(three[0]) << 16)
            | (u32::from(*three.get(1).unwrap_or(&0)) << 8)
            | u32::from(*three.get(2).unwrap_or(&0));
        for at in 0..4 {
            let letter = char::from(LETTERS[(n >> (18 - 6 * at)) as usize & 63]);
            out.push(if at <= three.len() { letter } else { '=' });
        }
    }
    out
}

#[track_caller]
fn silent(outcome: &Outcome, what: &str) {
    for form in forms() {
        let said = format!("{}{}", outcome.stderr, outcome.text());
        assert!(!said.contains(&form), "{what}: '{form}' is shown: {said}");
    }
}

/// A server that answers every request with this status, and its own request, head and body, as the text of the error.
fn echo(status: &'static str, header: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = vec![0; 64 << 10];
            let n = stream.read(&mut request).unwrap_or(0);
            let said = String::from_utf8_lossy(&request[..n]).replace('\\', "\\\\").replace('"', "\\\"");
            let said = said.replace("\r\n", " ").replace('\n', " ");
            let body = format!("{{\"code\":401,\"error\":\"you sent {said}\",\"desc\":\"you sent {said}\"}}");
            let reply = format!(
                "HTTP/1.1 {status}\r\n{header}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(reply.as_bytes());
        }
    });
    address
}

/// The sources and the sink, by every way in which they log in: tool, URL without host, how the secret is given.
const WAYS: [(&str, &str, &str); 11] = [
    ("td-dump", "tdengine+http://root@HOST/db", "PASSWORD"),
    ("td-dump", "tdengine://root@HOST/db", "PASSWORD"),
    ("td-dump", "tdengine+http://HOST/db", "TOKEN"),
    ("td-dump", "tdengine://HOST/db", "TOKEN"),
    ("influx-dump", "influx1+http://u@HOST/db", "PASSWORD"),
    ("influx-dump", "influx2+http://HOST/?org=o&bucket=b", "TOKEN"),
    ("influx-dump", "influx3+http://HOST/db", "TOKEN"),
    ("influx-write", "influx1+http://u@HOST/db", "PASSWORD"),
    ("influx-write", "influx2+http://HOST/?org=o&bucket=b", "TOKEN"),
    ("influx-write", "influx3+http://HOST/db", "TOKEN"),
    ("ts-plan", "tdengine+http://root@HOST/db", "PASSWORD"),
];

#[test]
fn a_server_that_repeats_what_it_was_sent_is_not_repeated() {
    let mut n = 0;
    let mut masked = 0;
    for (status, header) in [
        ("400 Bad Request", ""),
        ("401 Unauthorized", ""),
        ("403 Forbidden", "X-Influxdb-Error: nobody\r\n"),
        ("404 Not Found", ""),
        ("500 Internal Server Error", ""),
        ("302 Found", "Location: http://u:sEcr3t@127.0.0.1:1/login?token=sEcr3tw0rd\r\n"),
        ("200 OK", ""),
    ] {
        let host = echo(status, header);
        for (name, url, kind) in WAYS {
            let side = if name == "influx-write" { "TARGET" } else { "SOURCE" };
            for (log, inside) in [("text", false), ("json", true)] {
                let directory = testkit::temp_dir();
                let table = if name == "td-dump" { &["--table", "t"][..] } else { &[] };
                let mut tool = tool(name)
                    .args([
                        "-vv",
                        "--log-format",
                        log,
                        "--summary-file",
                        "summary.json",
                        "--metrics-file",
                        "metrics.prom",
                    ])
                    .args(table)
                    .args(if name == "ts-plan" { &[][..] } else { &["--retries", "0", "--timeout", "5s"] })
                    .current_dir(directory.path())
                    .env("TS_RECEIPT_DIR", directory.path())
                    .env("RUST_BACKTRACE", "full")
                    .stdin("m v=1 1704067200000000000\n");
                if name == "influx-write" {
                    tool = tool.args(["--rejects", "rejects"]);
                }
                let url = url.replace("HOST", &host);
                // In its own variable, or inside the URL in the environment.
                let secret: String = SECRET.bytes().map(|byte| format!("%{byte:02X}")).collect();
                tool = match (inside, kind) {
                    (false, _) => tool.env(&format!("TS_{side}_URL"), &url).env(&format!("TS_{side}_{kind}"), SECRET),
                    (true, "TOKEN") => {
                        let mark = if url.contains('?') { '&' } else { '?' };
                        tool.env(&format!("TS_{side}_URL"), format!("{url}{mark}token={secret}"))
                    }
                    (true, _) => tool.env(&format!("TS_{side}_URL"), url.replacen('@', &format!(":{secret}@"), 1)),
                };
                let outcome = tool.run();
                let what = format!("{name} {url}, {status}, {log}");
                assert!(![0, 70, 101].contains(&outcome.code), "{what}: exit {}: {}", outcome.code, outcome.stderr);
                silent(&outcome, &what);
                masked += usize::from(outcome.stderr.contains("***"));
                for entry in std::fs::read_dir(directory.path()).unwrap().flatten() {
                    let text = String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned();
                    assert!(!forms().iter().any(|form| text.contains(form)), "{what}: {:?}: {text}", entry.path());
                }
                n += 1;
            }
        }
    }
    assert!(masked > 20, "the server's words are not shown at all in {n} runs, so this test proves nothing: {masked}");
    println!("{n} runs against a server that repeats secrets, {masked} of them hid one");
}

#[test]
fn what_was_not_expected_on_the_command_line_is_not_repeated() {
    let directories = std::fs::read_dir(testkit::root().join("tools")).unwrap().flatten();
    let names: Vec<String> = directories
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert!(names.len() >= 12, "{names:?}");
    for name in names {
        for argument in [
            "tdengine://root:sEcr3t@127.0.0.1:1/db",
            "--url=tdengine://root:sEcr3t@127.0.0.1:1/db",
            "--url=tdengine://root%3AsEcr3t@127.0.0.1:1/db",
            "--url=influx1+http://u:sEc/r3t:sEcr3t@127.0.0.1:1/db",
            "--url=influx2+http://127.0.0.1:1/?org=o&bucket=b&token=sEcr3t",
            "--password=sEcr3t",
            "--token=sEcr3t",
            "-psEcr3t",
            "--no-such-option=http://u:sEcr3t@h/",
            "http://h/?p=sEcr3t",
        ] {
            for more in [&[][..], &["one", "two", "three"]] {
                let outcome =
                    tool(&name).arg(argument).args(more).env("TS_TARGET_URL", "influx1+http://127.0.0.1:1/db").run();
                assert_ne!(outcome.code, 0, "{name} {argument} {more:?}");
                assert!(!outcome.stderr.contains("sEcr3t"), "{name} {argument}: {}", outcome.stderr);
            }
        }
    }
}
