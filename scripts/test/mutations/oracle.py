"""Says whether two files hold the same time series. Plain Python, sharing nothing with ts-verify: no hash, no digest, no
buckets; every cell of both sides is in memory, as an exact fraction, a text or bytes.

A file is read by what its name ends with: typed CSV, line protocol (.lp), or JSON lines (.ndjson). The options are those of
ts-verify, because they say what counts as equal; they are understood here on their own.

oracle.py DIRECTORY: for every case in it (a directory with a.csv, b.csv and options.json, {"dedupe": "last", …}) one JSON line:
{"case": name, "code": 0|1|10, "cells": [a, b], "missing": n, "extra": n, "changed": n, "type": n}
"""
import argparse
import datetime
import functools
import json
import os
import struct
import sys
from collections import Counter, namedtuple
from fractions import Fraction

Answer = namedtuple("Answer", "equal rows counts cells")
NANOS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
FLOATS, INTEGERS = ("float", "double"), ("byte", "short", "int", "long", "ubyte", "ushort", "uint", "ulong")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def options_of(words):
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--dedupe", default="last")
    parser.add_argument("--neg-zero", default="equal")
    parser.add_argument("--numeric", default="value")
    parser.add_argument("--empty-tag", default="absent")
    parser.add_argument("--float32", default="auto")
    parser.add_argument("--table-as", default="auto")
    parser.add_argument("--json", default="document")
    parser.add_argument("--precision", default="ns")
    parser.add_argument("--lp-precision", default="ns")
    parser.add_argument("--measurement")
    for name in ("--since", "--until"):
        parser.add_argument(name)
    for name in ("--tag", "--ignore", "--rename"):
        parser.add_argument(name, type=lambda text: text.split(","), default=[])
    # How the work is cut decides nothing.
    for name in ("--bucket", "--rows-max", "--max-memory", "--from-b", "--from-a"):
        parser.add_argument(name)
    return parser.parse_args(words)


# --- reading -------------------------------------------------------------------------------------------------------------
# A side is (columns, rows): columns {name: (role, type)}, rows of (measurement, ns, {name: text}).

def csv_records(text):
    """Rows of cells; a cell is None where it is empty without quotes."""
    text += "" if text.endswith("\n") else "\n"
    row, i, end = [], 0, len(text)
    while i < end:
        if text[i] == '"':
            cell, i = "", i + 1
            while True:
                stop = text.index('"', i)
                cell += text[i:stop]
                i = stop + 1
                if text[i : i + 1] != '"':
                    break
                cell, i = cell + '"', i + 1
        else:
            start = i
            while text[i] not in ",\n" and not text.startswith("\r\n", i):
                i += 1
            cell = text[start:i] or None
        row.append(cell)
        i += text.startswith("\r\n", i)
        if text[i] == "\n":
            if not (len(row) == 1 and (row[0] or "").startswith("#ts-end ")):
                yield row
            row = []
        i += 1


def read_csv(text, options):
    records = csv_records(text)
    columns, names, keys = {}, [], []
    for cell in next(records):
        name, _, kind = cell.rpartition("|")
        role, _, rest = kind.partition(":")
        if role in ("time", "measurement"):
            column = (role, "string")
        elif role == "table":
            column = ("spare" if rest == "redundant" and options.table_as == "auto" else "tag", "string")
        elif role in ("tag", "ignore"):
            column = (role, rest or "string")
        else:
            column = ("tag" if rest == "key" else "field", role)
        names.append(name)
        columns[name] = column
    rows = []
    at = next(i for i, name in enumerate(names) if columns[name][0] == "time")
    for record in records:
        assert len(record) == len(names), record
        cells = {name: cell for name, cell in zip(names, record) if cell is not None}
        rows.append((None, instant(record[at]), cells))
        for name in cells:
            if columns[name][1] == "timestamp":
                # The unit of a column is that of its first value.
                columns[name] = (columns[name][0], f"timestamp({len(cells[name].partition('.')[2].rstrip('Z'))})")
    return columns, rows


def lp_split(text, separators, i, quotes=False):
    """The piece up to an unescaped separator, and where it ends."""
    start, inside = i, False
    while i < len(text):
        c = text[i]
        if c == "\\" and i + 1 < len(text):
            i += 2
            continue
        if quotes and c == '"':
            inside = not inside
        elif c in separators and not inside:
            break
        i += 1
    return text[start:i], i


def lp_plain(text, special):
    """Takes the escapes away that stand before one of these; any other backslash is one."""
    out, i = "", 0
    while i < len(text):
        if text[i] == "\\" and text[i + 1 : i + 2] and text[i + 1] in special:
            i += 1
        out, i = out + text[i], i + 1
    return out


def lp_lines(text):
    """A line feed inside a quoted field is no end of a line."""
    start = i = 0
    while i < len(text):
        _, i = lp_split(text, "\n", i, quotes=not text.startswith("#", start))
        yield text[start:i].removesuffix("\r")
        start = i = i + 1


def read_lp(text, options):
    columns, rows = {"time": ("time", "string")}, []
    for line in lp_lines(text):
        if not line.strip() or line.startswith("#"):
            continue
        name, i = lp_split(line, ", ", 0)
        measurement, cells = lp_plain(name, ", \\"), {}
        while line[i] == ",":
            key, i = lp_split(line, "=", i + 1)
            value, i = lp_split(line, ", ", i + 1)
            key = lp_plain(key, ",= \\")
            columns[key] = ("tag", "string")
            cells[key] = lp_plain(value, ",= \\")
        while line[i] in ", " and "=" in line[i:]:
            key, i = lp_split(line, "=", i + 1)
            value, i = lp_split(line, ", ", i + 1, quotes=True)
            key = lp_plain(key.strip(), ",= \\")
            if value.startswith('"'):
                kind, value = "string", lp_plain(value[1:-1], '"\\')
            elif value[-1] in "iu":
                kind, value = ("long" if value[-1] == "i" else "ulong"), value[:-1]
            elif value in ("t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"):
                kind, value = "boolean", str(value[0] in "tT").lower()
            else:
                kind = "double"
            columns[key] = ("field", kind)
            cells[key] = value
            if i >= len(line) or line[i] == " ":
                break
        rows.append((measurement, int(line[i:].strip()) * NANOS[options.lp_precision], cells))
    return columns, rows


def read_ndjson(text, options):
    columns, rows = {}, []
    for line in text.splitlines():
        document = json.loads(line, parse_float=lambda text: ("double", text), parse_int=lambda text: ("long", text))
        at, cells = instant(document.pop("ts")), {}
        for name, value in document.items():
            if value is None:
                continue
            kind, value = value if isinstance(value, tuple) else (
                ("boolean", str(value).lower()) if isinstance(value, bool) else ("string", value))
            if columns.get(name, ("", ""))[1] != "double":
                columns[name] = ("tag" if name in options.tag else "field", kind)
            cells[name] = value
        rows.append((None, at, cells))
    return columns, rows


@functools.lru_cache(maxsize=16)
def parsed(text, reader, table_as, tag, lp_precision):
    return reader(text, argparse.Namespace(table_as=table_as, tag=tag, lp_precision=lp_precision))


def read(path, options):
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    reader = read_lp if path.endswith(".lp") else read_ndjson if path.endswith(".ndjson") else read_csv
    columns, rows = parsed(text, reader, options.table_as, tuple(options.tag), options.lp_precision)
    names = dict(pair.split("=") for pair in options.rename)
    columns = {names.get(name, name): column for name, column in columns.items() if name not in options.ignore}
    if names:
        rows = [(measurement, at, {names.get(name, name): text for name, text in cells.items()})
                for measurement, at, cells in rows]
    for name in options.tag:
        columns[name] = ("tag", columns[name][1])
    return columns, rows


# --- values --------------------------------------------------------------------------------------------------------------

@functools.lru_cache(maxsize=None)
def instant(text):
    """Nanoseconds since 1970 of an RFC 3339 text, or, for years that it does not have, of seconds (`253402300800s`)."""
    if text.endswith("s"):
        return int(text[:-1]) * 10**9
    offset = 0
    if text.endswith("Z"):
        text = text[:-1]
    else:
        sign = -1 if text[-6] == "-" else 1
        offset = sign * (int(text[-5:-3]) * 60 + int(text[-2:])) * 60
        text = text[:-6]
    head, _, fraction = text.partition(".")
    whole = datetime.datetime.strptime(head, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc) - EPOCH
    return (whole.days * 86400 + whole.seconds - offset) * 10**9 + int((fraction + "0" * 9)[:9])


def exact(value, neg_zero="equal"):
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return ("number", str(value))
        if value == 0 and str(value) == "-0.0" and neg_zero == "distinct":
            return ("number", "-0")
    return ("number", Fraction(value))


def single(value):
    """The nearest f32."""
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


@functools.lru_cache(maxsize=None)
def shortest(value):
    """The double that the shortest text of an f32 is."""
    return next(near for near in (float(f"{value:.{digits}g}") for digits in range(1, 10)) if single(near) == value)


def beside_float(value):
    """A double beside an f32: it is that one if it holds its value or its shortest text."""
    near = single(value)
    finite = near == near and abs(near) != float("inf")
    return near if finite and value in (near, shortest(near)) else value


def document(text):
    """A JSON text as nested tuples: objects without an order, numbers exact."""
    def plain(value):
        if isinstance(value, list):
            return ("array", tuple(plain(item) for item in value))
        return value if isinstance(value, tuple) else (type(value).__name__, value)

    def pairs(items):
        return ("object", frozenset((key, plain(value)) for key, value in items))

    number = lambda text: ("number", Fraction(text))
    return plain(json.loads(text, object_pairs_hook=pairs, parse_float=number, parse_int=number))


@functools.lru_cache(maxsize=None)
def canonical(text, kind, other, float32, rounded, neg_zero, json_as):
    """The value of a cell of a column of type `kind`, where the other side's column is of type `other`. `rounded`: the user
    said that the column holds f32."""
    family = kind.partition("(")[0]
    meets = {family, (other or kind).partition("(")[0]}
    if family in FLOATS or (family == "decimal" and meets & set(FLOATS)):
        value = float(text)
        if rounded or family == "float":
            value = single(value)
        elif "float" in meets and float32:
            value = single(value) if family == "decimal" else beside_float(value)
        return exact(value, neg_zero)
    if family == "decimal" or (family == "string" and "decimal" in meets):
        return ("number", Fraction(text))
    if family in INTEGERS and "timestamp" in meets:
        return ("instant", int(text) * 10 ** (9 - int(other[len("timestamp(") : -1])))
    if family in INTEGERS:
        return exact(int(text))
    if family == "boolean":
        return ("boolean", text == "true")
    if "json" in meets and json_as == "document":
        return ("json", document(text))
    if "binary" in meets or "geometry" in meets:
        return ("bytes", bytes.fromhex(text))
    if family == "timestamp":
        return ("instant", instant(text))
    assert family in ("string", "json"), family
    return ("text", text)


def tag_text(text, kind, other):
    """A tag is a text; but where a side declares it a number, it is that."""
    if {kind, other} & set(FLOATS):
        return str(exact(float(text))[1])
    return str(int(text)) if kind in INTEGERS else text


# --- comparing -----------------------------------------------------------------------------------------------------------

def cells_of(side, other, options):
    """{(series, ns): {field: [values]}}"""
    columns, rows = side
    names = {name for _, _, cells in rows for name in cells}
    others = {name: kind for name, (role, kind) in other[0].items() if role == "field"}
    other_tags = {name: kind for name, (role, kind) in other[0].items() if role == "tag"}
    tags, fields = [], []
    for name, (role, kind) in columns.items():
        if role == "tag" or (role == "spare" and name in other_tags):
            tags.append((name, kind, other_tags.get(name)))
        elif role == "field" and name in names:
            fields.append((name, kind, others.get(name)))
    singles = options.float32.split(",")
    step, found = NANOS[options.precision], {}
    for measurement, at, cells in rows:
        if (options.since and at < instant(options.since)) or (options.until and at >= instant(options.until)):
            continue
        series = [(name, tag_text(cells[name], kind, partner)) for name, kind, partner in tags if name in cells]
        if options.empty_tag == "absent":
            series = [(name, value) for name, value in series if value]
        key = (options.measurement or measurement, tuple(sorted(series)), at // step * step)
        for name, kind, partner in fields:
            if name not in cells:
                continue
            rules = options.float32 != "never", name in singles, options.neg_zero, options.json
            value = canonical(cells[name], kind, partner, *rules)
            if options.numeric == "strict" and value[0] == "number":
                value = (kind, value[1])
            found.setdefault(key, {}).setdefault(name, []).append(value)
    keep = {"last": slice(-1, None), "first": slice(0, 1), "keep": slice(None)}[options.dedupe]
    for row in found.values():
        for name in row:
            row[name] = row[name][keep]
    return found


def same_measurement(a, b, options):
    """A CSV does not name its measurement: it has that of the other side."""
    names = [{measurement for measurement, _, _ in rows} - {None} for _, rows in (a, b)]
    if bool(names[0]) != bool(names[1]) and len(names[0] | names[1]) == 1 and not options.measurement:
        options.measurement = (names[0] | names[1]).pop()


def both(path_a, path_b, words):
    """The sides and the options."""
    options = options_of(words)
    a, b = read(path_a, options), read(path_b, options)
    same_measurement(a, b, options)
    return a, b, options


def all_cells(side, other, options):
    """[(measurement, tags, ns, field, value)] in the order of the file; None for NULL."""
    columns, rows = side
    others = {name: kind for name, (_, kind) in other[0].items()}
    tags = [name for name, (role, _) in columns.items() if role == "tag"]
    fields = [(name, kind) for name, (role, kind) in columns.items() if role == "field"]
    found = []
    for measurement, at, cells in rows:
        series = tuple(sorted((name, cells[name]) for name in tags if cells.get(name)))
        for name, kind in fields:
            text = cells.get(name)
            value = None if text is None else canonical(text, kind, others.get(name), True, False, options.neg_zero, options.json)
            found.append((options.measurement or measurement, series, at, name, value))
    return found


def compare(path_a, path_b, words):
    """The answer for two files under these options."""
    a, b, options = both(path_a, path_b, words)
    x, y = cells_of(a, b, options), cells_of(b, a, options)
    counts, rows = Counter(missing=0, extra=0, changed=0, type=0), 0
    for key in x.keys() | y.keys():
        if key not in y or key not in x:
            counts["missing" if key in x else "extra"] += 1
            rows += 1
            continue
        before = sum(counts.values())
        for name in x[key].keys() | y[key].keys():
            left, right = Counter(x[key].get(name, [])), Counter(y[key].get(name, []))
            only_left, only_right = list((left - right).elements()), list((right - left).elements())
            for p, q in zip(only_left, only_right):
                counts["changed" if p[0] == q[0] else "type"] += 1
            counts["missing"] += max(0, len(only_left) - len(only_right))
            counts["extra"] += max(0, len(only_right) - len(only_left))
        rows += sum(counts.values()) > before
    # A column that is a tag on one side and a field on the other.
    for (columns, _), (others, _) in ((a, b), (b, a)):
        tags = {name for name, (role, _) in columns.items() if role == "tag"}
        counts["type"] += sum(role == "field" and name in tags for name, (role, _) in others.items())
    cells = [sum(len(values) for row in side.values() for values in row.values()) for side in (x, y)]
    return Answer(rows == 0, rows, dict(counts), cells)


def main(directory):
    for case in sorted(os.listdir(directory)):
        path = os.path.join(directory, case)
        with open(os.path.join(path, "options.json"), encoding="utf-8") as file:
            words = [word for name, value in json.load(file).items() for word in ("--" + name, value)]
        answer = compare(os.path.join(path, "a.csv"), os.path.join(path, "b.csv"), words)
        code = 1 if not answer.equal else 10 if sum(answer.cells) == 0 else 0
        print(json.dumps({"case": case, "code": code, "cells": answer.cells, **answer.counts}))


if __name__ == "__main__":
    main(sys.argv[1])
