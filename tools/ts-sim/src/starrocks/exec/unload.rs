//! `INSERT INTO FILES(…) SELECT …`.

use super::{Answer, Refusal, Session};
use crate::starrocks::sql::select::Select;

pub fn run(_session: &Session, _properties: &[(String, String)], _query: &Select) -> Result<Answer, Refusal> {
    Err("no files".into())
}
