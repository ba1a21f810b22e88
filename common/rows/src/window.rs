//! Windows of fixed size on larger buffers: a row that is read, or one that is written.
//!
//! A position is cut to the first half of its window before each access. So the compiler knows that sixteen bytes from there
//! are within, and checks nothing; and a row that would be too long overwrites itself, is recognized by its last
//! position, and is not kept. Nothing here can be out of bounds.

use crate::bytes16::Sixteen;

/// Bytes of a window: twice what is used of it.
pub(crate) const SIZE: usize = 1 << 16;

/// The last position of a window, and so the length of the longest row that goes this way.
pub(crate) const MOST: usize = SIZE / 2 - 1;

/// A position behind every window: it did not go this way.
pub(crate) const NO: usize = usize::MAX;

/// A row, and something behind it.
pub(crate) type Window = [u8; SIZE];

/// Sixteen bytes of a window.
#[inline(always)]
pub(crate) fn load(window: &Window, at: usize) -> Sixteen {
    let from = at & MOST;
    let mut chunk = [0; 16];
    chunk.copy_from_slice(&window[from..from + 16]);
    chunk
}

/// Stores sixteen bytes.
#[inline(always)]
pub(crate) fn store(window: &mut Window, at: usize, chunk: &Sixteen) {
    let from = at & MOST;
    window[from..from + 16].copy_from_slice(chunk);
}

/// Stores bytes of any length; gives where they end, or [`NO`].
#[inline]
pub(crate) fn put(window: &mut Window, at: usize, bytes: &[u8]) -> usize {
    match window.get_mut(at..).and_then(|room| room.get_mut(..bytes.len())) {
        Some(room) => {
            room.copy_from_slice(bytes);
            at + bytes.len()
        }
        None => NO,
    }
}
