//! The comment with which a writer of line protocol states the unit of its times: `# tsferry precision=ms`, on the first
//! line. Without it times are nanoseconds. Servers skip comments.

use crate::time::Unit;
use fault::{Error, Kind, Result};

const STATEMENT: &[u8] = b"# tsferry ";

/// The line that states a unit, with its line feed.
pub fn statement(unit: Unit) -> String {
    format!("# tsferry precision={unit}\n")
}

/// The unit that a line states, if it is such a comment.
pub fn stated(line: &[u8]) -> Result<Option<Unit>> {
    let Some(words) = line.strip_prefix(STATEMENT) else { return Ok(None) };
    for word in words.split(u8::is_ascii_whitespace) {
        if let Some(unit) = word.strip_prefix(b"precision=") {
            let unit = String::from_utf8_lossy(unit).parse().map_err(|e: Error| e.with_kind(Kind::Malformed));
            return unit.map(Some).map_err(|e: Error| e.context(fault::excerpt(line)));
        }
    }
    Ok(None)
}

/// The unit asked for and the unit stated must be the same; nanoseconds if there is neither.
pub fn agreed(asked: Option<Unit>, stated: Option<Unit>) -> Result<Unit> {
    match (asked, stated) {
        (Some(asked), Some(stated)) if asked != stated => Err(Error::usage(format!(
            "the times are in {stated}, as the input says itself, not in {asked}: leave --precision out"
        ))),
        (asked, stated) => Ok(asked.or(stated).unwrap_or(Unit::Ns)),
    }
}
