fn main() -> std::process::ExitCode {
    cli::main(&store_rm::TOOL, store_rm::run)
}
