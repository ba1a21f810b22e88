//! The repairs of `lp-encode`, applied to the texts of both sides: what was repaired on the way must be repaired here too
//! before it can be found equal.

use serde_json::Value;

/// Line feeds in texts and tags, tabs in tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Newline {
    /// As they are
    #[default]
    Keep,
    /// A space, as lp-encode --newline space makes of them
    Space,
    /// The two characters \n or \t, as lp-encode --newline escape makes of them
    Escape,
}

/// A backslash at the end of a tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Backslash {
    /// As it is
    #[default]
    Keep,
    /// Gone, with those before it
    Strip,
    /// With a space after it
    Space,
}

/// Both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    pub newline: Newline,
    pub backslash: Backslash,
}

impl Repairs {
    /// For the header of a digest.
    pub fn to_json(self) -> Value {
        let newline = match self.newline {
            Newline::Keep => "keep",
            Newline::Space => "space",
            Newline::Escape => "escape",
        };
        let backslash = match self.backslash {
            Backslash::Keep => "keep",
            Backslash::Strip => "strip",
            Backslash::Space => "space",
        };
        serde_json::json!([newline, backslash])
    }

    /// From the header of a digest.
    pub fn from_json(value: &Value) -> Option<Repairs> {
        let text = |at: usize| value.get(at).and_then(Value::as_str);
        Some(Repairs {
            newline: match text(0)? {
                "keep" => Newline::Keep,
                "space" => Newline::Space,
                "escape" => Newline::Escape,
                _ => return None,
            },
            backslash: match text(1)? {
                "keep" => Backslash::Keep,
                "strip" => Backslash::Strip,
                "space" => Backslash::Space,
                _ => return None,
            },
        })
    }

    /// Repairs the text of a field, which is what stands in `out` from `start` on.
    pub fn field(self, out: &mut Vec<u8>, start: usize) {
        match self.newline {
            Newline::Keep => {}
            Newline::Space => replace(out, start, |byte| (byte == b'\n').then_some(b" ")),
            Newline::Escape => replace(out, start, |byte| (byte == b'\n').then_some(br"\n")),
        }
    }

    /// Repairs the text of a tag.
    pub fn tag(self, out: &mut Vec<u8>, start: usize) {
        match self.newline {
            Newline::Keep => {}
            Newline::Space => replace(out, start, |byte| matches!(byte, b'\n' | b'\t' | 0).then_some(b" ")),
            Newline::Escape => replace(out, start, |byte| match byte {
                b'\n' => Some(br"\n"),
                b'\t' => Some(br"\t"),
                _ => None,
            }),
        }
        if out.len() > start && out.last() == Some(&b'\\') {
            match self.backslash {
                Backslash::Keep => {}
                Backslash::Strip => {
                    while out.len() > start && out.last() == Some(&b'\\') {
                        out.pop();
                    }
                }
                Backslash::Space => out.push(b' '),
            }
        }
    }
}

fn replace<const N: usize>(out: &mut Vec<u8>, start: usize, other: impl Fn(u8) -> Option<&'static [u8; N]>) {
    let Some(at) = out.get(start..).and_then(|text| text.iter().position(|byte| other(*byte).is_some())) else {
        return;
    };
    let rest = out.split_off(start + at);
    for byte in rest {
        match other(byte) {
            Some(bytes) => out.extend_from_slice(bytes),
            None => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_repaired_as_by_the_encoder() {
        let tag = |newline, backslash, text: &str| {
            let mut out = format!("head\n{text}").into_bytes();
            Repairs { newline, backslash }.tag(&mut out, 5);
            String::from_utf8(out).unwrap().split_off(5)
        };
        assert_eq!(tag(Newline::Keep, Backslash::Keep, "a\n\\"), "a\n\\");
        assert_eq!(tag(Newline::Space, Backslash::Strip, "a\n\tb\\\\"), "a  b");
        assert_eq!(tag(Newline::Escape, Backslash::Space, "a\nb\t\\"), "a\\nb\\t\\ ");
        assert_eq!(tag(Newline::Space, Backslash::Strip, "\\"), "");
        let mut out = b"a\n\tb\\".to_vec();
        Repairs { newline: Newline::Space, backslash: Backslash::Strip }.field(&mut out, 0);
        assert_eq!(out, b"a \tb\\");
    }
}
