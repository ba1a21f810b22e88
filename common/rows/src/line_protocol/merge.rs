//! `--merge`: exports that write one line per field (influx_inspect, influxd inspect) back into one line per point.
//!
//! Lines of one series and time are joined as long as the first of them is among the last N points. Points leave in the
//! order in which they came in, so memory is bounded and order is kept.

use hashbrown::HashMap;
use lp::Line;
use std::collections::VecDeque;

/// Points that wait for more of their fields.
#[derive(Debug)]
pub(crate) struct Merge {
    window: usize,
    /// Bytes that may wait.
    max_bytes: usize,
    bytes: usize,
    points: VecDeque<Point>,
    /// Number of the first point in the queue, counted from the start.
    first: u64,
    index: HashMap<Key, u64>,
    /// Fields that came twice: the later one stays, as in the database.
    pub overwritten: u64,
    /// Points that left before the window was full, for want of memory.
    pub hurried: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    series: Box<[u8]>,
    time: i64,
}

/// One point: enough of it to be written as a line again.
#[derive(Debug)]
pub(crate) struct Point {
    key: Key,
    /// `key=value` as they stood in the lines.
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where its first line was.
    pub line: u64,
    pub offset: u64,
    bytes: usize,
}

impl Point {
    /// Appends it as a line, without line feed.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.key.series);
        for (i, (key, value)) in self.fields.iter().enumerate() {
            out.push(if i == 0 { b' ' } else { b',' });
            out.extend_from_slice(key);
            out.push(b'=');
            out.extend_from_slice(value);
        }
        out.push(b' ');
        out.extend_from_slice(itoa::Buffer::new().format(self.key.time).as_bytes());
    }
}

impl Merge {
    pub fn new(window: usize, max_bytes: usize) -> Merge {
        let (points, index) = (VecDeque::new(), HashMap::new());
        Merge { window: window.max(1), max_bytes, bytes: 0, points, first: 0, index, overwritten: 0, hurried: 0 }
    }

    /// Takes in the fields of a line that has a time.
    pub fn add(&mut self, line: &Line<'_>, time: i64, number: u64, offset: u64) {
        let mut series = Vec::new();
        lp::series::canonical(&mut series, line);
        let key = Key { series: series.into_boxed_slice(), time };
        let fields = line.fields().map(|(k, v)| (k.to_vec(), v.spelling()));
        let at = self.index.get(&key).and_then(|n| usize::try_from(n - self.first).ok());
        if let Some(point) = at.and_then(|at| self.points.get_mut(at)) {
            for (key, value) in fields {
                let more = key.len() + value.len();
                match point.fields.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, old)) => {
                        self.overwritten += 1;
                        *old = value;
                    }
                    None => point.fields.push((key, value)),
                }
                point.bytes += more;
                self.bytes += more;
            }
            return;
        }
        let fields: Vec<_> = fields.collect();
        let bytes = 2 * key.series.len() + fields.iter().map(|(k, v)| k.len() + v.len() + 48).sum::<usize>() + 128;
        self.bytes += bytes;
        self.index.insert(key.clone(), self.first + self.points.len() as u64);
        self.points.push_back(Point { key, fields, line: number, offset, bytes });
    }

    /// The oldest point, if the window or the memory is full, or if `all` are to leave.
    pub fn pop(&mut self, all: bool) -> Option<Point> {
        if !all && self.points.len() <= self.window && self.bytes <= self.max_bytes {
            return None;
        }
        let point = self.points.pop_front()?;
        self.hurried += u64::from(!all && self.points.len() < self.window);
        self.first += 1;
        self.index.remove(&point.key);
        self.bytes = self.bytes.saturating_sub(point.bytes);
        Some(point)
    }
}
