//! Lines into batches, batches to workers, workers to the server.
//!
//! One thread reads and checks, the workers compress and send. Everything between them is bounded: a worker has one
//! batch in flight, one is being filled for it, and at most one waits. A slow server therefore stops the reading.

use crate::args::{Order, Plan};
use crate::deliver::Delivery;
use crate::live::Live;
use cli::workers::Shared;
use fault::{Error, Kind, Result};
use net::batch::{Batch, Builder, Spares};
use net::retry::Policy;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// The workers, and the batches that are being filled for them.
pub struct Pool {
    lanes: Vec<Lane>,
    workers: Vec<JoinHandle<()>>,
    rows: usize,
    bytes: usize,
    spares: Arc<Spares>,
    shared: Arc<Shared>,
}

/// A batch being filled and the way to who sends it. With `--order series` each worker has its own lane, and a series
/// always takes the same one; with `none` all workers share a lane.
struct Lane {
    filling: Builder,
    sender: SyncSender<Batch>,
    /// Something was sent already.
    begun: bool,
}

impl Pool {
    /// Starts the workers.
    pub fn start(plan: &Plan, order: Order, shared: Arc<Shared>, live: &Live, policy: Policy) -> Result<Pool> {
        let (rows, bytes, spares) = (plan.batch_rows, plan.batch_bytes, Arc::default());
        let mut pool = Pool { lanes: Vec::new(), workers: Vec::new(), rows, bytes, spares, shared };
        let lanes = if order == Order::Series { plan.workers } else { 1 };
        for lane in 0..lanes {
            let (sender, receiver) = sync_channel(plan.waiting);
            let receiver = Arc::new(Mutex::new(receiver));
            pool.lanes.push(Lane { filling: Builder::default(), sender, begun: false });
            for worker in (lane..plan.workers).step_by(lanes) {
                let (receiver, live, shared) = (Arc::clone(&receiver), live.clone(), Arc::clone(&pool.shared));
                let spares = Arc::clone(&pool.spares);
                let work = move || work(&receiver, live, policy, &shared, &spares);
                let thread = std::thread::Builder::new().name(format!("send-{worker}")).spawn(work);
                pool.workers.push(thread.map_err(|e| Error::io("cannot start a thread", e))?);
            }
        }
        Ok(pool)
    }

    /// Adds a line of the series with this hash. Waits for a worker where a batch is full. An error means that a worker
    /// failed: [`Pool::finish`] says why.
    #[inline]
    pub fn push(&mut self, series: u64, line: &[u8]) -> Result<()> {
        // The upper half of the product: a remainder would take a division.
        let index = ((u128::from(series) * self.lanes.len() as u128) >> 64) as usize;
        let Some(lane) = self.lanes.get_mut(index) else { return Err(gone()) };
        if lane.filling.lines() > 0 && lane.filling.bytes() + line.len() >= self.bytes {
            lane.send(&self.spares)?;
        }
        lane.filling.push(line);
        if lane.filling.lines() >= self.rows { lane.send(&self.spares) } else { Ok(()) }
    }

    /// Sends what is left (unless `abandon`), waits for the workers, and gives the first error of theirs.
    pub fn finish(mut self, abandon: bool) -> Result<()> {
        if !abandon {
            self.gather();
            for lane in &mut self.lanes {
                if lane.filling.lines() > 0 && lane.send(&self.spares).is_err() {
                    break;
                }
            }
        } else {
            self.shared.abandon();
        }
        self.lanes.clear();
        for worker in self.workers.drain(..) {
            if worker.join().is_err() {
                self.shared.fail(Error::new(Kind::Bug, "a sending thread panicked"));
            }
        }
        self.shared.take_error()
    }
}

impl Pool {
    /// Small inputs go as one request: what lanes hold that have sent nothing yet may take any way.
    fn gather(&mut self) {
        let mut fresh = self.lanes.iter_mut().filter(|lane| !lane.begun && lane.filling.lines() > 0);
        let Some(first) = fresh.next() else { return };
        for lane in fresh {
            let (lines, bytes) =
                (first.filling.lines() + lane.filling.lines(), first.filling.bytes() + lane.filling.bytes());
            if lines <= self.rows && bytes <= self.bytes {
                first.filling.append(&mut lane.filling);
            }
        }
    }
}

impl Lane {
    #[inline(never)]
    fn send(&mut self, spares: &Spares) -> Result<()> {
        self.begun = true;
        self.sender.send(self.filling.take(spares)).map_err(|_| gone())
    }
}

/// Never shown: the worker's own error is.
fn gone() -> Error {
    Error::new(Kind::Target, "the sending threads have ended")
}

fn work(receiver: &Mutex<Receiver<Batch>>, live: Live, policy: Policy, shared: &Shared, spares: &Spares) {
    let mut delivery = Delivery::new(live, policy);
    loop {
        let batch = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = batch else { return };
        if shared.ended() {
            return;
        }
        if let Err(error) = delivery.deliver(&batch) {
            shared.fail(error);
            return;
        }
        spares.put(batch);
    }
}
