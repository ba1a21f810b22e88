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

    /// Asks until there is an answer, no other attempt makes sense, or the retries are used up. `before_wait` hears of
    /// every repetition. A question must be one that can be asked again as a whole.
    pub fn ask<T>(
        &mut self,
        before_wait: impl FnMut(&Error, Duration),
        mut question: impl FnMut(&mut Client) -> crate::Result<T>,
    ) -> fault::Result<T> {
        let stop = self.config.options.stop.clone();
        let attempt = |used| {
            let client = match self.client.take() {
                Some(client) => Ok(client),
                None => Client::open(&self.config),
            };
            // After a failure the connection is in doubt: it is not kept.
            let answer = client.and_then(|mut client| {
                let answer = question(&mut client)?;
                self.client = Some(client);
                Ok(answer)
            });
            match answer {
                Ok(answer) => Verdict::Done(answer),
                Err(failure) if failure.again(used) => Verdict::Retry { after: failure.after, error: failure.error },
                Err(failure) => Verdict::Fatal(failure.error),
            }
        };
        match net::retry::run(self.policy, &|| stop.is_raised(), before_wait, attempt)? {
            Outcome::Done(answer) => Ok(answer),
            Outcome::Split(error) | Outcome::Reject(error) => Err(error),
        }
    }
}
