fn main() -> std::process::ExitCode {
    cli::main(&ts_run::TOOL, ts_run::run)
}
