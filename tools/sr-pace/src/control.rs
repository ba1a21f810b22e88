//! The controller: one more after three quiet looks, half at a sign of trouble. A pure function of the looks, so that a tape
//! gives the same decisions every time. Source: "dossier starrocks 7".

use crate::args::Marks;
use crate::sample::{Node, Sample};
use std::collections::HashMap;

/// Quiet looks in a row that it takes for one more; looks in a row that a queue must grow; looks after a halving during
/// which its effect is waited for.
const THREE: u32 = 3;

/// How the best latency is forgotten with every look: what was once fast need not be so for ever.
const FORGET: f64 = 1.02;

/// Our own work counts for latency from so many ends on.
const ENOUGH: u64 = 3;

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub from: u32,
    pub to: u32,
    /// `raise`, `halve`, `keep`.
    pub what: &'static str,
    pub why: String,
}

/// The controller's memory.
pub struct Controller {
    marks: Marks,
    floor: u32,
    ceiling: u32,
    now: u32,
    quiet: u32,
    /// Looks until the next halving, and until quiet ones count again.
    waiting: u32,
    /// A node's publish queue at the last look, and how often it has grown in a row.
    queues: HashMap<String, (f64, u32)>,
    best: Option<f64>,
}

impl Controller {
    pub fn new(marks: Marks, floor: u32, ceiling: u32, start: u32) -> Controller {
        Controller { marks, floor, ceiling, now: start, quiet: 0, waiting: 0, queues: HashMap::new(), best: None }
    }

    /// Judges a look.
    pub fn decide(&mut self, sample: &Sample) -> Decision {
        let queue = self.queue(sample);
        let latency = self.latency(sample);
        let waited = self.waiting;
        self.waiting = waited.saturating_sub(1);
        if sample.failed > 0 {
            // Whatever else is said: work that failed after its own retries must not wait for anybody's effect.
            return self.halve(format!("{} of our own work failed", sample.failed));
        }
        let high = sample.nodes.iter().find_map(|node| self.high(node)).or(queue).or(latency);
        if let Some(why) = high {
            if waited > 0 {
                self.quiet = 0;
                return self.keep(format!("waiting for the effect of the last halving: {why}"));
            }
            return self.halve(why);
        }
        if !sample.nodes.is_empty() && !sample.silent.is_empty() {
            self.quiet = 0;
            return self.keep(format!("no metrics of {}", sample.silent.join(", ")));
        }
        if sample.nodes.is_empty() && sample.ended == 0 {
            return self.keep("no metrics, and none of our own work has ended".to_owned());
        }
        if let Some(why) = sample.nodes.iter().find_map(|node| self.busy(node)) {
            self.quiet = 0;
            return self.keep(why);
        }
        self.quiet += 1;
        let by = if sample.nodes.is_empty() { "by latency and errors alone" } else { "below the low mark" };
        if self.quiet < THREE {
            return self.keep(format!("quiet for {} of {THREE} looks, {by}", self.quiet));
        }
        if self.now >= self.ceiling {
            return self.keep(format!("quiet, {by}; at the ceiling"));
        }
        self.quiet = 0;
        let from = self.now;
        self.now += 1;
        Decision { from, to: self.now, what: "raise", why: format!("quiet for {THREE} looks, {by}") }
    }

    fn keep(&self, why: String) -> Decision {
        Decision { from: self.now, to: self.now, what: "keep", why }
    }

    fn halve(&mut self, why: String) -> Decision {
        self.quiet = 0;
        self.waiting = THREE;
        let from = self.now;
        self.now = (from / 2).max(self.floor);
        if self.now == from {
            self.keep(format!("{why}; at the floor"))
        } else {
            Decision { from, to: self.now, what: "halve", why }
        }
    }

    /// Why a node bears no more.
    fn high(&self, node: &Node) -> Option<String> {
        let marks = &self.marks;
        if node.alive == Some(false) {
            return Some(format!("{} is not alive", node.name));
        }
        let over = |what: &str, value: Option<f64>, mark: f64, unit: &str| {
            let value = value.filter(|value| *value > mark)?;
            Some(format!("{}: {what} {value:.0}{unit} is above {mark:.0}{unit}", node.name))
        };
        over("memory", node.memory, marks.max_memory, " %")
            .or_else(|| over("cpu", node.cpu, marks.max_cpu, " %"))
            .or_else(|| over("disk utilisation", node.io, marks.max_io, " %"))
            .or_else(|| over("disk fill", node.disk, marks.max_disk, " %"))
            .or_else(|| over("compaction score", node.compaction, marks.max_compaction, ""))
    }

    /// Why a node need not get more. The fill of a disk is no load: it counts at its high mark only.
    fn busy(&self, node: &Node) -> Option<String> {
        let low = self.marks.low;
        let over = |what: &str, value: Option<f64>, mark: f64, unit: &str| {
            let value = value.filter(|value| *value >= mark)?;
            Some(format!("{}: {what} {value:.0}{unit} is not below {mark:.0}{unit}", node.name))
        };
        over("memory", node.memory, low, " %")
            .or_else(|| over("cpu", node.cpu, low, " %"))
            .or_else(|| over("disk utilisation", node.io, low, " %"))
            .or_else(|| over("compaction score", node.compaction, self.marks.max_compaction * low / 100.0, ""))
    }

    /// A publish queue that has grown three times in a row.
    fn queue(&mut self, sample: &Sample) -> Option<String> {
        let mut grown = None;
        for node in &sample.nodes {
            let Some(length) = node.publish else { continue };
            let entry = self.queues.entry(node.name.clone()).or_insert((length, 0));
            entry.1 = if length > entry.0 { entry.1 + 1 } else { 0 };
            entry.0 = length;
            if entry.1 >= THREE {
                grown =
                    Some(format!("{}: the publish queue has grown for {} looks, to {length:.0}", node.name, entry.1));
            }
        }
        grown
    }

    /// Our own work takes so much longer than at its best.
    fn latency(&mut self, sample: &Sample) -> Option<String> {
        let p95 = sample.p95.filter(|_| sample.ended >= ENOUGH)?;
        let best = self.best.map_or(p95, |best| (best * FORGET).min(p95));
        self.best = Some(best);
        (p95 > best * self.marks.max_latency)
            .then(|| format!("our own 95th percentile is {p95:.1} s, {:.1} times its best", p95 / best))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controller(start: u32) -> Controller {
        let marks = Marks {
            max_memory: 80.0,
            max_cpu: 85.0,
            max_io: 90.0,
            max_disk: 85.0,
            max_compaction: 100.0,
            max_latency: 2.0,
            low: 60.0,
        };
        Controller::new(marks, 1, 16, start)
    }

    fn node() -> Node {
        Node { name: "target be1".into(), memory: Some(30.0), cpu: Some(20.0), ..Node::default() }
    }

    fn of(node: Node) -> Sample {
        Sample { nodes: vec![node], ..Sample::default() }
    }

    #[test]
    fn three_quiet_looks_are_one_more_up_to_the_ceiling() {
        let mut controller = controller(14);
        let steps: Vec<u32> = (0..12).map(|_| controller.decide(&of(node())).to).collect();
        assert_eq!(steps, [14, 14, 15, 15, 15, 16, 16, 16, 16, 16, 16, 16]);
    }

    #[test]
    fn every_high_mark_halves_once_and_its_effect_is_waited_for() {
        let marks: [(&str, Node); 6] = [
            ("memory 81 %", Node { memory: Some(81.0), ..node() }),
            ("cpu 86 %", Node { cpu: Some(86.0), ..node() }),
            ("disk utilisation 91 %", Node { io: Some(91.0), ..node() }),
            ("disk fill 86 %", Node { disk: Some(86.0), ..node() }),
            ("compaction score 101", Node { compaction: Some(101.0), ..node() }),
            ("not alive", Node { alive: Some(false), ..node() }),
        ];
        for (said, high) in marks {
            let mut controller = controller(9);
            let first = controller.decide(&of(high.clone()));
            assert_eq!((first.what, first.from, first.to), ("halve", 9, 4));
            assert!(first.why.contains(said), "{}", first.why);
            let next: Vec<u32> = (0..4).map(|_| controller.decide(&of(high.clone())).to).collect();
            assert_eq!(next, [4, 4, 4, 2], "{said}");
        }
    }

    #[test]
    fn between_the_marks_nothing_changes() {
        let mut controller = controller(4);
        controller.decide(&of(node()));
        controller.decide(&of(node()));
        let between = controller.decide(&of(Node { memory: Some(60.0), ..node() }));
        assert_eq!((between.what, between.to), ("keep", 4));
        // The count of quiet looks begins anew. A disk that is rather full is no load.
        let full = of(Node { disk: Some(80.0), ..node() });
        let steps: Vec<u32> = (0..3).map(|_| controller.decide(&full).to).collect();
        assert_eq!(steps, [4, 4, 5]);
    }

    #[test]
    fn a_publish_queue_that_grows_three_times_halves() {
        let mut controller = controller(8);
        let at = |length| of(Node { publish: Some(length), cpu: Some(70.0), ..node() });
        let what: Vec<&str> =
            [1.0, 2.0, 3.0, 3.0, 4.0, 5.0, 6.0].map(at).iter().map(|s| controller.decide(s).what).collect();
        assert_eq!(what, ["keep", "keep", "keep", "keep", "keep", "keep", "halve"]);
    }

    #[test]
    fn our_own_failures_halve_at_once_and_latency_when_it_doubles() {
        let mut controller = controller(8);
        let work = |ended, p95, failed| Sample { ended, p95: Some(p95), failed, ..Sample::default() };
        assert!(controller.decide(&work(5, 2.0, 0)).why.contains("by latency and errors alone"));
        assert_eq!(controller.decide(&work(5, 3.9, 0)).what, "keep");
        assert_eq!(controller.decide(&work(2, 9.0, 0)).to, 9, "two are too few to judge: the third quiet look");
        let slow = controller.decide(&work(5, 5.0, 0));
        assert_eq!((slow.what, slow.to), ("halve", 4));
        assert!(slow.why.contains("2.4 times its best"), "{}", slow.why);
        // Also while a halving's effect is waited for.
        assert_eq!(controller.decide(&work(5, 2.0, 1)).to, 2);
        assert_eq!(controller.decide(&work(5, 2.0, 2)).to, 1);
        let floor = controller.decide(&work(5, 2.0, 1));
        assert!(floor.what == "keep" && floor.why.ends_with("at the floor"), "{floor:?}");
    }

    #[test]
    fn what_is_not_known_is_no_reason_for_more() {
        let mut controller = controller(4);
        for _ in 0..5 {
            assert_eq!(controller.decide(&Sample::default()).what, "keep");
            let half = Sample { silent: vec!["source".into()], ..of(node()) };
            assert!(controller.decide(&half).why.contains("no metrics of source"));
        }
    }
}
