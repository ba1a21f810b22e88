"""Schemaless writes into ts-sim with clients that are not ours, read back value by value.

vendor_tdengine_sml.py BINARIES [taosws|influxdb], with the packages of scripts/live/vendor-clients.sh. Exit 0 when all agrees.
"""

import datetime
import hashlib
import json
import os
import struct
import sys
import tempfile
import urllib.request

from vendor_sim import Sim

SETUP = "".join(f"create database {name} precision '{unit}'\n" for name, unit in (("sml", "ns"), ("sml_ms", "ms")))
BASE = 1_700_000_000  # 2023-11-14T22:13:20Z


class Server(Sim):
    """With the databases that are written to."""

    def __init__(self, binaries, directory, version):
        setup = os.path.join(directory, "setup.sql")
        with open(setup, "w") as out:
            out.write(SETUP)
        super().__init__(binaries, "tdengine", "--sql", setup, "--server-version", version)

    def rows(self, sql):
        """Over REST, without any client."""
        request = urllib.request.Request(f"{self.url}/rest/sql", data=sql.encode())
        request.add_header("Authorization", "Basic cm9vdDp0YW9zZGF0YQ==")
        with urllib.request.urlopen(request) as reply:
            body = json.load(reply)
        if body["code"] != 0:
            raise RuntimeError(f"{sql}: {body}")
        return body["data"]


def count(values):
    """How many single values there are."""
    return sum(map(count, values)) if isinstance(values, (list, tuple)) else 1


class Checks:
    def __init__(self):
        self.values, self.wrong = 0, 0

    def same(self, what, got, want):
        self.values += count(want)
        if got != want:
            self.wrong += 1
            print(f"{what}: expected {want!r}\n{' ' * len(what)}  received {got!r}")

    def refused(self, what, write, *words):
        self.values += 1
        try:
            write()
            text = "no error"
        except Exception as error:  # the clients have different classes
            text = f"{error} {getattr(error, 'content', '')}"
        if not all(word in text for word in words):
            self.wrong += 1
            print(f"{what}: expected an error with {words}, received: {text}")

    def report(self, what):
        print(f"{what}: {self.values} values, {self.wrong} differences")
        return self.wrong == 0


def select(connection, sql):
    cursor = connection.cursor()
    cursor.execute(sql)
    return [tuple(row) for row in cursor.fetchall()]


def by_taosws(sim):
    import taosws

    checks = Checks()
    protocols, precisions = taosws.PySchemalessProtocol, taosws.PySchemalessPrecision
    connection = taosws.connect(f"taosws://root:taosdata@{sim.url.removeprefix('http://')}/sml")

    def insert(lines, protocol, precision=precisions.Nanosecond, **more):
        connection.schemaless_insert(lines, protocol, precision, **{"ttl": 0, "req_id": 1, **more})

    # Line protocol: values of every kind, all precisions.
    line = (
        r'm,host=h\ 1,zone=a d=1.5,f=0.1f32,i=-9223372036854775808i,u=18446744073709551615u,b=T,'
        r's="say \"hi\", ü=1",l=L"中文",t=-128i8,h=65535u16,v=b"\x00ff"'
    )
    insert([f"{line} {BASE}000000001", f"m,host=h2 d=-1e300 {BASE}000000002"], protocols.Line)
    columns = "cast(_ts as bigint), d, i, u, b, s, l, t, h, host, zone, f, v"
    got = select(connection, f"select {columns} from m order by _ts")
    want = [
        (BASE * 10**9 + 1, 1.5, -(2**63), 2**64 - 1, True, 'say "hi", ü=1', "中文", -128, 65535, "h 1", "a"),
        (BASE * 10**9 + 2, -1e300, None, None, None, None, None, None, None, "h2", None),
    ]
    checks.same("line", [row[:11] for row in got], want)
    checks.same("line: FLOAT", [struct.pack("<f", got[0][11]), got[1][11]], [struct.pack("<f", 0.1), None])
    # The client gives bytes or their digits, by its version.
    digits = got[0][12] if isinstance(got[0][12], str) else bytes(got[0][12]).hex()
    checks.same("line: VARBINARY", [digits.lower().removeprefix("\\x"), got[1][12]], ["00ff", None])
    units = {
        "h": (precisions.Hour, 3600 * 10**9),
        "m": (precisions.Minute, 60 * 10**9),
        "s": (precisions.Second, 10**9),
        "ms": (precisions.Millisecond, 10**6),
        "ns": (precisions.Nanosecond, 1),
        "none": (precisions.NonConfigured, 1),
    }
    for name, (precision, unit) in units.items():
        insert([f"p,u={name} v=1i {BASE * 10**9 // unit}"], protocols.Line, precision)
    got = select(connection, "select cast(_ts as bigint), v, u from p order by u")
    want = [(BASE * 10**9 // unit * unit, 1, name) for name, (_, unit) in sorted(units.items())]
    checks.same("line: precisions", got, want)
    # This version of the client sends `ms` for Microsecond: the same digits are then a time far beyond the calendar.
    refused = lambda: insert([f"p,u=us v=1i {BASE}000000"], protocols.Line, precisions.Microsecond)
    checks.refused("line: microseconds", refused, "0x060B", "Timestamp data out of range")
    # A second batch widens a column and adds one of each kind.
    insert([f'm,host=h2,new=x s="{"y" * 300}",more=7i {BASE}000000003'], protocols.Line)
    got = select(connection, "select s, more, new, d from m where new = 'x'")
    checks.same("line: widened", got, [("y" * 300, 7, "x", None)])
    described = {row[0]: row[1:4] for row in select(connection, "describe m")}
    checks.same("line: types", [described["s"], described["more"], described["new"], described["l"]],
                [("VARCHAR", 512, ""), ("BIGINT", 8, ""), ("NCHAR", 2, "TAG"), ("NCHAR", 8, "")])
    named = select(connection, "select distinct tbname from p where u = 's'")
    checks.same("line: table", named, [("t_" + hashlib.md5(b"p,u=s").hexdigest(),)])
    # Telnet lines.
    insert(["sys.cpu 1700000000 0.5 host=web01 dc=lga", "sys.cpu 1700000001123 1.5 host=web02"], protocols.Telnet)
    got = select(connection, "select cast(_ts as bigint), _value, host, dc from sys_cpu order by _ts")
    checks.same("telnet", got, [(BASE * 10**9, 0.5, "web01", "lga"), (1700000001123 * 10**6, 1.5, "web02", None)])
    # JSON.
    points = [
        {"metric": "js", "timestamp": BASE, "value": 18, "tags": {"host": "a", "n": 1.5, "ok": True}},
        {"metric": "js", "timestamp": {"value": BASE * 10**6 + 7, "type": "us"}, "value": -2.5, "tags": {"host": "b"}},
    ]
    insert([json.dumps(points)], protocols.Json)
    got = select(connection, "select cast(_ts as bigint), _value, host, n, ok from js order by _ts")
    checks.same("json", got, [(BASE * 10**9, 18.0, "a", 1.5, True), (BASE * 10**9 + 7000, -2.5, "b", None, None)])
    # Refusals reach the client with the server's code.
    checks.refused("line: bad value", lambda: insert(["m v=oops 1"], protocols.Line), "0x0203", "smlParseValue error")
    checks.refused("line: conflict", lambda: insert([f'm d="x" {BASE}000000009'], protocols.Line), "0x3002")
    checks.refused("telnet: garbage", lambda: insert(["garbage"], protocols.Telnet), "0x020A", "invalid data")
    checks.refused("json: garbage", lambda: insert(["[{}]"], protocols.Json), "0x0221", "Invalid JSON format")
    count = select(connection, "select count(*) from m")
    checks.same("nothing of what was refused is stored", count, [(3,)])
    connection.close()
    return checks


def by_influxdb(sim):
    import influxdb

    checks = Checks()
    host, port = sim.url.removeprefix("http://").split(":")
    client = influxdb.InfluxDBClient(host, int(port), "root", "taosdata", "sml", path="/influxdb/v1")
    when = datetime.datetime.fromtimestamp(BASE, datetime.timezone.utc)
    points = [
        {"measurement": "cpu", "tags": {"host": "a b,c=d", "dc": "ü"}, "time": when,
         "fields": {"usage": 0.1, "n": -5, "ok": True, "note": 'say "hi" \\ bye'}},
        {"measurement": "cpu", "tags": {"host": "b"}, "time": when, "fields": {"usage": 2.0}},
    ]
    checks.same("write_points", client.write_points(points), True)
    got = sim.rows("select _ts, usage, n, ok, note, host, dc from sml.cpu order by host")
    stamp = "2023-11-14T22:13:20.000000000Z"
    checks.same("write_points", got, [[stamp, 0.1, -5, True, 'say "hi" \\ bye', "a b,c=d", "ü"],
                                      [stamp, 2, None, None, None, "b", None]])
    # Times in the units that both sides name alike; the client's `n` is one of the words taken as nanoseconds.
    for unit, factor in (("n", 1), ("u", 10**3), ("ms", 10**6), ("s", 10**9), ("m", 60 * 10**9), ("h", 3600 * 10**9)):
        point = {"measurement": "unit", "tags": {"u": unit}, "time": when, "fields": {"v": 1}}
        client.write_points([point], time_precision=unit)
        got = sim.rows(f"select cast(_ts as bigint), v from sml.unit where u = '{unit}'")
        checks.same(f"time_precision={unit}", got, [[BASE * 10**9 // factor * factor, 1]])
    gzip = influxdb.InfluxDBClient(host, int(port), "root", "taosdata", "sml_ms", path="/influxdb/v1", gzip=True)
    batch = [{"measurement": "many", "tags": {"t": str(n % 7)}, "time": (BASE + n) * 10**9, "fields": {"v": n / 2}}
             for n in range(5000)]
    gzip.write_points(batch, batch_size=1000)
    got = sim.rows("select cast(_ts as bigint), v, t from sml_ms.many order by _ts")
    checks.same("gzip, batches", got, [[(BASE + n) * 1000, n / 2, str(n % 7)] for n in range(5000)])
    stranger = influxdb.InfluxDBClient(host, int(port), "root", "wrong", "sml", path="/influxdb/v1", retries=1)
    checks.refused("bad password", lambda: stranger.write_points(points), "0x357", "Authentication failure")
    client.switch_database("nosuch")
    checks.refused("unknown database", lambda: client.write_points(points), "0x388", "Database not exist")
    return checks


def main():
    binaries, which = sys.argv[1], "".join(sys.argv[2:]) or "taosws"
    good = True
    with tempfile.TemporaryDirectory() as directory:
        for version in ("3.3.6.0", "3.3.1.0"):
            with Server(binaries, directory, version) as sim:
                checks = by_taosws(sim) if which == "taosws" else by_influxdb(sim)
                good &= checks.report(f"schemaless {which} {version}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
