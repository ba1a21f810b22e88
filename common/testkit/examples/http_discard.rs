//! A yardstick for `influx-write`: an HTTP server that reads every body, throws it away and answers 204, as fast as a
//! blocking socket goes. `http_discard READY_FILE`; the base URL goes into the file. `GET /count` tells requests and bytes.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};

static REQUESTS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

fn main() -> Result<(), Box<dyn Error>> {
    let ready = std::env::args().nth(1).ok_or("usage: http_discard READY_FILE")?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    std::fs::write(ready, format!("http://{}\n", listener.local_addr()?))?;
    loop {
        let (stream, _) = listener.accept()?;
        std::thread::spawn(move || serve(stream));
    }
}

/// Requests on one connection until it is closed or anything is not understood.
fn serve(mut stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut buffer = vec![0; 512 << 10];
    let mut have = 0;
    loop {
        let end = loop {
            if let Some(end) = buffer[..have].windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            have += some(stream.read(buffer.get_mut(have..)?).ok()?)?;
        };
        let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
        let length: usize =
            head.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap_or("0").trim().parse().ok()?;
        let mut left = length.saturating_sub(have - end);
        while left > 0 {
            let most = left.min(buffer.len());
            left -= some(stream.read(&mut buffer[..most]).ok()?)?;
        }
        have = 0; // a client that waits for its reply has sent nothing more
        if head.starts_with("get /count") {
            let text = format!("{} {}\n", REQUESTS.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed));
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()).ok()?;
        } else {
            REQUESTS.fetch_add(1, Ordering::Relaxed);
            BYTES.fetch_add(length as u64, Ordering::Relaxed);
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok()?;
        }
    }
}

fn some(size: usize) -> Option<usize> {
    (size > 0).then_some(size)
}
