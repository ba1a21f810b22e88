//! Joining readers and writers: a reader in a thread of its own, and the loop that copies.

use crate::{Reader, RecordBatch, SchemaRef, Writer};
use fault::{Error, Kind, Result};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

/// Batches between two threads: one being made, one being used, these waiting.
const DEPTH: usize = 2;

/// Runs `reader` in a thread; batches come through a channel of depth 2. Dropping the result stops the reader at its
/// next batch (a reader that waits for its input ends when that does; nobody waits for it).
pub fn threaded(reader: Box<dyn Reader>) -> Box<dyn Reader> {
    let schema = reader.schema();
    let (sender, receiver) = sync_channel(DEPTH);
    let spawned = std::thread::Builder::new().name("reader".into()).spawn(move || {
        let mut reader = reader;
        loop {
            let item = reader.next();
            let last = !matches!(item, Ok(Some(_)));
            if sender.send(item).is_err() || last {
                return;
            }
        }
    });
    Box::new(match spawned {
        Ok(thread) => Threaded { schema, receiver: Some(receiver), thread: Some(thread), failed: None },
        Err(error) => {
            Threaded { schema, receiver: None, thread: None, failed: Some(Error::io("cannot start a thread", error)) }
        }
    })
}

struct Threaded {
    schema: SchemaRef,
    /// `None` once the end or an error was given.
    receiver: Option<Receiver<Result<Option<RecordBatch>>>>,
    thread: Option<JoinHandle<()>>,
    failed: Option<Error>,
}

impl Reader for Threaded {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let Some(receiver) = &self.receiver else { return Ok(None) };
        let item = match receiver.recv() {
            Ok(item) => item,
            // The thread is gone without a last word: it panicked. Never a clean end.
            Err(_) => Err(Error::new(Kind::Bug, "the reading thread ended without a result")),
        };
        if !matches!(item, Ok(Some(_))) {
            self.receiver = None;
            if let Some(thread) = self.thread.take() {
                // It has sent its last item: this does not wait, and a panic was told above.
                let _ = thread.join();
            }
        }
        item
    }
}

/// Copies every batch and finishes the writer. `each` is called with every batch before it is written: it counts, and
/// stops the copy with an error (a signal). On any error the writer is dropped unfinished.
pub fn copy(
    reader: &mut dyn Reader,
    mut writer: Box<dyn Writer>,
    mut each: impl FnMut(&RecordBatch) -> Result<()>,
) -> Result<()> {
    while let Some(batch) = reader.next()? {
        each(&batch)?;
        writer.write(&batch)?;
    }
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Int64Array;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Counting {
        at: i64,
        end: i64,
        made: Arc<AtomicUsize>,
        fails: bool,
    }

    impl Reader for Counting {
        fn schema(&self) -> SchemaRef {
            batch(0).schema()
        }

        fn next(&mut self) -> Result<Option<RecordBatch>> {
            if self.at == self.end {
                assert!(self.end != 13, "unlucky");
                return if self.fails { Err(Error::new(Kind::Incomplete, "cut")) } else { Ok(None) };
            }
            self.at += 1;
            self.made.fetch_add(1, Ordering::SeqCst);
            Ok(Some(batch(self.at)))
        }
    }

    fn batch(n: i64) -> RecordBatch {
        RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![n])) as _)]).unwrap()
    }

    fn counting(end: i64, fails: bool) -> (Box<dyn Reader>, Arc<AtomicUsize>) {
        let made = Arc::new(AtomicUsize::new(0));
        (Box::new(Counting { at: 0, end, made: made.clone(), fails }), made)
    }

    #[test]
    fn batches_arrive_in_order_and_the_end_is_clean() {
        let mut reader = threaded(counting(50, false).0);
        for n in 1..=50 {
            assert_eq!(reader.next().unwrap(), Some(batch(n)));
        }
        assert!(reader.next().unwrap().is_none() && reader.next().unwrap().is_none());
    }

    #[test]
    fn errors_and_panics_are_no_clean_end() {
        let mut reader = threaded(counting(1, true).0);
        assert!(reader.next().unwrap().is_some());
        assert_eq!(reader.next().unwrap_err().kind(), Kind::Incomplete);
        let mut reader = threaded(counting(13, false).0);
        let error = std::iter::from_fn(|| Some(reader.next())).find_map(|item| item.err());
        assert_eq!(error.unwrap().kind(), Kind::Bug);
    }

    #[test]
    fn a_dropped_consumer_stops_the_reader() {
        let (reader, made) = counting(1_000_000, false);
        let mut reader = threaded(reader);
        reader.next().unwrap();
        drop(reader);
        std::thread::sleep(std::time::Duration::from_millis(50));
        // One used, two in the channel, one in the sender's hand.
        assert!(made.load(Ordering::SeqCst) <= 5, "{made:?}");
    }
}
