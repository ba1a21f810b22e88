//! SQL: tokens, statements, and the parsers between them. What is not understood here is a syntax error, as on a server
//! that is older than the client.

pub mod alter;
pub mod ast;
pub mod ddl;
pub mod error;
pub mod expr;
pub mod insert;
pub mod parser;
pub mod prepared;
pub mod select;
pub mod show;
pub mod token;
pub mod topic;

use ast::Statement;
use error::SqlError;
use parser::Parser;

/// Parses one statement; a final semicolon is allowed.
pub fn parse(sql: &str) -> Result<Statement, SqlError> {
    let mut parser = Parser::new(sql)?;
    let statement = match parser.keyword().as_deref() {
        Some("select") => Statement::Select(Box::new(select::select(&mut parser)?)),
        Some("insert") => Statement::Insert(insert::insert(&mut parser)?),
        Some("create") => ddl::create(&mut parser)?,
        Some("drop") => ddl::drop(&mut parser)?,
        Some("alter") => alter::alter(&mut parser)?,
        Some("delete") => ddl::delete(&mut parser)?,
        Some("use") => {
            parser.advance()?;
            Statement::Use(parser.name()?)
        }
        Some("describe" | "desc") => {
            parser.advance()?;
            Statement::Describe(parser.table_name()?)
        }
        Some("show") => show::show(&mut parser)?,
        _ => return Err(parser.unexpected()),
    };
    parser.accept_symbol(";")?;
    if parser.at_end() { Ok(statement) } else { Err(parser.unexpected()) }
}
