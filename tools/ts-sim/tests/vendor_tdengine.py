#!/usr/bin/env python3
"""Reads what ts-sim holds through TDengine's own Python clients, and compares every value with the CSV it was loaded from.

taos-ws-py (WebSocket: binary blocks, or fetch and fetch_block with an older server version) and taospy (REST). They know
nothing of ts-sim, and ts-sim nothing of them: if both agree with the CSV, the protocol is right as far as they use it.

usage: vendor_tdengine.py BIN_DIRECTORY      (with ts-sim and ts-gen in it; exit 0 when all agree, 1 when not)
"""

import datetime
import decimal
import json
import math
import os
import re
import struct
import subprocess
import sys
import tempfile

import taosrest
import taosws

from vendor_sim import Sim

UNITS = {"ms": 10**3, "us": 10**6, "ns": 10**9}
NULL = None


def cells(line):
    """One CSV record without line ends inside it: None for nothing, "" for an empty text."""
    out, at = [], 0
    while True:
        if line[at : at + 1] == '"':
            text, at = "", at + 1
            while True:
                end = line.index('"', at)
                text += line[at:end]
                at = end + 1
                if line[at : at + 1] != '"':
                    break
                text += '"'
                at += 1
            out.append(text)
            end = at
        else:
            end = line.find(",", at)
            end = len(line) if end < 0 else end
            out.append(line[at:end] or NULL)
        if end >= len(line):
            return out
        at = end + 1


def records(path):
    """Records of a CSV file; a text may hold line ends."""
    pending = ""
    for line in open(path, encoding="utf-8", newline="\n"):
        pending += line
        if pending.count('"') % 2 == 0:
            yield cells(pending[:-1] if pending.endswith("\n") else pending)
            pending = ""


def epoch(text, precision):
    """RFC 3339 as an integer in the precision."""
    base, _, fraction = text.rstrip("Z").partition(".")
    seconds = datetime.datetime.strptime(base, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc)
    days = seconds - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    unit = UNITS[precision]
    digits = len(str(unit)) - 1
    return (days.days * 86400 + days.seconds) * unit + int((fraction or "0").ljust(digits, "0")[:digits])


def single(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def expected(text, kind, precision):
    if text is NULL:
        return NULL
    if kind in ("time", "timestamp"):
        return epoch(text, precision)
    if kind in ("double", "float"):
        value = float(text)
        return value if kind == "double" or math.isinf(value) or math.isnan(value) else single(value)
    if kind in ("long", "int", "short", "byte", "ulong", "uint", "ushort", "ubyte"):
        return int(text)
    if kind == "boolean":
        return text == "true"
    if kind.startswith("decimal"):
        return decimal.Decimal(text)
    if kind in ("binary", "geometry"):
        return bytes.fromhex(text)
    if kind == "json":
        return json.loads(text)
    return text


def received(value, kind):
    """A client's value in the form of `expected`; the clients differ in how they give bytes, decimals and JSON."""
    if value is NULL:
        return NULL
    if kind == "float":
        return value if math.isinf(value) or math.isnan(value) else single(float(value))
    if kind == "double":
        return float(value)
    if kind in ("binary", "geometry"):
        return bytes.fromhex(value) if isinstance(value, str) else bytes(value)
    if kind.startswith("decimal"):
        return decimal.Decimal(value)
    if kind == "json":
        return json.loads(value) if isinstance(value, (str, bytes)) else value
    if kind == "boolean":
        return bool(value)
    return value


def same(a, b, rest):
    if isinstance(a, float) and not math.isfinite(a) and rest:
        return b is NULL  # REST has no word for NaN and infinity
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    return type(a) is type(b) and a == b


class Table:
    """The loaded CSV: columns, and rows by (table, time, other key)."""

    def __init__(self, path, precision):
        reader = records(path)
        self.columns = []
        for cell in next(reader):
            name, _, role = cell.rpartition("|")
            kind = {"tag": "string", "table": "table", "table:redundant": "table"}.get(role, role)
            kind = re.sub(r"^tag:", "", kind)
            self.columns.append((name, kind.removesuffix(":key"), kind.endswith(":key")))
        self.rows = {}
        for record in reader:
            values = [expected(text, kind, precision) for text, (_, kind, _) in zip(record, self.columns)]
            self.rows[self.key(values)] = values  # a later row with the same key wins, as in TDengine

    def key(self, values):
        kinds = {"time", "table"}
        return tuple(v for v, (_, kind, key) in zip(values, self.columns) if kind in kinds or key)

    def sql(self, name):
        items = []
        for column, kind, _ in self.columns:
            if kind == "table":
                items.append("tbname")
            elif kind in ("time", "timestamp"):
                items.append(f"cast(`{column}` as bigint) as `{column}`")
            else:
                items.append(f"`{column}`")
        return f"select {', '.join(items)} from {name}"


def compare(what, table, rows, rest):
    """Complains about the first differences; True when there are none."""
    wrong, seen = [], set()
    for row in rows:
        got = [received(value, kind) for value, (_, kind, _) in zip(row, table.columns)]
        key = table.key(got)
        want = table.rows.get(key)
        if want is None or key in seen:
            wrong.append(f"row {key} {'twice' if key in seen else 'was never loaded'}")
            continue
        seen.add(key)
        for a, b, (name, kind, _) in zip(want, got, table.columns):
            if not same(a, b, rest):
                wrong.append(f"row {key}, {name} ({kind}): loaded {a!r}, read {b!r}")
    if len(seen) != len(table.rows):
        wrong.append(f"{len(table.rows)} rows loaded, {len(seen)} read")
    print(f"{what}: {len(seen)} rows x {len(table.columns)} columns, {len(wrong)} differences")
    for line in wrong[:5]:
        print("  " + line)
    return not wrong


def by_websocket(url, sql):
    connection = taosws.connect(f"taosws://root:taosdata@{url.removeprefix('http://')}/db")
    cursor = connection.cursor()
    cursor.execute(sql)
    rows = cursor.fetchall()
    connection.close()
    return rows


def by_rest(url, sql):
    connection = taosrest.connect(url=url, user="root", password="taosdata", database="db")
    cursor = connection.cursor()
    cursor.execute(sql)
    return cursor.fetchall()


def errors_arrive(url):
    """A statement that fails must fail in the clients, with the server's code."""
    good = True
    for name, read in (("websocket", by_websocket), ("rest", by_rest)):
        try:
            read(url, "select * from nosuch")
            text = "no error"
        except Exception as error:  # the clients have different classes
            text = str(error)
        if "0x2662" not in text:
            print(f"{name}: an unknown table gave: {text}")
            good = False
    return good


# What is read: data set, rows, precision, server version, clients.
RUNS = [
    ("sensors", 20000, "ms", "3.3.6.0", "ws rest"),
    ("sensors", 20000, "us", "3.3.1.0", "ws rest"),
    ("meters", 20000, "ns", "3.3.6.0", "ws rest"),
    ("keyed", 5000, "ms", "3.3.6.0", "ws rest"),
    ("json", 2000, "ms", "3.3.1.0", "ws rest"),
    ("edge", 5000, "us", "3.3.8.4", "ws rest"),
    ("edge", 5000, "ns", "3.3.8.4", "ws"),
]


def main():
    binaries = sys.argv[1]
    good = True
    with tempfile.TemporaryDirectory() as directory:
        for dataset, rows, precision, version, clients in RUNS:
            path = os.path.join(directory, f"{dataset}.csv")
            options = ["--rows", str(rows), "--precision", precision, "--tables", "50", "-o", path]
            subprocess.run([os.path.join(binaries, "ts-gen"), dataset, *options], check=True, stderr=subprocess.DEVNULL)
            table = Table(path, precision)
            with Sim(binaries, "tdengine", "--load", f"db.{dataset}={path}", "--server-version", version) as sim:
                for client in clients.split():
                    read = by_rest if client == "rest" else by_websocket
                    what = f"{client} {version} {dataset} {precision}"
                    good &= compare(what, table, read(sim.url, table.sql(dataset)), client == "rest")
                good &= errors_arrive(sim.url)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
