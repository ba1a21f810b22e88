//! ts-gen
use cli::{Run, Tool};
pub static TOOL: Tool = Tool { name: "ts-gen", about: "Generate deterministic data sets", description: "", examples: &[], environment: &[] };
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub output: cli::args::OutputArgs,
    #[command(flatten)]
    pub end: cli::args::EndMarkArgs,
}
pub fn run(args: Args, run: &Run) -> fault::Result<()> {
    use std::io::Write;
    let mut out = cli::output::Output::create(args.output.output.as_deref())?;
    loop { out.write_all(b"hello\n").map_err(|e| fault::Error::io("cannot write", e))?; run.counter("rows").add(1); if run.counter("rows").get()>100000 || run.stop().is_raised() {break} }
    out.finish()
}
