//! Stream Load: one body under one label, to a verdict.

use crate::hops::{Answer, Call, Hops, Missed};
use crate::request::{Form, Packing, Settings};
use crate::verdict::{Verdict, judge};
use fault::Result;
use net::http::Method;
use net::retry::Trouble;
use net::{Bytes, Failure, What};
use std::sync::Arc;

/// Bytes of an error log that are read: it names each bad row.
const LOG: usize = 4 << 20;

/// Loads into one table. Cheap to clone; threads share its connections.
#[derive(Clone)]
pub struct Loader {
    pub(crate) hops: Hops,
    pub(crate) settings: Arc<Settings>,
}

/// A body that is ready to be sent.
#[derive(Clone, Debug)]
pub struct Load {
    pub label: String,
    pub form: Form,
    pub packing: Packing,
    pub body: Bytes,
    /// Rows in it.
    pub rows: u64,
    /// A load of its own, with its label, also where the settings let the server merge loads.
    pub alone: bool,
}

impl Loader {
    /// Does not connect yet.
    pub fn new(hops: Hops, settings: Settings) -> Loader {
        Loader { hops, settings: Arc::new(settings) }
    }

    /// What all loads have in common.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sends a load once; never fails in another way than by its verdict.
    pub fn load(&self, load: &Load) -> Verdict {
        let call = Call {
            method: Method::PUT,
            path: self.settings.path(),
            query: Vec::new(),
            headers: self.settings.headers(&load.label, load.form, load.packing, load.alone),
            body: load.body.clone(),
        };
        match self.hops.load(&call) {
            Ok(Answer { status, body, retry_after }) => {
                judge(status, &body, retry_after, load.rows, self.settings.merge.is_some() && !load.alone)
            }
            Err(missed) => judge_missed(missed),
        }
    }

    /// The log behind a link in a reply: which rows were left out, and why.
    pub fn error_log(&self, link: &str) -> Result<String> {
        self.hops.fetch(link, LOG).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// What a request without a reply means for a load.
pub(crate) fn judge_missed(missed: Missed) -> Verdict {
    let trouble = |failure: &Failure| match failure.what() {
        What::Connect | What::TimedOut | What::NoReply => Trouble::Down,
        _ => Trouble::Other,
    };
    match missed {
        Missed::Refused(reason) => Verdict::Refused { reason },
        Missed::Unsent(failure) if failure.what() == What::Setup => Verdict::Fatal { reason: failure.to_string() },
        Missed::Unsent(failure) => {
            Verdict::Retry { after: None, trouble: trouble(&failure), reason: failure.to_string() }
        }
        Missed::Unknown(failure) => Verdict::Unknown { trouble: trouble(&failure), reason: failure.to_string() },
    }
}
