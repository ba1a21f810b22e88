fn main() -> std::process::ExitCode {
    cli::main(&ts_state::TOOL, ts_state::run)
}
