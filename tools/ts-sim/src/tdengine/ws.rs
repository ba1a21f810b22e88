//! WebSocket connections: the handshake, pings, and the faults that break frames.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::upgrade::Upgraded;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::WebSocketStream;
use tungstenite::protocol::{Message, Role, WebSocketConfig};

use super::http::{Call, Reply, plain};
use super::session::{Answer, Effect, Session};
use super::tmq::Consumer;

/// The endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `/ws`
    New,
    /// `/rest/ws`: no binary messages, no answer to unknown actions.
    Old,
    /// `/rest/tmq`: subscriptions.
    Tmq,
}

/// Who answers on a connection.
enum Talk {
    Queries(Session),
    Subscription(Consumer),
}

impl Talk {
    fn new(call: &Call, dialect: Dialect) -> Talk {
        match dialect {
            Dialect::Tmq => Talk::Subscription(Consumer::new(call.server.clone())),
            _ => Talk::Queries(Session::new(call.server.clone(), dialect)),
        }
    }

    /// `None`: a poll waits.
    fn text(&mut self, text: &str) -> Option<Answer> {
        match self {
            Talk::Queries(session) => Some(session.text(text)),
            Talk::Subscription(consumer) => consumer.text(text),
        }
    }

    fn again(&mut self) -> Option<Answer> {
        match self {
            Talk::Queries(_) => None,
            Talk::Subscription(consumer) => consumer.again(),
        }
    }

    /// `None`: not a word that this endpoint knows.
    fn binary(&mut self, bytes: &[u8]) -> Option<Answer> {
        match self {
            Talk::Queries(session) => Some(session.binary(bytes)),
            Talk::Subscription(_) => None,
        }
    }
}

/// How often a waiting poll looks again.
const POLL_AGAIN: Duration = Duration::from_millis(5);

/// Answers the handshake and starts the session.
pub fn upgrade(call: Call, mut request: Request<Incoming>, dialect: Dialect) -> Reply {
    let key = request
        .headers()
        .get(header::SEC_WEBSOCKET_KEY)
        .map(|k| tungstenite::handshake::derive_accept_key(k.as_bytes()));
    let accept = key.and_then(|k| HeaderValue::from_str(&k).ok());
    let Some(accept) = accept else {
        call.log(400);
        return plain(StatusCode::BAD_REQUEST, "text/plain", bytes::Bytes::from_static(b"Bad Request"));
    };
    call.log(101);
    let upgrading = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrading.await {
            serve(call, upgraded, dialect).await;
        }
    });
    let mut reply = plain(StatusCode::SWITCHING_PROTOCOLS, "", bytes::Bytes::new())?;
    let headers = reply.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok(reply)
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;

async fn serve(call: Call, upgraded: Upgraded, dialect: Dialect) {
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
    let mut restarts = call.server.restarts.subscribe();
    let period = call.server.ping;
    let mut ping = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
    let mut talk = Talk::new(&call, dialect);
    let mut heard = Instant::now();
    loop {
        let message = tokio::select! {
            // A request that comes after a restart must not be answered any more.
            biased;
            _ = restarts.changed() => {
                call.ending.reset();
                return;
            }
            _ = ping.tick() => {
                // 114 s of silence end a session that is pinged every 54 s.
                if heard.elapsed() > period * 2 + Duration::from_secs(6) || socket.send(Message::Ping(bytes::Bytes::new())).await.is_err() {
                    return;
                }
                continue;
            }
            message = socket.next() => message,
        };
        heard = Instant::now();
        let (answer, size) = match message {
            Some(Ok(Message::Text(text))) => {
                let mut answer = tokio::task::block_in_place(|| talk.text(&text));
                while answer.is_none() {
                    tokio::select! {
                        _ = restarts.changed() => {
                            call.ending.reset();
                            return;
                        }
                        () = tokio::time::sleep(POLL_AGAIN) => {}
                    }
                    answer = tokio::task::block_in_place(|| talk.again());
                }
                (answer, text.len())
            }
            Some(Ok(Message::Binary(bytes))) => (tokio::task::block_in_place(|| talk.binary(&bytes)), bytes.len()),
            Some(Ok(Message::Close(_))) => {
                let _ = socket.flush().await;
                return;
            }
            Some(Ok(_)) => continue,
            Some(Err(_)) | None => return,
        };
        let Some(answer) = answer else { continue };
        call.server.listener.log.record(
            "WS",
            &format!("{}/{}", call.path, answer.action),
            size as u64,
            answer.code as u16,
        );
        if !deliver(&call, &mut socket, answer).await {
            return;
        }
    }
}

/// Sends an answer; false when the connection is to end.
async fn deliver(call: &Call, socket: &mut Socket, answer: Answer) -> bool {
    match answer.effect {
        Effect::None => {}
        Effect::Delay(time) => tokio::time::sleep(time).await,
        Effect::Silence => return true,
        Effect::Close => return false,
        Effect::Restart => {
            call.server.restarts.send_modify(|n| *n += 1);
            call.ending.reset();
            return false;
        }
        Effect::Slow(rate) => {
            let size = answer.message.as_ref().map_or(0, Message::len) + answer.block.len();
            tokio::time::sleep(Duration::from_secs_f64(size as f64 / rate as f64)).await;
        }
        Effect::Cut => {
            if let Some(message) = answer.message {
                cut(call, socket, message, &answer.block).await;
            }
            return false;
        }
    }
    match answer.message {
        Some(message) if !answer.block.is_empty() => send_split(socket, &message.into_data(), &answer.block).await,
        Some(message) => socket.send(message).await.is_ok(),
        None => true,
    }
}

/// The header of the whole frame, half of its payload, and then a reset.
async fn cut(call: &Call, socket: &mut Socket, message: Message, block: &[u8]) {
    let opcode = if message.is_text() { 0x81 } else { 0x82 };
    let payload = [&message.into_data(), block].concat();
    let mut frame = header(opcode, payload.len());
    frame.extend_from_slice(&payload[..payload.len() / 2]);
    let raw = socket.get_mut();
    let _ = raw.write_all(&frame).await;
    let _ = raw.flush().await;
    // Time for the first half to reach the client before the reset overtakes it.
    tokio::time::sleep(Duration::from_millis(100)).await;
    call.ending.reset();
}

/// A binary message in two parts, without a copy of the second, large one.
async fn send_split(socket: &mut Socket, head: &[u8], block: &[u8]) -> bool {
    let mut frame = header(0x82, head.len() + block.len());
    frame.extend_from_slice(head);
    // A pong may still be waiting to be sent.
    if socket.flush().await.is_err() {
        return false;
    }
    let raw = socket.get_mut();
    raw.write_all(&frame).await.is_ok() && raw.write_all(block).await.is_ok() && raw.flush().await.is_ok()
}

/// The header of a whole, unmasked frame.
fn header(opcode: u8, length: usize) -> Vec<u8> {
    let mut frame = vec![opcode];
    match length {
        n if n < 126 => frame.push(n as u8),
        n if n < 65_536 => {
            frame.push(126);
            frame.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            frame.push(127);
            frame.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    frame
}
