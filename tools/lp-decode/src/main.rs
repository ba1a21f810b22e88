fn main() -> std::process::ExitCode {
    cli::main(&lp_decode::TOOL, lp_decode::run)
}
