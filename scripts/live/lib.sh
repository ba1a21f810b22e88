# shellcheck shell=bash
# What the scripts beside this file share: a cache for installed servers, and starting and stopping one. A script sets
# `name` (for people) and `slug` (its directory in the cache), defines the three functions below, and ends with `live "$@"`.
#   fetch    leave the server's programs in $out (current directory: $work, scratch)
#   serve    start the server in the background on 127.0.0.1:$port with its data under $dir, output to $dir/log
#   prepare  once a ping is answered: create what the tests write into, print its URL
# shellcheck disable=SC2154  # name and slug come from the script

cache=$(realpath -m "${TSFERRY_CACHE:-$HOME/.cache/tsferry}")
home=$cache/$slug        # the installed programs; exists only when complete
work=$cache/$slug.build  # sources and build cache; kept after a failure, so that the next try goes on from there
out=$work/out
log=$cache/$slug.log

say() { printf '%s: %s\n' "$name" "$*" >&2; }
fail() { say "$2"; exit "$1"; }
# The server cannot be had on this machine: that is no failure, but it must be seen, and never count as passed.
skip() { printf 'skipped: %s: %s\n' "$name" "$*"; exit 10; }
need() { command -v "$1" >/dev/null || skip "no ${2-$1}"; }

# step WHAT COMMAND…: one step of `fetch`, at low priority, its output in $log
step() {
  local what=$1 since=$SECONDS
  shift
  say "$what"
  nice -n 10 "$@" >>"$log" 2>&1 || skip "$what failed: $(tail -n 1 "$log") (all of it: $log)"
  say "  took $((SECONDS - since)) s"
}

install() {
  need flock
  mkdir -p "$cache"
  exec 9>"$cache/$slug.lock"
  flock 9  # a second caller waits for the first, then finds the result
  if [ ! -d "$home" ]; then
    mkdir -p "$out"
    : >"$log"
    # At home one core is left for the user; CI has nothing better to do.
    [ -n "${CI-}" ] || export GOMAXPROCS="${GOMAXPROCS-1}" CARGO_BUILD_JOBS="${CARGO_BUILD_JOBS-1}"
    cd "$work" || exit
    fetch
    mv "$out" "$home"
    rm -rf "$work"
  fi
  say "installed in $home ($(du -sh "$home" | cut -f1))"
}

# free_port: one that nobody listens on, below the range that the kernel gives to clients
free_port() {
  local p
  while p=$((20000 + RANDOM % 12000)); taken "$p"; do :; done
  echo "$p"
}
taken() { (: >"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# alive: the process of $dir/pid runs and is ours (every server has $dir in its arguments), not a later one with that number
alive() {
  local pid
  pid=$(cat "$dir/pid" 2>/dev/null) || return 1
  { cat "/proc/$pid/cmdline" || ps -ww -o args= -p "$pid"; } 2>/dev/null | grep -aqF "$dir/"
}

# wait_until SECONDS COMMAND…: false when the time is over
wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.05
  done
}

http() { curl -sS -f -m 30 --noproxy '*' "$@"; }
settled() { ! kill -0 "$pid" 2>/dev/null || http -m 2 -o /dev/null "http://127.0.0.1:$port/ping" 2>/dev/null; }
gone() { ! alive; }

# secret FILE: what it holds; at first 128 random bits
secret() {
  [ -s "$1" ] || od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$1"
  cat "$1"
}

start() {
  need curl
  [ -d "$home" ] || skip "not installed (run: $0 install)"
  if ! alive; then
    rm -f "$dir/pid" "$dir/url"
    # A server that is started again keeps its port, so that a client in the middle of a retry finds it.
    [ -s "$dir/port" ] || free_port >"$dir/port"
    port=$(cat "$dir/port")
    ! taken "$port" || fail 5 "port $port is in use by another program; remove $dir/port to choose another"
    # From here on a step that fails ends the script, and with it the server.
    trap 'stop; fail 5 "did not come up: $(tail -n 1 "$dir/log") (all of it: $dir/log)"' EXIT
    serve
    pid=$!
    echo "$pid" >"$dir/pid"
    wait_until "${TS_LIVE_START_TIMEOUT:-60}" settled
    kill -0 "$pid" 2>/dev/null
    prepare >"$dir/url.new"
    mv "$dir/url.new" "$dir/url"
    trap - EXIT
  fi
  cat "$dir/url"
}

stop() {
  if alive; then
    kill "$(cat "$dir/pid")" 2>/dev/null || true
    wait_until 30 gone || { say "ignores SIGTERM, killed"; kill -9 "$(cat "$dir/pid")" 2>/dev/null || true; wait_until 5 gone || true; }
  fi
  rm -f "$dir/pid"
}

live() {
  case "${1-} $#" in
    "install 1") install ;;
    "start 2" | "stop 2")
      umask 077
      dir=$(realpath -m "$2")
      mkdir -p "$dir"
      "$1"
      ;;
    *) fail 2 "usage: $0 install | start DIR | stop DIR" ;;
  esac
}

# --- InfluxDB 1.x, the same for every version ---

influx1_serve() {
  cat >"$dir/influxdb.conf" <<EOF
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
dir = "$dir/data/meta"
[data]
dir = "$dir/data/data"
wal-dir = "$dir/data/wal"
query-log-enabled = false
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:$port"
log-enabled = false
flux-enabled = true
EOF
  nohup "$home/influxd" run -config "$dir/influxdb.conf" </dev/null >>"$dir/log" 2>&1 &
}

# An administrator is made in any case; INFLUXDB_HTTP_AUTH_ENABLED=true in the environment makes the server ask for it.
influx1_prepare() {
  local password at=
  password=$(secret "$dir/password")
  influx1_query "CREATE USER tsferry WITH PASSWORD '$password' WITH ALL PRIVILEGES"
  influx1_query "CREATE DATABASE tsferry"
  [ "${INFLUXDB_HTTP_AUTH_ENABLED-}" != true ] || at=tsferry@
  echo "influx1+http://${at}127.0.0.1:$port/tsferry"
}

# The statement and the password go through stdin: arguments can be seen by every user of the machine.
influx1_query() {
  local reply
  reply=$(http -K - "http://127.0.0.1:$port/query" <<EOF
user = "tsferry:$password"
data-urlencode = "q=$1"
EOF
  )
  case $reply in *error*) echo "${1%% WITH*}: $reply" >>"$dir/log"; return 1 ;; esac
}
