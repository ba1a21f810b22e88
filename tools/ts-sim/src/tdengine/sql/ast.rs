//! Statements as trees.

use super::super::convert::Literal;
use super::super::topic::Carries;
use super::super::types::{Field, Type};
use crate::args::Precision;

/// `db.table` or `table`.
#[derive(Debug, Clone, PartialEq)]
pub struct TableName {
    pub database: Option<String>,
    pub table: String,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    Select(Box<Select>),
    Insert(Vec<InsertInto>),
    CreateDatabase {
        name: String,
        if_not_exists: bool,
        precision: Option<Precision>,
        keep: Option<i64>,
        duration: Option<i64>,
        vgroups: Option<i32>,
    },
    CreateStable {
        name: TableName,
        if_not_exists: bool,
        fields: Vec<Field>,
        tags: Vec<Field>,
    },
    CreateTable {
        name: TableName,
        if_not_exists: bool,
        fields: Vec<Field>,
    },
    CreateChildren(Vec<CreateChild>),
    DropDatabase {
        name: String,
        if_exists: bool,
    },
    DropTable {
        tables: Vec<(TableName, bool)>,
        stable: bool,
    },
    Alter(Alter),
    CreateTopic(CreateTopic),
    DropTopic {
        name: String,
        if_exists: bool,
        force: bool,
    },
    Delete {
        table: TableName,
        condition: Option<Expr>,
    },
    Use(String),
    Describe(TableName),
    Show(Show),
}

/// `ALTER TABLE name ..`
#[derive(Debug, Clone, PartialEq)]
pub struct Alter {
    pub name: TableName,
    pub what: AlterWhat,
    /// The whole statement.
    pub sql: String,
}

#[derive(Debug, Clone, PartialEq)]
pub enum AlterWhat {
    Add {
        tag: bool,
        field: Field,
    },
    /// A longer type.
    Modify {
        tag: bool,
        field: Field,
    },
    Drop {
        tag: bool,
        name: String,
    },
    RenameTag {
        from: String,
        to: String,
    },
    SetTag(String, Given),
}

/// `CREATE TOPIC name [WITH META | ONLY META] AS ..`
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTopic {
    pub name: String,
    pub if_not_exists: bool,
    pub carries: Carries,
    pub of: TopicOf,
    /// The whole statement.
    pub sql: String,
}

/// What a topic reads.
#[derive(Debug, Clone, PartialEq)]
pub enum TopicOf {
    Select(Box<Select>),
    Database(String),
    /// With a condition on tags.
    Stable(TableName, Option<Expr>),
}

/// `CREATE TABLE child USING stable (names) TAGS (values)`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateChild {
    pub name: TableName,
    pub if_not_exists: bool,
    pub using: Using,
}

/// `USING stable (names) TAGS (values)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Using {
    pub stable: TableName,
    pub names: Option<Vec<String>>,
    pub tags: Vec<Given>,
}

/// A literal and how it was written, for error messages.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    pub value: GivenValue,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq)]
pub enum GivenValue {
    Literal(Literal),
    /// `now`, `now - 1d`, `today()`: an instant plus durations (with their signs).
    Clock {
        today: bool,
        shifts: Vec<(bool, String)>,
    },
}

/// One table of an INSERT.
#[derive(Debug, Clone, PartialEq)]
pub struct InsertInto {
    pub table: TableName,
    pub using: Option<Using>,
    pub columns: Option<Vec<String>>,
    pub rows: Vec<Vec<Given>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    pub distinct: bool,
    /// `SELECT TAGS`: one row per child table.
    pub tags: bool,
    pub items: Vec<Item>,
    pub from: Option<From>,
    pub condition: Option<Expr>,
    /// PARTITION BY or GROUP BY.
    pub keys: Vec<Expr>,
    /// The keys stand after PARTITION BY: LIMIT then counts per group, unless the groups are ordered.
    pub partition: bool,
    pub order: Vec<(Expr, bool)>,
    pub limit: Option<u64>,
    pub offset: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// `*`
    All,
    /// An expression and the name of its column.
    One(Expr, String),
}

#[derive(Debug, Clone, PartialEq)]
pub enum From {
    Table(TableName),
    Select(Box<Select>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    Literal(Literal),
    /// `now` and its like.
    Clock {
        today: bool,
    },
    Duration(String),
    Column(String),
    Tbname,
    Call {
        name: String,
        args: Vec<Expr>,
    },
    /// `count(*)`, `last_row(*)`.
    CallStar(String),
    Cast(Box<Expr>, Type),
    Not(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Compare(Compare, Box<Expr>, Box<Expr>),
    Arithmetic(char, Box<Expr>, Box<Expr>),
    In(Box<Expr>, Vec<Expr>),
    Like(Box<Expr>, Vec<u8>),
    IsNull(Box<Expr>),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Show {
    Databases,
    Stables {
        database: Option<String>,
        like: Option<Vec<u8>>,
    },
    Tables {
        database: Option<String>,
        like: Option<Vec<u8>>,
    },
    Vgroups {
        database: Option<String>,
    },
    CreateDatabase(String),
    CreateStable(TableName),
    CreateTable(TableName),
    TableTags(TableName),
    Topics,
    /// SHOW of objects that a simulator never has (streams) or has one of (users, dnodes, grants).
    Fixed(String),
}
