#!/usr/bin/env bash
# plan_windows.sh: the plan on stdout, a line per window: id, table, since, until (half-open, UTC), tab-separated.
# A pure function of the tables' ranges and of TABLES, SINCE, UNTIL, WINDOW: windows are aligned to the epoch.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
tools_on_path

width=${WINDOW:-1d}
case $width in
  *d) width=$((${width%d} * 86400)) ;;
  *h) width=$((${width%h} * 3600)) ;;
  *m) width=$((${width%m} * 60)) ;;
  *s) width=${width%s} ;;
  *) die 2 "WINDOW=$width: use a number with s, m, h or d" ;;
esac
[ "$width" -gt 0 ] || die 2 "WINDOW must be longer than nothing"
epoch() { date -u -d "$1" +%s; }
stamp() { date -u -d "@$1" +%Y-%m-%dT%H:%M:%SZ; }

list=$(td-dump --quiet --list --header plain)
for column in table kind rows first last; do
  printf '%s\n' "$list" | head -n 1 | tr , '\n' | grep -qx "$column" || die 70 "td-dump --list has no column $column"
done
printf '%s\n' "$list" | awk -F, '
  NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
  $c["rows"] > 0 && $c["kind"] != "child" { print $c["table"] "\t" $c["first"] "\t" $c["last"] }
' | while IFS=$'\t' read -r table first last; do
  case " ${TABLES:-$table} " in *" $table "*) ;; *) continue ;; esac
  from=$(epoch "$first")
  to=$(($(epoch "$last") + 1))
  [ -z "${SINCE:-}" ] || { bound=$(epoch "$SINCE"); [ "$from" -ge "$bound" ] || from=$bound; }
  [ -z "${UNTIL:-}" ] || { bound=$(epoch "$UNTIL"); [ "$to" -le "$bound" ] || to=$bound; }
  start=$((from - ((from % width + width) % width)))
  while [ "$start" -lt "$to" ]; do
    end=$((start + width))
    a=$start b=$end
    [ -z "${SINCE:-}" ] || { bound=$(epoch "$SINCE"); [ "$a" -ge "$bound" ] || a=$bound; }
    [ -z "${UNTIL:-}" ] || { bound=$(epoch "$UNTIL"); [ "$b" -le "$bound" ] || b=$bound; }
    id=$(printf '%s\n' "$TS_SOURCE_URL" "$TS_TARGET_URL" "$table" "$a" "$b" "${ENCODE_OPTIONS:-}" | sha256sum | cut -c1-16)
    printf '%s\t%s\t%s\t%s\n' "$id" "$table" "$(stamp "$a")" "$(stamp "$b")"
    start=$end
  done
done
