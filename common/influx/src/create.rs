//! Making the database or the bucket that a write goes to. What exists already is left as it is.

use crate::client::Client;
use crate::request::{authorized, influxql};
use crate::target::Version;
use fault::{Error, Kind, Result};
use net::http::Request;
use serde_json::{Value, json};

/// Replies of these calls are small.
const CAP: usize = 1 << 20;

impl Client {
    /// Creates database (and retention policy) or bucket, unless it exists.
    pub fn create(&self) -> Result<()> {
        match self.target().version {
            Version::V1 => self.create_v1(),
            Version::V2 => self.create_v2(),
            Version::V3 => self.create_v3(),
        }
        .map_err(|error| error.context(format!("cannot create {}", self.target().database)))
    }

    fn create_v1(&self) -> Result<()> {
        let database = &self.target().database;
        self.execute(&format!("CREATE DATABASE {}", quote(database)))?;
        let Some(policy) = &self.target().policy else { return Ok(()) };
        let create =
            format!("CREATE RETENTION POLICY {} ON {} DURATION INF REPLICATION 1", quote(policy), quote(database));
        match self.execute(&create) {
            // It exists with another duration, which is its owner's business.
            Err(error) if error.message().contains("already exists") => Ok(()),
            other => other,
        }
    }

    /// One statement whose result nobody needs. A 200 may hold an error.
    fn execute(&self, statement: &str) -> Result<()> {
        let reply = self.json(influxql(self.target(), statement, None))?;
        let said = reply.get("error").or_else(|| reply.pointer("/results/0/error")).and_then(Value::as_str);
        match said {
            Some(text) => Err(Error::new(Kind::Refused, fault::excerpt(text.as_bytes()))),
            None => Ok(()),
        }
    }

    fn create_v2(&self) -> Result<()> {
        let target = self.target();
        let bucket = Request::get("/api/v2/buckets").query("name", &target.database);
        let bucket = match &target.org {
            Some(org) => bucket.query("org", org),
            None => bucket,
        };
        // A server that knows no such bucket answers with an empty list, or with 404.
        match self.json(authorized(target, bucket)) {
            Ok(reply) if reply.get("buckets").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) => {
                return Ok(());
            }
            Ok(_) => {}
            Err(error) if error.kind() == Kind::Refused && error.message().contains("HTTP 404") => {}
            Err(error) => return Err(error),
        }
        let org = target.org.as_deref().ok_or_else(|| Error::usage("the URL names no organisation: ?org=ORG"))?;
        let found = self.json(authorized(target, Request::get("/api/v2/orgs").query("org", org)))?;
        let id = found
            .pointer("/orgs/0/id")
            .and_then(Value::as_str)
            .ok_or_else(|| Error::new(Kind::Refused, format!("there is no organisation {org}")))?;
        let body = json!({ "orgID": id, "name": target.database, "retentionRules": [] });
        self.post_unless_there("/api/v2/buckets", &body)
    }

    fn create_v3(&self) -> Result<()> {
        self.post_unless_there("/api/v3/configure/database", &json!({ "db": self.target().database }))
    }

    /// POSTs JSON; that the thing exists already (409, or 422 of version 2) is fine.
    fn post_unless_there(&self, path: &str, body: &Value) -> Result<()> {
        let request =
            Request::post(path).header("content-type", "application/json").body(body.to_string().into_bytes());
        match self.call(authorized(self.target(), request)) {
            Ok(_) => Ok(()),
            Err(error) if error.message().contains("HTTP 409") || error.message().contains("already exists") => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn json(&self, request: Request) -> Result<Value> {
        let reply = self.call(request)?;
        let status = reply.status;
        let body = reply.bytes(CAP).map_err(|failure| Error::new(self.kind(), failure.to_string()))?;
        serde_json::from_slice(&body).map_err(|_| {
            Error::new(self.kind(), format!("HTTP {status}, but the reply is no JSON: {}", fault::excerpt(&body)))
        })
    }
}

/// An InfluxQL or SQL identifier in double quotes. InfluxQL escapes with a backslash; SQL doubles quotes: see [`quote_sql`].
pub fn quote(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    text.push('"');
    for c in name.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// An SQL identifier.
pub fn quote_sql(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
