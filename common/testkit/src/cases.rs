//! Golden pipelines: a directory under `testdata/cases/` with a shell command and what it must print.
//!
//! `cmd` runs under `bash -euo pipefail` in an empty directory, with our tools on PATH and `$DATA` naming `testdata/`.
//! Lines at its start that begin with `# sim: ` start simulators: `# sim: SRC tdengine --load …` sets `$SRC` to
//! `127.0.0.1:PORT`. `expout` is stdout to the byte, `experr` stderr with times masked, `expcode` the exit code
//! (absent: 0). `UPDATE=1` rewrites the three from what happened.

use crate::{Outcome, Sim, shell, temp_dir};
use std::path::{Path, PathBuf};

/// Every directory below `root` that holds a `cmd`, sorted.
pub fn find(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        if directory.join("cmd").is_file() {
            found.push(directory);
            continue;
        }
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        open.extend(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()));
    }
    found.sort();
    found
}

/// Runs one case; `Err` says what differs.
pub fn check(directory: &Path) -> Result<(), String> {
    let script = std::fs::read_to_string(directory.join("cmd")).map_err(|error| error.to_string())?;
    let outcome = run(&script);
    let stderr = mask(&outcome.stderr);
    let code = outcome.code.to_string();
    if std::env::var_os("UPDATE").is_some() {
        let write = |name: &str, bytes: &[u8], keep: bool| {
            let path = directory.join(name);
            if keep { std::fs::write(path, bytes) } else { std::fs::remove_file(path).or(Ok(())) }
        };
        write("expout", &outcome.stdout, true).map_err(|e| e.to_string())?;
        write("experr", stderr.as_bytes(), !stderr.is_empty()).map_err(|e| e.to_string())?;
        return write("expcode", code.as_bytes(), code != "0").map_err(|e| e.to_string());
    }
    let expected = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap_or_default();
    let wanted = expected("expcode");
    let wanted = if wanted.is_empty() { "0" } else { wanted.trim() };
    if wanted != code {
        return Err(format!("exit code {code}, expected {wanted}; stderr: {}", outcome.stderr));
    }
    if outcome.text() != expected("expout") {
        return Err(format!("stdout differs: got\n{}\nexpected\n{}", outcome.text(), expected("expout")));
    }
    if stderr != expected("experr") {
        return Err(format!("stderr differs: got\n{stderr}\nexpected\n{}", expected("experr")));
    }
    Ok(())
}

/// Runs a script with its simulators.
pub fn run(script: &str) -> Outcome {
    let directory = temp_dir();
    let mut sims = Vec::new();
    let mut tool = shell(script).current_dir(directory.path()).env("DATA", crate::testdata(""));
    for line in script.lines().map_while(|line| line.strip_prefix('#')) {
        let Some(spec) = line.trim().strip_prefix("sim: ") else { continue };
        let spec = spec.replace("$DATA", &crate::testdata("").display().to_string());
        let words: Vec<&str> = spec.split_whitespace().collect();
        let [variable, system, args @ ..] = words.as_slice() else { panic!("'{line}': use # sim: NAME SYSTEM ARGS") };
        let sim = match *system {
            "tdengine" => Sim::tdengine(args),
            "influx" => Sim::influx(args),
            other => panic!("there is no simulator '{other}'"),
        };
        tool = tool.env(variable, &sim.host);
        sims.push(sim);
    }
    tool.run()
}

/// Times, ports, process numbers and temporary paths differ from run to run.
pub fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    for line in text.lines() {
        let words: Vec<String> = line
            .split(' ')
            .map(|word| match word.split_once('=') {
                Some(("secs", _)) => "secs=…".to_owned(),
                _ => mask_port(word),
            })
            .collect();
        masked.push_str(&words.join(" "));
        masked.push('\n');
    }
    masked
}

fn mask_port(word: &str) -> String {
    const HOST: &str = "127.0.0.1:";
    match word.find(HOST) {
        None => word.to_owned(),
        Some(at) => {
            let rest = word[at + HOST.len()..].trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{}{HOST}PORT{rest}", &word[..at])
        }
    }
}
