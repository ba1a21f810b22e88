# shellcheck shell=bash
# sr-export, from a simulated StarRocks that is not measured: only the client's time counts.
# shellcheck disable=SC2154,SC2034,SC2016

sr_text() {
  group sr-text rows
  # Others have set one; this simulator has none.
  unset TS_SOURCE_PASSWORD
  # The simulator makes its texts anew for each query, and needs a core for that.
  simulate starrocks starrocks --load "demo.sensors=$data/few.csv"
  local at=${url#starrocks://root@}
  local mysql=${at%%\?*}
  local from=starrocks://root@$mysql/demo
  contender "ours (Arrow)" "$few" "sr-export --quiet --url $from --table sensors -t arrow >/dev/null"
  contender "ours (CSV)" "$few" "sr-export --quiet --url $from --table sensors >/dev/null"
  if $pythonic; then
    contender pymysql "$few" "$python $here/peers.py pymysql-rows $mysql"
  else
    absent pymysql "pip cannot install it"
  fi
  claim "sr-export, MySQL text -> Arrow" "pymysql SSCursor" "ours (Arrow)" pymysql cpu ">= 10" ">= 20"
  race
}

# sr-stream-load, into a simulated StarRocks: the same rows as curl sends in one load, so the server's work counts for both.
sr_load() {
  group sr-load MB
  # As much as a few loads hold: with 17 MB the label of the first load, which is a hash of its rows, is what takes the time.
  local rows=3000000
  ts-gen meters --rows "$rows" --tables 100 >"$scratch/load.csv" 2>/dev/null
  # What the server reads: no header, times without T and zone.
  tail -n +2 "$scratch/load.csv" | sed -E 's/^(.{10})T(.{12})Z/\1 \2/' >"$scratch/load.body"
  echo "CREATE DATABASE demo; CREATE TABLE demo.meters (ts DATETIME, tbname VARCHAR(20), current FLOAT, voltage INT, phase FLOAT, groupid INT,
    location VARCHAR(30)) DUPLICATE KEY(ts, tbname) DISTRIBUTED BY HASH(tbname) BUCKETS 2" >"$scratch/load.sql"
  simulate starrocks starrocks --sql "$scratch/load.sql"
  local megabytes=$(($(bytes "$scratch/load.body") / 1000000)) port=${url#*http=}
  port=${port%%&*}
  contender ours "$megabytes" "sr-stream-load --quiet --url '${url/\?//demo?}' --table meters $scratch/load.csv"
  contender curl "$megabytes" "curl -sS -f --location-trusted -u root: -H 'Expect: 100-continue' -H 'column_separator: ,' -H 'strict_mode: true' \
-T $scratch/load.body http://127.0.0.1:$port/api/demo/meters/_stream_load | grep -q Success"
  claim "sr-stream-load into a simulated StarRocks" "curl with the same rows, MB/s" ours curl wall ">= 0.9" ">= 1"
  race
}
