# shellcheck shell=bash
# sr-export, from a simulated StarRocks that is not measured: only the client's time counts.
# shellcheck disable=SC2154,SC2034,SC2016

sr_text() {
  group sr-text rows
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
