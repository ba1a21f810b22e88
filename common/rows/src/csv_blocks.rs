//! A CSV as blocks of whole rows with their index: what one thread reads and others work on.

use crate::blocks::Source;
use crate::csv_index::Index;
use crate::lines::{BLOCK, Lines};
use fault::Result;

/// Rows, and where they stood in the input. Its buffers are used again for the next block.
#[derive(Default)]
pub(crate) struct Block {
    bytes: Vec<u8>,
    start: usize,
    /// Where the rows and cells end, counted from the beginning of [`Block::text`].
    pub index: Index,
    /// Bytes behind the rows: at the end of the input, a row without a line end or the beginning of a cut one.
    pub tail: usize,
    /// The number of the first row's line.
    pub line: u64,
    /// The offset of the first row in the (decompressed) input.
    pub offset: u64,
    /// Nothing comes behind this block.
    pub last: bool,
}

impl Block {
    /// The rows, the tail, and at least 32 bytes behind them that mean nothing.
    pub fn text(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

/// Cuts a CSV, its header already read, into blocks.
pub(crate) struct CsvBlocks {
    lines: Lines,
    delimiter: u8,
    done: bool,
}

impl CsvBlocks {
    pub fn new(lines: Lines, delimiter: u8) -> CsvBlocks {
        CsvBlocks { lines, delimiter, done: false }
    }

    /// After the last block: `rows` data rows were read; does the end mark, if there is one, agree?
    pub fn check_end(&self, rows: u64) -> Result<()> {
        self.lines.check_end(rows)
    }
}

impl Source<Block> for CsvBlocks {
    fn fill(&mut self, block: &mut Block) -> Result<bool> {
        if self.done {
            return Ok(false);
        }
        let mut goal = BLOCK / 4 * 3;
        loop {
            while !self.lines.at_eof() && self.lines.bytes().len() < goal {
                self.lines.fill()?;
            }
            let bytes = self.lines.bytes();
            block.index.scan(bytes, self.delimiter);
            if block.index.len() > 0 || self.lines.at_eof() {
                break;
            }
            // Not one whole row: twice as much before the next look.
            goal = bytes.len() * 2;
        }
        let bytes = self.lines.bytes();
        let rows = block.index.len();
        block.last = self.lines.at_eof();
        self.done = block.last;
        block.tail = if block.last { bytes.len() - rows } else { 0 };
        let line_ends = if block.index.has_quotes() {
            memchr::memchr_iter(b'\n', bytes.get(..rows).unwrap_or_default()).count()
        } else {
            block.index.rows().len()
        };
        (block.line, block.offset) = (self.lines.line(), self.lines.offset());
        let used = std::mem::take(&mut block.bytes);
        (block.bytes, block.start) = self.lines.take(rows + block.tail, line_ends as u64, used);
        Ok(rows + block.tail > 0)
    }
}
