//! A server of a few lines that keeps the heads of its requests: for what the simulated cluster does not show (headers), and
//! does not do (TLS).

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Ends with the test.
pub struct Double {
    pub port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

/// The head of a request, as text, becomes a whole reply.
type Answer = fn(&str, u16) -> String;

impl Double {
    /// By HTTP.
    pub fn plain(answer: Answer) -> Double {
        Double::start(None, answer)
    }

    /// By HTTPS, with the certificate of `testdata/tls`.
    pub fn secure(answer: Answer) -> Double {
        Double::start(Some(testkit::tls_server()), answer)
    }

    fn start(tls: Option<Arc<ServerConfig>>, answer: Answer) -> Double {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = heads.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                // A client that goes away is none of this server's business.
                let _ = match &tls {
                    None => serve(stream, port, &kept, answer),
                    Some(config) => {
                        let connection = ServerConnection::new(config.clone()).unwrap();
                        serve(StreamOwned::new(connection, stream), port, &kept, answer)
                    }
                };
            }
        });
        Double { port, heads }
    }

    /// The heads of all requests, with their names of headers in lower case.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// One request of a connection.
fn serve(mut stream: impl Read + Write, port: u16, heads: &Mutex<Vec<String>>, answer: Answer) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let end = loop {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer)?;
        bytes.extend_from_slice(&buffer[..read]);
        match bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            Some(end) => break end + 4,
            None if read == 0 => return Ok(()),
            None => {}
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = bytes.len() - end;
    while body < length.unwrap_or(0) {
        let mut buffer = [0; 65536];
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            read => body += read,
        }
    }
    heads.lock().unwrap().push(head.clone());
    stream.write_all(answer(&head, port).as_bytes())?;
    stream.flush()
}

/// A whole reply; the connection ends with it.
pub fn reply(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// What a back end says to a load of so many rows.
pub fn loaded(rows: u64) -> String {
    reply("200 OK", "", &format!("{{\"Status\":\"Success\",\"Message\":\"OK\",\"NumberLoadedRows\":{rows}}}"))
}
