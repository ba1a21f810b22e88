# shellcheck shell=bash
# The environment file of a StarRocks migration, and what follows from it; sourced after ../lib.sh.

# usage_of FILE: the comment at the head of a script, for --help.
usage_of() { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$1"; }

# begin ARGS…: reads --env FILE, --job NAME and --work-dir DIR; what is left stands in $rest. Sets the URLs of both
# clusters, $job, $work, $source_storage and $target_storage.
begin() {
  local file=""
  rest=() job="" work=""
  while [ $# -gt 0 ]; do
    case $1 in
      --env) file=${2:?--env needs a file}; shift 2 ;;
      --job) job=${2:?--job needs a name}; shift 2 ;;
      --work-dir) work=${2:?--work-dir needs a directory}; shift 2 ;;
      -h | --help) usage_of "$0"; exit 0 ;;
      *) rest+=("$1"); shift ;;
    esac
  done
  [ -n "$file" ] || die 2 "give --env FILE (its keys are explained in scripts/starrocks/README.md)"
  read_env "$file"
  job=${job:-${JOB:-migration}}
  [[ $job =~ ^[A-Za-z0-9_.-]+$ ]] || die 2 "--job $job: letters, digits, '_', '-' and '.' are expected, it is a part of every object's name"
  work=${work:-${WORK_DIR:-./starrocks-$job}}
  tools_on_path
  cluster_urls "$file"
  storages "$file"
  check_old_keys
}

# cluster SIDE: the URL of a cluster from the keys SIDE_HOST (several with commas), _PORT, _HTTP_PORT, _USER, _DB_NAME.
cluster() {
  local host hosts list="" side=$1
  local names=${side}_HOST port=${side}_PORT http=${side}_HTTP_PORT user=${side}_USER db=${side}_DB_NAME
  IFS=, read -ra hosts <<<"${!names:-}"
  for host in "${hosts[@]}"; do
    host=${host//[[:space:]]/}
    [ -z "$host" ] || list=$list,$host:${!port:-9030}
  done
  printf 'starrocks://%s@%s/%s?http=%s\n' "${!user:-root}" "${list#,}" "${!db:-}" "${!http:-8030}"
}

# cluster_urls FILE: TS_SOURCE_URL and TS_TARGET_URL, where the file does not give them, and their passwords.
cluster_urls() {
  local side name url password
  for side in SOURCE TARGET; do
    name=${side}_HOST url=TS_${side}_URL
    [ -n "${!url:-}" ] || [ -z "${!name:-}" ] || export "TS_${side}_URL=$(cluster "$side")"
    name=${side}_PWD password=TS_${side}_PASSWORD
    [ -n "${!password:-}" ] || export "TS_${side}_PASSWORD=${!name:-}"
  done
  unset SOURCE_PWD TARGET_PWD
  [ -n "${TABLE_NAMES:-${TABLE_NAME:-}}" ] || die 2 "$1: TABLE_NAMES is missing"
}

# need_cluster SIDE: ends with 2 where the file does not name this cluster.
need_cluster() {
  local url=TS_$1_URL
  [ -n "${!url:-}" ] || die 2 "the environment file names no $1_HOST"
}

# storages FILE: the first of STORAGES is where the source's parts go, the last is where the target's come from.
storages() {
  local all
  IFS=, read -ra all <<<"${STORAGES:?$1: STORAGES is missing}"
  # shellcheck disable=SC2034 # the scripts use both
  source_storage=${all[0]%/} target_storage=${all[-1]%/}
  [ ${#all[@]} -le 2 ] || die 2 "$1: STORAGES: one storage, or two that are kept equal, are expected"
  # What the tools for storage and queues read.
  [ -z "${AWS_REGION:-}" ] || export AWS_REGION
  if [ -n "${AK:-}" ]; then export AWS_ACCESS_KEY_ID=$AK AWS_SECRET_ACCESS_KEY=${SK:-}; fi
  [ -z "${S3_INTERFACE_ENDPOINT:-}" ] || export AWS_ENDPOINT_URL_S3=$S3_INTERFACE_ENDPOINT
  [ -z "${TASK_QUEUE_ENDPOINT:-}" ] || export AWS_ENDPOINT_URL_SQS=$TASK_QUEUE_ENDPOINT
  unset AK SK
  # https://sqs.… as it stands in the console; a folder needs no scheme.
  queue=${TASK_QUEUE:-}
  case $queue in
    http://* | https://*) queue=sqs+$queue ;;
    /*) queue=dir://$queue ;;
  esac
}

# Keys of the old tool that have no meaning any more are said, not swallowed.
check_old_keys() {
  local key
  for key in RECORDER SPARK_IMPORT SPARK_DIRECT SPARK_CACHE SPARK_TEMP DEPENDENCY_JARS STARROCKS_TABLE_SIZE PER_FILE_MAX_ROW_COUNT; do
    [ -z "${!key:-}" ] || say "$key is not used: the state is kept in $work, and no Spark is needed"
  done
}

# tables: the names in TABLE_NAMES, one a line.
tables() { tr ',' '\n' <<<"${TABLE_NAMES:-$TABLE_NAME}" | sed 's/^[[:space:]]*//; s/[[:space:]]*$//; /^$/d'; }

# entry LIST NUMBER: the NUMBERth (from 0) of a comma list whose entries may hold commas in parentheses or quotes.
entry() {
  awk -v n="$2" '{
    depth = 0; quote = ""; at = 0; text = ""
    for (i = 1; i <= length($0); i++) {
      c = substr($0, i, 1)
      if (quote != "") { if (c == quote) quote = "" }
      else if (c == "\047" || c == "\"") quote = c
      else if (c == "(") depth++
      else if (c == ")") depth--
      else if (c == "," && depth == 0) { if (at == n) { print text; exit } at++; text = ""; continue }
      text = text c
    }
    if (at == n) print text
  }' <<<"$1"
}

# filters_of NUMBER: sets $partitions and $where for the NUMBERth table (TASK_FILTER and DATA_FILTER).
filters_of() {
  partitions=$(entry "${TASK_FILTER:-}" "$1") where=$(entry "${DATA_FILTER:-}" "$1")
  partitions=${partitions#"${partitions%%[![:space:]]*}"} where=${where#"${where%%[![:space:]]*}"}
  case $partitions in 'DEFAULT()' | 'ALL()') partitions="" ;; esac
}

# part_id WORDS…: the identity of a piece of work: 16 hex digits, a hash of what it would write.
part_id() { printf '%s\0' "$@" | sha256sum | cut -c 1-16; }

# at_once N|auto: sets $CONCURRENCY, and $pace: on where the load of the cluster decides on more or fewer.
at_once() {
  CONCURRENCY=$1 pace=${PACE:-}
  if [ "$CONCURRENCY" = auto ]; then
    CONCURRENCY=2 pace=${pace:-on}
    [ "$pace" = on ] || die 2 "CONCURRENCY=auto needs PACE=on, or is a number"
  fi
  [[ $CONCURRENCY =~ ^[1-9][0-9]{0,2}$ ]] || die 2 "CONCURRENCY=$CONCURRENCY: a number up to 999, or auto, is expected"
  case ${pace:=off} in on | off) ;; *) die 2 "PACE=$pace: on or off is expected" ;; esac
}

# start_pace SIDE DIR: sr-pace writes into DIR/jobs how many parts the cluster SOURCE or TARGET bears at a time, and why into
# DIR/pace.jsonl; it ends with this script, also when that is killed.
start_pace() {
  local dir=$2 url=TS_$1_URL more=()
  [ "$pace" = on ] || return 0
  # It begins within its own limits.
  [ "$CONCURRENCY" -le 16 ] || [[ " ${PACE_OPTIONS:-} " == *" --ceiling"* ]] || more=(--ceiling "$CONCURRENCY")
  rm -f "$dir/jobs"
  # Where ts-run tells how every attempt fared.
  export TS_RUN_TIMINGS=$dir/timings.jsonl
  : >"$TS_RUN_TIMINGS" || die 7 "cannot write in $dir"
  # shellcheck disable=SC2086 # PACE_OPTIONS is a list of words
  sr-pace --concurrency-file "$dir/jobs" "--$(tr '[:upper:]' '[:lower:]' <<<"$1")-url" "${!url}" --start "$CONCURRENCY" \
    --timings "$TS_RUN_TIMINGS" --pid $$ "${more[@]}" ${PACE_OPTIONS:-} </dev/null >>"$dir/pace.jsonl" 2>>"$dir/logs/pace.log" 9>&- &
  # shellcheck disable=SC2034 # splits.sh reads it
  pacer=$!
  trap stop_pace EXIT
  wait_for "$dir/jobs" 60 "$pacer" || die 2 "sr-pace does not start: $(tail -n 2 "$dir/logs/pace.log" | grep ' error: ')"
}
stop_pace() {
  kill "$pacer" 2>/dev/null || true
  wait "$pacer" 2>/dev/null || true
}

# many DIR: how many at a time, for messages.
many() {
  if [ "$pace" = on ]; then
    echo "$CONCURRENCY at a time, more or fewer as the cluster bears (why: $1/pace.jsonl)"
  else
    echo "$CONCURRENCY at a time (a number in $1/jobs changes that)"
  fi
}

# lock_work: one manager at a time does this kind of work in $1.
lock_work() {
  mkdir -p "$1" || die 7 "cannot make the directory $1"
  { exec 9<>"$1/.lock"; } || die 7 "cannot write in $1"
  flock -w 2 9 || die 2 "$1: another process is at work here: wait for it, or end it"
  room "$1" || die 7 "no file can be written in $1"
}
