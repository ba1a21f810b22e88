//! What an InfluxDB URL says: version, server, database or bucket.
//!
//! `influx1+http://user@host:8086/DB[/RP]` · `influx2+https://host:8086/?org=ORG&bucket=BUCKET` ·
//! `influx3+https://host:8181/DB`. VictoriaMetrics and others that speak the protocol of 1.x are `influx1`.

use fault::{Error, Result, Secret};
use net::Endpoint;
use std::fmt;

/// The generation of the server's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
    V3,
}

/// One database of one server, and how to show who we are.
#[derive(Clone, Debug)]
pub struct Target {
    /// The API to speak.
    pub version: Version,
    /// The URL's parts, without secrets in what it prints.
    pub endpoint: Endpoint,
    /// Database (1, 3) or bucket (2).
    pub database: String,
    /// Retention policy (1), where the URL names one.
    pub policy: Option<String>,
    /// Organisation (2).
    pub org: Option<String>,
    /// Version 3: acknowledge before the write is durable (`no_sync=true` in the URL).
    pub no_sync: bool,
    /// The `Authorization` header.
    pub(crate) authorization: Option<Secret>,
}

const SYSTEMS: [&str; 3] = ["influx1", "influx2", "influx3"];

impl Target {
    /// Parses a URL. `password` and `token` come from files or the environment and win over what the URL holds.
    /// Exit 2 for anything that cannot be meant.
    pub fn parse(url: &str, password: Option<Secret>, token: Option<Secret>) -> Result<Target> {
        let endpoint = Endpoint::parse(url, &SYSTEMS)?;
        let password = password.or_else(|| endpoint.password.clone());
        let token = token.or_else(|| endpoint.token.clone());
        match endpoint.system.as_str() {
            "influx1" => v1(endpoint, password, token),
            "influx2" => v2(endpoint, password, token),
            _ => v3(endpoint, token),
        }
    }

    /// `http://host:port`.
    pub fn base(&self) -> String {
        self.endpoint.http_base(if self.version == Version::V3 { 8181 } else { 8086 })
    }

    /// Database and retention policy as `/query` wants them: version 2 maps a bucket `a/b` to database a, policy b
    /// (dossier influxdb 3.1).
    pub fn query_names(&self) -> (&str, Option<&str>) {
        match (self.version, self.database.split_once('/')) {
            (Version::V2, Some((db, policy))) => (db, Some(policy)),
            _ => (&self.database, self.policy.as_deref()),
        }
    }
}

impl fmt::Display for Target {
    /// The URL without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)
    }
}

fn v1(endpoint: Endpoint, password: Option<Secret>, token: Option<Secret>) -> Result<Target> {
    endpoint.refuse_unknown_params(&["db", "rp"])?;
    let name = |index: usize, key: &str| {
        endpoint
            .path
            .get(index)
            .cloned()
            .or_else(|| endpoint.param(key).map(str::to_owned))
            .filter(|text| !text.is_empty())
    };
    let (database, policy) = (name(0, "db"), name(1, "rp"));
    let database =
        database.ok_or_else(|| Error::usage(format!("{endpoint}: the URL names no database: end it with /DB")))?;
    if endpoint.path.len() > 2 {
        return Err(Error::usage(format!("{endpoint}: the path is /DB or /DB/RETENTION-POLICY")));
    }
    let authorization = match (&endpoint.user, password, token) {
        (_, None, Some(token)) => {
            // 1.8 takes "user:password" as a token; anything else is a JWT.
            Some(if token.expose().contains(':') { net::auth::token(&token) } else { net::auth::bearer(&token) })
        }
        (Some(user), password, _) => Some(net::auth::basic(user, &password.unwrap_or_else(|| Secret::new("")))),
        (None, Some(_), _) => {
            return Err(Error::usage(format!("{endpoint}: a password without a user: influx1+http://USER@host")));
        }
        (None, None, None) => None,
    };
    Ok(Target { version: Version::V1, database, policy, org: None, no_sync: false, authorization, endpoint })
}

fn v2(endpoint: Endpoint, password: Option<Secret>, token: Option<Secret>) -> Result<Target> {
    endpoint.refuse_unknown_params(&["org", "bucket"])?;
    let param = |key: &str| endpoint.param(key).filter(|text| !text.is_empty()).map(str::to_owned);
    let bucket = param("bucket")
        .ok_or_else(|| Error::usage(format!("{endpoint}: the URL names no bucket: ?org=ORG&bucket=BUCKET")))?;
    if !endpoint.path.is_empty() {
        return Err(Error::usage(format!("{endpoint}: the bucket stands in ?bucket=, not in the path")));
    }
    let authorization = match (token, &endpoint.user, password) {
        (Some(token), ..) => Some(net::auth::token(&token)),
        (None, Some(user), Some(password)) => {
            Some(net::auth::token(&Secret::new(format!("{user}:{}", password.expose()))))
        }
        _ => None,
    };
    let org = param("org");
    Ok(Target { version: Version::V2, database: bucket, policy: None, org, no_sync: false, authorization, endpoint })
}

fn v3(endpoint: Endpoint, token: Option<Secret>) -> Result<Target> {
    endpoint.refuse_unknown_params(&["db", "no_sync"])?;
    let path = (!endpoint.path.is_empty()).then(|| endpoint.path.join("/"));
    let database = path.or_else(|| endpoint.param("db").map(str::to_owned)).filter(|text| !text.is_empty());
    let database =
        database.ok_or_else(|| Error::usage(format!("{endpoint}: the URL names no database: end it with /DB")))?;
    let no_sync = match endpoint.param("no_sync") {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => return Err(Error::usage(format!("{endpoint}: no_sync={other}: use true or false"))),
    };
    let authorization = token.map(|token| net::auth::bearer(&token));
    Ok(Target { version: Version::V3, database, policy: None, org: None, no_sync, authorization, endpoint })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fault::Kind;

    fn parse(url: &str) -> Result<Target> {
        Target::parse(url, Some(Secret::new("pw")), Some(Secret::new("t0ken")))
            .or_else(|_| Target::parse(url, None, None))
    }

    #[test]
    fn urls_of_all_versions() {
        let one = Target::parse("influx1+http://u@h/db/week", Some(Secret::new("pw")), None).unwrap();
        assert_eq!((one.version, one.database.as_str(), one.policy.as_deref()), (Version::V1, "db", Some("week")));
        assert_eq!(one.base(), "http://h:8086");
        assert_eq!(one.authorization.unwrap().expose(), "Basic dTpwdw==");
        let two = parse("influx2+https://h/?org=o&bucket=a/b").unwrap();
        assert_eq!((two.base().as_str(), two.query_names()), ("https://h:8086", ("a", Some("b"))));
        assert_eq!(two.authorization.unwrap().expose(), "Token t0ken");
        let three = parse("influx3+http://h/db?no_sync=true").unwrap();
        assert!(three.no_sync && three.base() == "http://h:8181");
    }

    #[test]
    fn what_cannot_be_meant_is_usage() {
        for url in [
            "influx1+http://h",
            "influx1+http://h/a/b/c",
            "influx2+http://h/db",
            "influx2+http://h/?org=o",
            "influx3+http://h",
            "influx3+http://h/d?no_sync=maybe",
            "influx1+http://h/d?precision=ns",
            "http://h",
        ] {
            assert_eq!(parse(url).unwrap_err().kind(), Kind::Usage, "{url}");
        }
    }
}
