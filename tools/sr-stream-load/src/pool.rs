//! Loads to workers, workers to the server.
//!
//! One thread reads and writes rows, the workers send. A worker has one load in flight and one is being filled for all of
//! them, so a slow server stops the reading, and memory is what the loads take.

use crate::args::{Naming, Plan};
use crate::chunk::Chunk;
use crate::deliver::Delivery;
use crate::fill::Into;
use crate::live::Live;
use cli::workers::Shared;
use fault::{Error, Kind, Result};
use net::batch::Spares;
use net::retry::Policy;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// The workers.
pub struct Pool {
    sender: Option<SyncSender<Chunk>>,
    /// The only load, where there may be one only: nothing is sent before it is known to be so.
    only: Option<Option<Chunk>>,
    workers: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
}

impl Pool {
    /// Starts the workers; none in a dry run.
    pub fn start(
        plan: &Plan,
        live: Option<&Live>,
        policy: Policy,
        shared: Arc<Shared>,
        spares: &Arc<Spares>,
    ) -> Result<Pool> {
        let only = matches!(plan.naming, Naming::One(_)).then_some(None);
        let mut pool = Pool { sender: None, only, workers: Vec::new(), shared };
        let Some(live) = live else { return Ok(pool) };
        let (sender, receiver) = sync_channel(0);
        let receiver = Arc::new(Mutex::new(receiver));
        pool.sender = Some(sender);
        for worker in 0..plan.workers {
            let (receiver, spares, shared) = (Arc::clone(&receiver), Arc::clone(spares), Arc::clone(&pool.shared));
            let delivery = Delivery::new(live.clone(), plan.naming.clone(), policy);
            let work = move || work(&receiver, delivery, &shared, &spares);
            let thread = std::thread::Builder::new().name(format!("load-{worker}")).spawn(work);
            pool.workers.push(thread.map_err(|error| Error::io("cannot start a thread", error))?);
        }
        Ok(pool)
    }

    /// Waits for the workers, and gives the first error of theirs.
    pub fn finish(mut self, abandon: bool) -> Result<()> {
        let only = self.only.take().flatten();
        // What fails from here on because it was abandoned is no reason for anything.
        let failed = self.shared.take_error();
        if abandon {
            self.shared.abandon();
        } else if let (Some(chunk), Some(sender)) = (only, &self.sender) {
            // If nobody takes it, a worker has failed and says why.
            let _ = sender.send(chunk);
        }
        self.sender = None;
        for worker in self.workers.drain(..) {
            if worker.join().is_err() {
                self.shared.fail(Error::new(Kind::Bug, "a loading thread panicked"));
            }
        }
        failed.and(if abandon { Ok(()) } else { self.shared.take_error() })
    }
}

impl Into for Pool {
    fn chunk(&mut self, chunk: Chunk) -> Result<()> {
        if let Some(only) = &mut self.only {
            if only.replace(chunk).is_some() {
                return Err(Error::usage(
                    "the input does not fit into one load, which --label is for: raise --batch-bytes, or use --txn or \
                     --label-prefix",
                ));
            }
            return Ok(());
        }
        match &self.sender {
            // Never shown: the worker's own error is.
            Some(sender) => sender.send(chunk).map_err(|_| Error::new(Kind::Target, "the loading threads have ended")),
            None => Ok(()),
        }
    }

    fn reject(&mut self, row: &[u8], reason: &str) -> Result<()> {
        self.shared.reject(row, reason)
    }
}

fn work(receiver: &Mutex<Receiver<Chunk>>, mut delivery: Delivery<Live>, shared: &Shared, spares: &Spares) {
    loop {
        let chunk = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(chunk) = chunk else { return };
        if shared.ended() {
            return;
        }
        if let Err(error) = delivery.deliver(&chunk) {
            shared.fail(error);
            return;
        }
        chunk.give_back(spares);
    }
}
