fn main() -> std::process::ExitCode {
    cli::main(&influx_write::TOOL, influx_write::run)
}
