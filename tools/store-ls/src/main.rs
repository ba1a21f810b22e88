fn main() -> std::process::ExitCode {
    cli::main(&store_ls::TOOL, store_ls::run)
}
