//! Hash functions that a comparison pushes down.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// `murmur_hash3_32` of several texts: MurmurHash3 x86 32, the hash of each seeds the next, 104729 the first.
pub fn murmur_hash3_32<'a>(texts: impl Iterator<Item = &'a [u8]>) -> i32 {
    texts.fold(104_729, |seed, text| murmur3(text, seed)) as i32
}

/// `xx_hash3_64` of several texts: XXH3, the hash of each seeds the next, 0 the first. (`xx_hash3_128` hashes the texts as
/// one, so that `ab, c` and `a, bc` have one hash: it is not here.)
pub fn xx_hash3_64<'a>(texts: impl Iterator<Item = &'a [u8]>) -> i64 {
    texts.fold(0, |seed, text| xxh3_64_with_seed(text, seed)) as i64
}

/// MurmurHash3 x86 32.
fn murmur3(bytes: &[u8], seed: u32) -> u32 {
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

    #[test]
    fn hashes_that_starrocks_documents() {
        let texts = |all: &'static str| all.split(' ').map(str::as_bytes);
        // Its manual's examples, and those of the tests of its back end.
        for (all, hash) in [
            ("hello", 1_321_743_225),
            ("hello world", 984_713_481),
            ("test1234567", -1_948_194_659),
            ("test1234567 asdf213", -500_290_079),
        ] {
            assert_eq!(murmur_hash3_32(texts(all)), hash, "{all}");
        }
        for (all, hash) in [
            ("hello", -7_685_981_735_718_036_227),
            ("hello world", 7_001_965_798_170_371_843),
            ("starrocks", 6_573_472_450_560_322_992),
            ("hello starrocks", 2_803_320_466_222_626_098),
        ] {
            assert_eq!(xx_hash3_64(texts(all)), hash, "{all}");
        }
    }
}
