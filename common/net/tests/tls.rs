//! TLS against a double with a certificate of our own authority: refused, trusted by file, accepted on request.

use net::http::{Client, Options, Request};
use net::tls::Tls;
use net::ws::{Message, connect};
use net::{Side, Stop, Stream, What};
use rustls::{ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

type Secure = StreamOwned<ServerConnection, TcpStream>;

/// The port of a server that hands every accepted connection to `serve`.
fn double(serve: impl Fn(Secure) + Send + 'static) -> u16 {
    let config = testkit::tls_server();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            serve(StreamOwned::new(connection, stream));
        }
    });
    port
}

fn options(tls: Tls) -> Options {
    let limit = Duration::from_secs(10);
    Options { tls, timeout: limit, connect_timeout: limit, ..Options::new(Side::Source) }
}

fn trusted() -> Tls {
    Tls { insecure: false, ca_file: Some(testkit::testdata("tls/ca.pem")) }
}

fn insecure() -> Tls {
    Tls { insecure: true, ca_file: None }
}

#[test]
fn http_trusts_what_it_is_told_to_trust() {
    let port = double(|mut stream| {
        let mut buffer = [0; 4096];
        if stream.read(&mut buffer).is_ok_and(|n| n > 0) {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi").unwrap();
        }
    });
    let ask = |host: &str, tls: Tls| {
        Client::new(&format!("https://{host}:{port}"), options(tls)).unwrap().send(Request::get("/"))
    };
    for host in ["127.0.0.1", "localhost"] {
        let refused = ask(host, Tls::default()).err().unwrap();
        assert_eq!(refused.what(), What::Tls, "{refused}");
        assert!(!refused.what().transient());
        assert_eq!(refused.error(Side::Source).kind(), fault::Kind::Refused);
        for tls in [trusted(), insecure()] {
            assert_eq!(ask(host, tls).unwrap().bytes(10).unwrap(), b"hi");
        }
    }
}

#[test]
fn websockets_trust_what_they_are_told_to_trust() {
    let port = double(|stream| {
        if let Ok(mut ws) = tungstenite::accept(stream) {
            let message = ws.read().unwrap();
            ws.send(message).unwrap();
        }
    });
    let url = format!("wss://127.0.0.1:{port}/ws");
    let refused = connect(&url, &[], &options(Tls::default())).err().unwrap();
    assert_eq!(refused.what(), What::Tls, "{refused}");
    for tls in [trusted(), insecure()] {
        let socket = connect(&url, &[], &options(tls)).unwrap();
        socket.send_text("hello".into()).unwrap();
        assert_eq!(socket.recv(Duration::from_secs(5)).unwrap(), Message::Text("hello".into()));
    }
}

#[test]
fn bare_streams_trust_what_they_are_told_to_trust() {
    let port = double(|mut stream| {
        let mut buffer = [0; 5];
        if stream.read_exact(&mut buffer).is_ok() {
            stream.write_all(&buffer).unwrap();
        }
        // And gone, without the goodbye of TLS.
    });
    let limit = Duration::from_secs(10);
    for host in ["127.0.0.1", "localhost"] {
        let open = |tls: Tls| {
            let mut stream = Stream::connect(host, port, limit, limit, &Stop::default()).unwrap();
            stream.secure(host, &tls).map(|()| stream)
        };
        let refused = open(Tls::default()).err().unwrap();
        assert_eq!(refused.what(), What::Tls, "{refused}");
        for tls in [trusted(), insecure()] {
            let mut stream = open(tls).unwrap();
            stream.write_all(b"hello").unwrap();
            let mut buffer = [0; 100];
            assert_eq!(stream.read(&mut buffer, "reading").unwrap(), 5);
            assert_eq!(&buffer[..5], b"hello");
            assert_eq!(stream.read(&mut buffer, "reading").unwrap_err().what(), What::ReplyCut);
        }
    }
    // A certificate is for its names only.
    let mut stream = Stream::connect("127.0.0.1", port, limit, limit, &Stop::default()).unwrap();
    assert_eq!(stream.secure("elsewhere.example", &trusted()).unwrap_err().what(), What::Tls);
}
