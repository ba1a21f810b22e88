//! `experimental.snapshot.enable`: first everything that is there, then the changes.

use std::collections::VecDeque;

use super::super::changelog::{Change, Created};
use super::super::exec::topic;
use super::super::topic::{Carries, Reads};
use super::message::{Kind, Message, View};

/// What stands for an offset while the snapshot is read: the error code 0x4006 as a number (recorded).
pub const OFFSET: i64 = 0x8000_4006_u32 as i32 as i64;

impl View<'_> {
    /// The messages of a vgroup's present content: the schemas when the topic carries them, then the rows.
    pub fn snapshot(&self, place: usize) -> VecDeque<Message> {
        let mut messages = VecDeque::new();
        let tables = || self.database.tables().iter().filter(|t| self.database.place(&t.name) == place);
        let own = |name: &str| !matches!(&self.topic.reads, Reads::Stable(stable, _) if stable != name);
        if self.topic.carries != Carries::Data {
            for stable in self.database.stables.iter().filter(|s| own(&s.name)) {
                messages.push_back(Message::meta(OFFSET, OFFSET, Change::CreateStable(stable.clone())));
            }
            for table in tables().filter(|t| topic::concerns(self.topic, t)) {
                let created = Change::Create(Box::new(Created::of(table)));
                messages.push_back(Message::meta(OFFSET, OFFSET, created));
            }
        }
        let named = !matches!(self.topic.reads, Reads::Query(_));
        let mut rows = 0;
        for block in tables().flat_map(|t| self.present(t)) {
            if rows == 0 || rows >= 4096 {
                let (blocks, created) = (Vec::new(), Vec::new());
                let (start, end) = (OFFSET, OFFSET);
                messages.push_back(Message { kind: Kind::Data, start, end, blocks, meta: None, created, named });
                rows = 0;
            }
            rows += block.chunk.rows;
            if let Some(message) = messages.back_mut() {
                message.blocks.push(block);
            }
        }
        messages
    }
}
