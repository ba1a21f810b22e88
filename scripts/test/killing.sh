# shellcheck shell=bash disable=SC2154,SC2034 # variables of the test, and for it
# Migrations that are killed: what the tests of them share. Sourced after lib.sh, with $here the folder of the tests. A test
# sets $source (a source's URL) and $window before it makes targets.

passed=0 running="" code=0
ok() { passed=$((passed + 1)); say "ok: $*"; }
fail() { cat "$scratch/out" >&2; die 1 "$*"; }
before_end() { [ -z "$running" ] || kill -9 -- "-$running" 2>/dev/null || true; }

# target NAME [ARGS…]: a fresh target (ARGS for the simulator), its log $requests, its environment file $env, its work
# directory $work.
target() {
  requests=$scratch/requests-$1
  simulate "target-$1" influx --flavor 1.8 --database demo --log-requests "$requests" "${@:2}"
  env=$scratch/env-$1 work=$scratch/work-$1
  cat >"$env" <<END
TS_SOURCE_URL=$source
TS_SOURCE_PASSWORD=taosdata
TS_TARGET_URL=influx1+$url/demo
WINDOW=$window
CONCURRENCY=3
RUN_OPTIONS=--retry-wait 100ms --lock-wait 10s
VERIFY_OPTIONS=--bucket $window
END
}
migrate() { "$here/../run_migration.sh" --env "$env" --work-dir "$work" "$@"; }
receipts() { find "$work/done" -name '*.json' 2>/dev/null | wc -l; }
splits() { tail -n +3 "$work/plan.tsv" | wc -l; }

# begin N [ARGS…]: a migration in a session of its own, until N splits are done.
begin() {
  setsid "$here/../run_migration.sh" --env "$env" --work-dir "$work" "${@:2}" >"$scratch/out" 2>&1 &
  running=$!
  until [ "$(receipts)" -ge "$1" ]; do
    kill -0 "$running" 2>/dev/null || fail "the migration ended before it could be killed"
    sleep 0.01
  done
}

# process NAME: a process of this name in the migration's session. Sets $pid.
process() {
  # A child that is still to become another program has its parent's name: it is not meant.
  pid=$(ps -s "$running" -o pid=,ppid=,comm= |
    awk -v name="$1" '{ comm[$1] = $3; parent[$1] = $2 } END { for (p in comm) if (comm[p] == name && comm[parent[p]] != name) { print p; exit } }')
  [ -n "$pid" ]
}

# kill_one NAME: kills one process of this name in the migration's session, and no other; false where the migration ended
# before there was one.
kill_one() {
  local pid
  for _ in $(seq 500); do
    # One that is about to end may still be listed: only what stops is alive.
    if process "$1" && kill -STOP "$pid" 2>/dev/null; then
      until [[ $(ps -o stat= "$pid") =~ ^(T|Z|$) ]]; do sleep 0.01; done
      if [[ $(ps -o stat= "$pid") == T* ]]; then
        kill -9 "$pid"
        return 0
      fi
    fi
    kill -0 "$running" 2>/dev/null || return 1
    sleep 0.01
  done
  return 1
}

# ended: the exit code of the migration that was begun.
ended() { code=0; wait "$running" 2>/dev/null || code=$?; running=; }

# times: every receipt, and when it was written.
times() { find "$work/done" -name '*.json' -printf '%f %T@\n' 2>/dev/null | sort; }

# untouched NAME BEFORE: the receipts that there were are there as they were.
untouched() {
  [ -z "$(comm -23 <(printf '%s\n' "$2") <(times))" ] || fail "$1: a finished split was run again"
}

# whole NAME: every split has its receipt and was done once, no two wrote one at a time, and both sides are equal.
whole() {
  local twice
  grep -q 'verdict: equal' "$scratch/out" || fail "$1: not equal"
  [ "$(receipts)" -eq "$(splits)" ] || fail "$1: $(receipts) receipts of $(splits) splits"
  twice=$(grep '"what":"done"' "$work/journal.jsonl" | grep -oE '"id":"[^"]*"' | sort | uniq -d)
  [ -z "$twice" ] || fail "$1: done twice: $twice"
  writers "$requests" >"$scratch/writers" || fail "$1: $(head -n 3 "$scratch/writers")"
  ok "$1"
}

# resume NAME [ARGS…]: goes on, to the end.
resume() {
  local before
  before=$(times)
  migrate --resume "${@:2}" >"$scratch/out" 2>&1 || fail "$1: --resume ends with $?"
  untouched "$1" "$before"
  late_writes "$requests" >"$scratch/writers" || fail "$1: $(head -n 3 "$scratch/writers")"
  whole "$1"
}

# write_spans LOG: the writes of splits in a target's log: split, process, start and end in microseconds; by split and start.
# A line that is cut, or that says less, ends it with 3: nothing is concluded from it.
write_spans() {
  awk '
    function number(key) { return match($0, "\"" key "\":[0-9]+") ? substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) : "" }
    /"path":"\/write"/ && /\(split / {
      who = match($0, /\(split [^;]*; process [0-9]+\)/) ? substr($0, RSTART + 7, RLENGTH - 8) : ""
      sub("; process", "", who)
      if (who == "" || number("start_us") == "" || number("end_us") == "") { print "no span: " $0 >"/dev/stderr"; exit 3 }
      print who, number("start_us"), number("end_us")
    }' "$1" | LC_ALL=C sort -k1,1 -k3,3n
}

# writers LOG: fails, and tells which, where two processes wrote one split at the same time: each one's time is from the
# start of its first request to the end of its last one, as the target saw it.
writers() {
  write_spans "$1" | awk '
    { who = $1 " " $2
      if (!(who in from)) { from[who] = $3; of[$1] = of[$1] " " $2 }
      if ($4 > to[who]) to[who] = $4 }
    END {
      for (split_id in of) {
        n = split(of[split_id], pid, " ")
        for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) {
          a = split_id " " pid[i]; b = split_id " " pid[j]
          if (from[a] < to[b] && from[b] < to[a]) {
            printf "split %s was written by %s and %s at the same time\n", split_id, pid[i], pid[j]
            bad = 1
          }
        }
      }
      exit bad
    }'
}

# late_writes LOG: fails, and tells which, where a write of a split began after the split had its receipt. (The time of a file
# is that of the kernel's last tick, up to 10 ms ago.)
late_writes() {
  awk 'NR == FNR { receipt[$1] = $2 * 1000000 + 10000; next }
    $1 in receipt && $3 > receipt[$1] { printf "split %s was written %d us after its receipt\n", $1, $3 - receipt[$1]; bad = 1 }
    END { exit bad }' <(times | sed 's/\.json / /') <(write_spans "$1")
}
