//! Statements carried out on the store.

mod aggregate;
mod alter;
mod bind;
mod catalog;
mod ddl;
mod expr;
mod insert;
mod scan;
mod select;
mod show;
mod source;
pub mod topic;
mod window;
mod write;

pub use insert::given_value;
pub use scan::Cursor;
pub use write::{TableRows, fitting};

use std::sync::RwLock;

use super::sql;
use super::sql::ast::Statement;
use super::sql::error::SqlError;
use super::store::Store;
use super::time::Zone;
use super::types::Field;
use super::version::Version;
use crate::args::Precision;

/// The database engine behind every connection.
pub struct Engine {
    pub store: RwLock<Store>,
    pub version: Version,
    pub block_rows: usize,
    pub user: String,
}

/// What one statement sees.
pub struct Context<'a> {
    pub engine: &'a Engine,
    pub store: &'a Store,
    pub database: Option<&'a str>,
    pub zone: Zone,
}

/// A result with rows.
pub struct ResultSet {
    pub fields: Vec<Field>,
    pub precision: Precision,
    pub cursor: Box<dyn Cursor>,
}

/// What became of a statement.
pub enum Outcome {
    Rows(ResultSet),
    Affected(u64),
    /// USE.
    Database(String),
}

impl Engine {
    /// Carries out one statement. `database` is the session's; literals without an offset are in `zone`.
    pub fn execute(&self, text: &str, database: Option<&str>, zone: Zone) -> Result<Outcome, SqlError> {
        let statement = sql::parse(text)?;
        if matches!(statement, Statement::Select(_) | Statement::Describe(_) | Statement::Show(_) | Statement::Use(_)) {
            let store = self.store.read().map_err(|_| SqlError::internal())?;
            let context = Context { engine: self, store: &store, database, zone };
            return match statement {
                Statement::Select(select) => select::select(&context, &select).map(Outcome::Rows),
                Statement::Describe(table) => show::describe(&context, &table).map(Outcome::Rows),
                Statement::Show(show) => show::show(&context, &show).map(Outcome::Rows),
                Statement::Use(name) if store.database(&name).is_some() || name == "information_schema" => {
                    Ok(Outcome::Database(name))
                }
                _ => Err(SqlError::no_database()),
            };
        }
        let mut store = self.store.write().map_err(|_| SqlError::internal())?;
        match statement {
            Statement::Insert(tables) => {
                insert::insert(self, &mut store, database, zone, &tables).map(Outcome::Affected)
            }
            other => ddl::run(self, &mut store, database, zone, other).map(Outcome::Affected),
        }
    }

    /// True when there is such a database.
    pub fn has_database(&self, name: &str) -> bool {
        name == "information_schema" || self.store.read().is_ok_and(|store| store.database(name).is_some())
    }
}

#[cfg(test)]
mod tests {
    use testkit::proptest::prelude::*;

    use super::super::block;
    use super::*;

    fn engine() -> Engine {
        let version = Version::parse("3.4.0.0").unwrap();
        let engine = Engine { store: RwLock::new(Store::default()), version, block_rows: 3, user: "root".into() };
        for sql in [
            "create database d keep 36500d",
            "create stable d.s (ts timestamp, k int primary key, v double, x nchar(9), y decimal(9,2)) tags (g int, j json)",
            "insert into d.a using d.s tags (1, '{\"a\":1}') values (1, 1, 1.5, 'ü', 1.25) (2, 1, null, null, null) d.b using d.s tags (null, null) values (1, -1, 2, '', -3)",
            "create table d.n (ts timestamp, b blob, g geometry(99), u bigint unsigned)",
            "insert into d.n values (5, '\\x00ff', 'POINT(1 2)', 18446744073709551615)",
        ] {
            assert!(engine.execute(sql, None, Zone::default()).is_ok(), "{sql}");
        }
        engine
    }

    /// Runs a statement, and encodes all of its result.
    fn run(engine: &Engine, sql: &str) {
        if let Ok(Outcome::Rows(mut result)) = engine.execute(sql, Some("d"), Zone::default()) {
            while let Some(chunk) = result.cursor.next() {
                assert_eq!(chunk.columns.len(), result.fields.len());
                let encoded = block::encode(&chunk, true);
                assert_eq!(encoded[4..8], (encoded.len() as i32).to_le_bytes());
            }
        }
    }

    /// Pieces of statements: whatever is made of them is answered or refused.
    const WORDS: [&str; 72] = [
        "select",
        "from",
        "where",
        "d.s",
        "s",
        "a",
        "d.n",
        "n",
        "b",
        "*",
        ",",
        "(",
        ")",
        "ts",
        "k",
        "v",
        "x",
        "y",
        "g",
        "j",
        "u",
        "tbname",
        "and",
        "or",
        "not",
        "=",
        "<>",
        "<",
        ">=",
        "in",
        "like",
        "is",
        "null",
        "between",
        "1",
        "-9223372036854775808",
        "18446744073709551616",
        "1e400",
        "0.5",
        "'2023-01-01'",
        "'ü%'",
        "'\\x0'",
        "now",
        "1d",
        "cast",
        "as",
        "bigint",
        "nchar(3)",
        "decimal(38,9)",
        "varchar(2)",
        "count",
        "first",
        "last",
        "min",
        "max",
        "sum",
        "avg",
        "partition",
        "group",
        "by",
        "order",
        "desc",
        "limit",
        "offset",
        "distinct",
        "tags",
        "+",
        "-",
        "/",
        "%",
        "insert into d.a values",
        "information_schema.ins_tags",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_words_are_answered_or_refused(words in prop::collection::vec(prop::sample::select(&WORDS[..]), 1..14)) {
            thread_local!(static ENGINE: Engine = engine());
            ENGINE.with(|engine| {
                run(engine, &words.join(" "));
                run(engine, &format!("select {} from d.s", words.join(" ")));
                run(engine, &format!("select * from d.s where {}", words.join(" ")));
            });
        }

        #[test]
        fn any_text_is_answered_or_refused(text in ".{0,60}") {
            thread_local!(static ENGINE: Engine = engine());
            ENGINE.with(|engine| {
                run(engine, &text);
                run(engine, &format!("select '{text}', {text} from d.n where x > {text}"));
            });
        }
    }
}
