# shellcheck shell=bash
# What the tools are compared with, into $cache and nowhere else, each through its ordinary client; sourced by compare.sh.
# shellcheck disable=SC2154,SC2034  # compare.sh sets and uses them

# python_with PACKAGES…: sets $python to an interpreter that has them; false when it cannot be had
python_with() {
  local home=$cache/bench-python
  python=$home/bin/python
  [ "$(cat "$home/complete" 2>/dev/null)" = "$*" ] && return 0
  command -v python3 >/dev/null || return 1
  say "installing $* with pip"
  mkdir -p "$cache"
  { [ -x "$python" ] || python3 -m venv "$home"; } >"$home.log" 2>&1 || return 1
  "$python" -m pip install --disable-pip-version-check --quiet "$@" >>"$home.log" 2>&1 || return 1
  echo "$*" >"$home/complete"
}
peers_in_python() { python_with duckdb==2.0.0 polars==2.1.0 pandas==3.1.1 influxdb-client==1.50.0 taos-ws-py==0.7.0 PyMySQL==1.2.4; }

# debian PROGRAM: there, or installed with apt where that is allowed
debian() {
  command -v "$1" >/dev/null && return 0
  command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ] || return 1
  say "installing $1 with apt-get"
  apt-get -q -y install "$1" >"$cache/apt.log" 2>&1
}

# xsv: about a minute on one core, once
xsv_program() {
  xsv=$cache/xsv/bin/xsv
  [ -x "$xsv" ] && return 0
  command -v cargo >/dev/null || return 1
  say "building xsv with cargo (about a minute)"
  (cd / && unset CARGO_TARGET_DIR && nice cargo install --quiet --locked --root "$cache/xsv" xsv) >"$cache/xsv.log" 2>&1
}

# influx_program: InfluxData's command line for 2.x, from its Go module at the version that influxdb 2.9.1 requires
influx_program() {
  influx=$cache/influx-cli/influx
  [ -x "$influx" ] && return 0
  command -v go >/dev/null || return 1
  say "building influx 2 with go (about a minute)"
  local build=$cache/influx-cli.build
  mkdir -p "$build" "$cache/influx-cli"
  # A module of ours requires it: the module proxy serves this version as a requirement only.
  printf 'module tsferry/bench\ngo 1.25.10\nrequire github.com/influxdata/influx-cli/v2 v2.7.1-0.20250130214939-76d1c4d9b777\n' >"$build/go.mod"
  (cd "$build" && GOFLAGS=-mod=mod GOWORK=off go build -o "$influx" github.com/influxdata/influx-cli/v2/cmd/influx) >"$cache/influx-cli.log" 2>&1 || return 1
  rm -rf "$build"
}

# server VERSION: a real InfluxDB, started once in $scratch/VERSION; sets $server_url and $server_dir
server() {
  local script=$here/../live/influx-$1.sh
  server_dir=$scratch/influx-$1
  [ -s "$server_dir/url" ] && { server_url=$(cat "$server_dir/url"); return 0; }
  "$script" install >&2 || return 1
  server_url=$("$script" start "$server_dir") || return 1
  servers+=("$1")
}

# reference NAME: the path of a program of common/testkit/examples, a yardstick rather than a peer; sets $program
reference() {
  program=$root/target/release/examples/$1
  [ -x "$program" ]
}
