//! How many requests are in flight: as many as the server answers without slowing down.
//!
//! As TCP does it: one more for every round of replies as long as they come as quickly as the quickest ones do (and at first
//! one more for every reply), half as many when the server says that it is busy or does not answer, three quarters when
//! replies take more than twice as long. A server that works on N requests at a time answers more of them no sooner, so the
//! window settles a little above N: it is kept busy, and its queue stays short. Now and then it begins anew, because a server
//! becomes slower as it fills. A pure rule over what was seen: no clock here.

/// What is thought of the server so far.
#[derive(Debug)]
pub struct Window {
    limit: f64,
    most: f64,
    /// No sign of strain yet: the limit doubles in every round.
    opening: bool,
    /// Raised when the limit is cut. Requests that began before say nothing about the new limit.
    round: u64,
    /// The quickest reply, in seconds, of so many since the window began (anew).
    quickest: f64,
    seen: u32,
    /// Smoothed time of replies, in seconds.
    recent: f64,
    /// Bytes of the largest request. Small ones are quicker, and say nothing about the server.
    largest: usize,
}

/// One request: what the limit was when it began.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    round: u64,
    /// It took the last place. Only then do its good times mean that there is room for more.
    full: bool,
}

/// Another limit than before, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub from: usize,
    pub to: usize,
    pub why: String,
}

/// Replies after which the window begins anew. The quickest reply must come from a server that was not kept waiting by us:
/// the quickest of the last ones, with the window open, would let it drift ever wider.
const HORIZON: u32 = 256;
/// Replies may take so many times as long as the quickest ones, and so many seconds more: the noise of very quick servers.
const SLOWER: f64 = 2.0;
const NOISE: f64 = 0.005;
/// A single reply counts as at most so many times the quickest: one pause is no strain.
const OUTLIER: f64 = 4.0;
/// What a new reply weighs in the smoothed time.
const WEIGHT: f64 = 0.3;
/// Requests in flight at first, and least many where only time is the reason: one alone leaves the server idle between.
const FIRST: usize = 2;

impl Window {
    /// At most `most` requests (at least 1), whatever the server does.
    pub fn new(most: usize) -> Window {
        let most = most.max(1);
        Window {
            limit: most.min(FIRST) as f64,
            most: most as f64,
            opening: true,
            round: 0,
            quickest: f64::INFINITY,
            seen: 0,
            recent: 0.0,
            largest: 0,
        }
    }

    /// Requests that may be in flight now.
    pub fn limit(&self) -> usize {
        self.limit as usize
    }

    /// A request begins; with it so many are in flight.
    pub fn begin(&self, in_flight: usize) -> Begun {
        Begun { round: self.round, full: in_flight >= self.limit() }
    }

    /// It was answered after so many seconds: stored, or refused for what is in it.
    pub fn answered(&mut self, begun: Begun, seconds: f64, bytes: usize) -> Option<Change> {
        if begun.round != self.round {
            return None;
        }
        if bytes >= self.largest / 4 * 3 {
            self.largest = self.largest.max(bytes);
            self.sample(seconds);
        }
        if self.seen >= HORIZON {
            return self.anew();
        }
        let best = self.quickest;
        if self.recent > best * SLOWER + NOISE {
            let why = format!("replies take {:.3} s, {best:.3} s at best", self.recent);
            self.recent = best;
            return self.cut(0.75, FIRST as f64, why);
        }
        let from = self.limit();
        if begun.full {
            let step = if self.opening { 1.0 } else { 1.0 / self.limit };
            self.limit = (self.limit + step).min(self.most);
        }
        let to = self.limit();
        (to != from).then(|| Change { from, to, why: format!("replies take {:.3} s", self.recent) })
    }

    /// It was not: the server was busy, hung up, or did not answer in time.
    pub fn failed(&mut self, begun: Begun, why: &str) -> Option<Change> {
        if begun.round != self.round {
            return None;
        }
        self.cut(0.5, 1.0, why.to_owned())
    }

    fn cut(&mut self, factor: f64, least: f64, why: String) -> Option<Change> {
        let from = self.limit();
        self.opening = false;
        self.round += 1;
        self.limit = (self.limit * factor).max(least.min(self.limit)).max(1.0);
        let to = self.limit();
        (to != from).then_some(Change { from, to, why })
    }

    fn anew(&mut self) -> Option<Change> {
        self.quickest = f64::INFINITY;
        self.seen = 0;
        let change = self.cut(0.0, FIRST as f64, "how quick is the server now?".to_owned());
        self.opening = true;
        change
    }

    fn sample(&mut self, seconds: f64) {
        self.quickest = self.quickest.min(seconds);
        let seconds = seconds.min(self.quickest * OUTLIER + NOISE);
        self.recent = if self.seen == 0 { seconds } else { self.recent + (seconds - self.recent) * WEIGHT };
        self.seen += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a tape: a number is the time of a reply in milliseconds, anything else a failure. Gives the limit after each.
    fn play(window: &mut Window, tape: &str) -> Vec<usize> {
        tape.split_whitespace()
            .map(|sign| {
                let begun = window.begin(window.limit());
                match sign.parse::<f64>() {
                    Ok(milliseconds) => window.answered(begun, milliseconds / 1000.0, 1000),
                    Err(_) => window.failed(begun, sign),
                };
                window.limit()
            })
            .collect()
    }

    #[test]
    fn opens_fast_halves_when_busy_and_then_grows_by_one_a_round() {
        let mut window = Window::new(8);
        assert_eq!(play(&mut window, "40 41 40 42"), [3, 4, 5, 6]);
        assert_eq!(play(&mut window, "HTTP-503"), [3]);
        // 3, then a third more for each reply.
        assert_eq!(play(&mut window, "40 40 40 40"), [3, 3, 3, 4]);
        assert_eq!(play(&mut window, "HTTP-429 timeout reset HTTP-503"), [2, 1, 1, 1]);
        assert_eq!(play(&mut window, "40 40 40"), [2, 2, 2]);
        // Never above what was asked for.
        assert_eq!(play(&mut window, &"40 ".repeat(200)).last(), Some(&8));
    }

    #[test]
    fn slow_replies_take_a_quarter_but_a_pause_does_not() {
        let mut window = Window::new(8);
        play(&mut window, "40 40 40 40 40 40");
        assert_eq!(window.limit(), 8);
        assert_eq!(play(&mut window, "900 40 40"), [8, 8, 8], "one pause");
        assert_eq!(play(&mut window, "130 130"), [8, 6]);
        // Not below two: a server that is slow is not a server that is full.
        assert_eq!(play(&mut window, &"200 ".repeat(60)).iter().min(), Some(&2));
    }

    #[test]
    fn failures_of_requests_from_before_a_cut_count_once() {
        let mut window = Window::new(16);
        play(&mut window, &"40 ".repeat(20));
        let begun: Vec<Begun> = (1..=16).map(|n| window.begin(n)).collect();
        let changes: Vec<_> = begun.iter().filter_map(|begun| window.failed(*begun, "HTTP 503")).collect();
        assert_eq!(changes, [Change { from: 16, to: 8, why: "HTTP 503".to_owned() }]);
        assert_eq!(window.answered(begun[0], 0.04, 1000), None);
        assert_eq!(window.limit(), 8);
    }

    #[test]
    fn an_idle_client_and_small_requests_prove_nothing() {
        let mut window = Window::new(8);
        for _ in 0..50 {
            let begun = window.begin(1);
            assert_eq!(window.answered(begun, 0.04, 1000), None);
        }
        assert_eq!(window.limit(), 2);
        // The last, small batch is quicker than any other can be.
        let begun = window.begin(1);
        window.answered(begun, 0.001, 10);
        assert_eq!(play(&mut window, "40 40 40"), [3, 4, 5]);
        assert_eq!((Window::new(1).limit(), Window::new(0).limit()), (1, 1));
    }

    /// A server that works on `at_once` requests at a time, 40 ms each, and lets the others wait.
    #[test]
    fn settles_a_little_above_what_the_server_does_at_once() {
        for at_once in [1, 2, 4, 8] {
            let mut window = Window::new(64);
            let mut limits = Vec::new();
            for _ in 0..4000 {
                let in_flight = window.limit();
                let begun = window.begin(in_flight);
                let seconds = 0.04 * (in_flight as f64 / f64::from(at_once)).max(1.0);
                window.answered(begun, seconds, 1000);
                limits.push(window.limit());
            }
            let mean = limits.iter().sum::<usize>() as f64 / limits.len() as f64;
            let most = *limits.iter().max().unwrap();
            let expected = f64::from(at_once)..f64::from(2 * at_once + 3);
            assert!(expected.contains(&mean) && most <= 3 * at_once as usize + 4, "{at_once}: {mean}, {most}");
        }
    }
}
