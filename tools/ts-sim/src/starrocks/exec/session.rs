//! One client's session: its database, its variables, the statements it runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Answer, Refusal, alter, insert, jobs, manage, query, show, unload};
use crate::starrocks::datetime;
use crate::starrocks::server::Server;
use crate::starrocks::sql::cursor::Qualified;
use crate::starrocks::sql::statement::{Statement, parse};
use crate::starrocks::value::Value;

/// A session.
pub struct Session {
    pub server: Arc<Server>,
    pub id: u64,
    pub user: String,
    pub database: Option<String>,
    variables: BTreeMap<String, String>,
    last_query: String,
    queries: u64,
}

/// Variables that clients ask for, and what they are at first.
const VARIABLES: [(&str, &str); 21] = [
    ("autocommit", "1"),
    ("auto_increment_increment", "1"),
    ("character_set_client", "utf8"),
    ("character_set_connection", "utf8"),
    ("character_set_results", "utf8"),
    ("character_set_server", "utf8"),
    ("collation_connection", "utf8_general_ci"),
    ("collation_server", "utf8_general_ci"),
    ("interactive_timeout", "3600"),
    ("license", "Apache License 2.0"),
    ("lower_case_table_names", "0"),
    ("max_allowed_packet", "33554432"),
    ("net_buffer_length", "16384"),
    ("net_write_timeout", "60"),
    ("query_timeout", "300"),
    ("sql_mode", "ONLY_FULL_GROUP_BY"),
    ("sql_select_limit", "9223372036854775807"),
    ("system_time_zone", "UTC"),
    ("time_zone", "UTC"),
    ("transaction_isolation", "REPEATABLE-READ"),
    ("wait_timeout", "28800"),
];

impl Session {
    /// A new session.
    pub fn new(server: Arc<Server>) -> Session {
        let id = server.new_connection();
        let user = server.args.user.clone();
        let mut variables: BTreeMap<String, String> =
            VARIABLES.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        variables.insert("tx_isolation".to_string(), "REPEATABLE-READ".to_string());
        variables.insert("version".to_string(), server.version.mysql().to_string());
        let comment = format!("StarRocks version {}", server.version.current());
        variables.insert("version_comment".to_string(), comment);
        Session { server, id, user, database: None, variables, last_query: String::new(), queries: 0 }
    }

    /// Makes a database current.
    pub fn use_database(&mut self, name: &str) -> Result<(), Refusal> {
        // `default_catalog.db` is the same database.
        let name = name.rsplit('.').next().unwrap_or(name).trim_matches('`');
        if name != "information_schema" && !self.server.store().databases.contains_key(name) {
            return Err(crate::starrocks::store::unknown_database(name).into());
        }
        self.database = Some(name.to_string());
        Ok(())
    }

    /// The database of a name: its own, or the current one.
    pub fn database_of(&self, name: &Qualified) -> Result<String, Refusal> {
        let own = name.database.clone().or_else(|| self.database.clone());
        own.ok_or_else(|| Refusal { code: 1046, message: "No database selected".to_string() })
    }

    /// `@@name`; empty where there is none.
    pub fn variable(&self, name: &str) -> String {
        self.variables.get(&name.to_ascii_lowercase()).cloned().unwrap_or_default()
    }

    /// All variables.
    pub fn variables(&self) -> impl Iterator<Item = (&String, &String)> {
        self.variables.iter()
    }

    /// The id of the statement that runs, as LAST_QUERY_ID() gives it afterwards: looks like a UUID.
    pub fn query_id(&self) -> String {
        format!("{:08x}-0000-11ef-8000-{:012x}", self.id, self.queries)
    }

    /// A function of the session or the clock, not of rows.
    pub fn constant(&self, function: &str) -> Option<Value<'static>> {
        let now = || datetime::datetime_text(datetime::now() / 1_000_000 * 1_000_000);
        Some(Value::text(&match function {
            "current_version" => self.server.version.current(),
            "version" => self.server.version.mysql().to_string(),
            "database" | "schema" => match &self.database {
                Some(name) => name.clone(),
                None => return Some(Value::Null),
            },
            "user" | "current_user" | "session_user" => format!("'{}'@'%'", self.user),
            "last_query_id" => self.last_query.clone(),
            "connection_id" => return Some(Value::Int(self.id.into())),
            "now" | "current_timestamp" | "utc_timestamp" => now(),
            "curdate" | "current_date" => now().get(..10).unwrap_or_default().to_string(),
            "catalog" => "default_catalog".to_string(),
            _ => return None,
        }))
    }

    /// Runs one statement.
    pub fn run(&mut self, text: &str) -> Result<Answer, Refusal> {
        let statement = parse(text)?;
        self.queries += 1;
        let answer = self.execute(statement);
        self.last_query = self.query_id();
        answer
    }

    fn execute(&mut self, statement: Statement) -> Result<Answer, Refusal> {
        match statement {
            Statement::Select(select) => query::run(self, &select),
            Statement::Set(values) => {
                for (name, value) in values {
                    self.variables.insert(name, value);
                }
                Ok(Answer::done())
            }
            Statement::Use(name) => self.use_database(&name).map(|()| Answer::done()),
            Statement::Show(show) => show::run(self, &show),
            Statement::Describe(table) => show::describe(self, &table),
            Statement::Alter { table, rest } => alter::run(self, &table, &rest),
            Statement::Insert(insert) => insert::run(self, insert),
            Statement::Unload { properties, query } => unload::run(self, &properties, &query),
            Statement::Job(text) => jobs::run(self, &text),
            Statement::Nothing => Ok(Answer::done()),
            other => manage::run(self, other),
        }
    }
}
