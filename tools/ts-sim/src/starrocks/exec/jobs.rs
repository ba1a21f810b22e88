//! Jobs that a real cluster runs in the background: EXPORT, LOAD LABEL.

use super::query::{Columns, Made};
use super::{Answer, Refusal, Session};

pub fn run(_session: &Session, _text: &str) -> Result<Answer, Refusal> {
    Err("no jobs".into())
}

pub fn show_export(_session: &Session, _database: &str) -> Result<(Columns, Made), Refusal> {
    Err("no jobs".into())
}

pub fn show_load(_session: &Session, _database: &str) -> Result<(Columns, Made), Refusal> {
    Err("no jobs".into())
}
