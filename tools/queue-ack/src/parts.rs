//! Lines of events, put together to messages.

use fault::{Error, Result};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Messages of several events, of which not all have come.
#[derive(Default)]
pub struct Parts {
    open: HashMap<String, HashSet<u64>>,
}

impl Parts {
    /// The receipt of the message, if this line is its only one or the last that was missing. Exit 3 for what is no line of
    /// queue-recv.
    pub fn take(&mut self, line: &str) -> Result<Option<String>> {
        let foreign = |what: &str| Error::malformed(format!("{what}: {}", fault::excerpt(line.as_bytes())));
        let value: Value = serde_json::from_str(line).map_err(|_| foreign("no line of JSON"))?;
        let receipt = value.get("receipt").and_then(Value::as_str).filter(|receipt| !receipt.is_empty());
        let receipt = receipt.ok_or_else(|| foreign("no receipt in the line: is it one of queue-recv?"))?;
        let number = |key: &str| value.get(key).and_then(Value::as_u64);
        match (number("part"), number("parts")) {
            (None, None) => Ok(Some(receipt.to_owned())),
            (Some(part), Some(parts)) if part >= 1 && part <= parts => {
                let seen = self.open.entry(receipt.to_owned()).or_default();
                seen.insert(part);
                if (seen.len() as u64) < parts {
                    return Ok(None);
                }
                self.open.remove(receipt);
                Ok(Some(receipt.to_owned()))
            }
            _ => Err(foreign("part and parts do not fit together")),
        }
    }

    /// Messages that are not complete.
    pub fn open(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_complete_with_the_last_of_its_parts() {
        let mut parts = Parts::default();
        assert_eq!(parts.take(r#"{"receipt":"r"}"#).unwrap().as_deref(), Some("r"));
        assert_eq!(parts.take(r#"{"receipt":"s","part":2,"parts":2}"#).unwrap(), None);
        assert_eq!(parts.take(r#"{"receipt":"s","part":2,"parts":2}"#).unwrap(), None);
        assert_eq!(parts.open(), 1);
        assert_eq!(parts.take(r#"{"receipt":"s","part":1,"parts":2}"#).unwrap().as_deref(), Some("s"));
        assert_eq!(parts.open(), 0);
        for bad in
            ["", "x", "{}", r#"{"receipt":""}"#, r#"{"receipt":"r","part":3,"parts":2}"#, r#"{"receipt":"r","part":1}"#]
        {
            assert_eq!(parts.take(bad).unwrap_err().kind(), fault::Kind::Malformed, "{bad}");
        }
    }
}
