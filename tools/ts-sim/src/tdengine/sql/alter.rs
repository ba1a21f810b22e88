//! ALTER TABLE and ALTER STABLE: columns and tags of super tables, and the tags of a child.

use super::super::types::Field;
use super::ast::{Alter, AlterWhat, Statement};
use super::error::SqlError;
use super::expr::type_name;
use super::insert::given;
use super::parser::Parser;

/// From the word ALTER on.
pub fn alter(p: &mut Parser<'_>) -> Result<Statement, SqlError> {
    let start = p.start();
    p.expect("alter")?;
    if !p.accept("table")? && !p.accept("stable")? {
        return Err(p.unexpected());
    }
    let name = p.table_name()?;
    let here = p.unexpected();
    let verb = p.keyword().ok_or_else(|| p.unexpected())?;
    p.advance()?;
    if verb == "set" {
        p.expect("tag")?;
        let tag = p.name()?;
        p.expect_symbol("=")?;
        let value = given(p)?;
        return Ok(Statement::Alter(Alter {
            name,
            what: AlterWhat::SetTag(tag, value),
            sql: p.text_since(start).to_string(),
        }));
    }
    let tag = p.is_word("tag");
    if !tag && !p.is_word("column") {
        return Err(p.unexpected());
    }
    p.advance()?;
    let column = p.name()?;
    let what = match verb.as_str() {
        "add" => AlterWhat::Add { tag, field: Field::new(column, type_name(p)?) },
        "modify" => AlterWhat::Modify { tag, field: Field::new(column, type_name(p)?) },
        "drop" => AlterWhat::Drop { tag, name: column },
        "rename" if tag => AlterWhat::RenameTag { from: column, to: p.name()? },
        _ => return Err(here),
    };
    Ok(Statement::Alter(Alter { name, what, sql: p.text_since(start).to_string() }))
}
