fn main() -> std::process::ExitCode {
    cli::main(&store_cp::TOOL, store_cp::run)
}
