//! A server that answers as a test wants it: for what no simulator and no real server does on purpose.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// With what stands behind the `?`.
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// A reply: status, headers, body. The length of the body is said; to HEAD no body is sent.
pub type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);

/// A server, until the test ends.
pub struct Http {
    /// `http://127.0.0.1:PORT`
    pub base: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Http {
    /// Answers every request, a connection each.
    pub fn serve(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Http {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (seen, answer) = (asked.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (seen.clone(), answer.clone());
                // A client that goes away is no failure of the server.
                std::thread::spawn(move || one(&stream, &seen, answer.as_ref()));
            }
        });
        Http { base, asked }
    }

    /// What was asked until now.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("requests").clone()
    }
}

fn one(stream: &TcpStream, seen: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked) -> Answer) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let asked = Asked { method, path, headers, body };
    seen.lock().expect("requests").push(asked.clone());
    let (status, headers, body) = answer(&asked);
    let mut reply = format!("HTTP/1.1 {status} -\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "content-length") {
        reply += &format!("content-length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        reply += &format!("{name}: {value}\r\n");
    }
    let mut stream = stream;
    stream.write_all(format!("{reply}\r\n").as_bytes())?;
    if asked.method != "HEAD" {
        stream.write_all(&body)?;
    }
    stream.flush()
}
