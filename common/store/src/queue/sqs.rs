//! SQS over its JSON protocol: five calls, each a POST of JSON to `/` with the call's name in `X-Amz-Target`, signed.
//!
//! Credentials come from where S3's come from: the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), a web
//! identity, a container's or an instance's role. The endpoint is the URL's host, or AWS_ENDPOINT_URL_SQS (a private link).
//! The region is AWS_REGION, AWS_DEFAULT_REGION, else the host's (`sqs.eu-west-1.amazonaws.com`). Source: "dossier iotdb-pulsar-orchestration E.3".

use super::sqs_reply::{self, Deleted, Received};
use super::{Ask, Held, Message, Queue};
use crate::{Options, Scheme, Settings};
use fault::{Error, Kind, Result, Secret};
use net::http::{Client, Request};
use net::retry::{self, Outcome, Policy, Verdict};
use net::{Endpoint, Side, Stop, What};
use object_store::aws::{AwsAuthorizer, AwsCredential, AwsCredentialProvider};
use object_store::client::{HttpRequest, HttpRequestBody};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The longest wait and the most messages that SQS allows.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
const MOST: usize = 10;

/// The longest that a message can be hidden: 12 hours.
const LONGEST_HIDDEN: u64 = 43_200;

/// The longest reply: ten messages of 1 MiB, each character perhaps escaped.
const LONGEST_REPLY: usize = 64 << 20;

/// For what must still be said after the stop flag: there are seconds left.
const LAST_WORDS: Duration = Duration::from_secs(3);

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

/// A queue of SQS.
pub struct Sqs {
    /// Ends its waits once the stop flag is raised.
    waiting: Client,
    /// Does not.
    working: Client,
    base: String,
    /// The queue as SQS names it.
    url: String,
    region: String,
    credentials: AwsCredentialProvider,
    options: Options,
}

impl Sqs {
    /// `sqs+https://host/account/queue`; with the queue's name alone, SQS is asked for its URL.
    pub fn open(url: &str, options: Options) -> Result<Sqs> {
        let endpoint = Endpoint::parse(url, &["sqs"])?;
        endpoint.refuse_unknown_params(&[])?;
        if endpoint.user.is_some() || endpoint.password.is_some() || endpoint.token.is_some() {
            return Err(Error::usage(format!(
                "{endpoint}: credentials come from AWS_ACCESS_KEY_ID and so on, not from the URL"
            )));
        }
        let own = endpoint.http_base(if endpoint.tls { 443 } else { 80 });
        let base = match variable("AWS_ENDPOINT_URL_SQS") {
            Some(base) => base.trim_end_matches('/').to_owned(),
            None => own.clone(),
        };
        let region = variable("AWS_REGION")
            .or_else(|| variable("AWS_DEFAULT_REGION"))
            .or_else(|| of_host(&endpoint.host))
            .unwrap_or_else(|| "us-east-1".to_owned());
        // Of no bucket: what is wanted is who signs, renewed where a role's key runs out.
        let signing = Options { tls: options.tls.clone(), ..Options::new(Side::Source) };
        let credentials = Settings::from_env(Scheme::S3, Side::Source)?.open("none", &signing)?.credentials().clone();
        let client = |stop: Stop, timeout: Duration| {
            Client::new(
                &base,
                net::http::Options {
                    connect_timeout: options.timeout.min(Duration::from_secs(10)),
                    timeout,
                    tls: options.tls.clone(),
                    stop,
                    ..net::http::Options::new(Side::Source)
                },
            )
        };
        let mut queue = Sqs {
            waiting: client(options.stop.clone(), options.timeout + LONGEST_WAIT)?,
            working: client(Stop::default(), options.timeout.min(Duration::from_secs(10)))?,
            url: format!("{}/{}", own.trim_end_matches(":443").trim_end_matches(":80"), endpoint.path.join("/")),
            base,
            region,
            credentials,
            options,
        };
        match endpoint.path.as_slice() {
            [name] => {
                let reply = queue.call("GetQueueUrl", &json!({"QueueName": name}), &queue.waiting)?;
                queue.url = sqs_reply::queue_url(&reply)?;
            }
            [_, _] => {}
            _ => return Err(Error::usage(format!("{endpoint}: expected sqs+https://HOST/ACCOUNT/QUEUE"))),
        }
        Ok(queue)
    }

    /// One call, repeated while that may help.
    fn call(&self, name: &str, body: &Value, client: &Client) -> Result<Value> {
        self.attempts(name, body, client, self.options.policy.retries)
    }

    fn attempts(&self, name: &str, body: &Value, client: &Client, retries: u32) -> Result<Value> {
        let policy = Policy { longest: Duration::from_secs(10), ..Policy::new(retries) };
        let stop = || self.options.stop.is_raised();
        let text = body.to_string();
        let tell = |error: &Error, wait| (self.options.retried)(error, wait);
        match retry::run(policy, &stop, tell, |_| self.once(name, &text, client))? {
            Outcome::Done(value) => Ok(value),
            Outcome::Split(error) | Outcome::Reject(error) => Err(error),
        }
        .map_err(|error| error.context(format!("{}: {name}", self.url)))
    }

    fn once(&self, name: &str, body: &str, client: &Client) -> Verdict<Value> {
        let request = match self.signed(name, body) {
            Ok(request) => request,
            Err(error) => return Verdict::Fatal(error),
        };
        let sent = client.send(request).and_then(|reply| {
            let (status, after) = (reply.status, reply.retry_after());
            reply.bytes(LONGEST_REPLY).map(|body| (status, after, body))
        });
        match sent {
            Ok((status, after, body)) => sqs_reply::judge(status, after, &body),
            Err(failure) if failure.what().transient() => {
                Verdict::Retry { after: None, error: failure.error(Side::Source) }
            }
            Err(failure) => Verdict::Fatal(failure.error(Side::Source)),
        }
    }

    fn signed(&self, name: &str, body: &str) -> Result<Request> {
        let credential = self.credential()?;
        let target = format!("AmazonSQS.{name}");
        let broken = |what: &str| Error::new(Kind::Usage, format!("cannot sign a request: {what}"));
        let mut request = HttpRequest::new(HttpRequestBody::from(body.to_owned()));
        *request.method_mut() = net::http::Method::POST;
        *request.uri_mut() = format!("{}/", self.base).parse().map_err(|_| broken("the endpoint is no URL"))?;
        for (key, value) in [("content-type", CONTENT_TYPE), ("x-amz-target", target.as_str())] {
            request.headers_mut().insert(key, value.parse().map_err(|_| broken("the call's name"))?);
        }
        AwsAuthorizer::new(&credential, "sqs", &self.region)
            .try_authorize(&mut request, None)
            .map_err(|error| Error::caused(Kind::Usage, "cannot sign a request", error))?;
        let header = |key: &str| -> Result<String> {
            let value = request.headers().get(key).and_then(|value| value.to_str().ok());
            value.map(str::to_owned).ok_or_else(|| broken(key))
        };
        let mut out = Request::post("/")
            .header("content-type", CONTENT_TYPE)
            .header("x-amz-target", target.as_str())
            .header("x-amz-date", header("x-amz-date")?)
            .header("x-amz-content-sha256", header("x-amz-content-sha256")?)
            .secret_header("authorization", Secret::new(header("authorization")?))
            .body(body.to_owned());
        if credential.token.is_some() {
            out = out.secret_header("x-amz-security-token", Secret::new(header("x-amz-security-token")?));
        }
        Ok(out)
    }

    /// The credentials, renewed where they run out.
    fn credential(&self) -> Result<std::sync::Arc<AwsCredential>> {
        let started = Instant::now();
        let limit = self.options.timeout.min(Duration::from_secs(20));
        let found = net::wait(
            self.credentials.get_credential(),
            limit,
            || started,
            &Stop::default(),
            "asking for AWS credentials",
        );
        let missing =
            "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role";
        let credential = match found {
            Ok(Ok(credential)) => credential,
            Ok(Err(error)) => return Err(Error::caused(Kind::Refused, missing, error)),
            Err(failure) if failure.what() == What::TimedOut => {
                return Err(Error::new(Kind::Refused, format!("{missing} ({failure})")));
            }
            Err(failure) => return Err(failure.error(Side::Source)),
        };
        // The signer takes it for granted that these fit into a header.
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !plain(&credential.key_id) || credential.token.as_deref().is_some_and(|token| !plain(token)) {
            return Err(Error::usage("the AWS credentials hold white space, or what is no ASCII"));
        }
        Ok(credential)
    }

    /// After the stop flag, one short attempt; retries would outlive the process.
    fn last_or(&self, name: &str, body: &Value, retries: u32) -> Result<Value> {
        if !self.options.stop.is_raised() {
            return self.attempts(name, body, &self.working, retries);
        }
        let brief = Client::new(
            &self.base,
            net::http::Options { connect_timeout: LAST_WORDS, timeout: LAST_WORDS, ..self.working.options().clone() },
        )?;
        self.call(name, body, &brief)
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// `sqs.eu-west-1.amazonaws.com`, `eu-west-1.queue.amazonaws.com`, `vpce-1-2.sqs.eu-west-1.vpce.amazonaws.com`.
fn of_host(host: &str) -> Option<String> {
    let parts: Vec<&str> = host.split('.').collect();
    let at = parts.iter().position(|part| *part == "sqs").map(|at| at + 1);
    let at = at.or_else(|| parts.iter().position(|part| *part == "queue").and_then(|at| at.checked_sub(1)))?;
    host.contains(".amazonaws.").then(|| parts.get(at).map(|part| (*part).to_owned())).flatten()
}

/// Whole seconds, rounded up: a message that shall be hidden must not be visible too soon.
fn seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).min(LONGEST_HIDDEN)
}

impl Queue for Sqs {
    fn name(&self) -> &str {
        &self.url
    }

    fn receive(&self, ask: &Ask) -> Result<Vec<Message>> {
        let body = json!({
            "QueueUrl": self.url,
            "MaxNumberOfMessages": ask.max.clamp(1, MOST),
            "VisibilityTimeout": seconds(ask.visibility),
            "WaitTimeSeconds": seconds(ask.wait.min(LONGEST_WAIT)),
            "MessageSystemAttributeNames": ["ApproximateReceiveCount"],
            // Older servers know only this name.
            "AttributeNames": ["ApproximateReceiveCount"],
        });
        match self.call("ReceiveMessage", &body, &self.waiting) {
            Ok(reply) => sqs_reply::parse::<Received>(reply)?.messages(),
            // What the server may just have handed out comes back when its time is over.
            Err(_) if self.options.stop.is_raised() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Tried twice and no more: whoever keeps a message hidden comes again, and must not be kept from looking at its work.
    fn visible_in(&self, receipt: &str, time: Duration) -> Result<Held> {
        let body = json!({"QueueUrl": self.url, "ReceiptHandle": receipt, "VisibilityTimeout": seconds(time)});
        match self.last_or("ChangeMessageVisibility", &body, 1) {
            Ok(_) => Ok(Held::Yes),
            Err(error) if sqs_reply::is_lost(&error) => Ok(Held::Lost),
            Err(error) => Err(error),
        }
    }

    fn delete(&self, receipts: &[&str]) -> Result<Vec<Held>> {
        let mut held = Vec::with_capacity(receipts.len());
        for chunk in receipts.chunks(MOST) {
            let entries: Vec<Value> = chunk
                .iter()
                .enumerate()
                .map(|(n, receipt)| json!({"Id": n.to_string(), "ReceiptHandle": receipt}))
                .collect();
            let body = json!({"QueueUrl": self.url, "Entries": entries});
            let reply = self.last_or("DeleteMessageBatch", &body, self.options.policy.retries)?;
            held.extend(sqs_reply::parse::<Deleted>(reply)?.held(chunk.len())?);
        }
        Ok(held)
    }

    fn send(&self, body: &str) -> Result<String> {
        let reply = self.call("SendMessage", &json!({"QueueUrl": self.url, "MessageBody": body}), &self.working)?;
        sqs_reply::message_id(&reply)
    }

    /// Dead letters are the queue's own business (its redrive policy), unless another queue takes them.
    fn bury(&self, _: &Message, _: &str) -> Result<bool> {
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_in_amazons_hosts_only() {
        assert_eq!(of_host("sqs.eu-west-1.amazonaws.com").as_deref(), Some("eu-west-1"));
        assert_eq!(of_host("sqs.cn-north-1.amazonaws.com.cn").as_deref(), Some("cn-north-1"));
        assert_eq!(of_host("us-east-2.queue.amazonaws.com").as_deref(), Some("us-east-2"));
        assert_eq!(of_host("vpce-1-2.sqs.eu-west-1.vpce.amazonaws.com").as_deref(), Some("eu-west-1"));
        assert_eq!(of_host("sqs.local.example"), None);
        assert_eq!(of_host("127.0.0.1"), None);
    }

    #[test]
    fn times_are_whole_seconds_and_within_bounds() {
        assert_eq!(seconds(Duration::ZERO), 0);
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_secs(60)), 60);
        assert_eq!(seconds(Duration::from_secs(86_400)), 43_200);
    }
}
