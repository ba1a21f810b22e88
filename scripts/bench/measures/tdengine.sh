# shellcheck shell=bash
# td-dump, from a simulated TDengine that is not measured: only the client's time counts, but for what names the wall.
# shellcheck disable=SC2154,SC2034,SC2016

# td_source NAME: starts the simulator with the rows of a file of the data; sets $td (host and port)
td_source() {
  # It encodes each result once: after the warm-up it only sends.
  simulate "tdengine-$1" tdengine --replay --load "demo.sensors=$data/$1.csv"
  # shellcheck disable=SC2154 # simulate sets url
  td=${url#http://}
  export TS_SOURCE_PASSWORD=taosdata
}

td_rest() {
  group td-rest rows
  td_source few-tables
  contender "ours (CSV)" "$few" "td-dump --quiet --url tdengine+http://root@$td/demo --table sensors >/dev/null"
  contender "ours (Arrow)" "$few" "td-dump --quiet --url tdengine+http://root@$td/demo --table sensors -t arrow >/dev/null"
  # The same body as a file, for those who read files.
  curl -sS -f -u root:taosdata -d 'select * from sensors' "http://$td/rest/sql/demo" -o "$scratch/rest.json"
  if $pythonic; then
    contender duckdb "$few" "$python $here/peers.py duckdb-json $scratch/rest.json"
    contender "python json" "$few" "$python $here/peers.py python-json $scratch/rest.json"
  else
    absent "duckdb, python json" "pip cannot install them"
  fi
  local to
  for to in CSV Arrow; do
    claim "td-dump, REST body -> $to" "DuckDB read_json" "ours ($to)" duckdb cpu ">= 4" ">= 10"
    claim "td-dump, REST body -> $to" "Python json" "ours ($to)" "python json" cpu ">= 6" ">= 15"
  done
  race
}

td_blocks() {
  group td-blocks rows
  td_source tables
  contender "ours (Arrow)" "$rows" "td-dump --quiet --url tdengine://root@$td/demo --table sensors -t arrow >/dev/null"
  contender "ours (CSV)" "$rows" "td-dump --quiet --url tdengine://root@$td/demo --table sensors >/dev/null"
  local select='SELECT `ts`, tbname, `location`, `device_id`, `temperature`, `humidity`, `pressure`, `status` FROM `demo`.`sensors`'
  if reference ws_discard; then
    local bytes
    bytes=$("$program" "$td" "$select" | sed 's/.*bytes=//')
    contender "bare reader" "$rows" "$program $td '$select'"
    if reference memcpy; then contender memcpy "$rows" "$program $bytes"; else absent memcpy "the example of common/tdengine is not built"; fi
  else
    absent "memcpy, bare WebSocket reader" "the examples of common/tdengine are not built"
  fi
  claim "td-dump, WebSocket blocks -> Arrow" "memcpy of the same bytes" "ours (Arrow)" memcpy cpu "<= 6" "<= 3"
  claim "td-dump, WebSocket blocks -> Arrow" "bare WebSocket reader" "ours (Arrow)" "bare reader" wall "<= 1.5" "<= 1.15"
  race
}

td_python() {
  group td-python rows
  td_source few-tables
  contender "ours (CSV)" "$few" "td-dump --quiet --url tdengine://root@$td/demo --table sensors >/dev/null"
  if $pythonic; then contender "taos-ws-py" "$few" "$python $here/peers.py taosws-csv taosws://root:taosdata@$td/demo"; else absent taos-ws-py "pip cannot install it"; fi
  claim "td-dump, WebSocket blocks -> CSV" "taos-ws-py fetch_all + csv.writer" "ours (CSV)" taos-ws-py cpu ">= 20" ">= 60"
  race
}
