#!/usr/bin/env bash
# A real InfluxDB 1.6 for tests, from the Debian packages: install | start DIR | stop DIR (see README.md).
set -euo pipefail
name="influx 1.6" slug=influx-1.6
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# The packages are unpacked into the cache, not installed: nothing changes on the system, no service, no root.
fetch() {
  need apt-get
  need dpkg
  say "fetching and unpacking two Debian packages (8 MB, some seconds)"
  local own=(-o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache")
  if ! apt-get -q download influxdb influxdb-client >"$log" 2>&1; then
    mkdir -p lists/partial cache/archives/partial
    step "reading the package lists" apt-get -q "${own[@]}" update
    step "downloading" apt-get -q "${own[@]}" download influxdb influxdb-client
  fi
  for deb in ./*.deb; do dpkg -x "$deb" root; done
  root/usr/bin/influxd version >>"$log"
  grep -q 'InfluxDB v1\.6\.' "$log" || skip "the packages hold another version: $(tail -n 1 "$log")"
  mv root/usr/bin/influx root/usr/bin/influxd "$out"
}
serve() { influx1_serve; }
prepare() { influx1_prepare; }

live "$@"
