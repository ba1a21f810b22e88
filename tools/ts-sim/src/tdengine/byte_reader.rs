//! Numbers and texts out of bytes that a client sent, little-endian; `None` beyond the end.

/// What has not been read yet.
#[derive(Debug, Clone, Copy)]
pub struct ByteReader<'a> {
    rest: &'a [u8],
}

impl<'a> ByteReader<'a> {
    pub fn new(bytes: &'a [u8]) -> ByteReader<'a> {
        ByteReader { rest: bytes }
    }

    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_le_bytes)
    }

    pub fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A count or length as `u32`, when it can be one at all.
    pub fn size(&mut self) -> Option<usize> {
        usize::try_from(self.i32()?).ok()
    }

    /// Seven bits a byte, the lowest first.
    pub fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A signed varint: the sign is the lowest bit.
    pub fn zigzag(&mut self) -> Option<i64> {
        let raw = self.varint()?;
        Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// Bytes after their length as a varint.
    pub fn counted(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        self.take(length)
    }

    /// A text after its length as a varint, which counts the NUL at its end.
    pub fn text(&mut self) -> Option<&'a str> {
        let bytes = self.counted()?;
        std::str::from_utf8(bytes.strip_suffix(b"\0").unwrap_or(bytes)).ok()
    }

    /// What follows a length of 4 bytes, by itself.
    pub fn part(&mut self) -> Option<ByteReader<'a>> {
        let length = self.size()?;
        self.take(length).map(ByteReader::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_with_the_bytes() {
        let mut reader = ByteReader::new(&[1, 2, 0, 0xa6, 1, 0x84, 0xff]);
        assert_eq!((reader.u8(), reader.u16(), reader.varint()), (Some(1), Some(2), Some(166)));
        assert_eq!((reader.zigzag(), reader.u8()), (None, None));
        assert_eq!(ByteReader::new(&[0xa4, 1]).zigzag(), Some(82));
        assert_eq!(ByteReader::new(&[3]).zigzag(), Some(-2));
        assert_eq!(ByteReader::new(&[0xff; 11]).varint(), None);
        assert_eq!(ByteReader::new(b"\x03c0\0rest").text(), Some("c0"));
        assert_eq!(ByteReader::new(&[0xff, 0xff, 0xff, 0xff, 1]).size(), None);
    }
}
