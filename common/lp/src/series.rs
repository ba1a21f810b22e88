//! Which series a line belongs to.

use memchr::memchr;

use crate::{Dialect, Line};

/// Measurement and tags of a line, as written, without parsing the rest. None if the line has no fields.
///
/// Two lines of one writer that always puts its tags in the same order belong to one series exactly if these bytes are
/// equal: enough to keep the order of writes within a series.
pub fn key(line: &[u8], dialect: Dialect) -> Option<&[u8]> {
    let start = line.iter().position(|b| !matches!(b, b' ' | b'\t' | 0))?;
    let mut from = start;
    loop {
        let space = from + memchr(b' ', line.get(from..)?)?;
        if !escaped(line.get(start..space)?, dialect) {
            return line.get(start..space);
        }
        from = space + 1;
    }
}

/// Whether the byte after `before` is escaped: v1 and v2 look one byte back, v3 counts.
fn escaped(before: &[u8], dialect: Dialect) -> bool {
    let run = before.iter().rev().take_while(|b| **b == b'\\').count();
    if dialect == Dialect::V3 { run % 2 == 1 } else { run > 0 }
}

/// Appends measurement and tags with the tags sorted by their bytes: equal for two lines exactly if they are of one
/// series, whatever order the tags were written in.
pub fn canonical(out: &mut Vec<u8>, line: &Line<'_>) {
    let sorted = line.tags().is_sorted_by(|a, b| a.0 < b.0);
    if sorted {
        out.extend_from_slice(line.series());
        return;
    }
    let mut tags: Vec<_> = line.tags().collect();
    sort_tags(&mut tags);
    out.extend_from_slice(line.measurement());
    for (k, v) in tags {
        out.push(b',');
        out.extend_from_slice(k);
        out.push(b'=');
        out.extend_from_slice(v);
    }
}

/// Sorts tags as the servers do, by the bytes of the key. A writer that sends them sorted saves the server the work.
pub fn sort_tags<V>(tags: &mut [(&[u8], V)]) {
    tags.sort_by(|a, b| a.0.cmp(b.0));
}
