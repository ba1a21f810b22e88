fn main() -> std::process::ExitCode {
    cli::main(&td_dump::TOOL, td_dump::run)
}
