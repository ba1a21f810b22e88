#!/usr/bin/env bash
# A real InfluxDB 2.9.1 for tests, built from its Go module: install | start DIR | stop DIR (see README.md).
set -euo pipefail
name="influx 2.9" slug=influx-2.9.1
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# `go install MODULE@VERSION` refuses a module with replace lines, so a module of ours repeats them. Flux is partly Rust: cgo
# finds it through a pkg-config of InfluxData's that compiles it with cargo. No user interface: its files are in no module.
fetch() {
  need go "go toolchain"
  need cargo "rust toolchain"
  need cc "C compiler"
  need pkg-config
  cat >go.mod <<'EOF'
module tsferry/live
go 1.25.10
require (
	github.com/influxdata/influxdb/v2 v2.9.1
	github.com/influxdata/pkg-config v0.3.0
)
replace (
	github.com/nats-io/nats-streaming-server v0.11.2 => github.com/influxdata/nats-streaming-server v0.11.3-0.20201112040610-c277f7560803
	google.golang.org/protobuf v1.30.0 => google.golang.org/protobuf v1.33.0
)
EOF
  export GOFLAGS=-mod=mod GOWORK=off GOCACHE=$work/go CGO_ENABLED=1 PKG_CONFIG=$work/pkg-config
  unset CARGO_TARGET_DIR CARGO_BUILD_TARGET  # the wrapper looks for what it built in cargo's usual place
  if command -v rustup >/dev/null; then
    # Flux names an old toolchain, which rustup would download; the one that is here does.
    RUSTUP_TOOLCHAIN=$(rustup show active-toolchain | cut -d' ' -f1)
    export RUSTUP_TOOLCHAIN
  fi
  say "about nine minutes on one core, five on two; needs 4 GB of disk while it builds"
  step "1/3 building the pkg-config wrapper" go build -o pkg-config github.com/influxdata/pkg-config
  step "2/3 fetching the sources, compiling flux (Rust)" go build github.com/influxdata/flux/libflux/go/libflux
  step "3/3 building influxd (Go)" go build -tags sqlite_foreign_keys,sqlite_json -ldflags "-s -w -X main.version=v2.9.1" \
    -o "$out/influxd" github.com/influxdata/influxdb/v2/cmd/influxd
}

serve() {
  (cd "$dir" && exec nohup "$home/influxd" run --http-bind-address "127.0.0.1:$port" --reporting-disabled --ui-disabled \
    --bolt-path "$dir/data/influxd.bolt" --sqlite-path "$dir/data/influxd.sqlite" --engine-path "$dir/data/engine" \
    </dev/null >>"$dir/log" 2>&1) &
}

prepare() {
  local base=http://127.0.0.1:$port token password
  token=$(secret "$dir/token")
  password=$(secret "$dir/password")
  if http "$base/api/v2/setup" | grep -q true; then
    http -o /dev/null --data-binary @- "$base/api/v2/setup" <<EOF
{"username":"tsferry","password":"$password","token":"$token","org":"tsferry","bucket":"tsferry"}
EOF
  fi
  echo "influx2+http://127.0.0.1:$port/?org=tsferry&bucket=tsferry"
}

live "$@"
