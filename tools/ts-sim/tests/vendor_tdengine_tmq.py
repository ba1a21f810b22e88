#!/usr/bin/env python3
"""Subscribes to what ts-sim holds with TDengine's own taos-ws-py, and compares every value with the CSV it was loaded from and
with what the same client selects.

usage: vendor_tdengine_tmq.py BIN_DIRECTORY      (with ts-sim and ts-gen in it; exit 0 when all agree, 1 when not)
"""

import os
import subprocess
import sys
import tempfile

import taosws

from vendor_tdengine import Sim, Table, by_rest, by_websocket, compare


def consumer(url, group, topics, **more):
    host, port = url.removeprefix("http://").split(":")
    settings = {
        "td.connect.websocket.scheme": "ws",
        "td.connect.ip": host,
        "td.connect.port": port,
        "td.connect.user": "root",
        "td.connect.pass": "taosdata",
        "group.id": group,
        "client.id": "ts-sim",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": "false",
    }
    reader = taosws.Consumer(conf=settings | more)
    reader.subscribe(topics)
    return reader


def drain(reader, commit=False):
    """All rows until a poll finds nothing, and how many messages they came in."""
    rows, messages = [], 0
    while (message := reader.poll(timeout=0.3)) is not None:
        messages += 1
        for block in message:
            rows.extend(block.fetchall())
        if commit:
            reader.commit(message)
    return rows, messages


def check(what, good):
    print(f"{what}: {'as expected' if good else 'WRONG'}")
    return good


def order(rows):
    """In an order, and as text: a NaN equals no other."""
    return sorted(map(repr, rows))


def subscribe(url, name, table, what):
    """One query topic over a loaded table, from the beginning to the end, and again from a seek."""
    by_rest(url, f"create topic t as {table.sql('db.' + name)}")
    reader = consumer(url, "g", ["t"])
    rows, messages = drain(reader, commit=True)
    good = compare(f"{what}, {messages} messages", table, rows, False)
    selected = by_websocket(url, table.sql(name))
    good &= check(f"{what}, against SELECT", order(rows) == order(selected) and len(rows) > 0)

    # What is committed is not sent again, what is written later is sent once.
    reader.unsubscribe()
    again = consumer(url, "g", ["t"])
    good &= check(f"{what}, after the commit", drain(again)[0] == [])
    child = next(row[1] for row in by_rest(url, f"select ts, tbname from db.{name} limit 1"))
    by_rest(url, f"insert into db.`{child}` (ts) values ('2023-12-31T23:59:59Z')")
    later, _ = drain(again)
    good &= check(f"{what}, a later row", len(later) == 1 and child in later[0])
    good &= check(f"{what}, the topics", again.list_topics() == ["t"])

    # Back to the first offset of every vgroup.
    for assigned in again.assignment():
        for vgroup in assigned.assignments():
            again.seek(assigned.topic(), vgroup.vg_id(), vgroup.begin())
    good &= check(f"{what}, after a seek", order(drain(again)[0]) == order(rows + later))
    committed = [again.committed("t", v.vg_id()) for a in again.assignment() for v in a.assignments()]
    good &= check(f"{what}, committed", len(committed) > 0 and all(offset >= 0 for offset in committed))
    again.unsubscribe()

    # The whole database, with its schemas.
    by_rest(url, "create topic d with meta as database db")
    whole, _ = drain(consumer(url, "g", ["d"]))
    return good & check(f"{what}, the whole database", len(whole) == len(rows) + 1)


def recorded(url, version):
    """The recorded changes: new tables and columns, a tag, a deletion arrive between the rows."""
    counts = [len(drain(consumer(url, "g", [topic]))[0]) for topic in ("tp_q", "tp_db", "tp_dbmeta", "tp_stb")]
    snapshot = drain(consumer(url, "s", ["tp_q"], **{"experimental.snapshot.enable": "true"}))[0]
    good = check(f"{version} recorded topics, rows {counts}", counts == [38] * 4)
    good &= check(f"{version} snapshot, {len(snapshot)} rows", len(snapshot) == 35)
    for sql in (
        "create stable tmqdb.j (ts timestamp, v int) tags (j json)",
        """insert into tmqdb.j1 using tmqdb.j tags ('{"k":"wert","n":1.5,"b":true,"x":null}') values (now, 7)""",
    ):
        by_rest(url, sql)
    tagged = drain(consumer(url, "j", ["tp_dbmeta"]))[0]
    return good & check(f"{version} a table with a JSON tag", len(tagged) == 39 and any(row[1] == 7 for row in tagged))


RUNS = [
    ("sensors", 20000, "ms", "3.3.6.0"),
    ("sensors", 5000, "us", "3.3.1.0"),
    ("meters", 20000, "ms", "3.3.6.0"),
    ("edge", 5000, "us", "3.3.8.4"),
]


def main():
    binaries = sys.argv[1]
    good = True
    with tempfile.TemporaryDirectory() as directory:
        for dataset, rows, precision, version in RUNS:
            path = os.path.join(directory, f"{dataset}.csv")
            options = ["--rows", str(rows), "--precision", precision, "--tables", "50", "-o", path]
            subprocess.run([os.path.join(binaries, "ts-gen"), dataset, *options], check=True, stderr=subprocess.DEVNULL)
            table = Table(path, precision)
            with Sim(binaries, "tdengine", "--load", f"db.{dataset}={path}", "--server-version", version) as sim:
                good &= subscribe(sim.url, dataset, table, f"subscription {version} {dataset} {precision}")
        setup = os.path.join(os.path.dirname(__file__), "../../../testdata/wire/tdengine/tmq_setup.sql")
        for version in ("3.3.1.0", "3.3.6.0"):
            with Sim(binaries, "tdengine", "--sql", setup, "--server-version", version) as sim:
                good &= recorded(sim.url, version)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
