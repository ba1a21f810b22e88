#!/usr/bin/env python3
"""Compares typed CSV files cell by cell, sharing nothing with ts-verify: no hash, no arrow, exact fractions.

Usage: oracle.py DIRECTORY. For every case (a directory with a.csv, b.csv and options.json) one JSON line on stdout:
{"case": name, "code": 0|1|10, "cells": [a, b], "missing": n, "extra": n, "changed": n, "type": n}
"""
import datetime
import json
import os
import struct
import sys
from fractions import Fraction

NANOS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def records(text):
    """Rows of a CSV; a cell is None where it is empty without quotes."""
    rows, row, i = [], [], 0
    while i < len(text):
        if text[i] == '"':
            cell, i = "", i + 1
            while True:
                if text[i] == '"' and text[i + 1 : i + 2] == '"':
                    cell, i = cell + '"', i + 2
                elif text[i] == '"':
                    i += 1
                    break
                else:
                    cell, i = cell + text[i], i + 1
        else:
            start = i
            while text[i] not in ",\n":
                i += 1
            cell = text[start:i] or None
        row.append(cell)
        if text[i] == "\n":
            rows.append(row)
            row = []
        i += 1
    return rows


def instant(text):
    head, _, fraction = text.rstrip("Z").partition(".")
    seconds = datetime.datetime.strptime(head, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc).timestamp()
    return int(seconds) * 10**9 + int((fraction + "0" * 9)[:9])


def single(value):
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def number(value):
    if isinstance(value, float):
        if value != value:
            return ("number", "nan")
        if value in (float("inf"), float("-inf")):
            return ("number", str(value))
    return ("number", Fraction(value))


def value(kind, text, round32):
    if kind in ("float", "double"):
        v = float(text)
        return number(single(v) if round32 or kind == "float" else v)
    if kind in ("long", "int", "ulong"):
        return number(int(text))
    if kind.startswith("decimal"):
        return ("number", Fraction(text))
    if kind == "boolean":
        return ("boolean", text == "true")
    return ("string", text)


def cells(rows, others, options):
    head = [cell.rpartition("|") for cell in rows[0]]
    names = [name for name, _, _ in head]
    kinds = [kind for _, _, kind in head]
    other = {name: kind for name, _, kind in (cell.rpartition("|") for cell in others[0])}
    step = NANOS[options.get("precision", "ns")]
    found = {}
    for row in rows[1:]:
        at = instant(row[kinds.index("time")])
        if "since" in options and at < instant(options["since"]):
            continue
        if "until" in options and at >= instant(options["until"]):
            continue
        at = at // step * step
        series = tuple(sorted((n, c) for n, k, c in zip(names, kinds, row) if k == "tag" and c))
        for name, kind, cell in zip(names, kinds, row):
            if kind in ("time", "tag") or cell is None:
                continue
            round32 = {kind, other.get(name)} == {"float", "double"}
            found.setdefault((series, at), {}).setdefault(name, []).append(value(kind, cell, round32))
    how = options.get("dedupe", "last")
    for row in found.values():
        for name, values in row.items():
            row[name] = {"last": values[-1:], "first": values[:1], "keep": values}[how]
    return found


def compare(a, b):
    counts = {"missing": 0, "extra": 0, "changed": 0, "type": 0}
    for key in set(a) | set(b):
        if key not in b:
            counts["missing"] += 1
        elif key not in a:
            counts["extra"] += 1
        else:
            for name in set(a[key]) | set(b[key]):
                x, y = list(a[key].get(name, [])), list(b[key].get(name, []))
                for v in list(x):
                    if v in y:
                        x.remove(v)
                        y.remove(v)
                both = min(len(x), len(y))
                counts["missing"] += len(x) - both
                counts["extra"] += len(y) - both
                for v, w in zip(x, y):
                    counts["changed" if v[0] == w[0] else "type"] += 1
    return counts


def count(side):
    return sum(len(values) for row in side.values() for values in row.values())


def main():
    directory = sys.argv[1]
    for case in sorted(os.listdir(directory)):
        def read(name):
            with open(os.path.join(directory, case, name), encoding="utf-8", newline="") as file:
                return file.read()

        options = json.loads(read("options.json"))
        x, y = records(read("a.csv")), records(read("b.csv"))
        a, b = cells(x, y, options), cells(y, x, options)
        counts = compare(a, b)
        sizes = [count(a), count(b)]
        code = 1 if any(counts.values()) else 10 if sum(sizes) == 0 else 0
        print(json.dumps({"case": case, "code": code, "cells": sizes, **counts}))


main()
