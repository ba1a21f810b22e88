//! `--generate`: man pages and shell completions from the same definition as `--help`.

use crate::args::Generate;
use clap::Command;
use clap::ValueEnum as _;
use clap_complete::Shell;
use std::ffi::OsString;
use std::io::Write as _;

/// Is there a `--generate` on the command line? Looked for before parsing, because it needs none of the arguments that
/// the work needs. A wrong value is left to the parser, which names the right ones.
pub(crate) fn asked(argv: &[OsString]) -> Option<Generate> {
    let words: Vec<&str> =
        argv.iter().skip(1).filter_map(|word| word.to_str()).take_while(|word| *word != "--").collect();
    let at = words.iter().position(|word| *word == "--generate" || word.starts_with("--generate="))?;
    let value = words[at].strip_prefix("--generate=").or_else(|| words.get(at + 1).copied())?;
    Generate::from_str(value, false).ok()
}

pub(crate) fn generate(mut command: Command, what: Generate) -> u8 {
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    let shell = match what {
        Generate::Man => {
            if let Err(error) = clap_mangen::Man::new(command.clone()).render(&mut text) {
                let _ = writeln!(std::io::stderr(), "{name}: error: cannot make the man page: {error}");
                return fault::Kind::Bug.code();
            }
            None
        }
        Generate::Bash => Some(Shell::Bash),
        Generate::Zsh => Some(Shell::Zsh),
        Generate::Fish => Some(Shell::Fish),
    };
    if let Some(shell) = shell {
        clap_complete::generate(shell, &mut command, name.clone(), &mut text);
    }
    match crate::stdout::write_all(&text) {
        Ok(()) => 0,
        Err(error) => {
            if error.kind() != fault::Kind::StdoutClosed {
                let _ = writeln!(std::io::stderr(), "{name}: error: {error}");
            }
            error.kind().code()
        }
    }
}
