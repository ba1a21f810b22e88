fn main() -> std::process::ExitCode {
    cli::main(&queue_ack::TOOL, queue_ack::run)
}
