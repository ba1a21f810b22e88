#!/usr/bin/env bash
# A disk that is full, at every page that a split needs, and under the output of every tool; a directory that may not be
# written. Each is an error that says so, with exit 7; nothing half-written is left; and with room again --resume ends what was
# begun, with an equal verdict. Needs a small file system of its own: root, or user namespaces; else it is skipped.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
. "$here/killing.sh"

if ! [ "${1:-}" = --here ]; then
  for way in "" "unshare --map-root-user --mount"; do
    # shellcheck disable=SC2086,SC2016 # a command and its words; the inner shell's variables
    if $way sh -c 'd=$(mktemp -d) && mount -t tmpfs -o size=64k tmpfs "$d" 2>/dev/null && umount "$d"; code=$?; rmdir "$d"; exit $code' 2>/dev/null; then
      exec $way "$here/disk.sh" --here
    fi
  done
  skip "a disk that is full: this user may not mount a small one (root may, and who may use 'unshare --map-root-user --mount')"
  exit 77
fi
tools_on_path
begin_scratch
disk=$scratch/disk
before_end() {
  [ -z "$running" ] || kill -9 -- "-$running" 2>/dev/null || true
  umount -l "$disk" 2>/dev/null || true
}
mkdir "$disk"
mount -t tmpfs -o size=2m tmpfs "$disk"

free() { stat -f -c %f "$disk"; }
# fill N: leaves N pages of 4 KiB on the disk.
fill() {
  rm -f "$disk/ballast"
  head -c $((($(free) - $1) * 4096)) /dev/zero >"$disk/ballast"
  [ "$(free)" -eq "$1" ] || die 70 "$(free) pages are free, not $1"
}
# expect CODE NAME COMMAND…: as it ends, and with CODE 7 that it says why.
expect() {
  local want=$1 name=$2 got=0
  "${@:3}" >"$scratch/out" 2>&1 || got=$?
  [ "$got" -eq "$want" ] || fail "$name: exit $got, not $want"
  [ "$want" -ne 7 ] || grep -qE 'No space left|Permission denied|Read-only file system' "$scratch/out" || fail "$name: it is not said why"
}

ts-gen sensors --rows 6000 --tables 20 --interval 10s --quiet -o "$scratch/sensors.csv" 2>/dev/null
simulate source tdengine --load "demo.sensors=$scratch/sensors.csv"
source=tdengine://root@${url#http://}/demo window=5m
export TS_SOURCE_URL=$source TS_SOURCE_PASSWORD=taosdata

# --- every page that a split needs ---------------------------------------------------------------------------------
target pages
work=$disk/work
export TS_TARGET_URL=influx1+$url/demo
expect 0 "a plan" migrate --dry-run
# shellcheck source=/dev/null
(. "$here/../splits.sh" && write_pipeline "$work")
ts-state pending --dir "$work" --quiet >"$scratch/ids" 2>/dev/null
: >"$scratch/said"
pages=0 id=none
# Each time another split, so that no file is there yet.
until [ -s "$work/done/$id.json" ]; do
  id=$(sed -n "$((pages % 10 + 1))p" "$scratch/ids")
  fill "$pages"
  code=0
  ts-run --quiet --retries 0 --dir "$work" "$id" >"$scratch/out" 2>&1 || code=$?
  # A receipt may be there and the journal have no room: that is 7 as well, and the split is done.
  case $code in
    0) [ -s "$work/done/$id.json" ] || fail "$pages pages: exit 0 without a receipt" ;;
    7) grep -q 'No space left on device' "$scratch/out" || fail "$pages pages: it is not said why" ;;
    *) fail "$pages pages: exit $code" ;;
  esac
  grep -oE 'error: .*' "$scratch/out" | sed -E "s#$work/?##g; s#[0-9a-f]{16}#ID#g; s#\.[0-9]+\.json#.N.json#; s#process [0-9]+##" >>"$scratch/said" || true
  code=0
  ts-state report --dir "$work" --quiet >"$scratch/out" 2>&1 || code=$?
  [ "$code" -le 1 ] || fail "$pages pages: the state cannot be read (exit $code)"
  [ -z "$(find "$work/done" -name '.*')" ] || fail "$pages pages: something is left beside the receipts"
  pages=$((pages + 1))
  [ "$pages" -lt 60 ] || fail "60 pages are not enough for a split"
done
for what in lock/ID journal.jsonl failed/ID.json done/ID.json; do
  grep -q "$what" "$scratch/said" || { cat "$scratch/said" >&2; die 1 "no error names $what"; }
done
rm "$disk/ballast"
expect 0 "with room again" migrate --resume
whole "a split with room for 0 to $((pages - 1)) pages: exit 7 each time, the state whole, and --resume ends it"
awk 'NF' "$work/journal.jsonl" | while read -r line; do
  # A line that was cut has an end of its own: the next one is whole.
  [[ $line == '{'*'}' || $line == '{'* && $line != *'{"at"'*'{"at"'* ]] || fail "two lines of the journal are one: $line"
done
ok "the journal is in lines still"

# --- the disk fills while a migration runs --------------------------------------------------------------------------
target middle
work=$disk/work-middle
begin 1
# As much as there is, and again what is freed meanwhile.
while kill -0 "$running" 2>/dev/null; do head -c 4M /dev/zero 2>/dev/null >>"$disk/ballast" || sleep 0.05; done
ended
[ "$code" -eq 7 ] || fail "a disk that fills ends the migration with $code"
grep -q 'No space left' "$scratch/out" || fail "it is not said that the disk is full"
known=$(times)
expect 7 "--resume while the disk is still full" migrate --resume
untouched "a full disk" "$known"
rm "$disk/ballast"
resume "a disk that fills in the middle of a migration: exit 7, and --resume goes on where there is room"

# --- a temporary directory without room -----------------------------------------------------------------------------
target spool
echo 'DUMP_OPTIONS=--spool' >>"$env"
sed -i 's/^RUN_OPTIONS=.*/RUN_OPTIONS=--retries 1 --retry-wait 10ms/' "$env"
fill 1
expect 7 "a spool without room" env TMPDIR="$disk" "$here/../run_migration.sh" --env "$env" --work-dir "$work"
grep -q 'TMPDIR' "$scratch/out" || fail "it is not said where the spool is"
[ "$(receipts)" -eq 0 ] || fail "a split without its rows is done"
rm "$disk/ballast"
resume "no room for the spool of td-dump: exit 7, and --resume with room"

# --- the output of every tool ---------------------------------------------------------------------------------------
cd "$scratch"
td-dump --quiet --table sensors -t arrow -o rows.arrow 2>/dev/null
lp-encode --quiet rows.arrow -o rows.lp --measurement sensors 2>/dev/null
ts-verify digest --quiet rows.arrow -o rows.digest 2>/dev/null
sed '2s/,[0-9.]*,/,99.5,/' sensors.csv >other.csv
# output NAME COMMAND…: COMMAND -o FILE, and where there is no other way > FILE, on a disk with one page.
outputs=0
output() {
  fill 1
  expect 7 "$*" "$@" -o "$disk/file"
  [ "$(cd "$disk" && find . -maxdepth 1 -type f)" = ./ballast ] || { ls -lA "$disk" >&2; fail "$*: something is left on the disk"; }
  outputs=$((outputs + 1))
}
for format in csv arrow parquet ndjson lp; do output ts-convert --measurement sensors sensors.csv -t "$format"; done
output ts-gen sensors --rows 6000
output td-dump --table sensors
output env -u TS_SOURCE_PASSWORD influx-dump --url "$TS_TARGET_URL" --measurement sensors
output lp-encode --measurement sensors rows.arrow
output lp-decode rows.lp
output ts-plan --width 1s
output ts-verify digest rows.arrow
for option in --html --repair; do
  fill 0
  expect 7 "ts-verify $option" ts-verify rows --measurement sensors sensors.csv other.csv "$option" "$disk/file"
  [ ! -e "$disk/file" ] || fail "ts-verify $option: a part is left"
  outputs=$((outputs + 1))
done
fill 0
expect 7 "--summary-file" ts-convert sensors.csv -t csv -o /dev/null --summary-file "$disk/file"
expect 7 "--rejects" influx-write --url "$TS_TARGET_URL" --rejects "$disk/file" --max-rejects 10 <(printf 'no line\n')
fill 1
code=0
td-dump --quiet --table sensors >"$disk/stdout" 2>"$scratch/out" || code=$?
[ "$code" -eq 7 ] || fail "stdout on a full disk: exit $code"
grep -q 'No space left' "$scratch/out" || fail "stdout on a full disk: it is not said why"
rm -f "$disk/stdout" "$disk/ballast"
ok "$((outputs + 3)) outputs on a full disk: exit 7, and no file, nor a part of one"

# --- a directory that may not be written ----------------------------------------------------------------------------
target unwritable
work=$disk/work-unwritable
expect 0 "a plan" migrate --dry-run
id=$(ts-state pending --dir "$work" --quiet 2>/dev/null | head -n 1)
unwritable() { # HOW: what cannot be written is 7, and what is only read is not
  local name
  expect 7 "$1: run_migration.sh" "$here/../run_migration.sh" --env "$env" --work-dir "$work" --resume
  expect 7 "$1: a new work directory" "$here/../run_migration.sh" --env "$env" --work-dir "$disk/new"
  for name in "ts-run $id" "ts-state skip $id --reason x"; do
    # shellcheck disable=SC2086 # a command and its words
    expect 7 "$1: $name" $name --dir "$work"
  done
  expect 7 "$1: ts-plan" ts-plan -o "$disk/plan.tsv"
  expect 1 "$1: ts-state report" ts-state report --dir "$work"
  expect 0 "$1: ts-state pending" ts-state pending --dir "$work"
}
(. "$here/../splits.sh" && write_pipeline "$work")
mount -o remount,bind,ro "$disk"
unwritable "a disk that is read only"
mount -o remount,bind,rw "$disk"
ok "a disk that is read only: exit 7, and the state can be read"
if [ "$(id -u)" -eq 0 ] && setpriv --reuid=65534 --regid=65534 --clear-groups test -r "$here/disk.sh" 2>/dev/null; then
  chmod 755 "$scratch" "$disk" && chmod 644 "$env"
  export HOME=/
  as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
  nobody_expect() { local want=$1 name=$2; shift 2; expect "$want" "$name" as_nobody "$@"; }
  nobody_expect 7 "another user: run_migration.sh" "$here/../run_migration.sh" --env "$env" --work-dir "$work" --resume
  nobody_expect 7 "another user: ts-run" ts-run --dir "$work" "$id"
  nobody_expect 7 "another user: ts-state skip" ts-state skip --dir "$work" "$id" --reason x
  nobody_expect 1 "another user: ts-state report" ts-state report --dir "$work"
  ok "a state directory of another user: exit 7, and the state can be read"
else
  skip "a directory of another user: only root can be one, and where others may read this tree"
fi
resume "written again, --resume does all"

echo "test result: ok. $passed passed; 0 failed; a disk that is full"
