//! Times of the column's unit into integers: the digits of the fraction are copied, and what consecutive rows share (the
//! whole text, or the minute) is computed once.

use super::room::{Desk, NO};
use crate::bytes16::Sixteen;
use crate::instant::Parser;
use crate::time::Unit;

/// Reads the times of one column.
#[derive(Debug)]
pub(super) struct Times {
    unit: Unit,
    /// Digits behind the second in the integers that come out.
    digits: usize,
    /// The last text (first and last sixteen bytes) and what came of it.
    last: (usize, Sixteen, Sixteen),
    out: [Sixteen; 2],
    out_len: usize,
    /// `YYYY-MM-DDTHH:MM` of the last minute, and its beginning in seconds.
    minute: Sixteen,
    base: i64,
    parser: Parser,
}

/// The last second of which every nanosecond is a time in every dialect.
const LAST: i64 = 9_223_372_035;

impl Times {
    /// Texts of `unit`, integers of `to`.
    pub fn new(unit: Unit, to: Unit) -> Times {
        Times {
            unit,
            digits: to.digits(),
            last: (0, [0; 16], [0; 16]),
            out: [[0; 16]; 2],
            out_len: 0,
            minute: [0; 16],
            base: 0,
            parser: Parser::default(),
        }
    }

    /// Stores the integer that the `len` bytes from `start` are, if they are the usual text of a time after 1970 that the
    /// unit of the integers can tell.
    #[inline(never)]
    pub fn copy(&mut self, desk: &mut Desk<'_>, start: usize, len: usize, at: usize) -> usize {
        if len < 20 {
            return NO;
        }
        let (head, tail) = (desk.load(start), desk.load(start + len - 16));
        if self.last != (len, head, tail) {
            if !self.read(head, desk.text(start, len)) {
                self.last.0 = 0;
                return NO;
            }
            self.last = (len, head, tail);
        }
        let [first, second] = self.out;
        desk.sixteen(at, &first, 0);
        desk.sixteen(at + 16, &second, 0);
        at + self.out_len
    }

    #[inline(never)]
    fn read(&mut self, head: Sixteen, text: &[u8]) -> bool {
        let digits = self.unit.digits();
        let (Some(rest), true) = (text.get(16..), text.len() == 20 + digits + usize::from(digits > 0)) else {
            return false;
        };
        if head != self.minute {
            let mut whole = *b"YYYY-MM-DDTHH:MM:00Z";
            whole[..16].copy_from_slice(&head);
            let Ok(base) = self.parser.parse(&whole, Unit::S) else { return false };
            // `+0002024-01-01T…`: another layout of the rest.
            if !head[0].is_ascii_digit() {
                return false;
            }
            (self.minute, self.base) = (head, base);
        }
        let [b':', tens, ones, rest @ .., b'Z'] = rest else { return false };
        let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
        if tens > 5 || ones > 9 {
            return false;
        }
        let fraction = match rest {
            [b'.', fraction @ ..] => fraction,
            _ => rest,
        };
        if fraction.len() != digits || !fraction.iter().all(u8::is_ascii_digit) {
            return false;
        }
        let second = self.base + i64::from(tens) * 10 + i64::from(ones);
        if !(1..=LAST).contains(&second) {
            return false;
        }
        let (kept, cut) = fraction.split_at(digits.min(self.digits));
        if cut.iter().any(|digit| *digit != b'0') {
            return false;
        }
        let mut buffer = itoa::Buffer::new();
        let second = buffer.format(second).as_bytes();
        // At most ten digits and nine more.
        self.out = [[b'0'; 16]; 2];
        for (to, from) in self.out.as_flattened_mut().iter_mut().zip(second.iter().chain(kept)) {
            *to = *from;
        }
        self.out_len = second.len() + self.digits;
        true
    }
}
