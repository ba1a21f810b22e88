#!/usr/bin/env bash
# migrate_window.sh ID: one window of $WORK/plan.tsv from TDengine into InfluxDB. The receipt $WORK/done/ID.json is
# written only when every stage ended with 0 and the sink wrote as many rows as the source gave.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
tools_on_path

id=${1:?usage: migrate_window.sh ID}
[ ! -e "$WORK/done/$id.json" ] || exit 0
IFS=$'\t' read -r _ table since until < <(grep "^$id	" "$WORK/plan.tsv")
logs=$WORK/logs/$id
mkdir -p "$logs"
export TS_END_MARK=1 # a cut stream between two stages is never taken for a whole one

# The pipeline. Every stage says what it did in a summary file of its own.
set +e
# shellcheck disable=SC2086 # the options are lists of words
td-dump --quiet ${DUMP_OPTIONS:-} --table "$table" --since "$since" --until "$until" -t arrow \
  --summary-file "$logs/dump.json" 2>"$logs/dump.log" |
  lp-encode --quiet --measurement "$table" ${ENCODE_OPTIONS:-} \
    --summary-file "$logs/encode.json" 2>"$logs/encode.log" |
  influx-write --quiet ${WRITE_OPTIONS:-} --rejects "$WORK/rejects/$id.lp" \
    --summary-file "$logs/write.json" 2>"$logs/write.log"
codes=("${PIPESTATUS[@]}")
set -e

# The first stage that failed for a reason of its own tells the exit code; a closed pipe (141) or a missing end mark (9)
# is only the echo of another stage's failure.
code=0
for c in "${codes[@]}"; do
  case $c in
    0) ;;
    9 | 141) [ "$code" -ne 0 ] || code=$c ;;
    *) code=$c; break ;;
  esac
done
if [ "$code" -ne 0 ]; then
  echo "$code" >"$WORK/logs/last-exit"
  say "window $id ($table $since) failed: td-dump ${codes[0]}, lp-encode ${codes[1]}, influx-write ${codes[2]}: $(cat "$logs"/*.log | grep -m 1 ' error: ' || true)"
  exit 1
fi
read_rows=$(sum_of rows <"$logs/dump.json")
written=$(sum_of rows <"$logs/write.json")
vanished=$(sum_of all_null_row <"$logs/encode.json")
if [ "$read_rows" -ne $((written + vanished)) ]; then
  echo 70 >"$WORK/logs/last-exit"
  say "window $id ($table $since): $read_rows rows read, but $written written and $vanished without a value"
  exit 1
fi
printf '{"id":"%s","table":"%s","since":"%s","until":"%s","rows":%s,"rejected":%s}\n' \
  "$id" "$table" "$since" "$until" "$written" "$(sum_of rejected <"$logs/write.json")" >"$WORK/done/.$id.tmp"
sync "$WORK/done/.$id.tmp"
mv "$WORK/done/.$id.tmp" "$WORK/done/$id.json"
sync "$WORK/done"
say "$(find "$WORK/done" -name '*.json' | wc -l)/$(wc -l <"$WORK/plan.tsv") windows, $table $since: $written rows"
