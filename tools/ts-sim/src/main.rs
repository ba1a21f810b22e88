fn main() -> std::process::ExitCode {
    cli::main(&ts_sim::TOOL, ts_sim::run)
}
