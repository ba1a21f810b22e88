//! Keeping a message hidden while it is worked on.

use std::time::{Duration, Instant};
use store::queue::{Held, Queue};

/// A message is ours until `ends`; [`Lease::keep`] moves that end again and again, every third of the visibility time.
pub struct Lease<'a> {
    queue: &'a dyn Queue,
    receipt: &'a str,
    visibility: Duration,
    next: Instant,
    ends: Instant,
}

impl<'a> Lease<'a> {
    /// `since`: when the message was received, or a moment before.
    pub fn new(queue: &'a dyn Queue, receipt: &'a str, visibility: Duration, since: Instant) -> Lease<'a> {
        Lease { queue, receipt, visibility, next: since + visibility / 3, ends: since + visibility }
    }

    /// To be called often. The reason, once the message is not ours any more, or may not be.
    pub fn keep(&mut self) -> Result<(), String> {
        let now = Instant::now();
        if now < self.next {
            return Ok(());
        }
        match self.queue.visible_in(self.receipt, self.visibility) {
            Ok(Held::Yes) => {
                self.next = now + self.visibility / 3;
                self.ends = now + self.visibility;
                Ok(())
            }
            Ok(Held::Lost) => Err("its visibility time was over".to_owned()),
            // Until the time is nearly over it is still ours: the next attempt may go through.
            Err(error) if Instant::now() + self.visibility / 10 >= self.ends => {
                Err(format!("it could not be kept hidden: {error}"))
            }
            Err(_) => {
                self.next = Instant::now() + self.visibility / 20;
                Ok(())
            }
        }
    }
}
