fn main() -> std::process::ExitCode {
    cli::main(&sr_pace::TOOL, sr_pace::run)
}
