//! InfluxQL: the statements that exporters, checkers and the vendors' clients send.

use super::condition::{self, Condition, Filter};
use super::lexer::{Cursor, Language, Token, lex};
use super::time::parse_duration;

/// One statement.
#[derive(Debug, Clone)]
pub enum Statement {
    Select(Select),
    ShowDatabases,
    ShowMeasurements { on: Option<String>, named: Option<Names>, limit: Option<u64> },
    ShowFieldKeys { on: Option<String>, from: Vec<Source> },
    ShowTagKeys { on: Option<String>, from: Vec<Source> },
    ShowTagValues { on: Option<String>, from: Vec<Source>, keys: Vec<String>, cardinality: bool },
    ShowSeries { on: Option<String>, from: Vec<Source>, filter: Option<Filter>, cardinality: bool, exact: bool },
    ShowPolicies { on: Option<String> },
    CreateDatabase { name: String, duration: Option<i64>, shard: Option<i64>, policy: Option<String> },
    DropDatabase(String),
    CreatePolicy { name: String, on: String, duration: i64, shard: Option<i64>, default: bool },
    AlterPolicy { name: String, on: String, duration: Option<i64>, shard: Option<i64>, default: bool },
    DropMeasurement(String),
    CreateUser { name: String, password: String, admin: bool },
    Grant { read: bool, write: bool, on: String, to: String },
}

/// Measurement names: one, or a regular expression that the simulator knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    One(String),
    All,
}

/// `[db.[rp].]measurement`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub database: Option<String>,
    pub policy: Option<String>,
    pub names: Names,
}

/// A SELECT.
#[derive(Debug, Clone)]
pub struct Select {
    pub columns: Vec<Column>,
    pub from: Vec<Source>,
    pub condition: Condition,
    pub group: Group,
    pub descending: bool,
    pub limit: Option<u64>,
    pub offset: u64,
    pub into: bool,
}

/// What a column shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// `*`, `*::field`, `*::tag`
    All { fields: bool, tags: bool },
    /// A field or a tag.
    Name { name: String, alias: Option<String> },
    /// A function that the server does not have either.
    Unknown(String),
    /// `COUNT(f)`; `None` is `*`.
    Call { function: Function, of: Option<String>, alias: Option<String> },
}

/// An aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Count,
    Min,
    Max,
    Sum,
    Mean,
    First,
    Last,
}

impl Function {
    /// The name of the result's column.
    pub fn name(self) -> &'static str {
        match self {
            Function::Count => "count",
            Function::Min => "min",
            Function::Max => "max",
            Function::Sum => "sum",
            Function::Mean => "mean",
            Function::First => "first",
            Function::Last => "last",
        }
    }

    /// The function of this name.
    pub fn of(name: &str) -> Option<Function> {
        Some(match name.to_ascii_lowercase().as_str() {
            "count" => Function::Count,
            "min" => Function::Min,
            "max" => Function::Max,
            "sum" => Function::Sum,
            "mean" | "avg" => Function::Mean,
            "first" => Function::First,
            "last" => Function::Last,
            _ => return None,
        })
    }
}

/// How results are split into series.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// `GROUP BY *`
    pub all: bool,
    pub tags: Vec<String>,
}

impl Group {
    /// True without GROUP BY.
    pub fn is_none(&self) -> bool {
        !self.all && self.tags.is_empty()
    }
}

type Parse<T> = Result<T, String>;

/// Parses statements separated by `;`. The error is in the server's form, `error parsing query: …` goes before it.
pub fn parse(text: &str, now: i64) -> Parse<Vec<Statement>> {
    let tokens = lex(text, Language::InfluxQl)?;
    let mut cursor = Cursor::new(&tokens);
    let mut found = Vec::new();
    loop {
        while cursor.sign(";") {}
        if cursor.done() {
            return Ok(found);
        }
        found.push(statement(&mut cursor, now)?);
        if !cursor.done() && !matches!(cursor.peek(), Some(Token::Sign(";"))) {
            return Err(cursor.expected(";"));
        }
    }
}

fn statement(c: &mut Cursor, now: i64) -> Parse<Statement> {
    if c.word("SELECT") {
        return select(c, now).map(Statement::Select);
    }
    if c.word("SHOW") {
        return show(c, now);
    }
    if c.words("CREATE DATABASE") {
        return create_database(c);
    }
    if c.words("DROP DATABASE") {
        return c.name().map(Statement::DropDatabase);
    }
    if c.words("DROP MEASUREMENT") {
        return c.name().map(Statement::DropMeasurement);
    }
    if c.words("CREATE RETENTION POLICY") {
        let (name, on) = policy_on(c)?;
        let options = policy_options(c)?;
        let duration = options.duration.ok_or_else(|| c.expected("DURATION"))?;
        return Ok(Statement::CreatePolicy { name, on, duration, shard: options.shard, default: options.default });
    }
    if c.words("ALTER RETENTION POLICY") {
        let (name, on) = policy_on(c)?;
        let PolicyOptions { duration, shard, default, .. } = policy_options(c)?;
        return Ok(Statement::AlterPolicy { name, on, duration, shard, default });
    }
    if c.words("CREATE USER") {
        let name = c.name()?;
        if !c.words("WITH PASSWORD") {
            return Err(c.expected("WITH PASSWORD"));
        }
        let password = match c.next() {
            Some(Token::Single(text)) => text.clone(),
            _ => return Err(c.expected("string")),
        };
        let admin = c.words("WITH ALL PRIVILEGES");
        return Ok(Statement::CreateUser { name, password, admin });
    }
    if c.word("GRANT") {
        let (read, write) = match (c.word("READ"), c.word("WRITE"), c.word("ALL")) {
            (true, _, _) => (true, false),
            (_, true, _) => (false, true),
            _ => (true, true),
        };
        c.word("PRIVILEGES");
        let on = if c.word("ON") { c.name()? } else { return Err(c.expected("ON")) };
        let to = if c.word("TO") { c.name()? } else { return Err(c.expected("TO")) };
        return Ok(Statement::Grant { read, write, on, to });
    }
    let words = "SELECT, DELETE, SHOW, CREATE, DROP, EXPLAIN, GRANT, REVOKE, ALTER, SET, KILL";
    Err(c.expected(words))
}

fn show(c: &mut Cursor, now: i64) -> Parse<Statement> {
    if c.word("DATABASES") {
        return Ok(Statement::ShowDatabases);
    }
    if c.word("MEASUREMENTS") {
        let on = on(c)?;
        let mut named = None;
        if c.words("WITH MEASUREMENT") {
            let regex = c.sign("=~");
            if !regex {
                c.need("=")?;
            }
            named = Some(names(c)?);
        }
        let limit = if c.word("LIMIT") { Some(c.integer()?) } else { None };
        return Ok(Statement::ShowMeasurements { on, named, limit });
    }
    if c.words("RETENTION POLICIES") {
        return Ok(Statement::ShowPolicies { on: on(c)? });
    }
    if c.words("FIELD KEYS") {
        return Ok(Statement::ShowFieldKeys { on: on(c)?, from: from(c)? });
    }
    if c.words("TAG KEYS") {
        return Ok(Statement::ShowTagKeys { on: on(c)?, from: from(c)? });
    }
    if c.words("TAG VALUES") {
        let cardinality = c.words("EXACT CARDINALITY") || c.word("CARDINALITY");
        let (on, from) = (on(c)?, from(c)?);
        if !c.words("WITH KEY") {
            return Err(c.expected("WITH"));
        }
        let mut keys = Vec::new();
        if c.word("IN") {
            c.need("(")?;
            loop {
                keys.push(c.name()?);
                if !c.sign(",") {
                    break;
                }
            }
            c.need(")")?;
        } else {
            c.need("=")?;
            keys.push(c.name()?);
        }
        return Ok(Statement::ShowTagValues { on, from, keys, cardinality });
    }
    if c.word("SERIES") {
        let exact = c.word("EXACT");
        let cardinality = c.word("CARDINALITY");
        let (on, from) = (on(c)?, from(c)?);
        let filter = if c.word("WHERE") { condition::parse(c, now, Language::InfluxQl)?.filter } else { None };
        return Ok(Statement::ShowSeries { on, from, filter, cardinality, exact });
    }
    let words = "DATABASES, FIELD, MEASUREMENTS, RETENTION, SERIES, TAG";
    Err(c.expected(words))
}

fn on(c: &mut Cursor) -> Parse<Option<String>> {
    if c.word("ON") { c.name().map(Some) } else { Ok(None) }
}

fn from(c: &mut Cursor) -> Parse<Vec<Source>> {
    if !c.word("FROM") {
        return Ok(Vec::new());
    }
    let mut sources = vec![source(c)?];
    while c.sign(",") {
        sources.push(source(c)?);
    }
    Ok(sources)
}

fn names(c: &mut Cursor) -> Parse<Names> {
    if let Some(Token::Regex(pattern)) = c.peek() {
        c.next();
        let plain = pattern.trim_start_matches('^').trim_end_matches('$');
        return match pattern.as_str() {
            ".*" | ".+" | "" => Ok(Names::All),
            _ if pattern.starts_with('^')
                && pattern.ends_with('$')
                && !plain.contains(['.', '*', '[', '(', '|', '\\']) =>
            {
                Ok(Names::One(plain.to_string()))
            }
            _ => Err(format!("the simulator does not know the regular expression /{pattern}/, only /.*/ and /^name$/")),
        };
    }
    c.name().map(Names::One)
}

fn source(c: &mut Cursor) -> Parse<Source> {
    let first = names(c)?;
    let text = |names: &Names| match names {
        Names::One(name) => Some(name.clone()),
        Names::All => None,
    };
    if !c.sign(".") {
        return Ok(Source { database: None, policy: None, names: first });
    }
    if c.sign(".") {
        return Ok(Source { database: text(&first), policy: None, names: names(c)? });
    }
    let second = names(c)?;
    if !c.sign(".") {
        return Ok(Source { database: None, policy: text(&first), names: second });
    }
    Ok(Source { database: text(&first), policy: text(&second), names: names(c)? })
}

fn select(c: &mut Cursor, now: i64) -> Parse<Select> {
    let mut columns = vec![column(c)?];
    while c.sign(",") {
        columns.push(column(c)?);
    }
    let mut into = false;
    if c.word("INTO") {
        source(c)?;
        into = true;
    }
    let from = from(c)?;
    if from.is_empty() {
        return Err(c.expected("FROM"));
    }
    let condition = if c.word("WHERE") { condition::parse(c, now, Language::InfluxQl)? } else { Condition::default() };
    let mut group = Group::default();
    if c.words("GROUP BY") {
        loop {
            if c.sign("*") {
                group.all = true;
            } else {
                group.tags.push(c.name()?);
                if c.sign("(") {
                    return Err("the simulator does not know GROUP BY time()".into());
                }
            }
            if !c.sign(",") {
                break;
            }
        }
    }
    let mut descending = false;
    if c.words("ORDER BY") {
        if !c.name()?.eq_ignore_ascii_case("time") {
            return Err("only ORDER BY time supported at this time".into());
        }
        descending = c.word("DESC");
        c.word("ASC");
    }
    let limit = if c.word("LIMIT") { Some(c.integer()?) } else { None };
    let offset = if c.word("OFFSET") { c.integer()? } else { 0 };
    Ok(Select { columns, from, condition, group, descending, limit, offset, into })
}

fn column(c: &mut Cursor) -> Parse<Column> {
    if c.sign("*") {
        return star(c);
    }
    let name = operand(c)?;
    if c.sign("(") {
        let Some(function) = Function::of(&name) else {
            while c.next().is_some_and(|token| *token != Token::Sign(")")) {}
            return Ok(Column::Unknown(name.to_ascii_lowercase()));
        };
        let of = if c.sign("*") { None } else { Some(c.name()?) };
        c.need(")")?;
        return Ok(Column::Call { function, of, alias: alias(c)? });
    }
    if c.sign("::") {
        c.cast()?;
    }
    Ok(Column::Name { name, alias: alias(c)? })
}

/// A name where the server would also take a literal.
pub fn operand(c: &mut Cursor) -> Parse<String> {
    let expected = c.expected("identifier, string, number, bool");
    c.name().map_err(|_| expected)
}

fn star(c: &mut Cursor) -> Parse<Column> {
    if !c.sign("::") {
        return Ok(Column::All { fields: true, tags: true });
    }
    match c.cast()?.as_str() {
        "field" => Ok(Column::All { fields: true, tags: false }),
        "tag" => Ok(Column::All { fields: false, tags: true }),
        other => Err(format!("found {other}, expected field, tag")),
    }
}

fn alias(c: &mut Cursor) -> Parse<Option<String>> {
    if c.word("AS") { c.name().map(Some) } else { Ok(None) }
}

fn create_database(c: &mut Cursor) -> Parse<Statement> {
    let name = c.name()?;
    let options = if c.word("WITH") { policy_options(c)? } else { PolicyOptions::default() };
    Ok(Statement::CreateDatabase { name, duration: options.duration, shard: options.shard, policy: options.name })
}

fn policy_on(c: &mut Cursor) -> Parse<(String, String)> {
    let name = c.name()?;
    let on = if c.word("ON") { c.name()? } else { return Err(c.expected("ON")) };
    Ok((name, on))
}

#[derive(Default)]
struct PolicyOptions {
    duration: Option<i64>,
    shard: Option<i64>,
    default: bool,
    name: Option<String>,
}

fn policy_options(c: &mut Cursor) -> Parse<PolicyOptions> {
    let mut options = PolicyOptions::default();
    loop {
        if c.word("DURATION") {
            options.duration = Some(duration(c)?);
        } else if c.word("REPLICATION") {
            c.integer()?;
        } else if c.words("SHARD DURATION") {
            options.shard = Some(duration(c)?);
        } else if c.word("DEFAULT") {
            options.default = true;
        } else if c.word("NAME") {
            options.name = Some(c.name()?);
        } else {
            return Ok(options);
        }
    }
}

fn duration(c: &mut Cursor) -> Parse<i64> {
    match c.next() {
        Some(Token::Number(text) | Token::Word(text)) => {
            parse_duration(text).ok_or_else(|| format!("invalid duration {text}"))
        }
        _ => Err(c.expected("duration")),
    }
}
