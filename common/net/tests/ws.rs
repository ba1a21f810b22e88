//! The WebSocket client against a double made of the same library's blocking server.

use net::http::Options;
use net::ws::{Message, connect};
use net::{Bytes, Side, What};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};
use tungstenite::{Message as Raw, WebSocket};

fn double(serve: impl FnOnce(WebSocket<TcpStream>) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut limits = tungstenite::protocol::WebSocketConfig::default();
        limits.max_message_size = None;
        limits.max_frame_size = None;
        serve(tungstenite::accept_with_config(stream, Some(limits)).unwrap());
    });
    address
}

fn options() -> Options {
    let limit = Duration::from_secs(10);
    Options { timeout: limit, connect_timeout: limit, ..Options::new(Side::Source) }
}

#[test]
fn text_and_binary_go_both_ways_also_large_ones() {
    let address = double(|mut ws| {
        while let Ok(message) = ws.read() {
            if message.is_text() || message.is_binary() {
                ws.send(message).unwrap();
            }
        }
    });
    let socket = connect(&format!("ws://{address}/ws?token=secret"), &[], &options()).unwrap();
    assert_eq!(socket.name(), format!("ws://{address}/ws"));
    socket.send_text("hello".into()).unwrap();
    assert_eq!(socket.recv(Duration::from_secs(10)).unwrap(), Message::Text("hello".into()));
    // Beyond the library's default limits: 16 MiB a frame, 64 MiB a message.
    let large = Bytes::from(vec![7; 70 << 20]);
    socket.send_binary(large.clone()).unwrap();
    assert_eq!(socket.recv(Duration::from_secs(60)).unwrap(), Message::Binary(large));
}

#[test]
fn pings_are_answered_while_the_caller_is_busy() {
    let (seen, pongs) = std::sync::mpsc::channel();
    let address = double(move |mut ws| {
        for n in 0..3u8 {
            ws.send(Raw::Ping(vec![n].into())).unwrap();
            seen.send(ws.read().unwrap()).unwrap();
        }
    });
    let socket = connect(&format!("ws://{address}/"), &[], &options()).unwrap();
    // Nobody receives here; the answers must come all the same.
    for n in 0..3u8 {
        assert_eq!(pongs.recv_timeout(Duration::from_secs(5)).unwrap(), Raw::Pong(vec![n].into()));
    }
    drop(socket);
}

#[test]
fn a_caller_comes_and_goes() {
    let address = double(|mut ws| {
        let mut n = 0u8;
        while let Ok(message) = ws.read() {
            if message.is_binary() {
                // A pong must come, whoever reads at that moment.
                ws.send(Raw::Ping(vec![n].into())).unwrap();
                assert_eq!(ws.read().unwrap(), Raw::Pong(vec![n].into()));
                ws.send(message).unwrap();
                n += 1;
            }
        }
    });
    let socket = connect(&format!("ws://{address}/"), &[], &options()).unwrap();
    for (n, away) in [0, 250, 0, 0, 120, 350, 0].into_iter().enumerate() {
        let large = Bytes::from(vec![n as u8; 300_000]);
        socket.send_binary(large.clone()).unwrap();
        thread::sleep(Duration::from_millis(away));
        assert_eq!(socket.recv(Duration::from_secs(10)).unwrap(), Message::Binary(large));
        thread::sleep(Duration::from_millis(away));
    }
}

#[test]
fn the_last_word_is_goodbye_also_from_who_is_away() {
    for away in [0, 300] {
        let (seen, last) = std::sync::mpsc::channel();
        let address = double(move |mut ws| seen.send(ws.read()).unwrap());
        let socket = connect(&format!("ws://{address}/"), &[], &options()).unwrap();
        thread::sleep(Duration::from_millis(away));
        drop(socket);
        let said = last.recv_timeout(Duration::from_secs(10)).unwrap().unwrap();
        assert!(said.is_close(), "{said:?}");
    }
}

#[test]
fn silence_cuts_and_closes_are_told_apart() {
    let address = double(|mut ws| {
        let _ = ws.read();
        let _ = ws.close(Some(tungstenite::protocol::CloseFrame { code: 1011.into(), reason: "out of memory".into() }));
        let _ = ws.flush();
        thread::sleep(Duration::from_millis(300));
    });
    let socket = connect(&format!("ws://{address}/"), &[], &options()).unwrap();
    let started = Instant::now();
    assert_eq!(socket.recv(Duration::from_millis(250)).unwrap_err().what(), What::TimedOut);
    assert!(started.elapsed() < Duration::from_secs(3));
    socket.send_text("x".into()).unwrap();
    let failure = socket.recv(Duration::from_secs(5)).unwrap_err();
    assert_eq!(failure.what(), What::ReplyCut);
    assert!(failure.to_string().contains("1011 out of memory"), "{failure}");

    let address = double(|mut ws| {
        let _ = ws.read();
        // A frame that promises 100 bytes, three of them, and the end.
        ws.get_mut().write_all(&[0x82, 100, 1, 2, 3]).unwrap();
    });
    let socket = connect(&format!("ws://{address}/"), &[], &options()).unwrap();
    socket.send_text("x".into()).unwrap();
    let failure = socket.recv(Duration::from_secs(5)).unwrap_err();
    assert_eq!(failure.what(), What::ReplyCut, "{failure}");
    assert!(failure.what().transient());
}

#[test]
fn a_server_that_floods_is_cut_off() {
    let address = double(|mut ws| while ws.send(Raw::binary(vec![0; 1 << 20])).is_ok() {});
    let socket = connect(&format!("ws://{address}/"), &[], &options()).unwrap();
    thread::sleep(Duration::from_millis(500));
    let received = std::iter::from_fn(|| socket.recv(Duration::from_secs(5)).ok()).take(1000).count();
    assert!(received <= 17, "{received} frames were kept");
}

#[test]
fn refused_handshakes_keep_their_status() {
    for (status, transient) in [(401, false), (404, false), (503, true)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            write!(stream, "HTTP/1.1 {status} No\r\nContent-Length: 4\r\n\r\nbusy").unwrap();
        });
        let failure = connect(&format!("ws://{address}/ws"), &[], &options()).err().unwrap();
        assert_eq!(failure.what(), What::Handshake(status), "{failure}");
        assert_eq!(failure.what().transient(), transient);
        assert_eq!(
            failure.error(Side::Source).kind(),
            if transient { fault::Kind::Source } else { fault::Kind::Refused }
        );
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(connect(&format!("ws://{nobody}/"), &[], &options()).err().unwrap().what(), What::Connect);
}

#[test]
fn what_follows_is_sent_before_anybody_receives() {
    let (seen, requests) = std::sync::mpsc::channel();
    let address = double(move |mut ws| {
        for n in 0..3u8 {
            let Ok(Raw::Binary(request)) = ws.read() else { return };
            seen.send(request.to_vec()).unwrap();
            ws.send(Raw::Binary(vec![n].into())).unwrap();
        }
        let _ = ws.read();
    });
    let socket = connect(&format!("ws://{address}/"), &[], &options()).unwrap();
    socket.follow(Some(Box::new(|bytes: &Bytes| (bytes[0] < 2).then(|| Bytes::from(vec![bytes[0] + 10])))));
    socket.send_binary(&b"first"[..]).unwrap();
    for request in [&b"first"[..], &[10], &[11]] {
        assert_eq!(requests.recv_timeout(Duration::from_secs(5)).unwrap(), request);
    }
    // The caller gets every message all the same, in order.
    for n in 0..3u8 {
        assert_eq!(socket.recv(Duration::from_secs(5)).unwrap(), Message::Binary(vec![n].into()));
    }
    socket.follow(None);
}
