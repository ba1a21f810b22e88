# shellcheck shell=bash
# Rows of CSV and Parquet into line protocol.
# shellcheck disable=SC2154,SC2034,SC2016  # compare.sh sets data, rows and the programs; bash -c expands the rest

encode_csv() {
  group csv-lp rows
  local ours="lp-encode --quiet --epoch ms --measurement sensors $data/epoch.csv"
  # Text copied, blanks in tags escaped: all that the data need, and no check.
  local one_liner='NR > 1 { gsub(/ /, "\\ ", $6); print "sensors,device_id=" $7 ",location=" $6 " temperature=" $2 ",humidity=" $3 ",pressure=" $4 ",status=" $5 "i " $1 "000000" }'
  printf '%s\n' "$one_liner" >"$scratch/line.awk"
  contender ours "$rows" "$ours >/dev/null"
  contender "ours (RFC 3339)" "$rows" "lp-encode --quiet --measurement sensors $data/sensors.csv >/dev/null"
  contender cut "$rows" "cut -d, -f1,2,7 $data/epoch.csv >/dev/null"
  if debian mawk; then contender mawk "$rows" "mawk -F, -f $scratch/line.awk $data/epoch.csv >/dev/null"; else absent mawk "no mawk"; fi
  if $pythonic; then
    contender polars "$rows" "POLARS_MAX_THREADS=1 $python $here/peers.py polars-csv-lp $data/epoch.csv"
    contender duckdb "$rows" "$python $here/peers.py duckdb-csv-lp $data/epoch.csv"
    contender "influxdb-client DataFrame" $((few < 200000 ? few : 200000)) "$python $here/peers.py influxdb-client-lp $data/epoch.csv /dev/null $((few < 200000 ? few : 200000))"
  else
    absent "polars, duckdb, influxdb-client" "pip cannot install them"
  fi
  claim "lp-encode CSV -> LP" "mawk one-liner" ours mawk cpu ">= 5" ">= 10"
  claim "lp-encode CSV -> LP" "cut -d, -f1,2,7" ours cut cpu "<= 1.0" "<= 0.5"
  claim "lp-encode CSV -> LP" "polars, 1 thread" ours polars cpu ">= 3.5" ">= 7"
  claim "lp-encode CSV -> LP" "DuckDB, 1 thread" ours duckdb cpu ">= 7" ">= 14"
  claim "lp-encode CSV -> LP" "influxdb-client DataFrame" ours "influxdb-client DataFrame" cpu ">= 40" ">= 100"
  claim "lp-encode CSV RFC 3339 -> LP" "mawk one-liner on epoch times" "ours (RFC 3339)" mawk cpu ">= 5" ">= 10"
  race
  [ -z "${command_of[mawk]-}" ] || agree "lp-encode and mawk" "$ours" "mawk -F, -f $scratch/line.awk $data/epoch.csv"
  agree "lp-encode, RFC 3339 and epoch times" "$ours" "lp-encode --quiet --measurement sensors $data/sensors.csv"
  ! $pythonic || agree "lp-encode and DuckDB" "$ours" "$python $here/peers.py duckdb-csv-lp $data/epoch.csv /dev/stdout"
}

encode_parquet() {
  group parquet-lp rows
  local ours="lp-encode --quiet --measurement sensors $data/sensors.parquet"
  contender ours "$rows" "$ours >/dev/null"
  if $pythonic; then
    contender polars "$rows" "POLARS_MAX_THREADS=1 $python $here/peers.py polars-parquet-lp $data/sensors.parquet"
    contender duckdb "$rows" "$python $here/peers.py duckdb-parquet-lp $data/sensors.parquet"
  else
    absent "polars, duckdb" "pip cannot install them"
  fi
  claim "lp-encode Parquet -> LP" "polars, 1 thread" ours polars cpu ">= 2.5" ">= 3.5"
  claim "lp-encode Parquet -> LP" "DuckDB, 1 thread" ours duckdb cpu ">= 5" ">= 6.5"
  race
  # The spelling of numbers is free, so the values are read back as 32-bit and 64-bit floats by DuckDB, and added up.
  ! $pythonic || near "lp-encode of Parquet and DuckDB's sums" "$ours | $python $here/peers.py lp-sums /dev/stdin" "$python $here/peers.py parquet-sums $data/sensors.parquet"
}

# Threads of our own, wall against wall.
threads() {
  group threads rows
  if ! lp-encode --help | grep -q -- --threads; then
    absent "lp-encode --threads 2" "this build has no --threads"
  else
    local ours="lp-encode --quiet --epoch ms --measurement sensors $data/epoch.csv"
    contender "1 thread" "$rows" "$ours --threads 1 >/dev/null"
    contender "2 threads" "$rows" "$ours --threads 2 >/dev/null"
  fi
  claim "two cores against one" "own wall, lp-encode CSV -> LP" "2 threads" "1 thread" wall ">= 1.25" ">= 1.6"
  race
  [ -z "${command_of[2 threads]-}" ] || agree "one thread and two" "$ours --threads 1" "$ours --threads 2"
}

pipes() {
  group pipe rows
  contender "CSV encoded" "$rows" "cat $data/epoch.csv | lp-encode --quiet --epoch ms --measurement sensors | cat >/dev/null"
  contender "LP copied" "$rows" "cat $data/sensors.lp | cat >/dev/null"
  claim "cat CSV | lp-encode | cat" "cat LP | cat" "CSV encoded" "LP copied" wall "<= 1.2" "<= 0.8"
  race
}
