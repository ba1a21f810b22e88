fn main() -> std::process::ExitCode {
    cli::main(&ts_plan::TOOL, ts_plan::run)
}
