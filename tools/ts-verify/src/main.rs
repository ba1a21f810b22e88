fn main() -> std::process::ExitCode {
    cli::main(&ts_verify::TOOL, ts_verify::run)
}
