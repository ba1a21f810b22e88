//! INSERT with `?` in place of the table's name, tags and values.

use super::ast::{Given, TableName};
use super::error::SqlError;
use super::insert::given;
use super::parser::Parser;
use super::token::{Token, next};

/// An INSERT for one table.
#[derive(Debug, PartialEq)]
pub struct Prepared {
    /// `None` for `?`.
    pub table: Option<TableName>,
    pub using: Option<PreparedUsing>,
    pub columns: Option<Vec<String>>,
    /// How many `?` stand after VALUES.
    pub values: usize,
}

/// `USING stable (names) TAGS (?, ..)`, or with values.
#[derive(Debug, PartialEq)]
pub struct PreparedUsing {
    pub stable: TableName,
    pub names: Option<Vec<String>>,
    pub tags: PreparedTags,
}

/// All tags are `?`, or none is.
#[derive(Debug, PartialEq)]
pub enum PreparedTags {
    Bound(usize),
    Given(Vec<Given>),
}

/// True when a statement writes; what else is wrong with it comes later (the server looks at two words only).
pub fn is_insert(sql: &str) -> bool {
    matches!(next(sql, 0), Ok((Token::Word(word), ..)) if word == "insert" || word == "import")
}

/// The byte positions of the `?` of a statement.
pub fn placeholders(sql: &str) -> Result<Vec<usize>, SqlError> {
    let (mut at, mut found) = (0, Vec::new());
    loop {
        let (token, start, end) = next(sql, at)?;
        match token {
            Token::End => return Ok(found),
            Token::Symbol("?") => found.push(start),
            _ => {}
        }
        at = end;
    }
}

/// Parses a prepared INSERT.
pub fn prepared(sql: &str) -> Result<Prepared, SqlError> {
    let mut p = Parser::new(sql)?;
    p.expect("insert")?;
    p.expect("into")?;
    let table = if p.accept_symbol("?")? { None } else { Some(p.table_name()?) };
    let mut columns = if p.is_symbol("(") { Some(p.name_list()?) } else { None };
    let using = if p.accept("using")? { Some(using(&mut p)?) } else { None };
    if columns.is_none() && p.is_symbol("(") {
        columns = Some(p.name_list()?);
    }
    if !p.accept("values")? && !p.accept("value")? {
        return Err(SqlError::insert(p.token_text(), "keyword VALUES or FILE is expected"));
    }
    let (bound, given) = slots(&mut p)?;
    if !given.is_empty() {
        return Err(SqlError::operation("no mix usage for ? and values"));
    }
    p.accept_symbol(";")?;
    if p.at_end() { Ok(Prepared { table, using, columns, values: bound }) } else { Err(p.unexpected()) }
}

fn using(p: &mut Parser<'_>) -> Result<PreparedUsing, SqlError> {
    let stable = p.table_name()?;
    let names = if p.is_symbol("(") { Some(p.name_list()?) } else { None };
    p.expect("tags")?;
    let tags = match slots(p)? {
        (bound, given) if given.is_empty() => PreparedTags::Bound(bound),
        (0, given) => PreparedTags::Given(given),
        _ => return Err(SqlError::operation("no mix usage for ? and tag values")),
    };
    Ok(PreparedUsing { stable, names, tags })
}

/// `( ?, .. )`: how many `?`, and what is given instead.
fn slots(p: &mut Parser<'_>) -> Result<(usize, Vec<Given>), SqlError> {
    p.expect_symbol("(")?;
    let (mut bound, mut literals) = (0, Vec::new());
    loop {
        if p.accept_symbol("?")? {
            bound += 1
        } else {
            literals.push(given(p)?)
        }
        if !p.accept_symbol(",")? {
            break;
        }
    }
    p.expect_symbol(")")?;
    Ok((bound, literals))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_marks_stand_for_the_table_tags_and_values() {
        let statement = prepared("insert into ? using `D`.st (a, b) tags(?,?) (ts, v) values (?,?)").unwrap();
        assert_eq!((statement.table, statement.values), (None, 2));
        let using = statement.using.unwrap();
        assert_eq!((using.stable.database.as_deref(), using.tags), (Some("D"), PreparedTags::Bound(2)));
        assert_eq!(statement.columns, Some(vec!["ts".to_string(), "v".into()]));
        assert_eq!(prepared("insert into t values (?, 1)").unwrap_err().code, 0x0200);
        assert_eq!(prepared("insert into ? using s tags (?, 1) values (?)").unwrap_err().code, 0x0200);
        assert!(prepared("insert into t values (?) u values (?)").is_err());
        assert_eq!(placeholders("select '?', a from t where b = ? and c = ?"), Ok(vec![31, 41]));
        assert!(is_insert(" INSERT x") && !is_insert("select 1") && !is_insert("`insert`"));
    }
}
