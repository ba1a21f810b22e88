#!/usr/bin/env bash
# retry.sh --env FILE [--job NAME] [--work-dir DIR] [--type export|import]
#
# Sends every part again that is not exported, or not loaded, whatever became of it; none that is. Without --type both.
#
# Exit 0: all parts are there. 4, 5, 6…: as the tool that failed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
. "$here/env.sh"

arguments=() types=(export import)
while [ $# -gt 0 ]; do
  case $1 in
    --type)
      case ${2:-} in export | import) types=("$2") ;; *) die 2 "--type is export or import" ;; esac
      shift 2
      ;;
    -h | --help) usage_of "$0"; exit 0 ;;
    *) arguments+=("$1"); shift ;;
  esac
done
for type in "${types[@]}"; do "$here/$type.sh" "${arguments[@]}"; done
