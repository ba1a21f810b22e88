//! Which partitions: by name, never by values, which would lose rows whose partition column is NULL, and break on keys of
//! several columns.

use fault::{Error, Result};
use globset::{Glob, GlobMatcher};
use std::str::FromStr;

/// What `--partitions` says. Names ignore case, as in StarRocks; ranges compare names as text.
#[derive(Clone, Debug)]
pub enum Selection {
    /// Every partition on its own: `DEFAULT()`.
    Each,
    /// The table as one, whatever its partitions: `ALL()`.
    Whole,
    /// `EACH(p1,p2)`, or names and globs by comma.
    Names(Vec<Name>),
    /// From (included) to (excluded).
    Range { from: Option<String>, to: Option<String> },
}

/// A name or a glob.
#[derive(Clone, Debug)]
pub struct Name {
    text: String,
    glob: Option<GlobMatcher>,
}

impl Name {
    fn parse(text: &str) -> Result<Name> {
        let text = text.trim().to_ascii_lowercase();
        if text.is_empty() {
            return Err(Error::usage("--partitions: an empty name"));
        }
        let glob = match text.contains(['*', '?', '[', '{']) {
            true => {
                let glob = Glob::new(&text).map_err(|e| Error::usage(format!("--partitions {text}: {}", e.kind())))?;
                Some(glob.compile_matcher())
            }
            false => None,
        };
        Ok(Name { text, glob })
    }

    /// Does it mean this partition?
    pub fn matches(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        name == self.text || self.glob.as_ref().is_some_and(|glob| glob.is_match(&name))
    }

    /// As it was given, in lower case.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Selection {
    /// Does it choose this partition?
    pub fn takes(&self, name: &str) -> bool {
        match self {
            Selection::Each | Selection::Whole => true,
            Selection::Names(all) => all.iter().any(|wanted| wanted.matches(name)),
            Selection::Range { from, to } => {
                let name = name.to_ascii_lowercase();
                from.as_ref().is_none_or(|from| name >= *from) && to.as_ref().is_none_or(|to| name < *to)
            }
        }
    }
}

impl FromStr for Selection {
    type Err = Error;

    fn from_str(text: &str) -> Result<Selection> {
        let text = text.trim();
        let names = |inner: &str| -> Result<Selection> {
            Ok(Selection::Names(inner.split(',').map(Name::parse).collect::<Result<_>>()?))
        };
        let Some((word, inner)) = text.strip_suffix(')').and_then(|rest| rest.split_once('(')) else {
            return names(text);
        };
        let bad = |what: &str| Err(Error::usage(format!("--partitions {text}: {what}")));
        let inner = inner.trim();
        let bound = |text: &str| Some(text.trim().to_ascii_lowercase());
        match (word.trim().to_ascii_uppercase().as_str(), inner) {
            ("DEFAULT", "") => Ok(Selection::Each),
            ("ALL", "") => Ok(Selection::Whole),
            ("DEFAULT" | "ALL", _) => bad("nothing stands between these parentheses"),
            ("EACH", inner) => names(inner),
            ("RANGE", inner) => match inner.split_once(',') {
                Some((from, to)) if !from.trim().is_empty() && !to.trim().is_empty() && !to.contains(',') => {
                    match from.trim().to_ascii_lowercase() < to.trim().to_ascii_lowercase() {
                        true => Ok(Selection::Range { from: bound(from), to: bound(to) }),
                        false => bad("the first name is not before the second"),
                    }
                }
                _ => bad("write RANGE(from,to)"),
            },
            ("STARTWITH", from) if !from.is_empty() => Ok(Selection::Range { from: bound(from), to: None }),
            ("ENDWITH", to) if !to.is_empty() => Ok(Selection::Range { from: None, to: bound(to) }),
            _ => bad("there are DEFAULT(), ALL(), EACH(p1,p2), RANGE(from,to), STARTWITH(from), ENDWITH(to)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_of_tasks() {
        let all = ["p202401", "p202402", "p202403", "p202501"];
        for (text, taken) in [
            ("DEFAULT()", "p202401 p202402 p202403 p202501"),
            ("ALL()", "p202401 p202402 p202403 p202501"),
            ("EACH(p202401, P202403)", "p202401 p202403"),
            ("RANGE(p202402,p202501)", "p202402 p202403"),
            ("STARTWITH(p202403)", "p202403 p202501"),
            ("ENDWITH(p202402)", "p202401"),
            ("each(p2024*)", "p202401 p202402 p202403"),
            ("p2024*,p202501", "p202401 p202402 p202403 p202501"),
            ("p20240[13]", "p202401 p202403"),
        ] {
            let selection: Selection = text.parse().unwrap();
            let names: Vec<&str> = all.into_iter().filter(|name| selection.takes(name)).collect();
            assert_eq!(names.join(" "), taken, "{text}");
        }
        for text in
            ["", "EACH()", "RANGE(a)", "RANGE(b,a)", "RANGE(a,b,c)", "STARTWITH()", "ALL(p1)", "NEXT(p1)", "p[1"]
        {
            assert!(text.parse::<Selection>().is_err(), "{text}");
        }
    }
}
