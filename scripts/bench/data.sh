# shellcheck shell=bash
# The data of the comparison, in $cache/bench-data/ROWS; sourced by compare.sh. A file that is there is complete.
#
#   sensors.csv      typed header, RFC 3339 times, no sub-table: what td-dump writes
#   epoch.csv        the same with times as milliseconds: what a one-liner can turn into line protocol
#   sensors.lp       the same as line protocol, ns
#   sensors.parquet  the same, zstd, tags as dictionaries
#   tables.csv       the same with the sub-tables' names, for the simulated TDengine
#   few.*            the first $few rows, for what is slow; few-tables.csv as tables.csv
# shellcheck disable=SC2154,SC2034  # compare.sh sets and uses them

make_data() {
  data=$cache/bench-data/$rows
  few=$((rows < 1000000 ? rows : 1000000))
  mkdir -p "$data"
  # A generator that changed makes other data: its first rows are the name of what it made.
  local stamp
  stamp=$(ts-gen sensors --rows 1000 --no-table --quiet 2>/dev/null | cksum)
  [ "$(cat "$data/stamp" 2>/dev/null)" = "$stamp" ] || rm -f "$data"/*
  make sensors.csv ts-gen sensors --no-table --quiet --rows "$rows" -o
  make sensors.lp ts-gen sensors --no-table --quiet --rows "$rows" -t lp -o
  make sensors.parquet ts-gen sensors --no-table --quiet --rows "$rows" -t parquet -o
  make epoch.csv epoch
  make tables.csv ts-gen sensors --quiet --rows "$rows" -o
  make few.csv ts-gen sensors --no-table --quiet --rows "$few" -o
  make few.lp ts-gen sensors --no-table --quiet --rows "$few" -t lp -o
  make few-tables.csv ts-gen sensors --quiet --rows "$few" -o
  echo "$stamp" >"$data/stamp"
  cat "$data"/* >/dev/null # into the page cache
}

# make NAME COMMAND…: the command gets the file as its last argument
make() {
  local file=$data/$1
  shift
  [ -s "$file" ] && return
  say "making $file"
  "$@" "$file.part.${file##*.}" 2>"$scratch/err" || die 70 "cannot make $file: $(tail -n 1 "$scratch/err")"
  mv "$file.part.${file##*.}" "$file"
}

# The second is worked out once for all of its rows.
epoch() {
  TZ=UTC awk -F, '
    NR == 1 { print; next }
    { second = substr($1, 1, 19) }
    second != last { last = second; text = second; gsub(/[-:T]/, " ", text); epoch = mktime(text) }
    { print epoch substr($1, 21, 3) substr($0, 25) }' "$data/sensors.csv" >"$1"
}

bytes() { stat -c %s "$1"; }
