# Exports one partition; export.sh writes it into the work directory, after the conditions of DATA_FILTER, and ts-run runs it.
# shellcheck shell=bash disable=SC2154,SC2034
sr-export --quiet --table "$TS_SPLIT_TABLE" --partitions "EACH($TS_SPLIT_PREDICATE)" "${where[@]}" -t parquet |
  store-put --quiet @PREFIX@/"$TS_SPLIT_TABLE/$TS_SPLIT_PREDICATE/$TS_SPLIT_ID".parquet - >@PUTS@/"$TS_SPLIT_ID".json
