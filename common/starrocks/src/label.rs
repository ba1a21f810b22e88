//! Labels: the name under which the server remembers a load, so that the same load is never done twice (dossier starrocks
//! 1.6). They depend on what is loaded alone, never on when or how often it was tried.

use fault::{Error, Result};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Characters of a label, at most.
pub const LONGEST: usize = 128;

/// Is this a label that the server takes: `[-A-Za-z0-9_]{1,128}`? Exit 2 otherwise.
pub fn check(label: &str) -> Result<()> {
    let fine = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if fine && (1..=LONGEST).contains(&label.len()) {
        return Ok(());
    }
    Err(Error::usage(format!("'{label}' is no label: 1 to {LONGEST} letters, digits, '-' and '_'")))
}

/// The labels of one run.
#[derive(Clone, Debug)]
pub struct Labels {
    start: String,
}

impl Labels {
    /// Labels begin with `prefix`; `split` names what is loaded (a part of a larger work), or this very run.
    pub fn new(prefix: &str, split: &str) -> Result<Labels> {
        let start = format!("{prefix}-{:016x}", xxh3_64(split.as_bytes()));
        let labels = Labels { start };
        check(&labels.of(u64::MAX, &[b""])).map_err(|_| {
            Error::usage(format!("'{prefix}' is no prefix of labels: at most 50 letters, digits, '-' and '_'"))
        })?;
        Ok(labels)
    }

    /// The label of one load: of the batch with this number, or of a part of it. `content`: its bytes, in pieces.
    pub fn of(&self, number: u64, content: &[&[u8]]) -> String {
        let mut hash = Xxh3::new();
        content.iter().for_each(|piece| hash.update(piece));
        format!("{}-{number}-{:032x}", self.start, hash.digest128())
    }

    /// The label of everything as one transaction.
    pub fn whole(&self) -> String {
        format!("{}-all", self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_depend_on_what_is_loaded() {
        let labels = Labels::new("ts", "split/1").unwrap();
        let label = labels.of(3, &[b"ab", b"c"]);
        assert_eq!(label, Labels::new("ts", "split/1").unwrap().of(3, &[b"a", b"bc"]));
        check(&label).unwrap();
        for other in
            [labels.of(4, &[b"abc"]), labels.of(3, &[b"abd"]), Labels::new("ts", "2").unwrap().of(3, &[b"abc"])]
        {
            assert_ne!(other, label);
        }
        check(&labels.whole()).unwrap();
        for bad in ["", "a b", "ä", &"x".repeat(129)] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(Labels::new(&"p".repeat(60), "s").is_err() && Labels::new("a.b", "s").is_err());
    }
}
