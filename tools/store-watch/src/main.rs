fn main() -> std::process::ExitCode {
    cli::main(&store_watch::TOOL, store_watch::run)
}
