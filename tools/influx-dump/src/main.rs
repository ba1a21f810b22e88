fn main() -> std::process::ExitCode {
    cli::main(&influx_dump::TOOL, influx_dump::run)
}
