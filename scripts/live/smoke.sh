#!/usr/bin/env bash
# Checks the scripts beside this file: smoke.sh [1.6] [1.8] [2.9] installs each server, starts it, writes a point, restarts it,
# reads the point back, stops it. One line a server; exit 1 if one failed, 10 if none failed but one was skipped.
set -euo pipefail
cd "$(dirname "$0")"
dir=$(mktemp -d)
result=0

# One server; -e does not work where this is called, so every step says what follows when it fails.
check() {
  local script=./influx-$1.sh d=$dir/$1 url base now auth=() rc=0
  "$script" install || return
  url=$("$script" start "$d") || { rc=$?; echo "$url"; return "$rc"; }
  base=http://${url#*://}
  base=${base%/*}
  now=$(date +%s)000000001
  if [ -s "$d/token" ]; then
    printf 'Authorization: Token %s' "$(cat "$d/token")" >"$d/header"
    auth=(-H "@$d/header")
  fi
  curl -sS -f "${auth[@]}" --data-binary "smoke,t=a x=1.5,n=7i $now" "$base/write?db=tsferry" || return 1
  "$script" stop "$d" || return 1
  [ "$("$script" start "$d")" = "$url" ] || { echo "the URL changed in a restart"; return 1; }
  curl -sS -f "${auth[@]}" -G --data-urlencode 'q=SELECT * FROM smoke' "$base/query?db=tsferry&epoch=ns" >"$d/reply" || return 1
  grep -qF "$now,7,\"a\",1.5]" "$d/reply" || { cat "$d/reply"; return 1; }
  "$script" stop "$d" || return 1
  ! curl -s -o /dev/null "$base/ping" || { echo "still answers after stop"; return 1; }
}

# shellcheck disable=SC2317  # called by the trap
finish() {
  for d in "$dir"/*/; do
    [ ! -s "$d/pid" ] || "./influx-$(basename "$d").sh" stop "$d" || true
  done
  rm -rf "$dir"
}
trap finish EXIT

[ $# -gt 0 ] || set -- 1.6 1.8 2.9
for version in "$@"; do
  since=$SECONDS rc=0
  check "$version" || rc=$?
  case $rc in
    0) echo "passed: influx $version ($((SECONDS - since)) s)" ;;
    10) [ "$result" -ne 0 ] || result=10 ;;
    *) echo "failed: influx $version" && result=1 ;;
  esac
done
exit "$result"
