//! Rows of text on their way from a body to the store: all bytes in one piece, and where each cell ends.

/// A block of rows of the same width; a cell is text or NULL. A row costs 4 bytes a cell besides its text.
#[derive(Debug, Default, Clone)]
pub struct Cells {
    width: usize,
    text: Vec<u8>,
    /// End of each cell in `text`, with [`NULL`] set for a NULL.
    ends: Vec<u32>,
}

/// Marks the end of a cell that is NULL.
const NULL: u32 = 1 << 31;

impl Cells {
    /// Most bytes of text in a block, so that an end and its mark fit.
    pub const MOST: usize = (NULL - 1) as usize;

    /// An empty block of rows with this many cells.
    pub fn new(width: usize) -> Cells {
        Cells { width, ..Cells::default() }
    }

    /// Cells in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Whole rows.
    pub fn rows(&self) -> usize {
        if self.width == 0 { 0 } else { self.ends.len() / self.width }
    }

    /// Bytes of text.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// True when there is no whole row.
    pub fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    /// Adds a cell; cells beyond [`Cells::MOST`] bytes in all are cut, which no body that is read in blocks reaches.
    pub fn push(&mut self, cell: Option<&[u8]>) {
        match cell {
            Some(text) => {
                let room = Self::MOST - self.text.len();
                self.text.extend_from_slice(text.get(..room).unwrap_or(text));
                self.ends.push(self.text.len() as u32);
            }
            None => self.ends.push(self.text.len() as u32 | NULL),
        }
    }

    /// Forgets the cells of a row that has been begun and not finished.
    pub fn undo(&mut self) {
        let whole = self.rows() * self.width;
        self.ends.truncate(whole);
        let end = self.ends.last().map_or(0, |end| (end & !NULL) as usize);
        self.text.truncate(end);
    }

    /// A cell; `None` is NULL, and what is outside of the block.
    pub fn get(&self, row: usize, column: usize) -> Option<&[u8]> {
        if column >= self.width {
            return None;
        }
        let at = row * self.width + column;
        let end = *self.ends.get(at)?;
        if end & NULL != 0 {
            return None;
        }
        let start = match at {
            0 => 0,
            _ => self.ends.get(at - 1).map_or(0, |end| end & !NULL),
        };
        self.text.get(start as usize..end as usize)
    }

    /// Keeps only the first `rows` rows.
    pub fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows.saturating_mul(self.width));
        let end = self.ends.last().map_or(0, |end| (end & !NULL) as usize);
        self.text.truncate(end);
    }

    /// Drops all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.ends.clear();
        self.text.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_not_empty_and_an_unfinished_row_can_be_undone() {
        let mut cells = Cells::new(3);
        for cell in [Some(&b"a"[..]), None, Some(b""), Some(b"bc"), Some(b"d")] {
            cells.push(cell);
        }
        assert_eq!(cells.rows(), 1);
        cells.undo();
        cells.push(None);
        cells.push(Some(b"x"));
        cells.push(None);
        let row = |at| (0..4).map(|column| cells.get(at, column)).collect::<Vec<_>>();
        assert_eq!(row(0), [Some(&b"a"[..]), None, Some(b""), None]);
        assert_eq!(row(1), [None, Some(&b"x"[..]), None, None]);
        assert_eq!(row(2), [None; 4]);
        cells.truncate(1);
        assert_eq!((cells.rows(), cells.bytes(), cells.get(1, 1)), (1, 1, None));
    }
}
