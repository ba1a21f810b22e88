//! Hash functions that a comparison pushes down.

/// `murmur_hash3_32`: MurmurHash3 x86 32, the hash of each argument seeds the next (seed 104729: [memory]).
pub fn murmur3(bytes: &[u8], seed: u32) -> u32 {
    const C1: u32 = 0xcc9e_2d51;
    const C2: u32 = 0x1b87_3593;
    let mut hash = seed;
    let (blocks, rest) = bytes.as_chunks::<4>();
    for block in blocks {
        let k = u32::from_le_bytes(*block).wrapping_mul(C1).rotate_left(15).wrapping_mul(C2);
        hash = (hash ^ k).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    if !rest.is_empty() {
        let k = rest.iter().rev().fold(0u32, |k, b| k << 8 | u32::from(*b));
        hash ^= k.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2);
    }
    hash ^= bytes.len() as u32;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

/// 64 bits for HLL's sets.
pub fn hash64(bytes: &[u8]) -> u64 {
    u64::from(murmur3(bytes, 0xadc8_3b19)) << 32 | u64::from(murmur3(bytes, 104_729))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_hashes() {
        // From the reference implementation's verification values.
        assert_eq!(murmur3(b"", 0), 0);
        assert_eq!(murmur3(b"", 1), 0x514e_28b7);
        assert_eq!(murmur3(b"Hello, world!", 0x9747_b28c), 0x2488_4cba);
        assert_eq!(murmur3(&[0xff; 4], 0), 0x7629_3b50);
    }
}
