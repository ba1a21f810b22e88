//! Text written row by row into a page of fixed size: cells of a few bytes are moved 8, 16 or 32 bytes at a time and the
//! position advances by their true length, which costs a fraction of a `memcpy` for each. What does not fit is no error:
//! the pen is then [`Pen::full`], and the caller writes the row again on an empty page, or in another way.

/// Bytes of a page: what one `write(2)` should be, and less than the processor's second cache.
pub(crate) const PAGE: usize = 256 << 10;

/// Where a [`Pen`] writes. Its length is known to the compiler: one comparison tells whether a move fits.
pub(crate) type Page = [u8; PAGE];

/// An empty page.
pub(crate) fn page() -> Box<Page> {
    vec![0; PAGE].into_boxed_slice().try_into().unwrap_or_else(|_| Box::new([0; PAGE]))
}

/// A position on a page.
pub(crate) struct Pen<'a> {
    page: &'a mut Page,
    at: usize,
}

impl<'a> Pen<'a> {
    /// Writes from the start of the page.
    pub fn new(page: &'a mut Page) -> Pen<'a> {
        Pen { page, at: 0 }
    }

    /// Bytes written.
    #[inline(always)]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Takes back what was written from `at` on.
    #[inline(always)]
    pub fn cut(&mut self, at: usize) {
        self.at = at;
    }

    /// Something did not fit since the last [`Pen::cut`]: what stands on the page behind that place is worthless.
    #[inline(always)]
    pub fn full(&self) -> bool {
        self.at > PAGE
    }

    /// Moves all of `bytes`; the first `len` of them count.
    #[inline(always)]
    pub fn put<const N: usize>(&mut self, bytes: &[u8; N], len: usize) {
        if self.at <= PAGE - N {
            self.page[self.at..self.at + N].copy_from_slice(bytes);
            self.at += len;
        } else {
            self.at = usize::MAX / 2;
        }
    }

    /// Appends one byte.
    #[inline(always)]
    pub fn byte(&mut self, byte: u8) {
        self.put(&[byte], 1);
    }

    /// Appends bytes of any number.
    #[inline]
    pub fn text(&mut self, text: &[u8]) {
        match self.page.get_mut(self.at..).and_then(|rest| rest.get_mut(..text.len())) {
            Some(slot) => {
                slot.copy_from_slice(text);
                self.at += text.len();
            }
            None => self.at = usize::MAX / 2,
        }
    }

    /// Appends `len` bytes of `whole` from `from` on; short ones in one move where bytes follow them in `whole`.
    #[inline(always)]
    pub fn part(&mut self, whole: &[u8], from: usize, len: usize) {
        match whole.get(from..).and_then(|rest| rest.first_chunk::<32>()) {
            Some(chunk) if len <= 32 => self.put(chunk, len),
            _ => self.text(whole.get(from..from + len).unwrap_or_default()),
        }
    }

    /// Replaces a byte that was written.
    #[inline(always)]
    pub fn replace(&mut self, at: usize, byte: u8) {
        if let Some(slot) = self.page.get_mut(at) {
            *slot = byte;
        }
    }

    /// Appends the decimal digits of `n`.
    #[inline(always)]
    pub fn unsigned(&mut self, n: u64) {
        if n < 10 {
            self.byte(b'0' + n as u8);
        } else if n < EIGHT {
            self.head(n as u32);
        } else {
            self.long(n);
        }
    }

    /// Appends `-` and digits.
    #[inline(always)]
    pub fn signed(&mut self, n: i64) {
        if n < 0 {
            self.byte(b'-');
        }
        self.unsigned(n.unsigned_abs());
    }

    /// Below 10^8, without leading zeros.
    #[inline(always)]
    pub fn head(&mut self, n: u32) {
        let digits = digits(n);
        let zeros = (digits | 1 << 56).trailing_zeros() & !7;
        self.put(&((digits | ASCII) >> zeros).to_le_bytes(), (8 - zeros / 8) as usize);
    }

    /// Below 10^8, with leading zeros.
    #[inline(always)]
    fn tail(&mut self, n: u32) {
        self.put(&(digits(n) | ASCII).to_le_bytes(), 8);
    }

    fn long(&mut self, n: u64) {
        let (high, low) = (n / EIGHT, (n % EIGHT) as u32);
        if high < EIGHT {
            self.head(high as u32);
        } else {
            self.head((high / EIGHT) as u32);
            self.tail((high % EIGHT) as u32);
        }
        self.tail(low);
    }

    /// Appends `n` (below 10^8) with a point before its last `places` (1 to 7) digits, without zeros at its end but with
    /// one digit at least on each side.
    #[inline(always)]
    pub fn decimal(&mut self, n: u32, places: u32) {
        let digits = digits(n);
        // In front: all zeros but the one before the point.
        let front = ((digits | 1 << 56).trailing_zeros() / 8).min(7 - places);
        let back = (digits.leading_zeros() / 8).min(places - 1);
        let text = (digits | ASCII) >> ((8 * front) & 63);
        let whole = 8 - front - places;
        self.put(&text.to_le_bytes(), whole as usize);
        self.byte(b'.');
        self.put(&(text >> ((8 * whole) & 63)).to_le_bytes(), (places - back) as usize);
    }

    /// Appends a point and `n` as a fraction of 10^8, without zeros at its end but with one digit at least.
    #[inline(always)]
    pub fn fraction(&mut self, n: u32) {
        let digits = digits(n);
        let zeros = (digits | 1).leading_zeros() / 8;
        self.byte(b'.');
        self.put(&(digits | ASCII).to_le_bytes(), (8 - zeros) as usize);
    }
}

const EIGHT: u64 = 100_000_000;
/// Added to [`digits`], it makes them text.
pub(crate) const ASCII: u64 = 0x3030_3030_3030_3030;

/// The eight digits of a number below 10^8, a byte each, the first in the lowest byte: halves, quarters and digits are
/// taken apart side by side in one word.
#[inline(always)]
pub(crate) fn digits(n: u32) -> u64 {
    let halves = u64::from(n / 10_000) | u64::from(n % 10_000) << 32;
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007F_0000_007F;
    let pairs = hundreds | (halves - 100 * hundreds) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000F_000F_000F_000F;
    tens | (pairs - 10 * tens) << 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Pen<'_>)) -> String {
        let mut page = page();
        let mut pen = Pen::new(&mut page);
        write(&mut pen);
        assert!(!pen.full());
        let at = pen.at();
        String::from_utf8(page[..at].to_vec()).unwrap()
    }

    #[test]
    fn eight_digits_at_their_edges() {
        for n in (0..100_000).chain((0..10_000).map(|n| n * 10_000 + n)).chain([99_999_999]) {
            assert_eq!(written(|pen| pen.tail(n)), format!("{n:08}"));
        }
    }

    #[test]
    fn what_does_not_fit_is_seen_until_it_is_cut() {
        let mut page = page();
        let mut pen = Pen::new(&mut page);
        pen.text(&[b'a'; PAGE - 10]);
        pen.put(&[b'b'; 16], 2);
        assert!(pen.full());
        pen.byte(b'c');
        pen.text(b"");
        assert!(pen.full());
        pen.cut(PAGE - 10);
        pen.text(&[b'd'; 10]);
        assert!(!pen.full() && pen.at() == PAGE);
        pen.part(b"x", 0, 1);
        assert!(pen.full());
    }

    proptest! {
        #[test]
        fn numbers_are_those_of_std(n: u64, digits in 0u32..20, fraction in 0u32..100_000_000) {
            let n = n % 10u64.pow(digits);
            for n in [n, u64::MAX - n] {
                prop_assert_eq!(written(|pen| pen.unsigned(n)), n.to_string());
                prop_assert_eq!(written(|pen| pen.signed(n as i64)), (n as i64).to_string());
            }
            let places = 1 + digits % 7;
            let ten = 10u32.pow(places);
            let text = format!("{}.{:0width$}", fraction / ten, fraction % ten, width = places as usize);
            let text = text.trim_end_matches('0');
            let zero = if text.ends_with('.') { "0" } else { "" };
            prop_assert_eq!(written(|pen| pen.decimal(fraction, places)), format!("{text}{zero}"));
            let text = format!(".{fraction:08}");
            let text = text.trim_end_matches('0');
            prop_assert_eq!(written(|pen| pen.fraction(fraction)), if text == "." { ".0" } else { text });
        }

        #[test]
        fn parts_are_parts(whole in testkit::proptest::collection::vec(any::<u8>(), 0..100), a in 0usize..100, b in 0usize..100) {
            let (a, b) = (a.min(whole.len()), b.min(whole.len()));
            let (from, to) = (a.min(b), a.max(b));
            let mut page = page();
            let mut pen = Pen::new(&mut page);
            pen.part(&whole, from, to - from);
            let at = pen.at();
            prop_assert_eq!(&page[..at], &whole[from..to]);
        }
    }
}
