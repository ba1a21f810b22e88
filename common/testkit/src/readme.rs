//! The `console` blocks of every README: `$ command` lines are run, the lines below them are what they must print.
//!
//! A block is run in one directory, command by command, under `bash -euo pipefail`; `…` at the end of an expected line
//! stands for anything, and a line that is only `…` for any number of lines. Blocks of another language (`sh`, `text`)
//! are not run: they show what needs a real server or minutes of time.

use crate::{shell, temp_dir};
use std::path::{Path, PathBuf};

/// One command of a block and what it should print.
#[derive(Debug, PartialEq, Eq)]
pub struct Example {
    /// The line of the file, 1-based.
    pub line: usize,
    /// The command, continuation lines joined.
    pub command: String,
    /// Expected stdout and stderr together, in the order of a terminal.
    pub expected: Vec<String>,
}

/// Every README.md of the tree, sorted.
pub fn find(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                open.push(path);
            } else if name.ends_with(".md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The examples of a text, block by block.
pub fn blocks(text: &str) -> Vec<Vec<Example>> {
    let mut blocks = Vec::new();
    let mut block: Option<Vec<Example>> = None;
    let mut continued = false;
    for (number, line) in text.lines().enumerate() {
        match &mut block {
            None if line.trim() == "```console" => block = Some(Vec::new()),
            None => {}
            Some(_) if line.trim() == "```" => blocks.extend(block.take()),
            Some(examples) => {
                if let (true, Some(last)) = (continued, examples.last_mut()) {
                    last.command.push('\n');
                    last.command.push_str(line.strip_prefix("> ").unwrap_or(line));
                } else if let Some(command) = line.strip_prefix("$ ") {
                    examples.push(Example { line: number + 1, command: command.to_owned(), expected: Vec::new() });
                } else if let Some(last) = examples.last_mut() {
                    last.expected.push(line.trim_end().to_owned());
                    continue;
                } else {
                    continue;
                }
                continued = line.ends_with('\\');
            }
        }
    }
    blocks
}

/// Runs one block; `Err` says which command printed what.
pub fn check(block: &[Example]) -> Result<(), String> {
    let directory = temp_dir();
    for example in block {
        let script = format!("exec 2>&1\n{}", example.command);
        let outcome = shell(&script)
            .current_dir(directory.path())
            .env("DATA", crate::testdata(""))
            .env("TSFERRY", crate::root())
            .run();
        let printed = crate::cases::mask(&outcome.text());
        let printed: Vec<&str> = printed.lines().map(str::trim_end).collect();
        if !matches(&printed, &example.expected) {
            return Err(format!(
                "line {}: $ {}\nprinted (exit {}):\n{}\nexpected:\n{}",
                example.line,
                example.command,
                outcome.code,
                printed.join("\n"),
                example.expected.join("\n")
            ));
        }
    }
    Ok(())
}

fn matches(printed: &[&str], expected: &[String]) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first.trim() == "…" => (0..=printed.len()).any(|skip| matches(&printed[skip..], rest)),
        Some((first, rest)) => match printed.split_first() {
            Some((line, more)) => like(line, &crate::cases::mask(first)) && matches(more, rest),
            None => false,
        },
    }
}

/// `rows=3 bytes=… secs=…`: the ellipses stand for any text without a blank, the last one for the rest of the line.
fn like(line: &str, pattern: &str) -> bool {
    let pattern = pattern.trim_end();
    let mut parts = pattern.split('…');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    if !pattern.contains('…') {
        return rest.is_empty();
    }
    for part in parts {
        if part.is_empty() {
            return true;
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_found_with_their_output() {
        let text = "# x\n```console\n$ echo a \\\n> b\na b\n$ true\n```\n```sh\n$ false\n```\n";
        let blocks = blocks(text);
        assert_eq!(blocks.len(), 1);
        assert_eq!(blocks[0][0].command, "echo a \\\nb");
        assert_eq!(blocks[0][0].expected, ["a b"]);
        assert_eq!(blocks[0][1].command, "true");
        check(&blocks[0]).unwrap();
    }

    #[test]
    fn ellipses_stand_for_anything_and_only_they_do() {
        assert!(like("rows=3 bytes=12 secs=0.1", "rows=3 bytes=… secs=…"));
        assert!(!like("rows=4 bytes=12", "rows=3 bytes=…"));
        assert!(!like("abc", "ab"));
        assert!(matches(&["a", "b", "c"], &["…".into(), "c".into()]));
        assert!(!matches(&["a", "b"], &["a".into()]));
    }
}
