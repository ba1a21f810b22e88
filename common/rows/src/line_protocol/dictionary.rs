//! The texts of a dictionary as tags of lines: escaped once per dictionary, not once per row.

use super::cell;
use super::encode::Why;
use super::options::{EmptyTag, EncodeOptions};
use super::repair::{Repair, RepairSet};
use crate::cells::same_texts;
use crate::pen::Pen;
use arrow_array::{Array, StringArray};
use lp::Element;

/// `,key=value` of each text.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    of: Option<StringArray>,
    bytes: Vec<u8>,
    values: Vec<Result<(usize, usize, RepairSet), Why>>,
    /// Place and length of those that need no second look; a length of 0 otherwise.
    plain: Vec<(u32, u32)>,
}

impl Rendered {
    /// Escapes the texts of a dictionary, unless it is the one of the batch before.
    pub fn prepare(&mut self, prefix: &[u8], texts: &StringArray, options: &EncodeOptions) {
        if same_texts(self.of.as_ref(), texts) {
            return;
        }
        self.bytes.clear();
        self.values.clear();
        self.plain.clear();
        for i in 0..texts.len() {
            let start = self.bytes.len();
            let mut repairs = RepairSet::default();
            let text = if texts.is_null(i) { &[] } else { texts.value(i).as_bytes() };
            let put = put_tag(&mut self.bytes, prefix, text, options, &mut repairs);
            let place = (u32::try_from(start), u32::try_from(self.bytes.len() - start));
            self.plain.push(match (put, place) {
                (Ok(()), (Ok(start), Ok(len)))
                    if repairs.is_empty() && text.iter().all(|b| *b != b'\\' && *b >= b' ') =>
                {
                    (start, len)
                }
                _ => (0, 0),
            });
            self.values.push(match put {
                Ok(()) => Ok((start, self.bytes.len(), repairs)),
                Err(why) => {
                    self.bytes.truncate(start);
                    Err(why)
                }
            });
        }
        // Room for moves of 32 bytes.
        self.bytes.extend_from_slice(&[0; 32]);
        self.of = Some(texts.clone());
    }

    /// Appends the tag of this key.
    pub fn put(&self, out: &mut Vec<u8>, key: i32, repairs: &mut RepairSet) -> Result<(), Why> {
        match usize::try_from(key).ok().and_then(|key| self.values.get(key)) {
            Some(Ok((from, to, made))) => {
                out.extend_from_slice(self.bytes.get(*from..*to).unwrap_or_default());
                repairs.join(*made);
                Ok(())
            }
            Some(Err(why)) => Err(*why),
            // A key outside of its dictionary: Arrow does not make such arrays.
            None => Ok(()),
        }
    }

    /// The same if the tag was not repaired, holds no backslash of its own, and is one.
    #[inline(always)]
    pub fn put_plain(&self, pen: &mut Pen<'_>, key: i32) -> bool {
        match self.plain.get(key as usize) {
            Some((from, len)) if *len > 0 => {
                pen.part(&self.bytes, *from as usize, *len as usize);
                true
            }
            _ => false,
        }
    }
}

/// Appends `,key=value`, or nothing for an empty value.
pub(super) fn put_tag(
    out: &mut Vec<u8>,
    prefix: &[u8],
    text: &[u8],
    options: &EncodeOptions,
    repairs: &mut RepairSet,
) -> Result<(), Why> {
    if text.is_empty() {
        return match options.empty_tag {
            EmptyTag::Drop => {
                repairs.add(Repair::EmptyTagDropped);
                Ok(())
            }
            EmptyTag::Error => Err(Why::EmptyTag),
        };
    }
    out.extend_from_slice(prefix);
    cell::name(out, Element::TagValue, text, options, repairs)
}
