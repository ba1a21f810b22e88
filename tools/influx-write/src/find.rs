//! Finding the lines that a server named in a reply.

use influx::reply::{Named, Which};
use net::batch::{Batch, Part};
use std::collections::HashMap;

/// The numbers (in the batch, ascending) of the named lines, with the server's reasons. `None` if nothing was named, or
/// if any of it cannot be found: then the reply is not understood, and halving finds the lines without it.
pub fn find<'a>(batch: &Batch, part: &Part, named: &'a [Named]) -> Option<Vec<(usize, &'a str)>> {
    if named.is_empty() {
        return None;
    }
    let numbers: Vec<usize> = part.lines().collect();
    let mut texts: HashMap<String, Vec<usize>> = HashMap::new();
    if named.iter().any(|named| matches!(named.line, Which::Text(_))) {
        for &number in &numbers {
            texts.entry(as_quoted(batch.line(number))).or_default().push(number);
        }
    }
    let mut found: Vec<(usize, &str)> = Vec::with_capacity(named.len());
    for Named { line, reason } in named {
        match line {
            Which::Index(index) => found.push((*numbers.get(*index)?, reason)),
            // The same bad line twice is named twice; all of its copies are bad.
            Which::Text(text) => found.extend(texts.get(text)?.iter().map(|&number| (number, reason.as_str()))),
        }
    }
    found.sort_unstable_by_key(|(number, _)| *number);
    found.dedup_by_key(|(number, _)| *number);
    Some(found)
}

/// A line as it stands in a reply: without the blanks before it, and as valid UTF-8.
fn as_quoted(line: &[u8]) -> String {
    let start = line.iter().position(|b| !matches!(b, b' ' | b'\t' | 0)).unwrap_or(line.len());
    String::from_utf8_lossy(line.get(start..).unwrap_or_default()).into_owned()
}
