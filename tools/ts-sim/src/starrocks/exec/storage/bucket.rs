//! A bucket, as the properties of a statement say how to reach it (dossier starrocks 4.4).

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use futures_util::StreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _, PutPayload, RetryConfig};
use tokio::runtime::Runtime;

use super::http::Plain;

/// Bytes of a part of a larger object.
const PART: usize = 8 << 20;

/// A client for one bucket.
#[derive(Debug)]
pub struct Bucket {
    pub name: String,
    store: AmazonS3,
    /// Of its own: statements run on the threads of the server, jobs on theirs.
    runtime: Option<Runtime>,
}

impl Drop for Bucket {
    fn drop(&mut self) {
        // A runtime may not be waited for by a thread of another.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Bucket {
    /// Does not connect yet.
    pub fn open(name: &str, properties: &[(String, String)]) -> Result<Bucket, String> {
        let get = |name: &str| {
            let found = properties.iter().find(|(key, _)| key.strip_prefix("aws.s3.") == Some(name));
            found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
        };
        let yes = |name: &str| get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let retry = RetryConfig { max_retries: 2, retry_timeout: Duration::from_secs(10), ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::new()
            .with_http_connector(Plain)
            .with_retry(retry)
            .with_bucket_name(name)
            .with_region(get("region").unwrap_or("us-east-1"));
        let role = yes("use_instance_profile") || yes("use_aws_sdk_default_behavior");
        let variable = |name: &str| std::env::var(name).ok().filter(|_| role);
        // The machine's own role is the simulator's environment.
        let key = get("access_key").map(str::to_string).or_else(|| variable("AWS_ACCESS_KEY_ID"));
        let secret = get("secret_key").map(str::to_string).or_else(|| variable("AWS_SECRET_ACCESS_KEY"));
        let (Some(key), Some(secret)) = (key, secret) else {
            return Err("Access storage error. Error message: no credentials: set aws.s3.access_key and \
                        aws.s3.secret_key, or aws.s3.use_instance_profile"
                .to_string());
        };
        builder = builder.with_access_key_id(key).with_secret_access_key(secret);
        if let Some(token) = get("session_token").map(str::to_string).or_else(|| variable("AWS_SESSION_TOKEN")) {
            builder = builder.with_token(token);
        }
        let endpoint = match get("endpoint") {
            Some(endpoint) if endpoint.contains("://") => endpoint.to_string(),
            // Without a scheme the other property says it; TLS is the default ([memory]).
            Some(endpoint) if get("enable_ssl") == Some("false") => format!("http://{endpoint}"),
            other => format!("https://{}", other.unwrap_or("s3.amazonaws.com")),
        };
        let Some(host) = endpoint.strip_prefix("http://").map(|host| host.trim_end_matches('/')) else {
            return Err(format!("the simulator reaches endpoints of http:// only, not {endpoint}"));
        };
        // By the bucket's own name unless told otherwise ([memory]).
        let in_path = yes("enable_path_style_access");
        let endpoint = if in_path { format!("http://{host}") } else { format!("http://{name}.{host}") };
        let store = builder
            .with_virtual_hosted_style_request(!in_path)
            .with_endpoint(endpoint)
            .with_allow_http(true)
            .build()
            .map_err(|e| failed(name, &e))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| format!("cannot start a runtime: {e}"))?;
        Ok(Bucket { name: name.to_string(), store, runtime: Some(runtime) })
    }

    /// On a thread of its own: whoever asks may be one that drives other tasks.
    fn run<T: Send>(&self, work: impl Future<Output = object_store::Result<T>> + Send) -> Result<T, String> {
        let runtime = self.runtime.as_ref().ok_or("the runtime has ended")?;
        let done = std::thread::scope(|scope| scope.spawn(|| runtime.block_on(work)).join());
        done.map_err(|_| "a request panicked".to_string())?.map_err(|e| failed(&self.name, &e))
    }

    /// Writes an object.
    pub fn put(&self, key: &str, mut file: File) -> Result<(), String> {
        let key = path(key)?;
        let mut part = || {
            let mut bytes = Vec::new();
            let read = (&mut file).take(PART as u64).read_to_end(&mut bytes);
            read.map(|_| bytes).map_err(|e| format!("cannot read a temporary file: {e}"))
        };
        let first = part()?;
        if first.len() < PART {
            return self.run(self.store.put(&key, PutPayload::from(first))).map(drop);
        }
        let mut upload = self.run(self.store.put_multipart(&key))?;
        let mut bytes = first;
        while !bytes.is_empty() {
            self.run(upload.put_part(PutPayload::from(bytes)))?;
            bytes = part()?;
        }
        self.run(upload.complete()).map(drop)
    }

    /// Reads an object.
    pub fn get(&self, key: &str, into: &mut File) -> Result<(), String> {
        let key = path(key)?;
        let mut pieces = self.run(self.store.get(&key))?.into_stream();
        while let Some(piece) = self.run(async { pieces.next().await.transpose() })? {
            into.write_all(&piece).map_err(|e| format!("cannot write a temporary file: {e}"))?;
        }
        Ok(())
    }

    /// Names and sizes of the objects of a folder.
    pub fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, String> {
        let prefix = path(folder)?;
        let found = self.run(self.store.list_with_delimiter(Some(&prefix)))?;
        let named =
            found.objects.into_iter().filter_map(|meta| Some((meta.location.filename()?.to_string(), meta.size)));
        Ok(named.collect())
    }

    /// A copy, and the old name is gone: there is no other way.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), String> {
        let (from, to) = (path(from)?, path(to)?);
        self.run(async {
            self.store.copy(&from, &to).await?;
            self.store.delete(&from).await
        })
    }
}

fn path(key: &str) -> Result<Path, String> {
    Path::parse(key).map_err(|e| format!("bad key {key}: {e}"))
}

fn failed(bucket: &str, error: &dyn std::fmt::Display) -> String {
    format!("Access storage error. Error message: s3://{bucket}: {error}")
}
