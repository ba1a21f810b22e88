//! Endpoints and credentials, from the environment.
//!
//! `AWS_…` for `s3://` and `OSS_…` for `oss://`, never one for the other: what is a secret of one cloud is not sent to another.
//! Before them `TS_SOURCE_AWS_…` and `TS_TARGET_AWS_…` (and `…_OSS_…`) by side, so that a copy can have two accounts.

use crate::Options;
use crate::location::Scheme;
use crate::transport::Connector;
use fault::{Error, Kind, Result, Secret};
use net::Side;
use object_store::RetryConfig;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, AwsCredential};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where S3 requests go and who signs them.
pub struct Settings {
    scheme: Scheme,
    /// By the library's names without their `aws_`.
    values: BTreeMap<String, String>,
}

/// What tells one store from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    endpoint: Option<String>,
    region: String,
    key: Option<String>,
    role: Option<String>,
}

/// A key that signs requests (`object_store::aws::AwsAuthorizer`), and the region that the signature names.
pub struct Credentials {
    pub key: Arc<AwsCredential>,
    pub region: String,
}

/// A key of the environment, to be handed to somebody who reads and writes in our place.
pub struct Key {
    pub id: String,
    pub secret: Secret,
    pub token: Option<Secret>,
}

impl Settings {
    /// What the environment says for this scheme and side.
    ///
    /// # Errors
    /// Exit 2 for half a key, and for a value that is no text.
    pub fn from_env(scheme: Scheme, side: Side) -> Result<Settings> {
        let mut variables = Vec::new();
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str().filter(|name| name.contains("AWS_") || name.contains("OSS_")) else {
                continue;
            };
            let value = value.to_str().ok_or_else(|| Error::usage(format!("{name} is not valid UTF-8")))?;
            variables.push((name.to_owned(), value.to_owned()));
        }
        Settings::from_variables(scheme, side, &variables)
    }

    fn from_variables(scheme: Scheme, side: Side, variables: &[(String, String)]) -> Result<Settings> {
        let own = if scheme == Scheme::Oss { "OSS_" } else { "AWS_" };
        let side = match side {
            Side::Source => "TS_SOURCE_",
            Side::Target => "TS_TARGET_",
        };
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        for prefix in [own.to_owned(), format!("{side}{own}")] {
            let mut named: BTreeMap<String, String> = BTreeMap::new();
            for (name, value) in variables.iter().filter(|(_, value)| !value.is_empty()) {
                if let Some(name) = name.strip_prefix(&prefix) {
                    named.insert(name.to_ascii_lowercase(), value.clone());
                }
            }
            // The general name first: the special one wins, within its side.
            for (other, name) in [
                ("default_region", "region"),
                ("endpoint_url", "endpoint"),
                ("endpoint_url_s3", "endpoint"),
                // As Alibaba's own tools call them.
                ("access_key_secret", "secret_access_key"),
                ("security_token", "session_token"),
            ] {
                match named.remove(other) {
                    Some(_) if other == "default_region" && named.contains_key(name) => {}
                    Some(value) => drop(named.insert(name.to_owned(), value)),
                    None => {}
                }
            }
            values.extend(named);
        }
        for name in ["secret_access_key", "session_token"] {
            if let Some(secret) = values.get(name) {
                let _known = Secret::new(secret.as_str());
            }
        }
        if values.contains_key("access_key_id") != values.contains_key("secret_access_key") {
            return Err(Error::usage(format!(
                "half a key in the environment: set both {own}ACCESS_KEY_ID and {own}SECRET_ACCESS_KEY"
            )));
        }
        Ok(Settings { scheme, values })
    }

    /// The key; `None`: whoever asks has a role of his own.
    pub fn key(&self) -> Option<Key> {
        let secret = |name: &str| self.value(name).map(Secret::new);
        Some(Key {
            id: self.value("access_key_id")?.to_owned(),
            secret: secret("secret_access_key")?,
            token: secret("session_token"),
        })
    }

    /// Does the bucket stand in the path, not in the host's name? Exit 2 for a setting that is neither true nor false.
    pub fn path_style(&self) -> Result<bool> {
        self.virtual_hosted(self.endpoint().as_deref()).map(|virtual_hosted| !virtual_hosted)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The region: what is set, else what OSS names in its host, else us-east-1.
    pub fn region(&self) -> String {
        let named = self.value("region").map(str::to_owned);
        named.or_else(|| self.oss_region()).unwrap_or_else(|| "us-east-1".to_owned())
    }

    /// `oss-cn-hangzhou` of `https://s3.oss-cn-hangzhou-internal.aliyuncs.com`.
    fn oss_region(&self) -> Option<String> {
        let host = host(self.value("endpoint")?);
        let part = host.split('.').find(|part| part.starts_with("oss-"))?;
        Some(part.strip_suffix("-internal").unwrap_or(part).to_owned())
    }

    /// The endpoint without a bucket, where it is not Amazon's own.
    pub fn endpoint(&self) -> Option<String> {
        if let Some(endpoint) = self.value("endpoint") {
            return Some(endpoint.trim_end_matches('/').to_owned());
        }
        if self.scheme == Scheme::Oss {
            let region = self.value("region")?;
            let region = region.strip_prefix("oss-").unwrap_or(region);
            return Some(format!("https://s3.oss-{region}.aliyuncs.com"));
        }
        None
    }

    /// Is the bucket a part of the host's name? What is set, else: OSS wants it, unless the host is an address.
    fn virtual_hosted(&self, endpoint: Option<&str>) -> Result<bool> {
        match self.value("virtual_hosted_style_request") {
            Some("true" | "1" | "yes") => Ok(true),
            Some("false" | "0" | "no") => Ok(false),
            Some(other) => {
                Err(Error::usage(format!("VIRTUAL_HOSTED_STYLE_REQUEST is '{other}': expected true or false")))
            }
            None if self.scheme == Scheme::Oss => {
                let host = endpoint.map(host).unwrap_or_default();
                let address =
                    host == "localhost" || host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
                Ok(!address)
            }
            None => Ok(false),
        }
    }

    pub(crate) fn account(&self) -> Account {
        let of = |name: &str| self.value(name).map(str::to_owned);
        Account { endpoint: self.endpoint(), region: self.region(), key: of("access_key_id"), role: of("role_arn") }
    }

    /// A client for one bucket. Does not connect yet.
    pub(crate) fn open(&self, bucket: &str, options: &Options) -> Result<AmazonS3> {
        let endpoint = self.endpoint();
        if endpoint.is_none() && self.scheme == Scheme::Oss {
            return Err(Error::usage(
                "no endpoint for oss://: set OSS_ENDPOINT (https://s3.oss-cn-hangzhou.aliyuncs.com) or OSS_REGION",
            ));
        }
        let virtual_hosted = self.virtual_hosted(endpoint.as_deref())?;
        // One attempt at a time: what is repeated, and when, is decided here and counted.
        let once = RetryConfig { max_retries: 0, retry_timeout: Duration::from_secs(86_400), ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::new().with_retry(once).with_http_connector(Connector::new(options)?);
        if self.scheme == Scheme::Oss {
            // Bulk deletes need checksums that its S3 interface does not take.
            builder = builder.with_disable_bulk_delete(true);
        }
        for (name, value) in &self.values {
            // Others of the same prefix (AWS_PAGER) are not ours to judge.
            let Ok(key) = format!("aws_{name}").parse::<AmazonS3ConfigKey>() else { continue };
            if !matches!(
                key,
                AmazonS3ConfigKey::Endpoint | AmazonS3ConfigKey::Bucket | AmazonS3ConfigKey::VirtualHostedStyleRequest
            ) {
                builder = builder.with_config(key, value);
            }
        }
        builder = builder
            .with_bucket_name(bucket)
            .with_region(self.region())
            .with_virtual_hosted_style_request(virtual_hosted);
        if let Some(endpoint) = endpoint {
            let endpoint = match endpoint.split_once("://") {
                Some((scheme, host)) if virtual_hosted && !host.starts_with(&format!("{bucket}.")) => {
                    format!("{scheme}://{bucket}.{host}")
                }
                Some(_) => endpoint,
                None => return Err(Error::usage(format!("the endpoint '{endpoint}' has no http:// or https://"))),
            };
            let plain = endpoint.starts_with("http://");
            builder = builder.with_endpoint(endpoint).with_allow_http(plain);
        }
        builder.build().map_err(|error| Error::caused(Kind::Usage, "bad settings of the object store", error))
    }

    /// The key that signs requests: from the variables, a web identity, the container or the instance.
    ///
    /// # Errors
    /// Exit 6 without any.
    pub fn credentials(&self, options: &Options) -> Result<Credentials> {
        let client = self.open("none", options)?;
        let started = Instant::now();
        let asked = net::wait(
            client.credentials().get_credential(),
            options.timeout,
            || started,
            &options.stop,
            "waiting for credentials",
        );
        let key = asked.map_err(|failure| failure.error(options.side))?.map_err(|error| no_credentials(&error))?;
        Ok(Credentials { key, region: self.region() })
    }
}

/// Nothing in the environment, and no instance to ask.
fn no_credentials(error: &object_store::Error) -> Error {
    let said = fault::excerpt(error.to_string().as_bytes());
    Error::new(Kind::Refused, format!("no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY ({said})"))
}

/// The host of `https://HOST:PORT/…`.
fn host(endpoint: &str) -> &str {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let rest = rest.split('/').next().unwrap_or(rest);
    if rest.starts_with('[') { rest } else { rest.split(':').next().unwrap_or(rest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(scheme: Scheme, side: Side, variables: &[(&str, &str)]) -> Result<Settings> {
        let variables: Vec<_> = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Settings::from_variables(scheme, side, &variables)
    }

    #[test]
    fn each_side_and_cloud_has_its_own_names() {
        let all = [
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "aws-secret"),
            ("AWS_ENDPOINT_URL", "http://one:1"),
            ("AWS_ENDPOINT_URL_S3", "http://two:2/"),
            ("TS_TARGET_AWS_ENDPOINT_URL", "http://three:3"),
            ("TS_TARGET_AWS_ACCESS_KEY_ID", "t"),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("OSS_ACCESS_KEY_ID", "o"),
            ("OSS_ACCESS_KEY_SECRET", "oss-secret"),
            ("OSS_REGION", "cn-hangzhou"),
            ("AWS_PAGER", "less"),
            ("AWS_SESSION_TOKEN", ""),
        ];
        let source = settings(Scheme::S3, Side::Source, &all).unwrap();
        assert_eq!((source.endpoint().as_deref(), source.value("access_key_id")), (Some("http://two:2"), Some("a")));
        assert_eq!((source.region().as_str(), source.value("session_token")), ("eu-west-1", None));
        let target = settings(Scheme::S3, Side::Target, &all[..2]).unwrap();
        assert_eq!((target.endpoint(), target.region().as_str()), (None, "us-east-1"));
        let target = settings(Scheme::S3, Side::Target, &all).unwrap();
        let key = target.key().unwrap();
        assert_eq!((key.id.as_str(), key.secret.expose(), key.token.is_none()), ("t", "aws-secret", true));
        assert!(target.path_style().unwrap() && settings(Scheme::S3, Side::Target, &[]).unwrap().key().is_none());
        let oss = settings(Scheme::Oss, Side::Source, &all).unwrap();
        assert_eq!((oss.value("access_key_id"), oss.value("secret_access_key")), (Some("o"), Some("oss-secret")));
        assert_eq!(oss.endpoint().as_deref(), Some("https://s3.oss-cn-hangzhou.aliyuncs.com"));
        assert!(!oss.path_style().unwrap());
        let half = settings(Scheme::S3, Side::Source, &all[..1]).map(drop).unwrap_err();
        assert!(half.kind() == Kind::Usage && half.to_string().contains("half a key"), "{half}");
    }

    #[test]
    fn the_more_special_endpoint_wins_only_within_its_side() {
        let all = [("AWS_ENDPOINT_URL_S3", "http://two:2"), ("TS_TARGET_AWS_ENDPOINT_URL", "http://three:3")];
        assert_eq!(settings(Scheme::S3, Side::Target, &all).unwrap().endpoint().as_deref(), Some("http://three:3"));
        assert_eq!(settings(Scheme::S3, Side::Source, &all).unwrap().endpoint().as_deref(), Some("http://two:2"));
    }

    #[test]
    fn oss_names_its_region_in_the_host() {
        let at = |endpoint| settings(Scheme::Oss, Side::Source, &[("OSS_ENDPOINT", endpoint)]).unwrap();
        assert_eq!(at("https://s3.oss-cn-beijing-internal.aliyuncs.com").region(), "oss-cn-beijing");
        assert_eq!(at("http://127.0.0.1:5000").region(), "us-east-1");
        assert!(!at("http://127.0.0.1:5000").virtual_hosted(Some("http://127.0.0.1:5000")).unwrap());
        assert_eq!((host("https://h:1/x"), host("http://[::1]:5"), host("h")), ("h", "[::1]:5", "h"));
    }
}
