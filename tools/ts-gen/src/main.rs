fn main() -> std::process::ExitCode {
    cli::main(&ts_gen::TOOL, ts_gen::run)
}
