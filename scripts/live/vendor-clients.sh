#!/usr/bin/env bash
# The simulators, read and written by the vendors' own clients: vendor-clients.sh [tdengine] [influx] [starrocks] (default: all). The clients are installed
# with pip into a virtual environment, copied by Maven, or unpacked from Debian packages, under $TSFERRY_CACHE (default ~/.cache/tsferry); nothing else on the system changes.
# Exit: 0 all agree, 1 a difference, 77 skipped (said on stdout).
# shellcheck disable=SC2317  # the functions are called by their names, at the end
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
cache=$(realpath -m "${TSFERRY_CACHE:-$HOME/.cache/tsferry}")
bin=${CARGO_TARGET_DIR:-target}/${TSFERRY_PROFILE:-debug}

skip() { printf 'skipped: %s\n' "$*"; return 77; }

# environment NAME PACKAGE==VERSION…: sets $python to an interpreter that has these packages
environment() {
  local name=$1 home=$cache/vendor-$1
  shift
  python=$home/bin/python
  [ "$(cat "$home/complete" 2>/dev/null)" = "$*" ] && return 0
  command -v python3 >/dev/null || { skip "$name clients: no python3"; return; }
  mkdir -p "$cache"
  rm -rf "$home"
  python3 -m venv "$home" >"$home.log" 2>&1 || { skip "$name clients: python3 has no venv ($home.log)"; return; }
  "$python" -m pip install --disable-pip-version-check --quiet "$@" >"$home.log" 2>&1 \
    || { skip "$name clients: pip cannot install $* ($home.log)"; return; }
  echo "$*" >"$home/complete"
}

# need PROGRAM…: they must have been built
need() {
  local program
  for program; do
    [ -x "$bin/$program" ] || { echo "no $bin/$program: run cargo build --workspace" >&2; return 2; }
  done
}

# One function for each system.

tdengine() {
  need ts-sim ts-gen || return
  environment tdengine taospy==2.8.10 taos-ws-py==0.7.0 || return
  local worst=0 check
  for check in vendor_tdengine vendor_tdengine_writes vendor_tdengine_sml vendor_tdengine_tmq; do
    "$python" "tools/ts-sim/tests/$check.py" "$bin" || worst=$?
  done
  # Schemaless writes are made for InfluxDB's clients too.
  environment influx influxdb==5.3.2 influxdb-client==1.50.0 || return $((worst > 0 ? worst : 77))
  "$python" tools/ts-sim/tests/vendor_tdengine_sml.py "$bin" influxdb || worst=$?
  return "$worst"
}

influx() {
  need ts-sim || return
  environment influx influxdb==5.3.2 influxdb-client==1.50.0 || return
  "$python" tools/ts-sim/tests/vendor_influx.py "$bin"
}

# jars NAME GROUP:ARTIFACT:VERSION…: sets $jars to a folder that holds these files
jars() {
  local name=$1 program artifact
  jars=$cache/vendor-$name-jars
  shift
  [ "$(cat "$jars/complete" 2>/dev/null)" = "$*" ] && return 0
  for program in mvn java javac; do
    command -v "$program" >/dev/null || { skip "$name clients in Java: no $program"; return; }
  done
  rm -rf "$jars"
  mkdir -p "$jars"
  for artifact; do
    mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy -Dartifact="$artifact" -DoutputDirectory="$jars" >"$jars.log" 2>&1 \
      || { skip "$name clients in Java: Maven cannot copy $artifact ($jars.log)"; return; }
  done
  echo "$*" >"$jars/complete"
}

# The stream-load SDK and MySQL's Connector/J, both inside the Flink connector.
starrocks_java() {
  jars starrocks com.starrocks:flink-connector-starrocks:1.2.10_flink-1.18 org.slf4j:slf4j-nop:1.7.36 org.slf4j:slf4j-api:1.7.36 org.lz4:lz4-java:1.8.0 || return
  local work sim url fe code=0
  work=$(mktemp -d) || return
  javac -cp "$jars/*" -d "$work" tools/ts-sim/tests/VendorStarrocks.java || { rm -rf "$work"; return 1; }
  "$bin/ts-sim" starrocks --ready-file "$work/ready" >"$work/log" 2>&1 &
  sim=$!
  until [ -s "$work/ready" ] || ! kill -0 "$sim" 2>/dev/null; do sleep 0.1; done
  # starrocks://root@HOST:PORT?http=PORT&be=PORT
  url=$(cat "$work/ready")
  fe=${url#*http=}
  url=${url#*@}
  url=${url%%\?*}
  java -cp "$jars/*:$work" VendorStarrocks "$url" "${url%:*}:${fe%%&*}" || code=1
  kill "$sim"
  wait "$sim" 2>/dev/null
  rm -rf "$work"
  return "$code"
}

# The mysql command line client onto PATH: the machine's own, or Debian's packages, unpacked and not installed.
mysql_client() {
  local home=$cache/vendor-mariadb-client package
  command -v mysql >/dev/null || command -v mariadb >/dev/null && return
  if ! [ -x "$home/bin/mariadb" ] && command -v apt-get >/dev/null && command -v dpkg >/dev/null; then
    rm -rf "$home"
    mkdir -p "$home/packages" "$home/bin"
    if (cd "$home/packages" && apt-get -qq download mariadb-client-core libedit2 libbsd0 libmd0) >"$home.log" 2>&1; then
      for package in "$home"/packages/*.deb; do dpkg -x "$package" "$home/root"; done
      printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$(dirname "$(find "$home/root" -name libedit.so.2)")" "$home/root/usr/bin/mariadb" >"$home/bin/mariadb"
      chmod +x "$home/bin/mariadb"
    fi
  fi
  PATH=$PATH:$home/bin
}

starrocks() {
  need ts-sim || return
  mysql_client
  local java=0 python_code=0
  if environment starrocks pymysql==1.2.4 starrocks==1.3.4 SQLAlchemy==2.1.9; then
    "$python" tools/ts-sim/tests/vendor_starrocks.py "$bin" || python_code=$?
  else
    python_code=$?
  fi
  local flight=0
  if environment starrocks-flight pymysql==1.2.4 adbc-driver-flightsql==1.13.0 adbc-driver-manager==1.13.0 pyarrow==26.0.1; then
    "$python" tools/ts-sim/tests/vendor_starrocks_flight.py "$bin" || flight=$?
  else
    flight=$?
  fi
  # A skip counts only when nothing failed.
  if [ "$flight" -ne 0 ] && { [ "$python_code" -eq 0 ] || [ "$python_code" -eq 77 ]; }; then python_code=$flight; fi
  starrocks_java || java=$?
  if [ "$python_code" -ne 0 ] && { [ "$java" -eq 0 ] || [ "$java" -eq 77 ]; }; then java=$python_code; fi
  return "$java"
}

systems=("$@")
[ $# -gt 0 ] || mapfile -t systems < <(declare -F | awk '{ print $3 }' | grep -xE 'tdengine|influx|starrocks')
worst=0
for system in "${systems[@]}"; do
  code=0
  "$system" || code=$?
  # A skip counts only when nothing failed.
  if [ "$code" -ne 0 ] && { [ "$worst" -eq 0 ] || [ "$worst" -eq 77 ]; }; then worst=$code; fi
done
exit "$worst"
