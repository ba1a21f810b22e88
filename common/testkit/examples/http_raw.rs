//! A yardstick for `influx-write`: what a loop over a bare socket does with the same file. It reads, cuts at the last line
//! end, sends with `Content-Length`, waits for the reply; no check, no series, no retry. `http_raw http://HOST:PORT FILE [BODY_BYTES]`

use std::error::Error;
use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::net::TcpStream;

fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: http_raw http://HOST:PORT FILE [BODY_BYTES]";
    let mut args = std::env::args().skip(1);
    let (url, path) = (args.next().ok_or(usage)?, args.next().ok_or(usage)?);
    let most = args.next().map_or(Ok(650_000), |text| text.parse())?;
    let address = url.strip_prefix("http://").ok_or(usage)?.trim_end_matches('/');
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut file = File::open(path)?;
    let (mut buffer, mut have, mut reply) = (vec![0; most], 0, [0; 4096]);
    loop {
        let read = file.read(&mut buffer[have..])?;
        have += read;
        if read > 0 && have < most {
            continue;
        }
        if have == 0 {
            return Ok(());
        }
        let body = buffer[..have].iter().rposition(|&byte| byte == b'\n').map_or(have, |end| end + 1);
        let head =
            format!("POST /write?db=d&precision=n HTTP/1.1\r\nHost: {address}\r\nContent-Length: {body}\r\n\r\n");
        let first = stream.write_vectored(&[IoSlice::new(head.as_bytes()), IoSlice::new(&buffer[..body])])?;
        let sent = first.checked_sub(head.len()).ok_or("the head was not sent at once")?;
        stream.write_all(&buffer[sent..body])?;
        let size = stream.read(&mut reply)?;
        if !reply[..size].starts_with(b"HTTP/1.1 204") {
            return Err(String::from_utf8_lossy(&reply[..size]).into());
        }
        buffer.copy_within(body..have, 0);
        have -= body;
    }
}
