fn main() -> std::process::ExitCode {
    cli::main(&lp_encode::TOOL, lp_encode::run)
}
