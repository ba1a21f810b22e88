//! What a StarRocks URL says: the front ends (FE), their HTTP port, the database, who we are.
//!
//! `starrocks://user@fe1:9030,fe2:9030/DB?http=8030`; `starrockss://…` for TLS on both ports, `?https=8443` for TLS on the
//! HTTP port alone, `?flight=9408` for FE's Arrow Flight SQL (`arrow_flight_port`, which has no default: it is closed in most
//! clusters). Ports without mention are 9030 (MySQL) and 8030 (HTTP).

use fault::{Error, Result, Secret};
use net::Endpoint;
use std::fmt;

/// The scheme of our URLs.
pub const SYSTEM: &str = "starrocks";
/// FE's port for the MySQL protocol.
pub const MYSQL_PORT: u16 = 9030;
/// FE's port for HTTP.
pub const HTTP_PORT: u16 = 8030;
/// The user of a fresh installation, which has no password.
const DEFAULT_USER: &str = "root";

/// One cluster, and how to show who we are.
#[derive(Clone, Debug)]
pub struct Target {
    /// The front ends in the URL's order: host (an IPv6 address in brackets) and MySQL port. Never empty.
    pub frontends: Vec<(String, u16)>,
    /// The user.
    pub user: String,
    /// The password, which may be empty.
    pub password: Secret,
    /// The database, where the URL names one.
    pub database: Option<String>,
    /// Is the MySQL connection encrypted?
    pub tls: bool,
    /// Is HTTP encrypted?
    pub http_tls: bool,
    /// FE's HTTP port.
    pub http_port: u16,
    /// The HTTP port of a back end on the front end's host, where the URL names one (`be=8040`): simulators say it.
    pub be_port: Option<u16>,
    /// FE's port for Arrow Flight SQL, where the URL names one.
    pub flight_port: Option<u16>,
    /// The URL without secrets.
    shown: String,
}

impl Target {
    /// Parses a URL. `password` comes from a file or the environment and wins over what the URL holds. Exit 2 for
    /// anything that cannot be meant.
    pub fn parse(url: &str, password: Option<Secret>) -> Result<Target> {
        let (before, hosts, after) = split_hosts(url);
        let mut frontends = Vec::new();
        let mut first = None;
        for host in hosts.split(',') {
            let endpoint = Endpoint::parse(&format!("{before}{host}{after}"), &[SYSTEM])?;
            frontends.push((endpoint.host.clone(), endpoint.port.unwrap_or(MYSQL_PORT)));
            first.get_or_insert(endpoint);
        }
        let endpoint = first.ok_or_else(|| Error::usage("the starrocks:// URL names no host"))?;
        let shown = endpoint.to_string().replacen(&address(&endpoint), hosts, 1);
        endpoint.refuse_unknown_params(&["http", "https", "be", "flight"])?;
        if endpoint.transport.is_some() {
            return Err(Error::usage(format!("{shown}: there is no transport to choose: write {SYSTEM}://")));
        }
        if endpoint.path.len() > 1 {
            return Err(Error::usage(format!("{shown}: the path names more than a database")));
        }
        let port = |key: &str| match endpoint.param(key).map(str::parse::<u16>) {
            None => Ok(None),
            Some(Ok(port)) if port > 0 => Ok(Some(port)),
            Some(_) => Err(Error::usage(format!("{shown}: {key}= is a port"))),
        };
        let (http, https) = (port("http")?, port("https")?);
        if http.is_some() && https.is_some() {
            return Err(Error::usage(format!("{shown}: give http= or https=, not both")));
        }
        Ok(Target {
            user: endpoint.user.clone().unwrap_or_else(|| DEFAULT_USER.to_owned()),
            password: password.or_else(|| endpoint.password.clone()).unwrap_or_else(|| Secret::public("")),
            database: endpoint.path.first().cloned(),
            tls: endpoint.tls,
            http_tls: endpoint.tls || https.is_some(),
            http_port: https.or(http).unwrap_or(HTTP_PORT),
            be_port: port("be")?,
            flight_port: port("flight")?,
            frontends,
            shown,
        })
    }

    /// `http://fe1:8030`, one for each front end.
    pub fn http_bases(&self) -> Vec<String> {
        let scheme = if self.http_tls { "https" } else { "http" };
        self.frontends.iter().map(|(host, _)| format!("{scheme}://{host}:{}", self.http_port)).collect()
    }

    /// The `Authorization` header for HTTP (`user:` where there is no password).
    pub fn authorization(&self) -> Secret {
        net::auth::basic(&self.user, &self.password)
    }

    /// The database, for tools that need one. Exit 2 without.
    pub fn database(&self) -> Result<&str> {
        self.database
            .as_deref()
            .ok_or_else(|| Error::usage(format!("{self}: the URL names no database: end it with /DB")))
    }
}

impl fmt::Display for Target {
    /// The URL without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// `scheme://user:password@`, the hosts, and the rest. A `,` or `/` in an unescaped password must not tear it apart, so the
/// hosts begin after the last `@` before the query.
fn split_hosts(url: &str) -> (&str, &str, &str) {
    let start = url.find("://").map_or(0, |at| at + 3);
    let query = url.get(start..).and_then(|rest| rest.find(['?', '#'])).map_or(url.len(), |at| start + at);
    let hosts = url.get(start..query).and_then(|rest| rest.rfind('@')).map_or(start, |at| start + at + 1);
    let end = url.get(hosts..query).and_then(|rest| rest.find('/')).map_or(query, |at| hosts + at);
    (&url[..hosts], &url[hosts..end], &url[end..])
}

/// The host as the URL has it, with its port where it has one.
fn address(endpoint: &Endpoint) -> String {
    match endpoint.port {
        Some(port) => format!("{}:{port}", endpoint.host),
        None => endpoint.host.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fault::Kind;

    #[test]
    fn a_url_names_front_ends_database_and_ports() {
        let target =
            Target::parse("starrocks://ana@fe1:9031,fe2,[::1]:9/d%62?http=18030", Some(Secret::new("s3cret!")))
                .unwrap();
        let hosts: Vec<(&str, u16)> = target.frontends.iter().map(|(host, port)| (host.as_str(), *port)).collect();
        assert_eq!(hosts, [("fe1", 9031), ("fe2", 9030), ("[::1]", 9)]);
        assert_eq!((target.user.as_str(), target.database().unwrap(), target.tls), ("ana", "db", false));
        assert_eq!(target.http_bases(), ["http://fe1:18030", "http://fe2:18030", "http://[::1]:18030"]);
        assert_eq!(target.to_string(), "starrocks://ana@fe1:9031,fe2,[::1]:9/db?http=18030");
        assert!(!format!("{target:?} {target}").contains("s3cret"));
        let plain = Target::parse("starrocks://h", None).unwrap();
        assert_eq!((plain.user.as_str(), plain.password.expose(), plain.http_port), ("root", "", 8030));
        assert_eq!(plain.database().unwrap_err().kind(), Kind::Usage);
        assert_eq!(plain.authorization().expose(), "Basic cm9vdDo=");
        let inner = Target::parse("starrocks://u:p,a%40w@h1,h2/db?be=8041&flight=9408", None).unwrap();
        assert_eq!((inner.password.expose(), inner.frontends.len(), inner.be_port), ("p,a@w", 2, Some(8041)));
        assert_eq!((inner.flight_port, plain.flight_port), (Some(9408), None));
    }

    #[test]
    fn tls_is_said_by_the_scheme_or_for_http_alone() {
        let both = Target::parse("starrockss://h/db", None).unwrap();
        assert!(both.tls && both.http_tls);
        assert_eq!(both.to_string(), "starrockss://h/db");
        let http = Target::parse("starrocks://h/db?https=8443", None).unwrap();
        assert_eq!((http.tls, http.http_bases()), (false, vec!["https://h:8443".to_owned()]));
    }

    #[test]
    fn what_cannot_be_meant_is_usage() {
        for url in [
            "starrocks://",
            "starrocks://a,,b/db",
            "starrocks://a:x/db",
            "starrocks://a:9030,b:99999/db",
            "starrocks+http://a/db",
            "starrocks://a/db/table",
            "starrocks://a/db?http=no",
            "starrocks://a/db?http=0",
            "starrocks://a/db?flight=0",
            "starrocks://a/db?http=1&https=2",
            "starrocks://a/db?htpp=8030",
            "mysql://a/db",
            "a:9030",
        ] {
            assert_eq!(Target::parse(url, None).unwrap_err().kind(), Kind::Usage, "{url}");
        }
    }
}
