"""What must not be reported: every way to write the same rows."""
import random
import re

from kinds import harmless
from table import json_lines, lines, nanoseconds, plain, single, stamp

# --- order and cut -------------------------------------------------------------------------------------------------------


@harmless("rows in reverse order", "sensors")
def _(a, b):
    b.rows.reverse()


@harmless("rows shuffled", "sensors")
def _(a, b):
    random.Random(1).shuffle(b.rows)


@harmless("rows shuffled, where every copy counts", "edge", options="--dedupe keep")
def _(a, b):
    random.Random(2).shuffle(b.rows)


@harmless("one series after another", "meters")
def _(a, b):
    b.rows.sort(key=lambda row: row[1])


@harmless("rows of one instant in another order", "keyed")
def _(a, b):
    b.rows.sort(key=lambda row: (row[0], row[3], row[2]))


@harmless("columns in another order", "edge")
def _(a, b):
    order = list(range(len(b.head)))
    random.Random(3).shuffle(order)
    b.head = [b.head[at] for at in order]
    b.rows = [[row[at] for at in order] for row in b.rows]


@harmless("a field per row", "sensors", options="--numeric value")
def _(a, b):
    rows, fields = b.rows, [b.at(name) for name in ("temperature", "humidity", "pressure", "status")]
    b.rows = []
    for row in rows:
        for field in fields:
            b.rows.append([text if at == field or at not in fields else "" for at, text in enumerate(row)])


@harmless("a pipe fed in odd pieces", "edge", read="| python3 $suite/dribble.py <b.csv")
def _(a, b):
    pass


@harmless("files of parts, one after another", "sensors", prepare="head -n 400 b.csv >one; (head -n 1 b.csv; tail -n +401 b.csv) >two",
          read="| cat one <(tail -n +2 two)")
def _(a, b):
    pass


@harmless("batches of seven rows", "edge", prepare="ts-convert -q --batch-rows 7 b.csv -o b.arrow", read="b.arrow")
def _(a, b):
    pass


# --- options that change the work and not the verdict --------------------------------------------------------------------

def told(name, data, options, **how):
    harmless(name, data, options=options, **how)(lambda a, b: random.Random(4).shuffle(b.rows))


told("buckets of a minute", "sensors", "--bucket 1m")
told("one bucket for all", "meters", "--bucket 3650d")
told("buckets of a nanosecond", "nanos", "--bucket 1ns")
told("digests on disk", "sensors", "--bucket 1s --max-memory 64KiB")
told("times cut to what they have", "sensors", "--precision ms")


# --- numbers -------------------------------------------------------------------------------------------------------------

@harmless("numbers with exponents", "sensors")
def _(a, b):
    b.column("pressure", lambda text: f"{float(text):.16e}")
    b.column("temperature", lambda text: f"{float(text):.8E}")


@harmless("a plus sign and leading zeros", "sensors")
def _(a, b):
    b.column("pressure", lambda text: "+00" + text)


@harmless("trailing zeros", "sensors")
def _(a, b):
    b.column("pressure", lambda text: text + "00000" if "." in text else text)


@harmless("whole numbers as doubles", "sensors")
def _(a, b):
    b.retype("status", "double")
    b.column("status", lambda text: text + ".0")


@harmless("whole numbers of another width", "edge")
def _(a, b):
    for name, kind in (("c_tiny", "long"), ("c_utiny", "long"), ("c_int", "decimal(20,0)"), ("c_uint", "ulong")):
        b.retype(name, kind)


@harmless("unsigned numbers as decimals", "edge")
def _(a, b):
    b.retype("c_ubig", "decimal(22,2)")
    b.column("c_ubig", lambda text: text + ".00")


@harmless("floats as doubles, shortest text", "sensors", digest="--read temperature=float32 --read humidity=float32")
def _(a, b):
    b.retype("temperature", "double")
    b.retype("humidity", "double")


@harmless("floats as doubles, widened bit by bit", "edge", digest="--read c_float=float32")
def _(a, b):
    b.retype("c_float", "double")
    b.column("c_float", lambda text: text if text in ("NaN", "inf", "-inf") else repr(single(text)))


@harmless("floats widened through ten digits, told to be rounded", "sensors", options="--float32 temperature")
def _(a, b):
    b.retype("temperature", "double")
    b.column("temperature", lambda text: f"{single(text):.10g}")


@harmless("zero without its sign", "edge")
def _(a, b):
    b.column("c_double", lambda text: "0" if text == "-0.0" else text)
    b.column("c_float", lambda text: "0e0" if text == "-0.0" else text)


@harmless("NaN in other letters", "edge")
def _(a, b):
    b.column("c_double", lambda text: "nan" if text == "NaN" else text)


@harmless("decimals of another scale", "edge")
def _(a, b):
    b.retype("c_decimal", "decimal(26,8)")
    b.column("c_decimal", lambda text: text + "0000")


@harmless("decimals as texts", "edge", digest="--read c_decimal=decimal")
def _(a, b):
    b.retype("c_decimal", "string")
    b.column("c_decimal", lambda text: text.rstrip("0").rstrip("."))


@harmless("small decimals as doubles", "notes", digest="--read small=double")
def _(a, b):
    b.retype("small", "double")
    b.column("small", lambda text: repr(float(text)))


# --- times ---------------------------------------------------------------------------------------------------------------

def spelled(name, spell, **how):
    harmless(name, "sensors", **how)(lambda a, b: b.column("ts", lambda text: spell(nanoseconds(text))))


spelled("times with nine digits of a second", lambda at: stamp(at, 9))
spelled("times with an offset", lambda at: stamp(at + 19800 * 10**9, 3)[:-1] + "+05:30")
spelled("times with an offset of a day before", lambda at: stamp(at - 36000 * 10**9, 6)[:-1] + "-10:00")


@harmless("a time that is a value, as a whole number", "notes", digest="--read at=timestamp(ms)")
def _(a, b):
    for table in (a, b):
        table.add("at", "timestamp", lambda row: stamp(row * 123 * 10**6, 3))
    b.retype("at", "long")
    b.column("at", lambda text: str(nanoseconds(text) // 10**6))


# --- texts and tags ------------------------------------------------------------------------------------------------------

@harmless("every cell in quotes", "edge")
def _(a, b):
    b.rows = [[cell if cell == "" or cell.startswith('"') else f'"{cell}"' for cell in row] for row in b.rows]
    b.head = [f'"{plain(cell)}"' for cell in b.head]


def file_of(name, data, change, **how):
    """The same CSV, its text changed as a whole."""
    @harmless(name, data, **how)
    def make(a, b):
        b.other = ("b.csv", change(b.text()))


file_of("CR LF at the ends of lines", "sensors", lambda text: text.replace("\n", "\r\n"))


@harmless("JSON with blanks, other orders of members, other spellings of numbers", "notes")
def _(a, b):
    for row, (mine, other) in enumerate(JSON):
        a.set(row, "doc", mine)
        b.set(row, "doc", other)


JSON = [
    ('{"a":1,"b":[1,2,{"c":null}]}', ' { "b" : [ 1 , 2.0 , { "c" : null } ] ,\n "a" : 1e0 } '),
    ('{"n":100}', '{"n":1e2}'),
    ('{"n":0.001}', '{"n":1E-3}'),
    ('{"n":100000000000000000000}', '{"n":1e20}'),
    ('{"n":9007199254740993}', '{"n":9007199254740993.0}'),
    ('{"n":-0}', '{"n":0}'),
    ('{"n":[0.10,1.50e+01]}', '{"n":[0.1,15]}'),
    ('{"text":"Z\u00fcrich \U0001f980 / \\" "}', '{"text":"Z\\u00fcrich \\ud83e\\udd80 \\/ \\u0022 "}'),
    ('{"\u00e4":{"b":1,"a":2}}', '{"\\u00e4":{"a":2,"b":1}}'),
    ("[]", "[ ]"),
]


@harmless("JSON as text", "notes", digest="--read doc=json")
def _(a, b):
    b.retype("doc", "string")


@harmless("bytes as hexadecimal text", "edge", digest="--read c_binary=hex --read c_geometry=hex")
def _(a, b):
    b.retype("c_binary", "string")
    b.retype("c_geometry", "string")
    b.column("c_binary", str.upper)


@harmless("empty tags for tags that are not there", "edge")
def _(a, b):
    at = b.at("t_text")
    for row in b.rows:
        row[at] = row[at] or '""'


@harmless("number tags in other spellings", "notes", digest="--read weight=double")
def _(a, b):
    for table, spell in ((a, lambda row: f"{row % 3}.50"), (b, lambda row: f"{row % 3}5e-1".replace("05e-1", "0.5"))):
        table.add("weight", "tag:double", spell)
    b.retype("weight", "tag")


@harmless("whole-number tags as texts", "meters")
def _(a, b):
    b.retype("groupid", "tag")


@harmless("boolean tags as texts", "edge")
def _(a, b):
    b.retype("t_bool", "tag")
    b.retype("t_int", "tag:long")


@harmless("a column of NULLs too many", "sensors")
def _(a, b):
    b.add("nothing", "double", lambda row: None)


@harmless("a redundant sub-table name left out", "sensors")
def _(a, b):
    b.drop("tbname")


@harmless("a field renamed, and said so", "sensors", pair="--rename Pressure=pressure", target="--rename Pressure=pressure")
def _(a, b):
    b.retype("pressure", "double", "Pressure")


@harmless("a column that is not compared", "sensors", options="--ignore status")
def _(a, b):
    b.column("status", lambda text: text + "1")


# --- rows that change nothing --------------------------------------------------------------------------------------------

@harmless("rows doubled, where the target overwrites", "sensors")
def _(a, b):
    b.rows += [list(row) for row in b.rows[100:300]]


@harmless("a value that a later row overwrites", "sensors")
def _(a, b):
    b.rows.insert(0, list(b.rows[40]))
    b.set(0, "pressure", "0.5")


@harmless("NULL in a later row of the same instant", "sensors")
def _(a, b):
    b.rows.append(list(b.rows[44]))
    b.set(-1, "pressure", None)


@harmless("rows without any value", "notes")
def _(a, b):
    b.rows.append(list(b.rows[5]))
    for name, kind in zip(b.names(), b.kinds()):
        if kind not in ("time", "tag"):
            b.set(-1, name, None)
    b.set(-1, "ts", "2031-01-01T00:00:00.000Z")


# --- formats -------------------------------------------------------------------------------------------------------------

def format_of(name, data, to, **how):
    """The same rows written by ts-convert."""
    harmless(name, data, prepare=f"ts-convert -q b.csv -o b.{to}", read=f"b.{to}", **how)(lambda a, b: None)


format_of("Arrow", "edge", "arrow")
format_of("Parquet", "edge", "parquet")
format_of("CSV in zstd", "edge", "csv.zst")
format_of("CSV in gzip", "sensors", "csv.gz")
format_of("Parquet, one series after another", "keyed", "parquet")


@harmless("CSV with an end mark", "edge", prepare="ts-gen edge --rows 480 --tables 8 --end-mark -q >marked", read="marked")
def _(a, b):
    pass


@harmless("CSV that gzip wrote, in two members", "sensors",
          prepare="(head -n 50 b.csv | gzip; tail -n +51 b.csv | gzip) >b.csv.gz", read="b.csv.gz")
def _(a, b):
    pass


@harmless("JSON lines", "sensors", options="--tag location,device_id,tbname --float32 temperature,humidity")
def _(a, b):
    b.other = ("b.ndjson", json_lines(b))


@harmless("JSON lines with whole numbers beyond 2^53", "keyed", options="--tag tbname,seq,site")
def _(a, b):
    b.other = ("b.ndjson", json_lines(b))


def lp(name, change=lambda rows: rows, data="sensors", digest="--measurement m --float32 temperature,humidity",
       options="", **how):
    """The same rows as line protocol; `change` gets a list of lines per row."""
    @harmless(name, data, digest=digest, options=options)
    def make(a, b):
        rows = change(lines(b, "m", **how))
        b.other = ("b.lp", "".join(line + "\n" for row in rows for line in row))


lp("line protocol")
lp("line protocol, tags in another order", tag_order=lambda tags: tags[::-1])
lp("line protocol, fields in another order", field_order=lambda fields: fields[::-1])
lp("line protocol, a line per field", split=True)
lp("line protocol, whole numbers without their suffix", suffix="")
lp("line protocol, lines in reverse order", lambda rows: rows[::-1])
lp("line protocol, lines doubled", lambda rows: rows + rows[:100])
lp("line protocol, comments and blank lines", lambda rows: [["# made by hand", ""], *rows[:5], ["", "#"], *rows[5:]])
lp("line protocol, a composite key", data="keyed", digest="--measurement m")
lp("line protocol, CR LF at the ends of lines", lambda rows: [[line + "\r" for line in row] for row in rows])
lp("line protocol, times in milliseconds", lambda rows: [[line[:-6] for line in row] for row in rows],
   options="--lp-precision ms")
lp("line protocol, numbers with exponents",
   lambda rows: [[re.sub(r"pressure=([0-9.]+)", lambda found: f"pressure={float(found[1]):.17e}", line) for line in row] for row in rows])


@harmless("line protocol, line feeds and tabs in texts", "notes", digest="--measurement m --float32 f")
def _(a, b):
    for table in (a, b):
        for name in ("doc", "blob", "place", "amount", "small"):
            table.drop(name)
        table.column("note", lambda text: f"{text}\nm,device=x n=1i 1\n#\t\\n")
    b.other = ("b.lp", "".join(line + "\n" for row in lines(b, "m") for line in row))


@harmless("line protocol, times before 1970", "sensors", digest="--measurement m --float32 temperature,humidity")
def _(a, b):
    for table in (a, b):
        table.column("ts", lambda text: stamp(nanoseconds(text) - 60 * 365 * 86400 * 10**9, 3))
    b.other = ("b.lp", "".join(line + "\n" for row in lines(b, "m") for line in row))


@harmless("line protocol, blanks, commas, equal signs and quotes in tags and texts", "notes",
          digest="--measurement m --float32 f")
def _(a, b):
    for table in (a, b):
        for name in ("doc", "blob", "place", "amount", "small"):
            table.drop(name)
        table.column("device", lambda text: f'{text}, floor=2 "x"')
        table.column("note", lambda text: f'{text} "x", y=\\z')
    b.other = ("b.lp", "".join(line + "\n" for row in lines(b, "m") for line in row))
