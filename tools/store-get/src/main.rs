fn main() -> std::process::ExitCode {
    cli::main(&store_get::TOOL, store_get::run)
}
