//! `FILES(…)` as a source.

use super::Refusal;
use super::query::{Columns, Input};

pub fn read(_properties: &[(String, String)]) -> Result<(Columns, Input), Refusal> {
    Err("no files".into())
}
