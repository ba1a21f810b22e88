fn main() -> std::process::ExitCode {
    cli::main(&ts_convert::TOOL, ts_convert::run)
}
