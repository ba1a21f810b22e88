//! Packets of the MySQL protocol, read where they lie in the socket's buffer, and the cells of a row in one (MySQL's manual,
//! "MySQL Packets" and "Text Resultset").

use net::{Failure, Stream, What};

/// Bytes that are asked of the socket at once.
const ROOM: usize = 256 << 10;
/// Length (three bytes, the lowest first) and number of a packet.
const HEAD: usize = 4;
/// A packet of this length goes on in the next.
const FULL: usize = 0xff_ffff;
/// The longest row that is taken.
pub(crate) const LONGEST: usize = 1 << 30;

/// Both directions of a connection, in packets.
pub(crate) struct Packets {
    pub(crate) stream: Stream,
    buffer: Vec<u8>,
    /// What was read and not taken yet: `buffer[start..end]`.
    start: usize,
    end: usize,
    /// The number of the next packet, of either side.
    number: u8,
    /// A payload of more than one packet.
    joined: Vec<u8>,
}

impl Packets {
    pub fn new(stream: Stream) -> Packets {
        Packets { stream, buffer: vec![0; ROOM], start: 0, end: 0, number: 0, joined: Vec::new() }
    }

    /// Sends a command: it begins a new count of packets.
    pub fn command(&mut self, payload: &[u8]) -> Result<(), Failure> {
        self.number = 0;
        self.send(payload)
    }

    /// Sends the next packet of an exchange.
    pub fn send(&mut self, payload: &[u8]) -> Result<(), Failure> {
        let mut wire = Vec::with_capacity(payload.len() + HEAD);
        let mut rest = payload;
        loop {
            let (part, more) = rest.split_at(rest.len().min(FULL));
            let [low, middle, high, ..] = part.len().to_le_bytes();
            wire.extend_from_slice(&[low, middle, high, self.number]);
            wire.extend_from_slice(part);
            self.number = self.number.wrapping_add(1);
            // A full packet is followed by another, be it an empty one.
            if part.len() < FULL {
                return self.stream.write_all(&wire);
            }
            rest = more;
        }
    }

    /// The payload of the next packet, or of several that belong together. `doing` says what is waited for.
    #[inline]
    pub fn next(&mut self, doing: &str) -> Result<&[u8], Failure> {
        let length = self.head(doing)?;
        if length == FULL {
            return self.next_joined(doing);
        }
        Ok(self.take(length))
    }

    /// Has everything been taken that was read?
    pub fn is_drained(&self) -> bool {
        self.start == self.end
    }

    #[cold]
    fn next_joined(&mut self, doing: &str) -> Result<&[u8], Failure> {
        let mut joined = std::mem::take(&mut self.joined);
        joined.clear();
        let mut length = FULL;
        loop {
            if joined.len() + length > LONGEST {
                return Err(Failure::new(What::Protocol, format!("a row is longer than {LONGEST} bytes")));
            }
            joined.extend_from_slice(self.take(length));
            if length < FULL {
                break;
            }
            length = self.head(doing)?;
        }
        self.joined = joined;
        Ok(&self.joined)
    }

    /// Takes the head of a packet once the whole packet is in the buffer: the length of its payload.
    #[inline]
    fn head(&mut self, doing: &str) -> Result<usize, Failure> {
        if self.end - self.start < HEAD {
            self.fill(HEAD, doing)?;
        }
        let head: [u8; HEAD] = self.take(HEAD).try_into().unwrap_or_default();
        let [low, middle, high, number] = head;
        let length = u32::from_le_bytes([low, middle, high, 0]) as usize;
        if number != self.number {
            let text = format!("packet {number} came where {} was due: is that a front end?", self.number);
            return Err(Failure::new(What::Protocol, text));
        }
        self.number = number.wrapping_add(1);
        if self.end - self.start < length {
            self.fill(length, doing)?;
        }
        Ok(length)
    }

    /// The next `length` bytes, which are in the buffer.
    #[inline]
    fn take(&mut self, length: usize) -> &[u8] {
        let start = self.start;
        self.start = start + length;
        self.buffer.get(start..self.start).unwrap_or_default()
    }

    /// Reads until there are so many bytes.
    #[cold]
    fn fill(&mut self, length: usize, doing: &str) -> Result<(), Failure> {
        // What is left is the beginning of one packet: little, unless that packet is large.
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.buffer.len() < length {
            self.buffer.resize(length, 0);
        }
        while self.end < length {
            self.end += self.stream.read(self.buffer.get_mut(self.end..).unwrap_or_default(), doing)?;
        }
        Ok(())
    }
}

/// The cells of a row that are still to be taken.
#[derive(Clone, Copy, Debug)]
pub struct Cells<'a> {
    rest: &'a [u8],
}

impl<'a> Cells<'a> {
    /// The cells of a row's payload.
    pub fn new(row: &'a [u8]) -> Cells<'a> {
        Cells { rest: row }
    }

    /// Takes the next cell: `Some(None)` is NULL, `None` that there is no whole cell any more.
    #[inline(always)]
    pub fn take(&mut self) -> Option<Option<&'a [u8]>> {
        let (&first, rest) = self.rest.split_first()?;
        if first <= 250 {
            let (cell, rest) = rest.split_at_checked(usize::from(first))?;
            self.rest = rest;
            return Some(Some(cell));
        }
        self.take_long(first, rest)
    }

    /// A NULL, or a cell of more than 250 bytes.
    fn take_long(&mut self, first: u8, rest: &'a [u8]) -> Option<Option<&'a [u8]>> {
        let width = match first {
            0xfb => {
                self.rest = rest;
                return Some(None);
            }
            0xfc => 2,
            0xfd => 3,
            0xfe => 8,
            _ => return None,
        };
        let (length, rest) = rest.split_at_checked(width)?;
        let mut wide = [0; 8];
        wide.get_mut(..width)?.copy_from_slice(length);
        let (cell, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(wide)).ok()?)?;
        self.rest = rest;
        Some(Some(cell))
    }

    /// Have all been taken?
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use net::Stop;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::time::Duration;
    use testkit::proptest::prelude::*;

    /// A connection to a server that says this, takes what comes until nothing more does, and gives it back.
    fn server(says: Vec<u8>) -> (Packets, std::thread::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            // Odd pieces: no packet begins where a read begins.
            for piece in says.chunks(99_991) {
                peer.write_all(piece).unwrap();
            }
            peer.shutdown(std::net::Shutdown::Write).unwrap();
            let mut heard = Vec::new();
            peer.read_to_end(&mut heard).unwrap();
            heard
        });
        let second = Duration::from_secs(5);
        let stream = Stream::connect("127.0.0.1", port, second, second, &Stop::default()).unwrap();
        (Packets::new(stream), heard)
    }

    fn packet(number: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = (payload.len() as u32).to_le_bytes();
        packet[3] = number;
        [&packet[..], payload].concat()
    }

    #[test]
    fn payloads_of_any_length_come_as_they_were_sent() {
        let row = |length: usize| (0..length).map(|i| (i % 251) as u8).collect::<Vec<u8>>();
        let lengths = [0, 1, 5, 250, ROOM - 5, ROOM, ROOM + 1, FULL - 1];
        let mut says = Vec::new();
        for (number, length) in lengths.into_iter().enumerate() {
            says.extend(packet(number as u8, &row(length)));
        }
        // Two that are full and what is left of it; one that is full and nothing.
        let (three, two) = (row(2 * FULL + 7), row(FULL));
        for (number, part) in
            [&three[..FULL], &three[FULL..2 * FULL], &three[2 * FULL..], &two, &[], b"end"].iter().enumerate()
        {
            says.extend(packet((lengths.len() + number) as u8, part));
        }
        let (mut packets, _heard) = server(says);
        for length in lengths {
            assert!(packets.next("reading").unwrap() == row(length), "{length}");
        }
        assert!(packets.next("reading").unwrap() == three);
        assert!(packets.next("reading").unwrap() == two);
        assert_eq!(packets.next("reading").unwrap(), b"end");
        assert!(packets.is_drained());
        assert_eq!(packets.next("reading").unwrap_err().what(), What::ReplyCut);
    }

    #[test]
    fn a_packet_that_is_cut_or_out_of_order_is_an_error() {
        let whole = packet(0, b"0123456789");
        for cut in 0..whole.len() {
            let (mut packets, _heard) = server(whole[..cut].to_vec());
            assert_eq!(packets.next("reading").unwrap_err().what(), What::ReplyCut, "{cut}");
        }
        let (mut packets, _heard) = server([packet(0, b"a"), packet(2, b"b")].concat());
        assert_eq!(packets.next("reading").unwrap(), b"a");
        assert_eq!(packets.next("reading").unwrap_err().what(), What::Protocol);
    }

    #[test]
    fn what_is_sent_is_split_and_counted() {
        let (mut packets, heard) = server(Vec::new());
        let long = vec![7; FULL];
        packets.command(b"one").unwrap();
        packets.send(&long).unwrap();
        packets.command(b"two").unwrap();
        drop(packets);
        let expected = [packet(0, b"one"), packet(1, &long), packet(2, b""), packet(0, b"two")].concat();
        assert!(heard.join().unwrap() == expected);
    }

    /// A cell as the protocol has it.
    fn encoded(cell: Option<&[u8]>) -> Vec<u8> {
        let Some(cell) = cell else { return vec![0xfb] };
        let head = match cell.len() {
            length @ 0..=250 => vec![length as u8],
            length @ 251..=0xffff => [&[0xfc][..], &(length as u16).to_le_bytes()].concat(),
            length @ 0x1_0000..=0xff_ffff => [&[0xfd][..], &(length as u32).to_le_bytes()[..3]].concat(),
            length => [&[0xfe][..], &(length as u64).to_le_bytes()].concat(),
        };
        [head, cell.to_vec()].concat()
    }

    #[test]
    fn cells_of_every_length_are_told_apart() {
        let lengths = [0, 1, 250, 251, 252, 255, 256, 65_535, 65_536, 0xff_ffff, 0x100_0000];
        let cells: Vec<Option<Vec<u8>>> =
            lengths.into_iter().flat_map(|length| [Some(vec![0xfb; length]), None]).collect();
        let row: Vec<u8> = cells.iter().flat_map(|cell| encoded(cell.as_deref())).collect();
        let mut taken = Cells::new(&row);
        for cell in &cells {
            assert!(taken.take() == Some(cell.as_deref()));
        }
        assert!(taken.is_empty());
        assert_eq!(taken.take(), None);
        // Cut anywhere, the last cell is not there.
        let row = encoded(Some(&[1; 300]));
        for cut in 0..row.len() {
            assert_eq!(Cells::new(&row[..cut]).take(), None, "{cut}");
        }
    }

    proptest! {
        #[test]
        fn random_rows_never_panic(row: Vec<u8>) {
            let mut cells = Cells::new(&row);
            while let Some(cell) = cells.take() {
                prop_assert!(cell.is_none_or(|cell| cell.len() < row.len()));
            }
        }
    }
}
