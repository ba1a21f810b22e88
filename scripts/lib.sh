# shellcheck shell=bash
# Shared by the scripts; sourced, not run. Needs bash.

# say TEXT…: a line of progress on stderr.
say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }

# die CODE TEXT…: an error on stderr, and the end.
die() {
  local code=$1
  shift
  printf '%s: error: %s\n' "$(basename "$0")" "$*" >&2
  exit "$code"
}

# skip TEXT…: what could not be tested, and why; the test command counts these lines.
skip() { printf 'skipped: %s\n' "$*"; }

# need COMMAND WHAT: ends with 2 when a program is missing.
need() { command -v "$1" >/dev/null 2>&1 || die 2 "$1 is needed: install $2"; }

# tools_on_path: the built tools first on PATH; an installed release wins over nothing.
tools_on_path() {
  local root
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  if [ -x "$root/target/release/td-dump" ]; then
    PATH=$root/target/release:$PATH
  elif [ -x "$root/target/debug/td-dump" ]; then
    PATH=$root/target/debug:$PATH
  fi
  export PATH
  command -v td-dump >/dev/null || die 2 "the tools are not built: run cargo build --release, or scripts/install.sh"
}

# read_env FILE: sets the keys of an environment file, for the tools too. Nothing else in the file is run.
read_env() {
  local file=$1 line key value
  [ -r "$file" ] || die 2 "cannot read $file"
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line#"${line%%[![:space:]]*}"}
    case $line in '' | '#'*) continue ;; esac
    key=${line%%=*}
    value=${line#*=}
    [[ $line == *=* && $key =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || die 2 "$file: '$line' is not KEY=VALUE"
    case $value in
      \"*\") value=${value#\"} value=${value%\"} ;;
      \'*\') value=${value#\'} value=${value%\'} ;;
    esac
    export "$key=$value"
  done <"$file"
}

# without_password URL: what may be shown, and stand in a file.
without_password() { printf '%s\n' "$1" | sed -E 's#^([a-z0-9+]+://[^/@:]*):[^/@]*@#\1@#; s#([?&](token|password|p|pass)=)[^&]*#\1#'; }

# put FILE: makes stdin FILE, as a whole or not at all; ends with 7 where it cannot.
put() {
  if ! { cat >"$1.tmp" && mv "$1.tmp" "$1"; }; then
    rm -f "$1.tmp"
    die 7 "cannot write $1"
  fi
}

# room DIR: can files be written there? False with the system's words on stderr.
room() {
  local probe=$1/.room.$$ code=0
  head -c 65536 /dev/zero >"$probe" || code=7
  rm -f "$probe" || code=7
  return $code
}

# wait_for FILE SECONDS [PID]: until a file has a first line; false when the time is over, or the process that makes it is.
wait_for() {
  local file=$1 end=$((SECONDS + $2)) maker=${3-$$}
  until [ -s "$file" ]; do
    [ $SECONDS -lt "$end" ] && kill -0 "$maker" 2>/dev/null || return 1
    sleep 0.05
  done
}

# sum_of KEY: the sum of a number over the summaries and receipts on stdin (JSON of our own, one object a line).
sum_of() { { grep -oE "\"$1\":[0-9]+" || true; } | awk -F: '{ n += $2 } END { print n + 0 }'; }

# begin_scratch: makes $scratch, a directory that goes with the script, and with it what `simulate` started. A script that
# has more to end defines before_end.
begin_scratch() {
  scratch=$(mktemp -d)
  pids=()
  trap end_scratch EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}
end_scratch() {
  if declare -F before_end >/dev/null; then before_end; fi
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$scratch"
}

# simulate NAME ARGS…: starts `ts-sim ARGS` on a free port (its stdin is the function's) and sets $url to its base URL.
simulate() {
  local name=$1
  shift
  rm -f "$scratch/$name.url"
  ts-sim "$@" --quiet --ready-file "$scratch/$name.url" >/dev/null 2>"$scratch/$name.log" <&0 &
  pids+=($!)
  wait_for "$scratch/$name.url" 600 "${pids[-1]}" || die 70 "the simulator $name does not start: $(tail -n 3 "$scratch/$name.log")"
  # shellcheck disable=SC2034 # the caller uses it
  url=$(cat "$scratch/$name.url")
}
