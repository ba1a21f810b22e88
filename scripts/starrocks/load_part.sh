# Loads one object; import.sh writes it into the work directory, and ts-run runs it. The label follows from the object's
# name and content: an object that is loaded twice has the same label twice, and StarRocks takes it once.
# shellcheck shell=bash disable=SC2154
store-get --quiet "$TS_SPLIT_PREDICATE" |
  sr-stream-load --quiet --table "$TS_SPLIT_TABLE" --from parquet --label-prefix "$TS_SPLIT_ID" --rejects "$TS_SPLIT_REJECTS" @LOAD_OPTIONS@
