//! Asking for the next raw block as soon as one has come (2.1): the server works on it while this one is decoded and
//! written. Never for more than [`WAITING`] blocks that nobody has taken: what is not taken is not asked for.

use crate::reply::raw_block;
use crate::request;
use net::Bytes;
use net::ws::Follow;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Blocks that came and were not taken, when one more is asked for. Who wants one reads it, so that more than one waits
/// only while that thread is away for long (a full pipe).
const WAITING: usize = 4;
/// Larger blocks are asked for only when the one before was taken: they cost much memory.
const LARGEST: usize = 1 << 20;

/// The fetches of one result.
pub(crate) struct Ahead {
    result: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Requests whose replies were not taken yet.
    asked: VecDeque<u64>,
    /// Blocks that came and were not taken yet.
    waiting: usize,
}

impl State {
    fn ask(&mut self, result: u64) -> Bytes {
        let id = request::req_id();
        self.asked.push_back(id);
        request::fetch_raw_block(id, result).into()
    }
}

impl Ahead {
    /// Of this result; and the first request.
    pub fn start(result: u64) -> (Arc<Ahead>, Bytes) {
        let mut state = State::default();
        let first = state.ask(result);
        (Arc::new(Ahead { result, state: Mutex::new(state) }), first)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the connection does with the frames that come.
    pub fn follow(self: &Arc<Ahead>) -> Follow {
        let ahead = Arc::clone(self);
        Box::new(move |frame| ahead.came(frame))
    }

    /// A frame has come. Gives the next request, if it shall be sent now.
    fn came(&self, frame: &Bytes) -> Option<Bytes> {
        // The end, an error or damage: there is nothing more to ask for.
        raw_block(frame).ok()?.block?;
        let mut state = self.state();
        state.waiting += 1;
        (state.waiting <= WAITING && frame.len() <= LARGEST).then(|| state.ask(self.result))
    }

    /// The caller takes the oldest reply: the number of its request. None if none was asked for.
    pub fn take(&self) -> Option<u64> {
        self.state().asked.pop_front()
    }

    /// What was taken is a block. Gives the next request, if it was not sent yet.
    pub fn block(&self) -> Option<Bytes> {
        let mut state = self.state();
        state.waiting = state.waiting.saturating_sub(1);
        state.asked.is_empty().then(|| state.ask(self.result))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reply to the request `id`: a block of so many bytes, or the end.
    fn reply(id: u64, block: Option<usize>) -> Bytes {
        let mut frame = [u64::MAX.to_le_bytes(), 7_u64.to_le_bytes()].concat();
        frame.extend_from_slice(&1_u16.to_le_bytes());
        frame.extend_from_slice(&[0; 8]);
        frame.extend_from_slice(&id.to_le_bytes());
        frame.extend_from_slice(&[0; 4 + 4 + 8]);
        frame.push(u8::from(block.is_none()));
        if let Some(size) = block {
            frame.extend_from_slice(&(size as u32).to_le_bytes());
            frame.resize(frame.len() + size, 0);
        }
        frame.into()
    }

    fn id(request: &Bytes) -> u64 {
        u64::from_le_bytes(request[..8].try_into().unwrap())
    }

    #[test]
    fn a_few_blocks_are_asked_for_ahead_and_no_more() {
        let (ahead, first) = Ahead::start(9);
        let (mut follow, mut asked) = (ahead.follow(), vec![first]);
        // The caller is slow: after so many nothing more is asked for.
        while let Some(next) = follow(&reply(id(&asked[asked.len() - 1]), Some(10))) {
            assert_eq!(next[8..16], 9_u64.to_le_bytes());
            asked.push(next);
        }
        assert_eq!(asked.len(), WAITING + 1);
        for (at, request) in asked.iter().enumerate() {
            assert_eq!(ahead.take(), Some(id(request)));
            if at < WAITING {
                assert_eq!(ahead.block(), None);
            }
        }
        let next = ahead.block().expect("nobody has asked");
        assert_eq!(follow(&reply(id(&next), None)), None);
        assert_eq!((ahead.take(), ahead.take()), (Some(id(&next)), None));
    }

    #[test]
    fn large_blocks_are_asked_for_by_who_takes_them() {
        let (ahead, first) = Ahead::start(1);
        assert_eq!(ahead.came(&reply(id(&first), Some(LARGEST))), None);
        assert_eq!(ahead.take(), Some(id(&first)));
        assert!(ahead.block().is_some());
    }

    #[test]
    fn errors_and_damage_end_the_asking() {
        let (ahead, first) = Ahead::start(1);
        let mut failed = reply(id(&first), Some(10)).to_vec();
        failed[34] = 1;
        for frame in [Bytes::from(failed), Bytes::from_static(b"short"), Bytes::new()] {
            assert_eq!(ahead.came(&frame), None);
        }
    }
}
