#!/usr/bin/env bash
# A real InfluxDB 1.8.10 for tests, built from its Go module: install | start DIR | stop DIR (see README.md).
set -euo pipefail
name="influx 1.8" slug=influx-1.8.10
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

fetch() {
  need go "go toolchain"
  export CGO_ENABLED=0 GOBIN=$out GOCACHE=$work/go
  local module=github.com/influxdata/influxdb
  say "about two minutes on one core"
  step "building influxd, influx and influx_inspect" \
    go install -ldflags "-s -w -X main.version=1.8.10" "$module"/cmd/{influxd,influx,influx_inspect}@v1.8.10
}
serve() { influx1_serve; }
prepare() { influx1_prepare; }

live "$@"
