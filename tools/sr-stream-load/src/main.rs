fn main() -> std::process::ExitCode {
    cli::main(&sr_stream_load::TOOL, sr_stream_load::run)
}
