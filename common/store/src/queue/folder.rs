//! A queue in a folder: a message is a file, its state is the folder it lies in, and every change of state is one rename.
//!
//! ```text
//! new/NAME~COUNT             visible from its modification time on
//! taken/NAME~COUNT~TICKET    hidden until its modification time; the file's name is the receipt
//! dead/NAME~COUNT            buried, with the reason in NAME~COUNT.why
//! tmp/                       files that are still written
//! ```
//!
//! Any number of processes may work on one folder, also over a network file system, if their clocks agree within a fraction
//! of the visibility time. A process that dies leaves its messages in `taken/`; when their time is over, whoever looks next
//! moves them back. `COUNT` is how often the message was received; files that people drop into `new/` need none.

use super::{Ask, Held, Message, Queue};
use fault::{Error, Result};
use net::Stop;
use std::collections::{HashSet, VecDeque};
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Between two looks into the folder; the second one where it stays empty.
const LOOK: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(500)];

/// A folder that is a queue.
pub struct Folder {
    path: PathBuf,
    name: String,
    stop: Stop,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// What the last look found in `new/` and nobody has tried to take yet.
    names: VecDeque<String>,
    /// Messages that are not ours: they are not read again at every look.
    foreign: HashSet<String>,
}

/// `NAME~COUNT`; a file without a count was never received.
fn parts(file: &str) -> (&str, u32) {
    match file.rsplit_once('~') {
        Some((name, count)) if !name.is_empty() => count.parse().map_or((file, 0), |count| (name, count)),
        _ => (file, 0),
    }
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

impl Folder {
    /// Makes the folders that are not there.
    pub fn open(path: &Path, stop: Stop) -> Result<Folder> {
        for part in ["new", "taken", "dead", "tmp"] {
            let part = path.join(part);
            fs::create_dir_all(&part).map_err(|error| Error::io(format!("cannot make {}", part.display()), error))?;
        }
        Ok(Folder { path: path.to_owned(), name: format!("dir://{}", path.display()), stop, seen: Mutex::default() })
    }

    fn fail(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let text = format!("cannot {what} {}", path.display());
        move |error| Error::io(text, error)
    }

    /// The names in one of the folders.
    fn list(&self, folder: &str) -> Result<Vec<String>> {
        let path = self.path.join(folder);
        let mut names = Vec::new();
        for entry in fs::read_dir(&path).map_err(Self::fail("read", &path))? {
            let entry = entry.map_err(Self::fail("read", &path))?;
            match entry.file_name().into_string() {
                Ok(name) if !name.starts_with('.') => names.push(name),
                _ => {}
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Moves messages back whose time is over.
    fn take_back(&self) -> Result<()> {
        let now = SystemTime::now();
        for ticket in self.list("taken")? {
            let from = self.path.join("taken").join(&ticket);
            // Gone in the meantime: somebody has deleted it, or moved it back.
            let Some(hidden_until) = modified(&from)? else { continue };
            if hidden_until > now {
                continue;
            }
            let back = ticket.rsplit_once('~').map_or(ticket.as_str(), |(message, _)| message);
            rename(&from, &self.path.join("new").join(back))?;
        }
        Ok(())
    }

    /// Takes the next message that is visible and wanted, if there is one among those that were seen.
    fn take(&self, ask: &Ask) -> Result<Option<Message>> {
        loop {
            let next = self.seen().names.pop_front();
            let Some(file) = next else { return Ok(None) };
            let (name, count) = parts(&file);
            let path = self.path.join("new").join(&file);
            let now = SystemTime::now();
            match modified(&path)? {
                Some(visible) if visible <= now => {}
                _ => continue,
            }
            let Some(body) = read(&path)? else { continue };
            if !(ask.wanted)(&body) {
                self.seen().foreign.insert(file);
                continue;
            }
            let count = count.saturating_add(1);
            let receipt = format!("{name}~{count}~{:016x}", random());
            // Hidden before it is moved: in taken/ it must never be seen as one whose time is over.
            let hidden = File::open(&path).and_then(|file| file.set_modified(now + ask.visibility));
            match hidden {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                other => other.map_err(Self::fail("touch", &path))?,
            }
            if rename(&path, &self.path.join("taken").join(&receipt))? {
                return Ok(Some(Message { id: name.to_owned(), receipt, count, body }));
            }
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A receipt is a file's name in taken/ and nothing else.
    fn taken(&self, receipt: &str) -> Result<PathBuf> {
        if receipt.is_empty() || receipt.contains('/') || receipt.starts_with('.') {
            return Err(Error::usage(format!("'{receipt}' is no receipt of {}", self.name)));
        }
        Ok(self.path.join("taken").join(receipt))
    }
}

impl Queue for Folder {
    fn name(&self) -> &str {
        &self.name
    }

    fn receive(&self, ask: &Ask) -> Result<Vec<Message>> {
        let end = Instant::now() + ask.wait;
        let mut messages = Vec::new();
        let mut pause = LOOK[0];
        loop {
            while messages.len() < ask.max {
                match self.take(ask)? {
                    Some(message) => messages.push(message),
                    None => break,
                }
            }
            if messages.len() >= ask.max || (!messages.is_empty() && self.seen().names.is_empty()) {
                return Ok(messages);
            }
            self.take_back()?;
            let names = self.list("new")?;
            let fresh = {
                let mut seen = self.seen();
                let there: HashSet<&String> = names.iter().collect();
                seen.foreign.retain(|name| there.contains(name));
                seen.names = names.iter().filter(|name| !seen.foreign.contains(*name)).cloned().collect();
                !seen.names.is_empty()
            };
            if fresh && let Some(message) = self.take(ask)? {
                messages.push(message);
                continue;
            }
            if self.stop.is_raised() || Instant::now() >= end {
                return Ok(messages);
            }
            std::thread::sleep(pause.min(end.saturating_duration_since(Instant::now())));
            pause = (pause * 2).min(LOOK[1]);
        }
    }

    fn visible_in(&self, receipt: &str, time: Duration) -> Result<Held> {
        let path = self.taken(receipt)?;
        let touched = File::open(&path).and_then(|file| file.set_modified(SystemTime::now() + time));
        match touched {
            // Touched, but under which name? Whoever found its time over may just have moved it.
            Ok(()) => Ok(if modified(&path)?.is_some() { Held::Yes } else { Held::Lost }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Held::Lost),
            Err(error) => Err(Self::fail("touch", &path)(error)),
        }
    }

    fn delete(&self, receipts: &[&str]) -> Result<Vec<Held>> {
        let mut held = Vec::with_capacity(receipts.len());
        for receipt in receipts {
            let path = self.taken(receipt)?;
            held.push(match fs::remove_file(&path) {
                Ok(()) => Held::Yes,
                Err(error) if error.kind() == ErrorKind::NotFound => Held::Lost,
                Err(error) => return Err(Self::fail("remove", &path)(error)),
            });
        }
        Ok(held)
    }

    fn send(&self, body: &str) -> Result<String> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Sorted by time, as a person who looks into the folder expects.
        let name = format!("{:016}-{:016x}", since.as_micros(), random());
        let temporary = self.path.join("tmp").join(&name);
        let path = self.path.join("new").join(&name);
        File::create(&temporary)
            .and_then(|mut file| file.write_all(body.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&temporary, &path))
            .and_then(|()| File::open(self.path.join("new"))?.sync_all())
            .map_err(Self::fail("write", &path))?;
        Ok(name)
    }

    fn bury(&self, message: &Message, reason: &str) -> Result<bool> {
        let from = self.taken(&message.receipt)?;
        let to = self.path.join("dead").join(format!("{}~{}", message.id, message.count));
        // The reason first: a dead message without one would be a riddle, a reason without its message is not.
        let why = to.with_file_name(format!("{}~{}.why", message.id, message.count));
        fs::write(&why, format!("{reason}\n")).map_err(Self::fail("write", &why))?;
        if !rename(&from, &to)? {
            fs::remove_file(&why).map_err(Self::fail("remove", &why))?;
        }
        Ok(true)
    }
}

/// `None`: it is not there.
fn modified(path: &Path) -> Result<Option<SystemTime>> {
    match fs::metadata(path).and_then(|meta| meta.modified()) {
        Ok(time) => Ok(Some(time)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Folder::fail("look at", path)(error)),
    }
}

/// `None`: it is not there. What is not UTF-8 is no event; whoever decodes it will say so.
fn read(path: &Path) -> Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Folder::fail("read", path)(error)),
    }
}

/// `false`: it is not there any more; of several processes that try, one gets true.
fn rename(from: &Path, to: &Path) -> Result<bool> {
    match fs::rename(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Folder::fail("move", from)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn ask(max: usize, visibility: u64) -> Ask<'static> {
        Ask { max, wait: Duration::ZERO, visibility: Duration::from_millis(visibility), wanted: &|_| true }
    }

    fn folder() -> (testkit::tempfile::TempDir, Folder) {
        let dir = testkit::temp_dir();
        let folder = Folder::open(dir.path(), Stop::default()).unwrap();
        (dir, folder)
    }

    #[test]
    fn a_message_is_hidden_comes_back_and_is_counted() {
        let (_dir, queue) = folder();
        let id = queue.send("hello").unwrap();
        let first = queue.receive(&ask(10, 60_000)).unwrap();
        assert_eq!(
            first,
            [Message { id: id.clone(), receipt: first[0].receipt.clone(), count: 1, body: "hello".into() }]
        );
        assert!(queue.receive(&ask(10, 60_000)).unwrap().is_empty());
        // Given back: the old receipt is worth nothing any more.
        assert_eq!(queue.visible_in(&first[0].receipt, Duration::ZERO).unwrap(), Held::Yes);
        let second = queue.receive(&ask(10, 60_000)).unwrap();
        assert_eq!((second[0].count, second[0].id.as_str()), (2, id.as_str()));
        assert_eq!(queue.delete(&[&first[0].receipt]).unwrap(), [Held::Lost]);
        assert_eq!(queue.visible_in(&first[0].receipt, Duration::ZERO).unwrap(), Held::Lost);
        assert_eq!(queue.delete(&[&second[0].receipt]).unwrap(), [Held::Yes]);
        assert!(queue.receive(&ask(10, 0)).unwrap().is_empty());
    }

    #[test]
    fn a_time_that_is_over_gives_the_message_to_others_unless_it_is_made_longer() {
        let (_dir, queue) = folder();
        queue.send("x").unwrap();
        let first = queue.receive(&ask(1, 300)).unwrap().remove(0);
        assert_eq!(queue.visible_in(&first.receipt, Duration::from_secs(60)).unwrap(), Held::Yes);
        std::thread::sleep(Duration::from_millis(350));
        assert!(queue.receive(&ask(1, 300)).unwrap().is_empty());
        queue.visible_in(&first.receipt, Duration::from_millis(1)).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let second = queue.receive(&Ask { wait: Duration::from_secs(5), ..ask(1, 300) }).unwrap().remove(0);
        assert_eq!((second.count, second.id), (2, first.id));
    }

    #[test]
    fn what_is_not_wanted_stays_where_it_is() {
        let (dir, queue) = folder();
        for body in ["a1", "b1", "a2"] {
            queue.send(body).unwrap();
        }
        let wanted: &(dyn Fn(&str) -> bool + Sync) = &|body| body.starts_with('a');
        let got = queue.receive(&Ask { wanted, ..ask(10, 60_000) }).unwrap();
        assert_eq!(got.iter().map(|m| m.body.as_str()).collect::<Vec<_>>(), ["a1", "a2"]);
        assert_eq!(fs::read_dir(dir.path().join("new")).unwrap().count(), 1);
        let other = Folder::open(dir.path(), Stop::default()).unwrap();
        assert_eq!(other.receive(&ask(10, 1)).unwrap()[0].count, 1);
    }

    #[test]
    fn buried_messages_are_kept_with_their_reason_and_dropped_files_are_messages() {
        let (dir, queue) = folder();
        fs::write(dir.path().join("new/by hand.json"), "{}").unwrap();
        fs::write(dir.path().join("new/.part"), "half").unwrap();
        let message = queue.receive(&ask(10, 60_000)).unwrap().remove(0);
        assert_eq!((message.id.as_str(), message.count), ("by hand.json", 1));
        assert!(queue.bury(&message, "no event").unwrap());
        assert_eq!(fs::read_to_string(dir.path().join("dead/by hand.json~1")).unwrap(), "{}");
        assert_eq!(fs::read_to_string(dir.path().join("dead/by hand.json~1.why")).unwrap(), "no event\n");
        assert!(queue.receive(&ask(10, 0)).unwrap().is_empty());
        for receipt in ["", "../new/x", "a/b", ".."] {
            assert!(queue.delete(&[receipt]).is_err(), "{receipt}");
        }
    }

    #[test]
    fn many_takers_never_hold_the_same_message_and_none_is_lost() {
        let (dir, queue) = folder();
        let sent: BTreeSet<String> = (0..400).map(|_| queue.send("x").unwrap()).collect();
        let held = Mutex::new(HashSet::new());
        let done = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let (held, done, dir) = (&held, &done, dir.path());
                scope.spawn(move || {
                    let queue = Folder::open(dir, Stop::default()).unwrap();
                    let mut turn = worker;
                    loop {
                        let got = queue.receive(&ask(7, 60_000)).unwrap();
                        if got.is_empty() && queue.list("new").unwrap().is_empty() {
                            break;
                        }
                        for message in got {
                            assert!(held.lock().unwrap().insert(message.id.clone()), "{message:?} is worked on twice");
                            std::thread::yield_now();
                            held.lock().unwrap().remove(&message.id);
                            turn += 1;
                            // Every fifth is given back, as a worker that fails does.
                            if turn % 5 == 0 && message.count < 3 {
                                queue.visible_in(&message.receipt, Duration::ZERO).unwrap();
                                queue.take_back().unwrap();
                            } else {
                                assert_eq!(queue.delete(&[&message.receipt]).unwrap(), [Held::Yes]);
                                done.lock().unwrap().push(message.id);
                            }
                        }
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap();
        while let Some(message) = queue.receive(&ask(1, 60_000)).unwrap().pop() {
            queue.delete(&[&message.receipt]).unwrap();
            done.push(message.id);
        }
        assert_eq!(done.len(), sent.len());
        assert_eq!(done.into_iter().collect::<BTreeSet<_>>(), sent);
    }
}
