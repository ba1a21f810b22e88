//! Questions that are asked again while the server is busy, over a connection that is made again when it breaks.

use crate::{Client, Config};
use fault::Error;
use net::retry::{Outcome, Policy, Verdict};
use std::time::Duration;

/// Asks a server. Does not connect before the first question.
pub struct Asker {
    config: Config,
    policy: Policy,
    client: Option<Client>,
}

impl Asker {
    /// `config` says where, and what stops a wait; `policy` how often a question may be asked again.
    pub fn new(config: Config, policy: Policy) -> Asker {
        Asker { config, policy, client: None }
    }

    /// The connection, made anew where there is none: for what cannot be asked again as a whole.
    pub fn client(&mut self) -> crate::Result<&mut Client> {
        match self.client {
            Some(ref mut client) => Ok(client),
            None => Ok(self.client.insert(Client::open(&self.config)?)),
        }
    }

    /// The connection is in doubt.
    pub fn drop_client(&mut self) {
        self.client = None;
    }

    /// Asks until there is an answer, no other attempt makes sense, or the retries are used up. `before_wait` hears of
    /// every repetition. A question must be one that can be asked again as a whole.
    pub fn ask<T>(
        &mut self,
        before_wait: impl FnMut(&Error, Duration),
        mut question: impl FnMut(&mut Client) -> crate::Result<T>,
    ) -> fault::Result<T> {
        let (policy, stop) = (self.policy, self.config.options.stop.clone());
        let attempt = |used| {
            let failure = match self.client().and_then(&mut question) {
                Ok(answer) => return Verdict::Done(answer),
                Err(failure) => failure,
            };
            self.drop_client();
            match failure.again(used) {
                true => Verdict::Retry { after: failure.after, error: failure.error },
                false => Verdict::Fatal(failure.error),
            }
        };
        match net::retry::run(policy, &|| stop.is_raised(), before_wait, attempt)? {
            Outcome::Done(answer) => Ok(answer),
            Outcome::Split(error) | Outcome::Reject(error) => Err(error),
        }
    }
}
