//! Which of 64 bytes of CSV are delimiters, line ends or quotes: a bit for each byte, the first in the lowest.
//!
//! By AVX2 where the machine has it, by SSE2 on other x86-64, by words of eight bytes elsewhere: all with the same
//! result.

/// What every 64 bytes are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Delimiters and LFs.
    pub separators: u64,
    pub line_ends: u64,
    /// Not zero if [`Detail`] has anything to say.
    pub other: u64,
}

/// What is seldom there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Detail {
    pub quotes: u64,
    /// CRs.
    pub returns: u64,
    /// Bytes above 0x7f.
    pub high: u64,
}

/// Whose masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    #[cfg(any(test, not(target_arch = "x86_64")))]
    Portable,
    #[cfg(target_arch = "x86_64")]
    Sse2,
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Engine {
    /// The fastest that this machine has.
    pub fn best() -> Engine {
        #[cfg(target_arch = "x86_64")]
        return if has_avx2() { Engine::Avx2 } else { Engine::Sse2 };
        #[cfg(not(target_arch = "x86_64"))]
        return Engine::Portable;
    }
}

/// What [`avx2`] and those who call it are compiled for.
#[cfg(target_arch = "x86_64")]
pub(crate) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("popcnt")
}

#[cfg(any(test, not(target_arch = "x86_64")))]
pub(crate) mod words {
    use super::{Detail, Look};

    const ONES: u64 = 0x0101_0101_0101_0101;
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;

    pub(crate) fn look(chunk: &[u8; 64], delimiter: u8) -> Look {
        let line_ends = equal(chunk, b'\n');
        let Detail { quotes, returns, high } = detail(chunk);
        Look { separators: equal(chunk, delimiter) | line_ends, line_ends, other: quotes | returns | high }
    }

    pub(crate) fn detail(chunk: &[u8; 64]) -> Detail {
        let high = masks(chunk, |word| word & !LOW);
        Detail { quotes: equal(chunk, b'"'), returns: equal(chunk, b'\r'), high }
    }

    fn equal(chunk: &[u8; 64], byte: u8) -> u64 {
        masks(chunk, |word| {
            let x = word ^ (ONES * u64::from(byte));
            // No carry leaves its byte: exact, unlike the usual trick.
            !((x & LOW).wrapping_add(LOW) | x) & !LOW
        })
    }

    /// `ask` sets the highest bit of the bytes that it means and no other.
    fn masks(chunk: &[u8; 64], ask: impl Fn(u64) -> u64) -> u64 {
        chunk.chunks_exact(8).rev().fold(0, |mask, eight| {
            let word = eight.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
            mask << 8 | (ask(word) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
        })
    }
}

/// The two vector engines differ in the width of a register only.
#[cfg(target_arch = "x86_64")]
macro_rules! vectors {
    ($engine:ident, $features:literal, $bytes:literal, $vector:ident, $load:ident, $equal:ident, $or:ident, $all:ident, $mask:path) => {
        pub(crate) mod $engine {
            use super::{Detail, Look};
            use std::arch::x86_64::*;

            #[inline]
            #[target_feature(enable = $features)]
            fn load(chunk: &[u8; 64], part: usize) -> $vector {
                let (parts, _) = chunk.as_chunks::<$bytes>();
                let bytes = parts.get(part).unwrap_or(&[0; $bytes]);
                // SAFETY: as many bytes as the vector has, at any alignment.
                unsafe { $load(bytes.as_ptr().cast()) }
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn equal(v: $vector, byte: u8) -> $vector {
                $equal(v, $all(byte as i8))
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn look(chunk: &[u8; 64], delimiter: u8) -> Look {
                let mut look = Look { separators: 0, line_ends: 0, other: 0 };
                let mut other = $all(0);
                for part in 0..64 / $bytes {
                    let (v, shift) = (load(chunk, part), part as u32 * $bytes);
                    let line_ends = equal(v, b'\n');
                    look.separators |= u64::from($mask($or(equal(v, delimiter), line_ends))) << shift;
                    look.line_ends |= u64::from($mask(line_ends)) << shift;
                    other = $or(other, $or(v, $or(equal(v, b'"'), equal(v, b'\r'))));
                }
                look.other = u64::from($mask(other));
                look
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn detail(chunk: &[u8; 64]) -> Detail {
                let mut detail = Detail { quotes: 0, returns: 0, high: 0 };
                for part in 0..64 / $bytes {
                    let (v, shift) = (load(chunk, part), part as u32 * $bytes);
                    detail.quotes |= u64::from($mask(equal(v, b'"'))) << shift;
                    detail.returns |= u64::from($mask(equal(v, b'\r'))) << shift;
                    detail.high |= u64::from($mask(v)) << shift;
                }
                detail
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
vectors!(
    sse2,
    "sse2",
    16,
    __m128i,
    _mm_loadu_si128,
    _mm_cmpeq_epi8,
    _mm_or_si128,
    _mm_set1_epi8,
    crate::movemask::sixteen
);

#[cfg(target_arch = "x86_64")]
vectors!(
    avx2,
    "avx2,bmi1,popcnt",
    32,
    __m256i,
    _mm256_loadu_si256,
    _mm256_cmpeq_epi8,
    _mm256_or_si256,
    _mm256_set1_epi8,
    crate::movemask::thirty_two
);
