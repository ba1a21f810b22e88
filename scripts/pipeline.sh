# Moves one split; run by ts-run, with `bash -euo pipefail`. run_migration.sh writes it into the work directory with the
# options of the environment file in place of the words between @. Any pipeline will do that reads with one of our sources
# and writes with one of our sinks: they leave the counts that ts-run compares.
# shellcheck shell=bash disable=SC2154 # TS_SPLIT_… come from ts-run

td-dump --quiet @DUMP_OPTIONS@ --table "$TS_SPLIT_TABLE" ${TS_SPLIT_PREDICATE:+--where "$TS_SPLIT_PREDICATE"} \
  --since "$TS_SPLIT_FROM" --until "$TS_SPLIT_TO" -t arrow |
  lp-encode --quiet --measurement "$TS_SPLIT_TABLE" @ENCODE_OPTIONS@ |
  influx-write --quiet @WRITE_OPTIONS@ --rejects "$TS_SPLIT_REJECTS"
