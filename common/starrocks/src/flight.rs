//! Results over Arrow Flight SQL: a statement is given to a front end (FE), its rows come from the back end (BE) that the
//! front end names (dossier starrocks 3.5).
//!
//! A server of this kind may end a result early without a word: whoever reads compares the number of rows with a count.

use crate::be_map::BeMap;
use crate::client::{Options, in_sql, one_of, setup, while_growing};
use crate::retry::is_refused;
use crate::target::Target;
use arrow_array::RecordBatch;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::{FlightEndpoint, FlightInfo, HandshakeRequest, Ticket};
use fault::{Error, Kind, Result, Secret};
use futures_util::{StreamExt as _, stream};
use net::Side;
use std::cell::Cell;
use std::collections::HashMap;
use std::future::Future;
use std::time::{Duration, Instant};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use url::Url;

/// The largest message that is taken: a back end sends a few thousand rows in one, each with texts of up to 1 MiB.
const MAX_MESSAGE: usize = 1 << 30;
/// Bytes of a result that may be on their way before somebody reads them.
const WINDOW: u32 = 8 << 20;
/// A location that means the server which gave it.
const REUSE: &str = "arrow-flight-reuse-connection:";

type Service = FlightSqlServiceClient<Channel>;

/// The port of a target's Arrow Flight SQL. Exit 2 where the URL names none, or wants TLS, which is not spoken here.
pub fn port(target: &Target) -> Result<u16> {
    if target.tls {
        return Err(Error::usage(format!(
            "{target}: Arrow Flight SQL is read without TLS only, the password would travel in clear: write starrocks://"
        )));
    }
    target.flight_port.ok_or_else(|| {
        Error::usage(format!(
            "{target}: the URL does not say the port of Arrow Flight SQL: add flight=PORT, the arrow_flight_port of the \
             front end's fe.conf (it has no default; the back ends need one in be.conf too)"
        ))
    })
}

/// A session. After an error it is to be dropped.
pub struct Flight {
    front: Service,
    /// What shows who we are; as a secret it is known to whatever prints the server's messages, which may repeat it.
    token: Secret,
    /// By `host:port`.
    backs: HashMap<String, Service>,
    map: BeMap,
    options: Options,
    at: String,
}

impl Flight {
    /// Logs in to one of the front ends (each time another one first) and sets up the session as [`crate::Client::open`]
    /// does. `map` says where back ends are from here. A login that is refused is exit 6.
    pub fn open(target: &Target, options: &Options, map: &BeMap) -> Result<Flight> {
        let port = port(target)?;
        one_of(target, options, |host, _| {
            let at = format!("grpc://{host}:{port}");
            let mut front = connect(&at, host, port, options)?;
            let running = login(&mut front, target);
            let token = wait(options, options.timeout, &at, "waiting for the login", running, |status| {
                let refused = status.code() == Code::Unauthenticated || is_refused(0, status.message());
                let kind = if refused { Kind::Refused } else { kind(options.side, &status) };
                Error::new(kind, format!("{at}: {}", said(&status)))
            })?;
            let Some(token) = token else {
                return Err(Error::new(Kind::Refused, format!("{at}: the login gave no token: is this a front end?")));
            };
            front.set_token(token.expose().to_owned());
            let (map, options) = (map.clone(), options.clone());
            let mut flight = Flight { front, token, backs: HashMap::new(), map, options, at };
            for sql in setup(&flight.options) {
                flight.query(&sql)?;
            }
            Ok(flight)
        })
    }

    /// The front end: `grpc://host:port`.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// Runs a query and gives each batch as it comes; gives the number of rows. `false` from `each` abandons the result.
    ///
    /// # Errors
    /// A stream that breaks is an error: rows that were given stay given. One that ends too early but in good order cannot
    /// be told from a whole one.
    pub fn read(&mut self, sql: &str, mut each: impl FnMut(RecordBatch) -> Result<bool>) -> Result<u64> {
        let info = self.query(sql)?;
        let mut rows = 0;
        for endpoint in info.endpoint {
            let (at, mut service) = self.service(&endpoint)?;
            let Some(ticket) = endpoint.ticket else {
                return Err(Error::new(self.options.side.kind(), format!("{}: an endpoint without a ticket", self.at)));
            };
            let wanted = self.take(&at, &mut service, ticket, &mut rows, &mut each);
            if !wanted.map_err(|error| in_sql(error, sql))? {
                break;
            }
        }
        Ok(rows)
    }

    /// Plans a statement and starts it.
    fn query(&mut self, sql: &str) -> Result<FlightInfo> {
        let Flight { front, options, at, .. } = self;
        let running = front.execute(sql.to_owned(), None);
        wait(options, options.timeout, at, "waiting for the plan", running, |error| {
            in_sql(failure(options.side, at, &error), sql)
        })
    }

    /// Who has the rows: the first of the endpoint's locations that answers.
    fn service(&mut self, endpoint: &FlightEndpoint) -> Result<(String, Service)> {
        let mut last = None;
        for location in &endpoint.location {
            if location.uri.is_empty() || location.uri.starts_with(REUSE) {
                break;
            }
            let (host, port) = self.place(&location.uri)?;
            let at = format!("grpc://{host}:{port}");
            if let Some(known) = self.backs.get(&at) {
                return Ok((at, again(known)));
            }
            match connect(&at, &host, port, &self.options) {
                Ok(mut service) => {
                    // A front end that passes the rows on wants to know us, a back end does not ask.
                    service.set_token(self.token.expose().to_owned());
                    let copy = again(&service);
                    self.backs.insert(at.clone(), service);
                    return Ok((at, copy));
                }
                Err(error) if error.kind() == self.options.side.kind() => {
                    let advice = format!(
                        "the front end says that the rows are at {}; --be-map says where that is from here",
                        location.uri
                    );
                    last = Some(error.context(advice));
                }
                Err(error) => return Err(error),
            }
        }
        match last {
            Some(error) => Err(error),
            None => Ok((self.at.clone(), again(&self.front))),
        }
    }

    /// `grpc+tcp://host:port`, as it is to be reached from here.
    fn place(&self, uri: &str) -> Result<(String, u16)> {
        let bad = |text: &str| Err(Error::new(Kind::Refused, format!("{}: the rows are at {uri}: {text}", self.at)));
        let url = match Url::parse(uri) {
            Ok(url) => url,
            Err(_) => return bad("that is no URL"),
        };
        match url.scheme() {
            "grpc" | "grpc+tcp" => {}
            "grpc+tls" => return bad("Arrow Flight SQL is read without TLS only"),
            _ => return bad("nothing of that kind is known here"),
        }
        match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => Ok(self.map.apply(host, port)),
            _ => bad("that names no host and port"),
        }
    }

    /// Reads one endpoint; `false` when no more is wanted.
    fn take(
        &self,
        at: &str,
        service: &mut Service,
        ticket: Ticket,
        rows: &mut u64,
        each: &mut dyn FnMut(RecordBatch) -> Result<bool>,
    ) -> Result<bool> {
        let Options { side, timeout, stop, .. } = &self.options;
        let broken = |error| failure(*side, at, &error);
        let count = Cell::new(0);
        let running = async {
            let mut batches = service.do_get(ticket).await.map_err(broken)?;
            while let Some(batch) = batches.next().await {
                let batch = batch.map_err(broken)?;
                count.set(count.get() + 1);
                *rows += batch.num_rows() as u64;
                if !each(batch)? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        match net::wait(running, *timeout, while_growing(&count), stop, "waiting for rows") {
            Ok(outcome) => outcome,
            Err(failure) => Err(failure.context(at).error(*side)),
        }
    }
}

/// Another handle of the same connection and session.
fn again(service: &Service) -> Service {
    let mut copy = FlightSqlServiceClient::new_from_inner(service.inner().clone());
    if let Some(token) = service.token() {
        copy.set_token(token.clone());
    }
    copy
}

fn connect(at: &str, host: &str, port: u16, options: &Options) -> Result<Service> {
    let endpoint = Endpoint::from_shared(format!("http://{host}:{port}"))
        .map_err(|error| Error::usage(format!("{at}: {error}")))?
        .connect_timeout(options.connect_timeout)
        .tcp_nodelay(true)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
    let connecting = endpoint.connect();
    let channel = wait(options, options.connect_timeout, at, "waiting for the connection", connecting, |error| {
        let text = root(&error).unwrap_or_else(|| error.to_string());
        Error::new(options.side.kind(), format!("{at}: cannot connect: {text}"))
    })?;
    let inner = FlightServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
    Ok(FlightSqlServiceClient::new_from_inner(inner))
}

/// Name and password for a token.
async fn login(front: &mut Service, target: &Target) -> std::result::Result<Option<Secret>, Status> {
    let mut request = Request::new(stream::iter([HandshakeRequest::default()]));
    let basic = net::auth::basic(&target.user, &target.password);
    let mut basic: MetadataValue<Ascii> =
        basic.expose().parse().map_err(|_| Status::internal("the login does not fit a header"))?;
    basic.set_sensitive(true);
    request.metadata_mut().insert("authorization", basic);
    let reply = front.inner_mut().handshake(request).await?;
    let bearer = reply.metadata().get("authorization").and_then(|value| value.to_str().ok());
    let token = bearer.and_then(|bearer| bearer.strip_prefix("Bearer ")).map(Secret::new);
    let mut rest = reply.into_inner();
    while rest.message().await?.is_some() {}
    Ok(token)
}

/// Waits for one reply, for at most `limit`.
fn wait<T, E>(
    options: &Options,
    limit: Duration,
    at: &str,
    doing: &str,
    future: impl Future<Output = std::result::Result<T, E>>,
    failed: impl FnOnce(E) -> Error,
) -> Result<T> {
    let start = Instant::now();
    match net::wait(future, limit, || start, &options.stop, doing) {
        Ok(outcome) => outcome.map_err(failed),
        Err(failure) => Err(failure.context(at).error(options.side)),
    }
}

/// What an error means: refused for good, or worth another try.
fn kind(side: Side, status: &Status) -> Kind {
    match status.code() {
        Code::PermissionDenied | Code::Unimplemented => Kind::Refused,
        // A front end gives every error of a statement as this; what breaks on the way has no such words.
        Code::Internal | Code::InvalidArgument | Code::Unknown if is_refused(0, status.message()) => Kind::Refused,
        // Also a session that the front end has forgotten (NotFound, Unauthenticated): the next one logs in again.
        _ => side.kind(),
    }
}

fn failure(side: Side, at: &str, error: &FlightError) -> Error {
    let (kind, text) = match error {
        FlightError::Tonic(status) => (kind(side, status), said(status)),
        other => (Kind::Malformed, fault::excerpt(other.to_string().as_bytes())),
    };
    Error::new(kind, format!("{at}: {text}"))
}

fn said(status: &Status) -> String {
    match root(status) {
        Some(cause) => format!("{}: {cause}", fault::excerpt(status.message().as_bytes())),
        None => format!("the server said {:?}: {}", status.code(), fault::excerpt(status.message().as_bytes())),
    }
}

/// The first of an error's causes.
fn root(error: &dyn std::error::Error) -> Option<String> {
    let mut cause = error.source()?;
    while let Some(next) = cause.source() {
        cause = next;
    }
    Some(cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_has_to_be_said_and_tls_is_not_spoken() {
        let port = |url: &str| port(&Target::parse(url, None).unwrap());
        assert_eq!(port("starrocks://h/db?flight=9408").unwrap(), 9408);
        let error = port("starrocks://h/db").unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.to_string().contains("arrow_flight_port"), "{error}");
        assert_eq!(port("starrockss://h/db?flight=9408").unwrap_err().kind(), Kind::Usage);
    }

    #[test]
    fn every_status_has_a_verdict() {
        let kind = |code, message: &str| super::kind(Side::Source, &Status::new(code, message));
        for (code, message) in [
            (
                Code::Internal,
                "failed to process query [queryID=1] [error=Getting analyzing error. Unknown table 'd.t'.]",
            ),
            (Code::PermissionDenied, "no"),
            (Code::Unimplemented, "arrow.flight.protocol.FlightService"),
        ] {
            assert_eq!(kind(code, message), Kind::Refused, "{message}");
        }
        for (code, message) in [
            (Code::Internal, "failed to process query [queryID=1] [error=Query exceeded time limit of 300 seconds]"),
            (Code::Internal, "h2 protocol error: error reading a body from connection"),
            (Code::NotFound, "cannot find connect arrow context of the token [x]"),
            (Code::Unauthenticated, "invalid bearer token [x], please try to reconnect"),
            (Code::Unavailable, "unsupported"),
        ] {
            assert_eq!(kind(code, message), Kind::Source, "{message}");
        }
    }
}
