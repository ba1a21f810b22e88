//! The fault proxy in front of a tiny server: what the client sees, and what the server was asked to do.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use testkit::{Sim, http, tool};

/// What the tiny server was asked: first line, headers in lower case, body.
struct Asked {
    first: String,
    headers: String,
    body: Vec<u8>,
}

/// A server on a free port that tells what it got. `/write` is answered with 204, `/hang-up/query` not at all, anything
/// else with 200 and 20,000 bytes.
fn upstream() -> (String, Receiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                while let Some(asked) = read_request(&mut reader) {
                    let reply = match asked.first.split(' ').nth(1) {
                        Some("/hang-up/query") => return,
                        Some(path) if path.starts_with("/write") => {
                            "HTTP/1.1 204 No Content\r\nX-Server: real\r\n\r\n".to_owned()
                        }
                        _ => format!("HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n{}", "0123456789".repeat(2_000)),
                    };
                    let _ = sender.send(asked);
                    if reader.get_mut().write_all(reply.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (url, receiver)
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|&n| n > 0)?;
    let (mut headers, mut length, mut chunked) = (String::new(), 0, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        length = line.strip_prefix("content-length: ").and_then(|n| n.parse().ok()).unwrap_or(length);
        chunked |= line == "transfer-encoding: chunked";
        headers.push_str(&line);
        headers.push('\n');
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    while chunked {
        let mut size = String::new();
        reader.read_line(&mut size).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).ok()?;
        body.extend_from_slice(&chunk[..size]);
        chunked = size > 0;
    }
    Some(Asked { first: first.trim_end().to_owned(), headers, body })
}

/// Sends a request as it is, and returns everything that comes back, and how the connection ended.
fn raw(host: &str, request: &[u8]) -> (Vec<u8>, Option<ErrorKind>) {
    let mut stream = TcpStream::connect(host).expect("the proxy listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time limit");
    // A fault may end the connection while this is being written.
    let written = stream.write_all(request).err().map(|error| error.kind());
    let (mut reply, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (reply, written),
            Ok(n) => reply.extend_from_slice(&buffer[..n]),
            Err(error) => return (reply, Some(error.kind())),
        }
    }
}

fn write_request(size: usize) -> Vec<u8> {
    let mut request = format!("POST /write?db=x HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n").into_bytes();
    request.resize(request.len() + size, b'a');
    request
}

const WAIT: Duration = Duration::from_secs(10);

/// The server hears of the request within some seconds.
fn heard(asked: &Receiver<Asked>) -> Asked {
    asked.recv_timeout(WAIT).expect("the server is asked")
}

#[track_caller]
fn not_heard(asked: &Receiver<Asked>) {
    assert!(asked.recv_timeout(Duration::from_millis(200)).is_err(), "the server was asked");
}

#[test]
fn everything_is_passed_on() {
    let (url, asked) = upstream();
    let sim = Sim::proxy(&url, &[]);
    let reply = http::post(
        &sim.host,
        "/write?db=x%20y&precision=ns",
        &["Authorization: Token t", "TE: trailers"],
        b"m v=1 1\n",
    );
    assert_eq!(reply.status, 204);
    let got = heard(&asked);
    assert_eq!(got.first, "POST /write?db=x%20y&precision=ns HTTP/1.1");
    assert_eq!(got.body, b"m v=1 1\n");
    assert!(got.headers.contains("authorization: token t"), "{}", got.headers);
    assert!(got.headers.contains(&format!("host: {}", url.trim_start_matches("http://"))), "{}", got.headers);
    assert!(!got.headers.contains("te: trailers"), "of one connection only: {}", got.headers);
    let reply = http::get(&sim.host, "/query?q=show", &[]);
    assert_eq!((reply.status, reply.body.len()), (200, 20_000));
    assert_eq!(heard(&asked).first, "GET /query?q=show HTTP/1.1");
    let chunked = b"POST /write HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n";
    let (reply, _) = raw(&sim.host, chunked);
    assert!(reply.starts_with(b"HTTP/1.1 204"), "{}", String::from_utf8_lossy(&reply));
    assert_eq!(heard(&asked).body, b"abcdefg");
    let log = sim.requests();
    let line = |n: usize| {
        (log[n]["method"].as_str(), log[n]["path"].as_str(), log[n]["bytes"].as_u64(), log[n]["status"].as_u64())
    };
    assert_eq!(line(0), (Some("POST"), Some("/write"), Some(8), Some(204)));
    assert_eq!(line(1), (Some("GET"), Some("/query"), Some(0), Some(200)));
    assert_eq!(line(2).2, Some(7));
}

#[test]
fn a_status_is_answered_without_asking_the_server() {
    let (url, asked) = upstream();
    let sim = Sim::proxy(&url, &["--fault", "status=503@2/write", "--fault", "status=429:retry-after=7@3/write"]);
    assert_eq!(http::post(&sim.host, "/write", &[], b"a").status, 204);
    assert_eq!(heard(&asked).body, b"a");
    assert_eq!(http::get(&sim.host, "/query", &[]).status, 200);
    heard(&asked);
    assert_eq!(http::post(&sim.host, "/write", &[], b"b").status, 503);
    let (reply, _) =
        raw(&sim.host, b"POST /write HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 1\r\n\r\nb");
    let reply = String::from_utf8_lossy(&reply).to_lowercase();
    assert!(reply.starts_with("http/1.1 429") && reply.contains("retry-after: 7\r\n"), "{reply}");
    not_heard(&asked);
    assert_eq!(http::post(&sim.host, "/write", &[], b"b").status, 204);
    assert_eq!(heard(&asked).body, b"b");
}

#[test]
fn a_full_queue_says_when_to_come_back() {
    let (url, asked) = upstream();
    let sim = Sim::proxy(&url, &["--fault", "queue-full=3@1"]);
    let (reply, _) =
        raw(&sim.host, b"POST /write HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 1\r\n\r\nb");
    let reply = String::from_utf8_lossy(&reply).to_lowercase();
    assert!(reply.starts_with("http/1.1 503") && reply.contains("retry-after: 3\r\n"), "{reply}");
    not_heard(&asked);
}

#[test]
fn requests_that_are_not_data_are_not_counted() {
    let (url, _asked) = upstream();
    let sim = Sim::proxy(&url, &["--fault", "status=500@1"]);
    assert_eq!(http::get(&sim.host, "/ping", &[]).status, 200);
    assert_eq!(http::get(&sim.host, "/query", &[]).status, 500);
}

#[test]
fn a_delayed_reply_comes_later() {
    let (url, asked) = upstream();
    let sim = Sim::proxy(&url, &["--fault", "delay=300ms@1"]);
    let start = Instant::now();
    assert_eq!(http::post(&sim.host, "/write", &[], b"a").status, 204);
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    heard(&asked);
}

#[test]
fn a_lost_reply_is_lost_after_the_work() {
    let (url, asked) = upstream();
    let sim = Sim::proxy(&url, &["--fault", "lost-reply@1"]);
    assert_eq!(raw(&sim.host, &write_request(9)), (Vec::new(), None));
    assert_eq!(heard(&asked).body.len(), 9);
    assert_eq!(sim.requests()[0]["status"], 0);
}

#[test]
fn an_upload_is_reset_before_the_server_hears_of_it() {
    let (url, asked) = upstream();
    let sim = Sim::proxy(&url, &["--fault", "reset-upload@1"]);
    let (reply, ended) = raw(&sim.host, &write_request(50_000_000));
    assert_eq!(reply, b"");
    assert!(matches!(ended, Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)), "{ended:?}");
    not_heard(&asked);
}

#[test]
fn a_reply_is_cut_in_its_body() {
    let (url, asked) = upstream();
    let sim = Sim::proxy(&url, &["--fault", "cut-body@1-2"]);
    let (reply, ended) = raw(&sim.host, b"GET /query HTTP/1.1\r\nHost: h\r\n\r\n");
    let text = String::from_utf8_lossy(&reply).to_lowercase();
    assert!(text.starts_with("http/1.1 200") && text.contains("content-length: 20000"), "{text}");
    let body = text.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
    assert!(body > 0 && body < 20_000, "{body} bytes");
    assert_eq!(ended, Some(ErrorKind::ConnectionReset));
    heard(&asked);
    let (reply, ended) = raw(&sim.host, &write_request(10));
    assert_eq!((reply, ended), (Vec::new(), Some(ErrorKind::ConnectionReset)), "no body: the reply is lost");
    heard(&asked);
}

#[test]
fn no_reply_holds_the_connection_and_asks_nobody() {
    let (url, asked) = upstream();
    let sim = Sim::proxy(&url, &["--fault", "no-reply@1"]);
    let mut stream = TcpStream::connect(&sim.host).expect("the proxy listens");
    stream.write_all(&write_request(9)).expect("sent");
    stream.set_read_timeout(Some(Duration::from_millis(700))).expect("a time limit");
    let ended = stream.read(&mut [0; 16]).map_err(|error| error.kind());
    assert!(matches!(ended, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "{ended:?}");
    not_heard(&asked);
    assert_eq!(http::post(&sim.host, "/write", &[], b"a").status, 204, "others are served");
}

#[test]
fn a_slow_read_takes_its_time_both_ways() {
    let (url, asked) = upstream();
    let sim = Sim::proxy(&url, &["--fault", "slow-read=40kB/s"]);
    let start = Instant::now();
    assert_eq!(http::post(&sim.host, "/write", &[], &[b'a'; 20_000]).status, 204);
    assert!(start.elapsed() >= Duration::from_millis(480), "{:?}", start.elapsed());
    assert_eq!(heard(&asked).body.len(), 20_000);
    let start = Instant::now();
    assert_eq!(http::get(&sim.host, "/query", &[]).body.len(), 20_000);
    assert!(start.elapsed() >= Duration::from_millis(480), "{:?}", start.elapsed());
}

#[test]
fn a_server_that_hangs_up_or_is_gone_is_seen_to_be() {
    let (url, _asked) = upstream();
    let sim = Sim::proxy(&url, &[]);
    assert_eq!(raw(&sim.host, b"GET /hang-up/query HTTP/1.1\r\nHost: h\r\n\r\n"), (Vec::new(), None));
    let sim = Sim::proxy("http://127.0.0.1:1", &[]);
    let reply = http::get(&sim.host, "/ping", &[]);
    assert_eq!(reply.status, 502);
    assert!(String::from_utf8_lossy(&reply.body).contains("no server at 127.0.0.1:1"));
}

#[test]
fn what_a_proxy_cannot_do_is_refused_at_the_start() {
    for (args, why) in [
        (["--upstream", "http://127.0.0.1:1", "--fault", "cut-block@1"], "--fault cut-block@1: a proxy cannot"),
        (["--upstream", "http://127.0.0.1:1", "--fault", "truncate-rest=5"], "--fault truncate-rest=5"),
        (["--upstream", "127.0.0.1:1", "--fault", "no-reply"], "http://HOST:PORT"),
        (["--upstream", "http://u:p@127.0.0.1:1", "--fault", "no-reply"], "http://HOST:PORT"),
        (["--upstream", "http://127.0.0.1:1/db", "--fault", "no-reply"], "http://HOST:PORT"),
    ] {
        let outcome = tool("ts-sim").arg("proxy").args(args).run().code(2);
        assert!(outcome.stderr.contains(why), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("u:p"), "{}", outcome.stderr);
    }
}
