//! Frames of a WebSocket as bytes on a stream: reading large ones straight into memory of their size, writing masked
//! ones.
//!
//! The library fills its buffer with zeros before every read and is made for messages of a few bytes; blocks of a
//! database have hundreds of kilobytes. Its handshake and its frame headers are used here.

use bytes::{BufMut as _, Bytes, BytesMut};
use std::io::{self, Cursor};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};

/// What is read where no large frame is expected: a header and the frames that are small.
const HEAD: usize = 4 << 10;
/// The longest header.
const LONGEST_HEADER: usize = 14;
/// Buffers that are used again once their messages are gone: one being filled, four waiting, one in use.
const KEPT: usize = 6;
/// Larger ones are given back.
const KEPT_SIZE: usize = 4 << 20;

/// A message, or a control frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Text(Bytes),
    Binary(Bytes),
    Ping(Bytes),
    Pong,
    Close(Bytes),
}

/// Reads frames and puts messages together.
pub(crate) struct Reader<R> {
    inner: R,
    /// Read and not yet used.
    head: BytesMut,
    largest: usize,
    /// A message whose last frame has not come yet: is it text, and its bytes.
    begun: Option<(bool, BytesMut)>,
    kept: [BytesMut; KEPT],
}

fn broken(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.into())
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// Messages larger than `largest` bytes are refused.
    /// `head` was read already.
    pub fn new(inner: R, head: BytesMut, largest: usize) -> Reader<R> {
        Reader { inner, head, largest, begun: None, kept: Default::default() }
    }

    /// The next message or control frame; `None` when the stream ended between frames.
    pub async fn next(&mut self) -> io::Result<Option<Item>> {
        loop {
            let Some((header, length)) = self.header().await? else { return Ok(None) };
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let so_far = self.begun.as_ref().map_or(0, |(_, begun)| begun.len());
            if length.saturating_add(so_far) > self.largest {
                return Err(broken(format!("a message of more than {} bytes", self.largest)));
            }
            if header.mask.is_some() || header.rsv1 || header.rsv2 || header.rsv3 {
                return Err(broken("a frame that no server may send"));
            }
            match header.opcode {
                OpCode::Control(control) => {
                    if length > 125 || !header.is_final {
                        return Err(broken("a control frame that is too long"));
                    }
                    let payload = self.payload(length).await?;
                    return Ok(Some(match control {
                        Control::Ping => Item::Ping(payload),
                        Control::Pong => Item::Pong,
                        Control::Close => Item::Close(payload),
                        Control::Reserved(_) => return Err(broken("an unknown control frame")),
                    }));
                }
                OpCode::Data(data) => {
                    let text = match (data, &self.begun) {
                        (Data::Text, None) => true,
                        (Data::Binary, None) => false,
                        (Data::Continue, Some((text, _))) => *text,
                        _ => return Err(broken("frames of two messages are mixed")),
                    };
                    let payload = self.payload(length).await?;
                    let whole = match self.begun.take() {
                        None if header.is_final => payload,
                        begun => {
                            let (_, mut bytes) = begun.unwrap_or((text, BytesMut::new()));
                            bytes.extend_from_slice(&payload);
                            if !header.is_final {
                                self.begun = Some((text, bytes));
                                continue;
                            }
                            bytes.freeze()
                        }
                    };
                    return Ok(Some(if text { Item::Text(whole) } else { Item::Binary(whole) }));
                }
            }
        }
    }

    async fn header(&mut self) -> io::Result<Option<(FrameHeader, u64)>> {
        loop {
            let mut cursor = Cursor::new(&self.head[..]);
            let parsed = FrameHeader::parse(&mut cursor).map_err(|error| broken(error.to_string()))?;
            let used = usize::try_from(cursor.position()).unwrap_or(0);
            if let Some(parsed) = parsed {
                let _ = self.head.split_to(used.min(self.head.len()));
                return Ok(Some(parsed));
            }
            self.head.reserve(HEAD);
            if self.inner.read_buf(&mut self.head).await? == 0 {
                return if self.head.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    /// The next `length` bytes.
    async fn payload(&mut self, length: usize) -> io::Result<Bytes> {
        let ready = self.head.split_to(length.min(self.head.len()));
        if ready.len() == length {
            return Ok(ready.freeze());
        }
        let mut own = None;
        let buffer = if length <= KEPT_SIZE {
            let free = self.kept.iter().position(|kept| kept.is_empty() && kept.capacity() >= length);
            let free = free.or_else(|| self.kept.iter_mut().position(|kept| kept.try_reclaim(length)));
            match free {
                Some(free) => &mut self.kept[free],
                None => {
                    self.kept.rotate_left(1);
                    // Some larger, so that the next, a little longer, fits too.
                    self.kept[KEPT - 1] = BytesMut::with_capacity(length + length / 4);
                    &mut self.kept[KEPT - 1]
                }
            }
        } else {
            own.insert(BytesMut::with_capacity(length))
        };
        buffer.extend_from_slice(&ready);
        while buffer.len() < length {
            let left = length - buffer.len();
            let read = self.inner.read_buf(&mut (&mut *buffer).limit(left)).await;
            match read {
                Ok(1..) => {}
                other => {
                    buffer.clear();
                    return Err(other.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()));
                }
            }
        }
        Ok(buffer.split().freeze())
    }
}

/// A frame as a client sends it.
pub(crate) fn masked(mut frame: Frame) -> Vec<u8> {
    frame.header_mut().mask = Some(rand::random());
    let mut out = Vec::with_capacity(frame.len() + LONGEST_HEADER);
    // Writing into memory does not fail.
    let _ = frame.format(&mut out);
    out
}

/// A stream during the handshake. The library reads as much as there is, and would keep what comes behind the reply's
/// head: of a reply that says 101 it gets the head only.
pub(crate) struct Handshaking<S> {
    inner: S,
    /// Read, and from `given` on not handed out yet.
    read: BytesMut,
    given: usize,
}

impl<S> Handshaking<S> {
    pub fn new(inner: S) -> Handshaking<S> {
        Handshaking { inner, read: BytesMut::with_capacity(HEAD), given: 0 }
    }

    /// The stream, and what came behind the head.
    pub fn finish(mut self) -> (S, BytesMut) {
        let rest = self.read.split_off(self.given);
        (self.inner, rest)
    }

    /// Up to where bytes may be handed out.
    fn limit(&self) -> usize {
        let switching = self.read.get(9..12).is_none_or(|status| status == b"101");
        match self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            Some(end) if switching => end + 4,
            _ => self.read.len(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Handshaking<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.given == this.limit() {
            let mut block = [0; HEAD];
            let mut block = ReadBuf::new(&mut block);
            match Pin::new(&mut this.inner).poll_read(cx, &mut block) {
                Poll::Ready(Ok(())) => this.read.extend_from_slice(block.filled()),
                other => return other,
            }
        }
        let some = this.read.get(this.given..this.limit()).unwrap_or_default();
        let some = some.get(..out.remaining()).unwrap_or(some);
        out.put_slice(some);
        this.given += some.len();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Handshaking<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::collection::vec;
    use testkit::proptest::prelude::*;

    /// At most `step` bytes at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl AsyncRead for Slow<'_> {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            let n = self.1.min(out.remaining()).min(self.0.len());
            let (some, rest) = self.0.split_at(n);
            out.put_slice(some);
            self.0 = rest;
            Poll::Ready(Ok(()))
        }
    }

    fn read_all(bytes: &[u8], step: usize, head: usize, largest: usize) -> (Vec<Item>, io::Result<()>) {
        let (head, rest) = bytes.split_at(head.min(bytes.len()));
        let mut reader = Reader::new(Slow(rest, step), BytesMut::from(head), largest);
        let mut items = Vec::new();
        let end = crate::runtime::runtime().unwrap().block_on(async {
            while let Some(item) = reader.next().await? {
                items.push(item);
            }
            Ok(())
        });
        (items, end)
    }

    /// As a server writes it: not masked.
    fn frame(payload: &[u8], opcode: OpCode, last: bool) -> Vec<u8> {
        let header = FrameHeader { is_final: last, opcode, ..FrameHeader::default() };
        let mut out = Vec::new();
        Frame::from_payload(header, Bytes::copy_from_slice(payload)).format(&mut out).unwrap();
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn messages_come_whole_however_they_are_cut(
            messages in vec((any::<bool>(), prop_oneof![0usize..300, 0usize..20_000], vec(any::<prop::sample::Index>(), 0..3), any::<bool>()), 0..8),
            step in prop_oneof![1usize..10, 1usize..100_000], head in 0usize..200, cut in any::<prop::sample::Index>(),
        ) {
            let (mut bytes, mut expected, mut ends) = (Vec::new(), Vec::new(), vec![0]);
            for (n, (text, size, cuts, ping)) in messages.iter().enumerate() {
                let payload: Vec<u8> = (0..*size).map(|at| b'a' + ((at + n) % 26) as u8).collect();
                let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(size + 1)).chain([0, *size]).collect();
                cuts.sort_unstable();
                for (at, pair) in cuts.windows(2).enumerate() {
                    let first = if *text { Data::Text } else { Data::Binary };
                    let data = if at == 0 { first } else { Data::Continue };
                    bytes.extend(frame(&payload[pair[0]..pair[1]], OpCode::Data(data), at + 2 == cuts.len()));
                    if *ping {
                        bytes.extend(frame(&[n as u8], OpCode::Control(Control::Ping), true));
                        if at + 2 < cuts.len() {
                            expected.push(Item::Ping(vec![n as u8].into()));
                        }
                    }
                }
                expected.push(if *text { Item::Text(payload.into()) } else { Item::Binary(payload.into()) });
                if *ping {
                    expected.push(Item::Ping(vec![n as u8].into()));
                }
                ends.push(bytes.len());
            }
            let (items, end) = read_all(&bytes, step, head, 1 << 20);
            prop_assert!(end.is_ok());
            prop_assert_eq!(&items, &expected);
            // Cut anywhere it gives a part of the messages, and never one more.
            let cut = cut.index(bytes.len() + 1);
            let (items, _) = read_all(&bytes[..cut], step, head, 1 << 20);
            prop_assert_eq!(&items[..], &expected[..items.len()]);
            prop_assert!(items.len() < expected.len() || cut == bytes.len());
        }

        #[test]
        fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..300), step in 1usize..50) {
            let (items, _) = read_all(&bytes, step, 0, 1000);
            prop_assert!(items.len() <= bytes.len());
        }

        #[test]
        fn what_is_masked_can_be_read(payload in vec(any::<u8>(), 0..300)) {
            let bytes = masked(Frame::message(payload.clone(), OpCode::Data(Data::Binary), true));
            let mut cursor = Cursor::new(&bytes);
            let (header, length) = FrameHeader::parse(&mut cursor).unwrap().unwrap();
            let (mask, at) = (header.mask.unwrap(), cursor.position() as usize);
            let plain: Vec<u8> = bytes[at..].iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
            prop_assert_eq!((plain, length), (payload.clone(), payload.len() as u64));
        }
    }

    #[test]
    fn frames_that_no_server_may_send_are_refused() {
        let binary = OpCode::Data(Data::Binary);
        for (bytes, why) in [
            (masked(Frame::message(vec![1], binary, true)), "no server may send"),
            (frame(&[0; 2000], binary, true), "more than 1000"),
            (
                [frame(&[0; 600], binary, false), frame(&[0; 600], OpCode::Data(Data::Continue), true)].concat(),
                "more than 1000",
            ),
            ([frame(&[0], binary, false), frame(&[0], binary, true)].concat(), "mixed"),
            (frame(&[0], OpCode::Data(Data::Continue), true), "mixed"),
            (frame(&[0; 200], OpCode::Control(Control::Ping), true), "too long"),
        ] {
            let error = read_all(&bytes, 7, 0, 1000).1.unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
    }

    #[test]
    fn only_a_reply_that_says_101_is_held_back() {
        let whole = b"HTTP/1.1 101 Switching\r\nA: b\r\n\r\nframes";
        let refused = b"HTTP/1.1 503 No\r\nA: b\r\n\r\nbusy";
        for (reply, given, rest) in [(&whole[..], 32, &b"frames"[..]), (&refused[..], refused.len(), b"")] {
            for step in [1, 3, 12, 1000] {
                let mut stream = Handshaking::new(Slow(reply, step));
                let mut out = Vec::new();
                crate::runtime::runtime().unwrap().block_on(async {
                    while out.len() < given {
                        assert!(stream.read_buf(&mut out).await.unwrap() > 0);
                    }
                });
                assert_eq!(out, reply[..given]);
                let (left, held) = stream.finish();
                assert_eq!([&held[..], left.0].concat(), rest, "{step}");
            }
        }
    }
}
