//! How many commands may run at once: a number, or a file that somebody changes while this runs.

use crate::Args;
use cli::Run;
use fault::{Error, Result};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Between two looks into the file.
const LOOK: Duration = Duration::from_secs(1);

/// No file makes it more.
const MOST: usize = 1_000;

pub struct Pace {
    file: Option<PathBuf>,
    now: usize,
    looked: Instant,
    warned: bool,
}

fn parse(text: &str) -> Option<usize> {
    text.lines().next()?.trim().parse().ok().filter(|number| *number <= MOST)
}

impl Pace {
    /// Exit 2 if the file is not there yet, or says something else than a number.
    pub fn new(args: &Args) -> Result<Pace> {
        let mut pace = Pace {
            file: args.concurrency_file.clone(),
            now: args.concurrency as usize,
            looked: Instant::now(),
            warned: false,
        };
        if let Some(file) = &pace.file {
            let text = std::fs::read_to_string(file)
                .map_err(|error| Error::caused(fault::Kind::Usage, format!("cannot read {}", file.display()), error))?;
            pace.now = parse(&text).ok_or_else(|| {
                Error::usage(format!("{}: expected a number from 0 to {MOST} in its first line", file.display()))
            })?;
        }
        Ok(pace)
    }

    /// The number of now. A file that cannot be read any more, or was half written, changes nothing.
    pub fn now(&mut self, run: &Run) -> usize {
        let Some(file) = &self.file else { return self.now };
        if self.looked.elapsed() < LOOK {
            return self.now;
        }
        self.looked = Instant::now();
        match std::fs::read_to_string(file).ok().as_deref().and_then(parse) {
            Some(number) if number != self.now => {
                run.info(format!("{} at once instead of {}", number, self.now));
                self.now = number;
                self.warned = false;
            }
            Some(_) => self.warned = false,
            None if !self.warned => {
                run.warn(format!("{} says no number any more: it stays at {}", file.display(), self.now));
                self.warned = true;
            }
            None => {}
        }
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_a_number_within_reason() {
        assert_eq!(parse("4\n"), Some(4));
        assert_eq!(parse(" 0 \nbecause of memory\n"), Some(0));
        for text in ["", "\n", "many", "-1", "1001", "3.5"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
