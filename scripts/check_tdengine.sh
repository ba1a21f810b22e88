#!/usr/bin/env bash
# check_tdengine.sh [--env FILE]: is TDengine up, which version, what data?
#
# Text for people on stdout. Exit 0: up, with data. 4: not reachable. 6: refused. 10: up, but there is nothing to migrate.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

while [ $# -gt 0 ]; do
  case $1 in
    --env) read_env "${2:?--env needs a file}"; shift 2 ;;
    -h | --help) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die 2 "usage: check_tdengine.sh [--env FILE]" ;;
  esac
done
: "${TS_SOURCE_URL:?set TS_SOURCE_URL, or give --env FILE}"
tools_on_path

echo "TDengine at $(without_password "$TS_SOURCE_URL")"
code=0
# A check answers soon: a server that is down is not waited for.
version=$(td-dump --quiet --retries 1 --timeout 10s --query 'SELECT SERVER_VERSION()' --header none) || code=$?
[ "$code" -eq 0 ] || die "$code" "TDengine does not answer: see the line above"
echo "version $version"
list=$(td-dump --quiet --list --header plain) || die $? "the tables cannot be listed: see the line above"
printf '%s\n' "$list" | column -s, -t 2>/dev/null || printf '%s\n' "$list"
rows=$(printf '%s\n' "$list" | awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "rows") c = i; next } { n += $c } END { print n + 0 }')
[ "$rows" -gt 0 ] || die 10 "the database holds no rows: there is nothing to migrate"
echo "$rows rows in all: ready to migrate"
