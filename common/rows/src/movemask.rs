//! The highest bit of each byte of a vector, as one instruction.
//!
//! The intrinsics of that name are generic vector code to the compiler, which with bit tests behind them takes the mask
//! apart into single bits again: six times the instructions (measured on [`crate::csv_index`] with rust 1.95). In assembly
//! it cannot look inside. Miri, which reads no assembly, gets the intrinsics.

#[cfg(not(miri))]
use std::arch::asm;
use std::arch::x86_64::{__m128i, __m256i};
#[cfg(miri)]
use std::arch::x86_64::{_mm_movemask_epi8, _mm256_movemask_epi8};

/// A bit for each of sixteen bytes, the first in the lowest.
#[inline]
#[target_feature(enable = "sse2")]
pub(crate) fn sixteen(v: __m128i) -> u32 {
    #[cfg(miri)]
    let mask = _mm_movemask_epi8(v) as u32;
    #[cfg(not(miri))]
    let mask: u32;
    #[cfg(not(miri))]
    // SAFETY: the instruction reads one register, writes another, and does nothing else; SSE2 has it.
    unsafe {
        asm!("pmovmskb {mask:e}, {v}", mask = lateout(reg) mask, v = in(xmm_reg) v, options(pure, nomem, nostack, preserves_flags));
    }
    mask
}

/// A bit for each of 32 bytes, the first in the lowest.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn thirty_two(v: __m256i) -> u32 {
    #[cfg(miri)]
    let mask = _mm256_movemask_epi8(v) as u32;
    #[cfg(not(miri))]
    let mask: u32;
    #[cfg(not(miri))]
    // SAFETY: the instruction reads one register, writes another, and does nothing else; AVX2 has it.
    unsafe {
        asm!("vpmovmskb {mask:e}, {v}", mask = lateout(reg) mask, v = in(ymm_reg) v, options(pure, nomem, nostack, preserves_flags));
    }
    mask
}
