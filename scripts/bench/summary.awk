# Medians and ratios: awk -f summary.awk claims.tsv raw.csv
# claims.tsv: group, path, against, ours, peer, metric, must, stretch; raw.csv as race.sh writes it.
BEGIN { FS = "\t" }

FNR == 1 { file++; FS = file == 1 ? "\t" : ","; $0 = $0 }

file == 1 {
  n++
  group[n] = $1; path[n] = $2; against[n] = $3; ours[n] = $4; peer[n] = $5; metric[n] = $6; must[n] = $7; stretch[n] = $8
  next
}

# group,unit,label,round,units,wall,user,sys,rss_kib
FNR > 1 {
  key = $1 SUBSEP $3
  if (!(key in count)) { order[++keys] = key; group_of[key] = $1; label_of[key] = $3; unit_of[key] = $2; units[key] = $5 }
  i = ++count[key]
  value[key, "wall", i] = $6 / $5
  value[key, "cpu", i] = ($7 + $8) / $5
  value[key, "rss", i] = $9 / 1024
}

function median(key, what,    i, j, m, v, sorted) {
  m = count[key]
  for (i = 1; i <= m; i++) {
    v = value[key, what, i]
    for (j = i - 1; j >= 1 && sorted[j] > v; j--) sorted[j + 1] = sorted[j]
    sorted[j + 1] = v
  }
  return m % 2 ? sorted[(m + 1) / 2] : (sorted[m / 2] + sorted[m / 2 + 1]) / 2
}

function limit(text) { sub(/^[<>]= */, "", text); return text + 0 }
function meets(ratio, text) { return substr(text, 1, 1) == ">" ? ratio >= limit(text) : ratio <= limit(text) }

END {
  printf "%-36s %-38s %-5s %8s %8s %9s  %s\n", "path", "against", "by", "must", "stretch", "measured", "verdict"
  for (i = 1; i <= n; i++) {
    mine = group[i] SUBSEP ours[i]; theirs = group[i] SUBSEP peer[i]
    line = sprintf("%-36s %-38s %-5s %8s %8s", path[i], against[i], metric[i], must[i], stretch[i])
    if (!(mine in count) || !(theirs in count)) { printf "%s %9s  %s\n", line, "-", "not measured"; continue }
    a = median(mine, metric[i]); b = median(theirs, metric[i])
    if (a <= 0 || b <= 0) { printf "%s %9s  %s\n", line, "-", "too fast for the clock"; continue }
    ratio = substr(must[i], 1, 1) == ">" ? b / a : a / b
    verdict = must[i] == "" ? "" : meets(ratio, stretch[i]) ? "stretch" : meets(ratio, must[i]) ? "must" : "MISSED"
    printf "%s %9.2f  %s\n", line, ratio, verdict
  }
  printf "\n%-22s %-28s %10s %8s %8s %12s %12s %8s\n", "race", "contender", "units", "cpu s", "wall s", "units/cpu-s", "units/wall-s", "RSS MiB"
  for (k = 1; k <= keys; k++) {
    key = order[k]
    cpu = median(key, "cpu"); wall = median(key, "wall")
    printf "%-22s %-28s %10s %8.3f %8.3f %12s %12s %8.1f\n", group_of[key], label_of[key], units[key] " " unit_of[key], \
      cpu * units[key], wall * units[key], human(cpu), human(wall), median(key, "rss")
  }
}

function human(seconds,    rate) {
  if (seconds <= 0) return "-"
  rate = 1 / seconds
  return rate >= 1e6 ? sprintf("%.2f M", rate / 1e6) : rate >= 1e3 ? sprintf("%.0f k", rate / 1e3) : sprintf("%.0f", rate)
}
