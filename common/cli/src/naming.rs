//! What columns are and what they are called: the flags of `lp-encode`, which `ts-verify --map` takes in the same spelling.

use clap::{Args, Parser};
use fault::{Error, Result};

/// Flags that name and rename. Columns are named as in the input.
#[derive(Args, Clone, Debug)]
pub struct NamingArgs {
    /// The measurement, or the column that holds it [default: what the input says]
    #[arg(long, value_name = "NAME|column:COL")]
    pub measurement: Option<String>,
    /// This column is a tag
    #[arg(long, value_name = "COL[:TYPE]")]
    pub tag: Vec<String>,
    /// This column is a field
    #[arg(long, value_name = "COL[:TYPE]")]
    pub field: Vec<String>,
    /// This column is the time
    #[arg(long, value_name = "COL[:UNIT]")]
    pub time: Option<String>,
    /// This column does not go into the lines
    #[arg(long, value_name = "COL")]
    pub ignore: Vec<String>,
    /// Another name for a column
    #[arg(long, value_name = "OLD=NEW", value_parser = pair)]
    pub rename: Vec<(String, String)>,
    /// The sub-table name: a tag where series would merge without it, always, or never
    #[arg(long, value_name = "auto|tag|drop", default_value = "auto")]
    pub table_as: String,
    /// The second column of a composite key; as a field, rows that differ in it only overwrite each other
    #[arg(long, value_name = "tag|field", default_value = "tag")]
    pub key_as: String,
}

#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Words {
    #[command(flatten)]
    naming: NamingArgs,
}

impl NamingArgs {
    /// From one text, as it would stand on a command line: `--rename t=temp --tag room`. Words are parted by white space;
    /// single and double quotes hold them together. Exit 2 for other flags.
    pub fn from_words(text: &str) -> Result<NamingArgs> {
        match Words::try_parse_from(words(text)?) {
            Ok(words) => Ok(words.naming),
            Err(error) => {
                let message = error.to_string();
                let first = message.lines().next().unwrap_or_default();
                Err(Error::usage(first.trim_start_matches("error: ").to_owned()))
            }
        }
    }
}

fn pair(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() => Ok((left.to_owned(), right.to_owned())),
        _ => Err(format!("'{text}' is not of the form OLD=NEW")),
    }
}

fn words(text: &str) -> Result<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in text.chars() {
        match quote {
            Some(end) if c == end => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    match quote {
        None => Ok(words),
        Some(quote) => Err(Error::usage(format!("a quote {quote} is not closed"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_command_line() {
        assert_eq!(words("  a  'b c'\"d\" \n e='' ''").unwrap(), ["a", "b cd", "e=", ""]);
        assert!(words("a 'b").is_err());
        let naming =
            NamingArgs::from_words("--rename t=temp --rename 'a b=c d' --tag room --measurement column:m").unwrap();
        assert_eq!(naming.rename, [("t".into(), "temp".into()), ("a b".into(), "c d".into())]);
        assert_eq!((naming.tag, naming.table_as.as_str()), (vec!["room".to_owned()], "auto"));
        assert_eq!(naming.measurement.as_deref(), Some("column:m"));
        for bad in ["--nan drop", "--rename t", "room"] {
            let message = NamingArgs::from_words(bad).unwrap_err().to_string();
            assert!(!message.contains('\n') && !message.is_empty(), "{message}");
        }
    }
}
