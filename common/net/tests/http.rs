//! The HTTP client against a double that sends exactly the bytes given.

use fault::{Kind, Secret};
use net::http::{Client, Options, Request};
use net::{Side, Stop, What};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Accepts connections for ever; `serve` handles each in its own thread.
fn double(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// Reads one request with its body, by Content-Length.
fn read_request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length =
                head.lines().find_map(|l| l.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
            while bytes.len() < end + 4 + length {
                let n = stream.read(&mut buffer).ok().filter(|n| *n > 0)?;
                bytes.extend_from_slice(&buffer[..n]);
            }
            return Some((head, bytes[end + 4..].to_vec()));
        }
        let n = stream.read(&mut buffer).ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&buffer[..n]);
    }
}

/// A client whose server answers every request with these bytes and then closes.
fn answering(reply: &'static [u8]) -> Client {
    let address = double(move |mut stream| {
        if read_request(&mut stream).is_some() {
            stream.write_all(reply).unwrap();
        }
    });
    client(address, Duration::from_secs(10))
}

fn client(address: SocketAddr, timeout: Duration) -> Client {
    let options = Options { timeout, connect_timeout: timeout, ..Options::new(Side::Target) };
    Client::new(&format!("http://{address}"), options).unwrap()
}

#[test]
fn requests_carry_what_they_were_given_and_replies_come_back() {
    let address = double(|mut stream| {
        while let Some((head, body)) = read_request(&mut stream) {
            let text = format!("{head}\n{}", String::from_utf8_lossy(&body));
            write!(
                stream,
                "HTTP/1.1 207 Multi\r\nX-Id: 7\r\nRetry-After: 3\r\nContent-Length: {}\r\n\r\n{text}",
                text.len()
            )
            .unwrap();
        }
    });
    let client = client(address, Duration::from_secs(10));
    let request = Request::post("/write").query("db", "a b&c").header("content-type", "text/plain");
    let request = request.secret_header("authorization", net::auth::token(&Secret::new("T0KEN"))).body("line");
    assert!(!format!("{request:?}").contains("T0KEN"));
    let reply = client.send(request).unwrap();
    assert_eq!((reply.status, reply.header("x-id")), (207, Some("7")));
    assert_eq!(reply.retry_after(), Some(Duration::from_secs(3)));
    let text = String::from_utf8(reply.bytes(10_000).unwrap()).unwrap();
    assert!(text.starts_with("post /write?db=a+b%26c http/1.1"), "{text}");
    for part in [
        "content-type: text/plain",
        "authorization: token t0ken",
        "content-length: 4",
        "user-agent: tsferry/",
        "\nline",
    ] {
        assert!(text.contains(part), "{part} not in {text}");
    }
}

#[test]
fn bodies_stream_and_a_cut_one_is_noticed() {
    let mut whole = Vec::new();
    answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole")
        .send(Request::get("/"))
        .unwrap()
        .body
        .read_to_end(&mut whole)
        .unwrap();
    assert_eq!(whole, b"whole");
    for cut in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\npart"[..],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\npart",
    ] {
        let mut reply = answering(cut).send(Request::get("/")).unwrap();
        let mut part = [0; 4];
        reply.body.read_exact(&mut part).unwrap();
        assert_eq!(&part, b"part");
        let error = fault::Error::io("reading", reply.body.read(&mut part).unwrap_err());
        assert_eq!(error.kind(), Kind::Target);
        assert!(error.to_string().contains("the reply was cut"), "{error}");
    }
    assert_eq!(
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\npart")
            .send(Request::get("/"))
            .unwrap()
            .bytes(99)
            .unwrap_err()
            .what(),
        What::ReplyCut
    );
    assert_eq!(
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npart")
            .send(Request::get("/"))
            .unwrap()
            .bytes(2)
            .unwrap(),
        b"pa"
    );
}

#[test]
fn compressed_replies_are_undone_and_damage_is_noticed() {
    use flate2::{Compression, write::GzEncoder};
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&[b'x'; 100_000]).unwrap();
    let packed = encoder.finish().unwrap();
    for cut in [0, 9] {
        let body = packed[..packed.len() - cut].to_vec();
        let address = double(move |mut stream| {
            let (head, _) = read_request(&mut stream).unwrap();
            assert!(head.contains("accept-encoding: gzip"), "{head}");
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len())
                .unwrap();
            stream.write_all(&body).unwrap();
        });
        let options = Options { gzip_replies: true, ..Options::new(Side::Source) };
        let reply = Client::new(&format!("http://{address}"), options).unwrap().send(Request::get("/")).unwrap();
        match reply.bytes(1 << 20) {
            Ok(bytes) => assert!(cut == 0 && bytes.len() == 100_000),
            Err(failure) => assert!(cut > 0 && failure.what() == What::ReplyCut, "{failure}"),
        }
    }
}

#[test]
fn failures_say_whether_the_request_was_sent() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = client(free, Duration::from_secs(5)).send(Request::get("/")).err().unwrap();
    assert_eq!(refused.what(), What::Connect);
    assert!(refused.what().never_sent() && refused.to_string().contains(&free.to_string()), "{refused}");
    assert_eq!(refused.error(Side::Source).kind(), Kind::Source);

    // Read, then closed without a word.
    let lost = answering(b"").send(Request::post("/").body("x")).err().unwrap();
    assert_eq!(lost.what(), What::NoReply, "{lost}");

    // Closed with unread data: the kernel resets the connection while the rest is being sent.
    let address = double(|mut stream| {
        let _ = stream.read(&mut [0; 1000]);
    });
    let reset =
        client(address, Duration::from_secs(10)).send(Request::post("/").body(vec![0; 32 << 20])).err().unwrap();
    assert_eq!(reset.what(), What::ResetWhileSending, "{reset}");
}

#[test]
fn every_wait_has_a_limit_but_progress_extends_it() {
    let silent = double(|mut stream| while read_request(&mut stream).is_some() {});
    let started = Instant::now();
    let failure = client(silent, Duration::from_millis(300)).send(Request::get("/")).err().unwrap();
    assert_eq!(failure.what(), What::TimedOut, "{failure}");
    assert!(started.elapsed() < Duration::from_secs(5));

    let stalling = double(|mut stream| {
        read_request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\npart").unwrap();
        thread::sleep(Duration::from_secs(20));
    });
    let failure = client(stalling, Duration::from_millis(300)).send(Request::get("/")).unwrap().bytes(99).unwrap_err();
    assert!(failure.to_string().contains("timed out"), "{failure}");

    // Five pieces, each within the limit, all together beyond it.
    let slow = double(|mut stream| {
        read_request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").unwrap();
        for _ in 0..5 {
            thread::sleep(Duration::from_millis(150));
            stream.write_all(b"x").unwrap();
        }
    });
    assert_eq!(client(slow, Duration::from_millis(500)).send(Request::get("/")).unwrap().bytes(99).unwrap(), b"xxxxx");
}

#[test]
fn the_stop_flag_ends_a_wait() {
    let silent = double(|mut stream| while read_request(&mut stream).is_some() {});
    let flag = Arc::new(AtomicBool::new(false));
    let seen = flag.clone();
    let options = Options { stop: Stop::new(move || seen.load(Ordering::Relaxed)), ..Options::new(Side::Source) };
    let client = Client::new(&format!("http://{silent}"), options).unwrap();
    let waiting = thread::spawn(move || client.send(Request::get("/")).err().unwrap());
    thread::sleep(Duration::from_millis(100));
    flag.store(true, Ordering::Relaxed);
    assert_eq!(waiting.join().unwrap().what(), What::Stopped);
}

#[test]
fn several_threads_share_a_client() {
    let inside = Arc::new(AtomicUsize::new(0));
    let counter = inside.clone();
    let address = double(move |mut stream| {
        while read_request(&mut stream).is_some() {
            counter.fetch_add(1, Ordering::SeqCst);
            let started = Instant::now();
            // All four must be in flight at once, or this one gives up.
            while counter.load(Ordering::SeqCst) < 4 && started.elapsed() < Duration::from_secs(5) {
                thread::sleep(Duration::from_millis(5));
            }
            let status = if counter.load(Ordering::SeqCst) >= 4 { 204 } else { 500 };
            write!(stream, "HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n").unwrap();
        }
    });
    let client = client(address, Duration::from_secs(10));
    let sent: Vec<_> = (0..4)
        .map(|_| client.clone())
        .map(|c| thread::spawn(move || c.send(Request::post("/").body("x")).unwrap().status))
        .collect();
    for thread in sent {
        assert_eq!(thread.join().unwrap(), 204);
    }
}

#[test]
fn redirects_are_not_followed() {
    let reply = answering(b"HTTP/1.1 307 T\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
        .send(Request::post("/").body("x"))
        .unwrap();
    assert_eq!((reply.status, reply.header("location")), (307, Some("http://127.0.0.1:1/")));
}
