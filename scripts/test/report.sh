#!/usr/bin/env bash
# The HTML report in a real browser (Chromium or Chrome, headless): it is drawn as meant, nothing in it runs, and it prints.
# TS_BROWSER names another browser; TS_SCREENSHOT=FILE keeps the picture.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

browser=${TS_BROWSER:-}
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  [ -n "$browser" ] || browser=$(command -v "$name" || true)
done
if [ -z "$browser" ]; then
  skip "the HTML report in a browser: no Chromium is installed (Debian: apt-get install chromium)"
  exit 77
fi
need python3 "python3"
tools_on_path
begin_scratch
cd "$scratch"

# Three days; one value altered, one hour lost, and a script for a tag.
python3 - <<'PY'
head = "ts|time,device|tag,temp|double\n"
a, b = [], []
for day in range(1, 4):
    for hour in range(24):
        for device in ("d1", "<script>document.title='ran'</script>"):
            row = f"2024-03-{day:02}T{hour:02}:15:00Z,{device},"
            a.append(f"{row}{hour}.5\n")
            if (day, hour) == (2, 9):
                continue
            b.append(f"{row}{'99' if (day, hour, device) == (2, 7, 'd1') else f'{hour}.5'}\n")
for name, rows in (("a.csv", a), ("b.csv", b)):
    with open(name, "w") as file:
        file.write(head + "".join(rows))
PY
code=0
ts-verify rows a.csv b.csv --quiet --html report.html >/dev/null 2>&1 || code=$?
[ "$code" -eq 1 ] || die 1 "ts-verify: exit $code where the sides differ"

# Root may not run a browser in its sandbox; containers often have no /dev/shm to speak of.
browse() {
  timeout 120 "$browser" --headless --disable-gpu --no-sandbox --disable-dev-shm-usage --user-data-dir="$scratch/profile" \
    "$@" "file://$scratch/report.html" 2>"$scratch/browser.log" || die 1 "the browser failed: $(tail -n 3 "$scratch/browser.log")"
}
browse --window-size=1280,1600 --screenshot="$scratch/report.png" >/dev/null
browse --dump-dom >dom.html
browse --no-pdf-header-footer --print-to-pdf="$scratch/report.pdf" >/dev/null

python3 - <<'PY'
import re, struct, zlib

dom = open("dom.html", encoding="utf-8").read()
assert "<title>different: a.csv and b.csv</title>" in dom, "the title is another: something ran, or the page is another"
assert "<script" not in dom, "data became an element"
states = {state: len(re.findall(f'<td class="c {state}">', dom)) for state in ("eq", "di", "no", "un", "to")}
assert states == {"eq": 70, "di": 2, "no": 0, "un": 0, "to": 0}, states

def picture(name):
    """Width, height and rows of (r, g, b) of a PNG of 8 bits a channel."""
    data = open(name, "rb").read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, body = 8, b""
    while at < len(data):
        (length,), kind = struct.unpack(">I", data[at:at + 4]), data[at + 4:at + 8]
        chunk = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", chunk[:10])
            assert depth == 8 and colour in (2, 6)
        if kind == b"IDAT":
            body += chunk
        at += 12 + length
    n = 3 if colour == 2 else 4
    raw, last, rows, step = zlib.decompress(body), bytearray(width * n), [], width * n + 1
    for y in range(height):
        how, row = raw[y * step], bytearray(raw[y * step + 1:(y + 1) * step])
        for x in range(width * n):
            left, up, corner = (row[x - n] if x >= n else 0), last[x], (last[x - n] if x >= n else 0)
            if how == 1: row[x] = row[x] + left & 255
            elif how == 2: row[x] = row[x] + up & 255
            elif how == 3: row[x] = row[x] + (left + up) // 2 & 255
            elif how == 4:
                p = left + up - corner
                near = min((left, up, corner), key=lambda c: abs(p - c))
                row[x] = row[x] + near & 255
        rows.append(row)
        last = row
    return width, height, n, rows

width, height, n, rows = picture("report.png")
count = lambda r, g, b: sum(row[x:x + 3] == bytes((r, g, b)) for row in rows for x in range(0, width * n, n))
green, red = count(0xcd, 0xee, 0xd5), count(0xb3, 0x21, 0x1b)
# 70 and 2 fields of some 20 by 20 pixels; the frame of the verdict is red, too.
assert green > 70 * 100, f"{green} green pixels"
assert 2 * 100 < red < green, f"{red} red pixels"
pdf = open("report.pdf", "rb").read()
assert pdf.startswith(b"%PDF") and len(pdf) > 5000
print(f"report.sh: drawn: {width}x{height}, {green} green and {red} red pixels; printed: {len(pdf)} bytes")
PY
[ -z "${TS_SCREENSHOT:-}" ] || cp report.png "$TS_SCREENSHOT"
