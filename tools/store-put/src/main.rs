fn main() -> std::process::ExitCode {
    cli::main(&store_put::TOOL, store_put::run)
}
