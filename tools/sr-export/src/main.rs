fn main() -> std::process::ExitCode {
    cli::main(&sr_export::TOOL, sr_export::run)
}
