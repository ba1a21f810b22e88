//! The buffers of the fast path: a row of the input and its line in the output, through windows ([`crate::window`]).

use crate::bytes16::Sixteen;
use crate::lines::SLACK;
use crate::window::{self, SIZE};
pub(super) use crate::window::{MOST, NO, Window};

/// What is behind the input's last byte has room for a window that begins there.
const _: () = assert!(SLACK >= SIZE);

/// Where a row and its line are.
pub(super) struct Desk<'a> {
    pub input: &'a Window,
    pub out: &'a mut Window,
    /// All text is valid UTF-8.
    pub utf8: bool,
    /// The cell at hand has `""` for `"`.
    pub escaped: bool,
}

impl Desk<'_> {
    /// Sixteen bytes of the input.
    #[inline(always)]
    pub fn load(&self, at: usize) -> Sixteen {
        window::load(self.input, at)
    }

    /// Bytes of the input.
    #[inline(always)]
    pub fn text(&self, start: usize, len: usize) -> &[u8] {
        self.input.get(start..start + len).unwrap_or_default()
    }

    /// Stores sixteen bytes of which the first `len` count; gives where they end.
    #[inline(always)]
    pub fn sixteen(&mut self, at: usize, chunk: &Sixteen, len: usize) -> usize {
        window::store(self.out, at, chunk);
        at + len
    }

    /// Stores a byte.
    #[inline(always)]
    pub fn byte(&mut self, at: usize, byte: u8) -> usize {
        self.out[at & MOST] = byte;
        at + 1
    }

    /// Stores bytes of any length.
    #[inline]
    pub fn put(&mut self, at: usize, bytes: &[u8]) -> usize {
        window::put(self.out, at, bytes)
    }

    /// Copies `len` bytes of the input, of which the first sixteen are loaded.
    #[inline(always)]
    pub fn copy(&mut self, at: usize, chunk: &Sixteen, start: usize, len: usize) -> usize {
        let end = self.sixteen(at, chunk, len);
        if len > 16 {
            for more in (16..len).step_by(16) {
                let chunk = self.load(start + more);
                self.sixteen(at + more, &chunk, 0);
            }
        }
        end
    }
}

/// The lines of a block.
#[derive(Debug, Default)]
pub(super) struct Room {
    bytes: Vec<u8>,
    len: usize,
}

impl Room {
    /// What was written.
    pub fn written(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    pub fn clear(&mut self) {
        self.len = 0;
        // After giant rows: back to the usual size.
        if self.bytes.len() > 4 << 20 {
            self.bytes = Vec::new();
        }
    }

    /// Where the next line goes.
    #[inline(always)]
    pub fn window(&mut self) -> Option<&mut Window> {
        if self.bytes.len() < self.len + SIZE {
            self.grow(SIZE);
        }
        self.bytes.get_mut(self.len..)?.first_chunk_mut()
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        self.bytes.resize((self.len + more + (64 << 10)).next_multiple_of(128 << 10), 0);
    }

    /// The first `len` bytes of the window are a line.
    #[inline(always)]
    pub fn keep(&mut self, len: usize) {
        self.len += len;
    }

    /// Appends bytes of any length.
    pub fn append(&mut self, bytes: &[u8]) {
        if self.bytes.len() < self.len + bytes.len() {
            self.grow(bytes.len());
        }
        if let Some(room) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }
}
