//! The line splitter of the servers, statement by statement, to ask whether they see the ends of lines where we do.

/// True if those splitters see the end of measurement and tags where `series` ends, if a space follows.
pub(crate) fn series_ends(series: &[u8]) -> bool {
    let mut i = 0;
    while let Some(b) = series.get(i) {
        match b {
            b'\\' => i += 1,
            b' ' | b'\n' => return false,
            _ => {}
        }
        i += 1;
    }
    i == series.len()
}

/// True if `scanLine` of v1 and v2, and `split_lines` of v3, take `line` plus a line feed for exactly one line.
pub(crate) fn is_one_line(line: &[u8]) -> bool {
    let (mut quoted, mut fields) = (false, false);
    let (mut equals, mut commas) = (0usize, 0usize);
    let mut i = 0;
    while let Some(b) = line.get(i) {
        match b {
            b'\\' => {
                i += 2;
                continue;
            }
            b' ' => fields = true,
            b'=' if fields && !quoted => equals += 1,
            b',' if fields && !quoted => commas += 1,
            b'"' if fields && equals > commas => quoted = !quoted,
            b'\n' if !quoted => return false,
            _ => {}
        }
        i += 1;
    }
    // A backslash at the very end would take the line feed with it.
    !quoted && i == line.len()
}
