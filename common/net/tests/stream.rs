//! Streams of bytes: what is waited for, how long, and what ends it.

use net::{Stop, Stream, What};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// A connection, and its other end.
fn pair(timeout: Duration, stop: &Stop) -> (Stream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let stream = Stream::connect("127.0.0.1", port, SECOND, timeout, stop).unwrap();
    (stream, listener.accept().unwrap().0)
}

#[test]
fn bytes_go_both_ways_until_the_end() {
    let (mut stream, mut peer) = pair(SECOND, &Stop::default());
    let mut buffer = [0; 10];
    stream.write_all(b"abc").unwrap();
    peer.read_exact(&mut buffer[..3]).unwrap();
    peer.write_all(&buffer[..3]).unwrap();
    assert_eq!(stream.read(&mut buffer, "reading").unwrap(), 3);
    assert_eq!(stream.read(&mut [], "reading").unwrap(), 0);
    drop(peer);
    let cut = stream.read(&mut buffer, "reading").unwrap_err();
    assert_eq!((cut.what(), cut.what().transient()), (What::ReplyCut, true));
}

/// Slowness is no silence: the time begins anew with every byte.
#[test]
fn a_server_that_says_nothing_is_not_waited_for_longer_than_the_limit() {
    let (mut stream, mut peer) = pair(SECOND, &Stop::default());
    let trickle = std::thread::spawn(move || {
        for _ in 0..4 {
            std::thread::sleep(SECOND / 2);
            peer.write_all(b"x").unwrap();
        }
        peer
    });
    let mut buffer = [0; 10];
    for _ in 0..4 {
        assert_eq!(stream.read(&mut buffer, "reading").unwrap(), 1);
    }
    let _peer = trickle.join().unwrap();
    let start = Instant::now();
    let late = stream.read(&mut buffer, "waiting for rows").unwrap_err();
    assert_eq!(late.what(), What::TimedOut);
    assert!(late.to_string().contains("1s waiting for rows"), "{late}");
    assert!(start.elapsed() >= SECOND);
}

/// Nor is one that takes nothing.
#[test]
fn a_server_that_reads_nothing_is_not_waited_for_either() {
    let (mut stream, _peer) = pair(SECOND, &Stop::default());
    let much = vec![0; 1 << 20];
    let failure = (0..1000).find_map(|_| stream.write_all(&much).err()).unwrap();
    assert_eq!(failure.what(), What::TimedOut, "{failure}");
}

#[test]
fn a_stop_ends_every_wait() {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = flag.clone();
    let (mut stream, _peer) = pair(60 * SECOND, &Stop::new(move || seen.load(Ordering::Relaxed)));
    let raised = std::thread::spawn(move || {
        std::thread::sleep(SECOND / 4);
        flag.store(true, Ordering::Relaxed);
    });
    assert_eq!(stream.read(&mut [0], "reading").unwrap_err().what(), What::Stopped);
    raised.join().unwrap();
    assert_eq!(stream.write_all(b"x").unwrap_err().what(), What::Stopped);
}

#[test]
fn nobody_there_is_a_failure_to_connect() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let failure = Stream::connect("127.0.0.1", port, SECOND, SECOND, &Stop::default()).err().unwrap();
    assert_eq!(failure.what(), What::Connect, "{failure}");
    let failure = Stream::connect("no.such.host.invalid", 1, 5 * SECOND, SECOND, &Stop::default()).err().unwrap();
    assert!(failure.what().never_sent() || failure.what() == What::TimedOut, "{failure}");
}
