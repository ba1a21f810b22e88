//! A bare WebSocket reader that throws the blocks away: what td-dump's wall time over WebSocket is compared with.
//!
//! `ws_discard HOST:PORT SQL`, for a server of version 3.3.2 or later with the vendor's default login. It uses the
//! WebSocket library as it is, and asks for the next block as soon as it has one. Prints `blocks=… bytes=…`.

use std::net::TcpStream;
use tungstenite::Message;

type Any = Box<dyn std::error::Error>;

fn main() -> Result<(), Any> {
    let mut args = std::env::args().skip(1);
    let (Some(host), Some(sql)) = (args.next(), args.next()) else {
        return Err("usage: ws_discard HOST:PORT SQL".into());
    };
    let stream = TcpStream::connect(&host)?;
    stream.set_nodelay(true)?;
    let (mut socket, _) = tungstenite::client(format!("ws://{host}/ws"), stream).map_err(|error| error.to_string())?;
    socket.send(Message::text(r#"{"action":"conn","args":{"req_id":1,"user":"root","password":"taosdata"}}"#))?;
    socket.read()?;
    socket.send(Message::binary(tdengine::request::binary_query(2, &sql)))?;
    let described: serde_json::Value = serde_json::from_str(socket.read()?.to_text()?)?;
    let id = described["id"].as_u64().filter(|_| described["code"] == 0).ok_or_else(|| described.to_string())?;
    let (mut blocks, mut bytes) = (0u64, 0u64);
    loop {
        socket.send(Message::binary(tdengine::request::fetch_raw_block(3 + blocks, id)))?;
        let reply = socket.read()?;
        // The prefix of a reply that ends the result (dossier tdengine 2.2).
        if reply.len() <= 55 {
            println!("blocks={blocks} bytes={bytes}");
            return Ok(());
        }
        blocks += 1;
        bytes += reply.len() as u64;
    }
}
