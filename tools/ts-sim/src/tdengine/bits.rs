//! A bitmap as on the wire: a set bit is NULL, the most significant bit first. Rows beyond the end are not NULL.

/// The rows that are NULL; takes no memory while there are none.
#[derive(Debug, Clone, Default)]
pub struct Bits {
    bytes: Vec<u8>,
}

impl Bits {
    pub fn get(&self, row: usize) -> bool {
        self.bytes.get(row / 8).is_some_and(|byte| byte & (0x80 >> (row % 8)) != 0)
    }

    pub fn set(&mut self, row: usize) {
        if self.bytes.len() <= row / 8 {
            self.bytes.resize(row / 8 + 1, 0);
        }
        self.bytes[row / 8] |= 0x80 >> (row % 8);
    }

    pub fn clear(&mut self, row: usize) {
        if let Some(byte) = self.bytes.get_mut(row / 8) {
            *byte &= !(0x80 >> (row % 8));
        }
    }

    pub fn any(&self) -> bool {
        self.bytes.iter().any(|byte| *byte != 0)
    }

    /// Appends the bitmap of `rows` rows: `(rows + 7) / 8` bytes.
    pub fn write(&self, rows: usize, out: &mut Vec<u8>) {
        let want = rows.div_ceil(8);
        let have = self.bytes.len().min(want);
        out.extend_from_slice(&self.bytes[..have]);
        out.resize(out.len() + want - have, 0);
    }
}
