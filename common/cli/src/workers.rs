//! What the threads of a sink share: the rejects, the first error, whether it is over, and warnings that come once.

use crate::Run;
use crate::rejects::Rejects;
use fault::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Outages that are told without `-v`.
const TOLD: u32 = 3;

/// Shared by the threads of one run.
pub struct Shared {
    /// The run that they work for.
    pub run: Run,
    rejects: Mutex<Rejects>,
    ended: AtomicBool,
    error: Mutex<Option<Error>>,
    warned: AtomicBool,
    /// News of outages that were told.
    told: AtomicU32,
}

impl Shared {
    /// Shared by the threads of one run.
    pub fn new(run: &Run, rejects: Rejects) -> Arc<Shared> {
        Arc::new(Shared {
            run: run.clone(),
            rejects: Mutex::new(rejects),
            ended: AtomicBool::new(false),
            error: Mutex::new(None),
            warned: AtomicBool::new(false),
            told: AtomicU32::new(0),
        })
    }

    /// Sets a row aside.
    pub fn reject(&self, row: &[u8], reason: &str) -> Result<()> {
        self.rejects.lock().unwrap_or_else(PoisonError::into_inner).add(row, reason)
    }

    /// Writes the rejects out.
    pub fn flush_rejects(&self) -> Result<()> {
        self.rejects.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }

    /// Nothing shall be begun any more.
    pub fn ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst) || self.run.stop().is_raised()
    }

    /// What waits is not sent.
    pub fn abandon(&self) {
        self.ended.store(true, Ordering::SeqCst);
    }

    /// A worker failed: the others end too. The first error is kept.
    pub fn fail(&self, error: Error) {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.abandon();
    }

    /// The first error of a worker.
    pub fn take_error(&self) -> Result<()> {
        match self.error.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Says that something is tried again: the first time to everybody, then with `-v`.
    pub fn again(&self, text: String) {
        if self.warned.swap(true, Ordering::Relaxed) {
            self.run.info(text);
        } else {
            self.run.warn(text);
        }
    }

    /// Beginning and end of an outage: everybody sees the first few.
    pub fn tell(&self, text: String) {
        if self.told.fetch_add(1, Ordering::Relaxed) < 2 * TOLD {
            self.run.warn(text);
        } else {
            self.run.info(text);
        }
    }
}
