//! A connection that is made again when it breaks.

use crate::args::Args;
use cli::Run;
use fault::{Error, Result};
use net::Side;
use net::http::Options;
use net::retry::{Backoff, Policy};
use net::tls::Tls;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tdengine::{Asker, Client, Config, Failure};

/// Everything that is needed to connect; cheap to clone into threads.
#[derive(Clone)]
pub struct Connector {
    pub config: Config,
    pub policy: Policy,
    pub run: Run,
    abandoned: Arc<AtomicBool>,
}

impl Connector {
    /// From the command line and the environment.
    pub fn new(args: &Args, run: &Run) -> Result<Connector> {
        let endpoint = args.source.endpoint()?;
        let abandoned = Arc::new(AtomicBool::new(false));
        let (stopped, given_up) = (run.stopped(), abandoned.clone());
        let options = Options {
            connect_timeout: args.connect_timeout.unwrap_or(args.retry.timeout),
            timeout: args.retry.timeout,
            tls: Tls { insecure: args.tls.tls_insecure, ca_file: args.tls.tls_ca_file.clone() },
            stop: net::Stop::new(move || stopped() || given_up.load(Ordering::Relaxed)),
            gzip_replies: args.compress,
            timing: net::Timing::new(run.replied()),
            ..Options::new(Side::Source)
        };
        let mut config = Config::new(&endpoint.url, endpoint.password, endpoint.token, options)?;
        if args.compress && !config.rest {
            return Err(Error::usage("--compress works over REST only: use tdengine+http://"));
        }
        if let Some(database) = &args.database {
            config.login.database = Some(database.clone());
        }
        if let Some(zone) = args.timezone {
            config.login.timezone = Some(zone.name().to_owned());
        }
        let first = args.reconnect_interval;
        let policy = Policy { first, longest: first.max(Duration::from_secs(60)), ..Policy::new(args.retry.retries) };
        Ok(Connector { config, policy, run: run.clone(), abandoned })
    }

    /// Ends every wait of every connection: somebody failed, or enough was read.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    /// The same, not abandoned.
    pub fn renewed(&self) -> Connector {
        let abandoned = Arc::new(AtomicBool::new(false));
        let (stopped, given_up) = (self.run.stopped(), abandoned.clone());
        let mut config = self.config.clone();
        config.options.stop = net::Stop::new(move || stopped() || given_up.load(Ordering::Relaxed));
        Connector { config, policy: self.policy, run: self.run.clone(), abandoned }
    }

    /// A session that connects at its first use.
    pub fn session(&self) -> Session {
        Session { run: self.run.clone(), asker: Asker::new(self.config.clone(), self.policy) }
    }
}

/// A connection with the patience of the command line.
pub struct Session {
    run: Run,
    asker: Asker,
}

impl Session {
    /// The connection, made anew where there is none.
    pub fn client(&mut self) -> tdengine::Result<&mut Client> {
        self.asker.client()
    }

    /// The server's major version: 2 or 3.
    pub fn major(&mut self) -> Result<u32> {
        self.repeat(|client| Ok(client.version().major()))
    }

    /// The connection is in doubt.
    pub fn drop_client(&mut self) {
        self.asker.drop_client();
    }

    /// Does something that can be repeated as a whole, until it works or the retries are used up.
    pub fn repeat<T>(&mut self, work: impl FnMut(&mut Client) -> tdengine::Result<T>) -> Result<T> {
        let run = &self.run;
        let answer = self.asker.ask(|error, wait| run.retrying(error, wait), work);
        answer.map_err(|error| run.stop().rather_than(error))
    }
}

/// Counts the attempts of one operation and waits between them.
pub struct Patience {
    backoff: Backoff,
    connector: Connector,
}

impl Patience {
    pub fn new(connector: &Connector) -> Patience {
        Patience { backoff: Backoff::new(connector.policy, None), connector: connector.clone() }
    }

    /// Waits before another attempt, or says why there shall be none.
    pub fn again(&mut self, failure: Failure) -> Result<()> {
        let Connector { run, config, .. } = &self.connector;
        run.stop().check()?;
        if !failure.again(self.backoff.used()) {
            return Err(failure.error);
        }
        let stop = || config.options.stop.is_raised();
        let waited = self.backoff.again(failure.error, failure.after, &stop, |error, wait| run.retrying(error, wait));
        waited.map_err(|error| run.stop().rather_than(error))
    }
}
