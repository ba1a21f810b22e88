//! Blocks through several threads with their order kept: one thread reads, some work, the caller's writes. Buffers go
//! round instead of being freed, and their number is bounded, so memory is too.
//!
//! Blocks are read, never mapped: a mapped file that someone truncates ends the process with SIGBUS, its pages count as
//! the process's memory, and standard input cannot be mapped at all.

use fault::{Error, Kind, Result};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

/// Blocks that wait for a worker and results that wait to be written, for each worker.
const DEPTH: usize = 1;

/// What goes from the reader through a worker to the writer: a block, the end, or an error in its place.
type Item<T> = Result<Option<T>>;

/// Where blocks come from.
pub trait Source<I> {
    /// Replaces what is in `block`, a new one or one of those before, by the next; false at the end.
    fn fill(&mut self, block: &mut I) -> Result<bool>;
}

/// Fills blocks from `source`, turns each into a result by one of the `workers`, and hands the
/// results to `sink` in the order of the blocks. Gives the source back.
///
/// With one worker everything happens in the calling thread. With more, the source has a thread of its own and so has
/// each worker; only `sink` runs in the caller's. An error of the source or of a worker arrives behind the results of the
/// blocks before it; an error of the sink ends all. Nobody waits for a source that is blocked in a read.
pub fn ordered<I, O, S, W>(mut source: S, mut workers: Vec<W>, mut sink: impl FnMut(&mut O) -> Result<()>) -> Result<S>
where
    I: Default + Send + 'static,
    O: Default + Send + 'static,
    S: Source<I> + Send + 'static,
    W: FnMut(&mut I, &mut O) -> Result<()> + Send + 'static,
{
    if let [work] = workers.as_mut_slice() {
        let (mut block, mut result) = (I::default(), O::default());
        while source.fill(&mut block)? {
            work(&mut block, &mut result)?;
            sink(&mut result)?;
        }
        return Ok(source);
    }
    let (used, free) = channel();
    let (inputs, outputs): (Vec<_>, Vec<_>) =
        workers.into_iter().map(|work| worker(work, used.clone())).collect::<Result<Vec<_>>>()?.into_iter().unzip();
    let reader = reader(source, inputs, free)?;
    // Block n is with worker n mod their number, so its result comes from there.
    for output in outputs.iter().cycle() {
        match output.results.recv() {
            Ok(Ok(Some(mut result))) => {
                sink(&mut result)?;
                // A worker that is gone needs no buffer.
                let _ = output.used.send(result);
            }
            Ok(Ok(None)) => break,
            Ok(Err(error)) => return Err(error),
            // The thread is gone without a last word: it panicked. Never a clean end.
            Err(_) => return Err(Error::new(Kind::Bug, "a working thread ended without a result")),
        }
    }
    // It has sent its last item and only returns.
    reader.join().map_err(|_| Error::new(Kind::Bug, "the reading thread ended without a result"))
}

/// The caller's end of a worker.
struct Output<O> {
    results: Receiver<Item<O>>,
    used: Sender<O>,
}

fn worker<I, O, W>(mut work: W, used_blocks: Sender<I>) -> Result<(SyncSender<Item<I>>, Output<O>)>
where
    I: Send + 'static,
    O: Default + Send + 'static,
    W: FnMut(&mut I, &mut O) -> Result<()> + Send + 'static,
{
    let (input, blocks) = sync_channel::<Item<I>>(DEPTH);
    let (output, results) = sync_channel::<Item<O>>(DEPTH);
    let (used, free) = channel::<O>();
    let run = move || {
        for item in blocks {
            let result = match item {
                Ok(Some(mut block)) => {
                    let mut result = free.try_recv().unwrap_or_default();
                    let done = work(&mut block, &mut result);
                    // A reader that is gone needs no buffer.
                    let _ = used_blocks.send(block);
                    done.map(|()| Some(result))
                }
                Ok(None) => Ok(None),
                Err(error) => Err(error),
            };
            if output.send(result).is_err() {
                return;
            }
        }
    };
    spawn("worker", run)?;
    Ok((input, Output { results, used }))
}

fn reader<I, S>(mut source: S, inputs: Vec<SyncSender<Item<I>>>, free: Receiver<I>) -> Result<JoinHandle<S>>
where
    I: Default + Send + 'static,
    S: Source<I> + Send + 'static,
{
    spawn("reader", move || {
        for input in inputs.iter().cycle() {
            let mut block = free.try_recv().unwrap_or_default();
            let item = source.fill(&mut block).map(|more| more.then_some(block));
            let last = !matches!(item, Ok(Some(_)));
            if input.send(item).is_err() || last {
                break;
            }
        }
        source
    })
}

fn spawn<T: Send + 'static>(name: &str, run: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>> {
    Builder::new().name(name.into()).spawn(run).map_err(|error| Error::io("cannot start a thread", error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    /// Counts up to `end`, then ends or fails.
    struct Counting {
        end: usize,
        fails: bool,
        made: Arc<AtomicUsize>,
    }

    impl Source<usize> for Counting {
        fn fill(&mut self, block: &mut usize) -> Result<bool> {
            *block = self.made.fetch_add(1, Ordering::SeqCst);
            match *block < self.end {
                false if self.fails => Err(Error::new(Kind::Incomplete, "cut")),
                more => Ok(more),
            }
        }
    }

    /// Slower for some blocks than for others.
    fn squaring(block: &mut usize, result: &mut usize) -> Result<()> {
        if block.is_multiple_of(3) {
            std::thread::sleep(Duration::from_micros(200));
        }
        assert!(*block != 1013, "unlucky");
        *result = *block * *block;
        if *block == 2013 { Err(Error::malformed("no square")) } else { Ok(()) }
    }

    fn run(end: usize, fails: bool, threads: usize, from: usize) -> (Vec<usize>, Result<()>) {
        let mut results = Vec::new();
        let made = Arc::new(AtomicUsize::new(from));
        let sink = |result: &mut usize| {
            results.push(*result);
            Ok(())
        };
        let done = ordered(Counting { end, fails, made }, vec![squaring; threads], sink).map(|_| ());
        (results, done)
    }

    #[test]
    fn results_arrive_in_order_whatever_the_number_of_threads() {
        for threads in [1, 2, 3, 7] {
            let (results, done) = run(100, false, threads, 0);
            done.unwrap();
            assert_eq!(results, (0..100).map(|n| n * n).collect::<Vec<_>>());
            assert!(run(0, false, threads, 0).0.is_empty());
        }
    }

    #[test]
    fn errors_come_in_their_place_and_panics_are_no_clean_end() {
        for threads in [1, 3] {
            let (results, done) = run(20, true, threads, 0);
            assert_eq!((results.len(), done.unwrap_err().kind()), (20, Kind::Incomplete));
            let (results, done) = run(9999, false, threads, 2000);
            assert_eq!((results.len(), done.unwrap_err().kind()), (13, Kind::Malformed));
        }
        assert_eq!(run(9999, false, 2, 1000).1.unwrap_err().kind(), Kind::Bug);
    }

    #[test]
    fn a_sink_that_stops_stops_the_source() {
        let made = Arc::new(AtomicUsize::new(0));
        let mut left = 5;
        let sink = |_: &mut usize| {
            left -= 1;
            if left == 0 { Err(Error::malformed("enough")) } else { Ok(()) }
        };
        let done = ordered(Counting { end: usize::MAX, fails: false, made: made.clone() }, vec![squaring; 2], sink);
        assert_eq!(done.err().unwrap().kind(), Kind::Malformed);
        std::thread::sleep(Duration::from_millis(50));
        // Per worker one waiting, one at work, one result waiting and one being sent; and one being read.
        assert!(made.load(Ordering::SeqCst) <= 5 + 2 * 4 + 1, "{made:?}");
    }
}
