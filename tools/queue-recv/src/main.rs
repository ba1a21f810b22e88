fn main() -> std::process::ExitCode {
    cli::main(&queue_recv::TOOL, queue_recv::run)
}
