//! Short texts of a column, looked at 32 bytes at a time.

/// A text of at most 32 bytes, with whatever follows it.
pub(crate) struct Short {
    pub bytes: [u8; 32],
    pub len: usize,
}

/// Ones, then zeros: from 32 - n on there are n ones.
static FIRST: [u8; 64] = {
    let mut table = [0; 64];
    let mut i = 0;
    while i < 32 {
        table[i] = 1;
        i += 1;
    }
    table
};

impl Short {
    /// The bytes `from..to` of a column's texts. `None` if they are more than 32.
    #[inline(always)]
    pub fn new(whole: &[u8], from: usize, to: usize) -> Option<Short> {
        let len = to.wrapping_sub(from);
        if len > 32 {
            return None;
        }
        match whole.get(from..).and_then(|rest| rest.first_chunk::<32>()) {
            Some(bytes) => Some(Short { bytes: *bytes, len }),
            None => Short::last(whole.get(from..to)?),
        }
    }

    /// Nothing follows the text: it stands at the very end of the column.
    #[cold]
    fn last(text: &[u8]) -> Option<Short> {
        let mut bytes = [0; 32];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Short { bytes, len: text.len() })
    }

    /// Is there a byte of this kind in the text? Without a branch or a table, so that the compiler can look at all of
    /// them at once.
    #[inline(always)]
    pub fn any(&self, kind: impl Fn(u8) -> bool) -> bool {
        let Some(counts) = FIRST.get(32 - self.len..).and_then(|rest| rest.first_chunk::<32>()) else { return true };
        let mut found = [0u8; 32];
        for i in 0..32 {
            found[i] = u8::from(kind(self.bytes[i])) & counts[i];
        }
        let mut any = 0u64;
        for word in found.as_chunks::<8>().0 {
            any |= u64::from_le_bytes(*word);
        }
        any != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::prelude::*;

    proptest! {
        #[test]
        fn only_the_text_counts(whole in testkit::proptest::collection::vec(prop_oneof![Just(b','), any::<u8>()], 0..120), a in 0usize..120, len in 0usize..40) {
            let from = a.min(whole.len());
            let to = (from + len).min(whole.len());
            match Short::new(&whole, from, to) {
                None => prop_assert!(to - from > 32),
                Some(short) => {
                    prop_assert_eq!(&short.bytes[..short.len], &whole[from..to]);
                    prop_assert_eq!(short.any(|b| (b == b',') | (b < 9)), whole[from..to].iter().any(|b| *b == b',' || *b < 9));
                }
            }
        }
    }
}
