//! Connections with the patience of the command line.

use crate::args::{Args, Via};
use cli::Run;
use fault::{Error, Result};
use net::Side;
use net::retry::{Backoff, Policy};
use net::tls::Tls;
use starrocks::be_map::BeMap;
use starrocks::client::Options;
use starrocks::{Client, Flight, RowStream, Target, flight};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Everything that is needed to connect; cheap to clone into threads.
#[derive(Clone)]
pub struct Connector {
    pub target: Target,
    pub options: Options,
    pub policy: Policy,
    pub run: Run,
    /// Rows come over Arrow Flight SQL, from the back ends that this leads to.
    pub flight: Option<BeMap>,
    abandoned: Arc<AtomicBool>,
}

impl Connector {
    /// From the command line and the environment.
    pub fn new(args: &Args, run: &Run) -> Result<Connector> {
        let endpoint = args.source.endpoint()?;
        if endpoint.token.is_some() {
            return Err(Error::usage("StarRocks takes a user and a password, no token"));
        }
        let mut target = Target::parse(&endpoint.url, endpoint.password)?;
        if let Some(database) = &args.database {
            target.database = Some(database.clone());
        }
        target.database()?;
        let flight = match args.via {
            Via::Flight => {
                flight::port(&target)?;
                Some(BeMap::parse(&args.be_map)?)
            }
            _ => None,
        };
        let abandoned = Arc::new(AtomicBool::new(false));
        let (stopped, given_up) = (run.stopped(), abandoned.clone());
        let options = Options {
            connect_timeout: args.retry.timeout.min(Duration::from_secs(30)),
            timeout: args.retry.timeout,
            query_timeout: args.query_timeout,
            tls: Tls { insecure: args.tls.tls_insecure, ca_file: args.tls.tls_ca_file.clone() },
            stop: net::Stop::new(move || stopped() || given_up.load(Ordering::Relaxed)),
            ..Options::new(Side::Source)
        };
        Ok(Connector { target, options, policy: Policy::new(args.retry.retries), run: run.clone(), flight, abandoned })
    }

    /// Ends every wait of every connection: somebody failed, or enough was read.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    /// A session that connects at its first use.
    pub fn session(&self) -> Session {
        Session { connector: self.clone(), client: None, rows: None, flight: None }
    }

    /// A new count of attempts.
    pub fn patience(&self) -> Patience {
        Patience { backoff: Backoff::new(self.policy, None), connector: self.clone() }
    }
}

/// A connection that is made again when it breaks.
pub struct Session {
    pub connector: Connector,
    client: Option<Client>,
    rows: Option<RowStream>,
    flight: Option<Flight>,
}

impl Session {
    /// The connection, made anew where there is none.
    pub fn client(&mut self) -> Result<&mut Client> {
        match self.client {
            Some(ref mut client) => Ok(client),
            None => Ok(self.client.insert(Client::open(&self.connector.target, &self.connector.options)?)),
        }
    }

    /// The session for rows, with the front end of the connection, made anew where there is none or an abandoned one.
    pub fn rows(&mut self) -> Result<&mut RowStream> {
        let front = self.client()?.front().clone();
        let Connector { target, options, .. } = &self.connector;
        self.rows.take_if(|rows| rows.is_spent());
        match self.rows {
            Some(ref mut rows) => Ok(rows),
            None => Ok(self.rows.insert(RowStream::open(target, &front, options)?)),
        }
    }

    /// The session over Arrow Flight SQL, made anew where there is none; `None` if that is not the way.
    pub fn flight(&mut self) -> Result<Option<&mut Flight>> {
        let Some(map) = &self.connector.flight else { return Ok(None) };
        Ok(Some(match self.flight {
            Some(ref mut flight) => flight,
            None => self.flight.insert(Flight::open(&self.connector.target, &self.connector.options, map)?),
        }))
    }

    /// The connections are in doubt.
    pub fn drop_client(&mut self) {
        self.client = None;
        self.rows = None;
        self.flight = None;
    }

    /// Does something that can be repeated as a whole, until it works, is refused, or the retries are used up.
    pub fn repeat<T>(&mut self, mut work: impl FnMut(&mut Client) -> Result<T>) -> Result<T> {
        let mut patience = self.connector.patience();
        loop {
            match self.client().and_then(&mut work) {
                Ok(value) => return Ok(value),
                Err(error) => {
                    self.drop_client();
                    patience.again(error)?;
                }
            }
        }
    }
}

/// Counts the attempts of one operation and waits between them.
pub struct Patience {
    backoff: Backoff,
    connector: Connector,
}

impl Patience {
    /// Waits before another attempt, or says why there shall be none: only what the source failed at is tried again.
    pub fn again(&mut self, error: Error) -> Result<()> {
        let Connector { run, options, .. } = &self.connector;
        run.stop().check()?;
        if error.kind() != Side::Source.kind() {
            return Err(error);
        }
        let stop = || options.stop.is_raised();
        let waited = self.backoff.again(error, None, &stop, |error, wait| run.retrying(error, wait));
        waited.map_err(|error| run.stop().rather_than(error))
    }
}
