# shellcheck shell=bash
# Line protocol into columns, CSV into Parquet, digests.
# shellcheck disable=SC2154,SC2034,SC2016

decode() {
  group lp-columns lines
  contender ours "$rows" "lp-decode --quiet -t arrow $data/sensors.lp >/dev/null"
  contender "ours (CSV)" "$rows" "lp-decode --quiet $data/sensors.lp >/dev/null"
  if reference lp_crate; then contender "influxdb-line-protocol" "$rows" "$program $data/sensors.lp"; else absent "influxdb-line-protocol" "the references are not built"; fi
  claim "lp-decode" "crate influxdb-line-protocol" ours "influxdb-line-protocol" cpu ">= 6" ">= 12"
  race
  if $pythonic; then
    lp-decode --quiet -t parquet "$data/sensors.lp" -o "$scratch/ours.parquet" 2>"$scratch/err"
    near "lp-decode and DuckDB's regular expression" "$python $here/peers.py parquet-sums $scratch/ours.parquet time" "$python $here/peers.py lp-sums $data/sensors.lp"
    rm -f "$scratch/ours.parquet"
  fi
}

convert() {
  group csv-parquet rows
  contender ours "$rows" "ts-convert --quiet $data/sensors.csv -t parquet >/dev/null"
  if $pythonic; then
    contender duckdb "$rows" "$python $here/peers.py duckdb-csv-parquet $data/sensors.csv"
    contender polars "$rows" "POLARS_MAX_THREADS=1 $python $here/peers.py polars-csv-parquet $data/sensors.csv"
  else
    absent "polars, duckdb" "pip cannot install them"
  fi
  claim "ts-convert CSV -> Parquet zstd" "DuckDB, 1 thread" ours duckdb cpu ">= 1.3" ">= 2.2"
  claim "ts-convert CSV -> Parquet zstd" "polars, 1 thread" ours polars cpu ">= 0.9" ">= 1.4"
  race
  if $pythonic; then
    ts-convert --quiet "$data/sensors.csv" -o "$scratch/ours.parquet" 2>"$scratch/err"
    "$python" "$here/peers.py" duckdb-csv-parquet "$data/sensors.csv" "$scratch/duckdb.parquet"
    near "ts-convert and DuckDB, read by DuckDB" "$python $here/peers.py parquet-sums $scratch/ours.parquet" "$python $here/peers.py parquet-sums $scratch/duckdb.parquet"
    say "size of the Parquet file: ours $(bytes "$scratch/ours.parquet"), DuckDB's $(bytes "$scratch/duckdb.parquet")"
    rm -f "$scratch"/*.parquet
  fi
}

scan() {
  group csv-scan rows
  contender ours "$rows" "ts-convert --quiet $data/sensors.csv -t arrow >/dev/null"
  if xsv_program; then contender "xsv count" "$rows" "$xsv count $data/sensors.csv"; else absent xsv "cargo cannot build it ($cache/xsv.log)"; fi
  claim "ts-convert CSV -> Arrow" "xsv count (only finds the rows)" ours "xsv count" cpu "" ""
  race
}

digest() {
  group digest rows
  contender ours "$rows" "ts-verify digest --quiet --measurement sensors $data/sensors.parquet -o /dev/null"
  if $pythonic; then contender "duckdb" "$rows" "$python $here/peers.py duckdb-hash $data/sensors.parquet"; else absent duckdb "pip cannot install it"; fi
  claim "ts-verify digest of Parquet" "DuckDB sum(hash(...))" ours duckdb cpu ">= 0.8" ">= 1.5"
  race
}
