#!/usr/bin/env python3
"""Writes rows into ts-sim with the statements of TDengine's own Python client, and reads every value back.

taos-ws-py binds parameters in two ways: `statement` (a table, its tags, rows, a batch) and `stmt2_statement` (many tables at once).
Both write every type that they can bind, with extremes, empty texts and NULL; the rows come back over the WebSocket and over REST.

usage: vendor_tdengine_writes.py BIN_DIRECTORY      (with ts-sim in it; exit 0 when all agree, 1 when not)
"""

import decimal
import math
import sys

import taosws
from vendor_tdengine import Sim, by_rest, by_websocket, received, same, single

POINT = bytes.fromhex("0101000000000000000000f03f00000000000000c0")
TIMES = {"ms": taosws.millis_timestamps_to_column, "us": taosws.micros_timestamps_to_column, "ns": taosws.nanos_timestamps_to_column}

# Name, type, kind (as in vendor_tdengine), how it is bound as a column and as a tag, four values. The first column is the time.
COLUMNS = [
    ("b", "bool", "boolean", taosws.bools_to_column, taosws.bool_to_tag, [True, False, None, True]),
    ("ti", "tinyint", "byte", taosws.tiny_ints_to_column, taosws.tiny_int_to_tag, [127, -128, None, 0]),
    ("si", "smallint", "short", taosws.small_ints_to_column, taosws.small_int_to_tag, [32767, -32768, None, 0]),
    ("i", "int", "int", taosws.ints_to_column, taosws.int_to_tag, [2**31 - 1, -(2**31), None, 0]),
    ("bi", "bigint", "long", taosws.big_ints_to_column, taosws.big_int_to_tag, [2**63 - 1, -(2**63), None, 0]),
    ("uti", "tinyint unsigned", "ubyte", taosws.unsigned_tiny_ints_to_column, taosws.u_tiny_int_to_tag, [255, 0, None, 1]),
    ("usi", "smallint unsigned", "ushort", taosws.unsigned_small_ints_to_column, taosws.u_small_int_to_tag, [65535, 0, None, 1]),
    ("ui", "int unsigned", "uint", taosws.unsigned_ints_to_column, taosws.u_int_to_tag, [2**32 - 1, 0, None, 1]),
    ("ubi", "bigint unsigned", "ulong", taosws.unsigned_big_ints_to_column, taosws.u_big_int_to_tag, [2**64 - 1, 0, None, 1]),
    ("f", "float", "float", taosws.floats_to_column, taosws.float_to_tag, [single(0.1), single(-3.4e38), None, 0.0]),
    ("d", "double", "double", taosws.doubles_to_column, taosws.double_to_tag, [0.1, -1.7976931348623157e308, None, 5e-324]),
    ("v", "varchar(32)", "string", taosws.varchar_to_column, taosws.varchar_to_tag, ["plain", "quote ' \" \\ \n", None, ""]),
    ("n", "nchar(32)", "string", taosws.nchar_to_column, taosws.nchar_to_tag, ["中文 ñ 😀", "x" * 32, None, ""]),
    ("vb", "varbinary(32)", "binary", taosws.varbinary_to_column, taosws.varbinary_to_tag, [b"\x00\xff", b"a", None, b""]),
    ("g", "geometry(64)", "geometry", taosws.geometry_to_column, taosws.geometry_to_tag, [POINT, POINT, None, POINT]),
]
# Only stmt2 binds these, and tags cannot have them.
MORE = [
    ("d64", "decimal(10, 2)", "decimal(10,2)", taosws.decimal64_to_column, ["99999999.99", "-0.01", None, "0.00"]),
    ("d128", "decimal(38, 10)", "decimal(38,10)", taosws.decimal_to_column, ["1234567890.1234567890", "-1.0000000001", None, "0.0000000000"]),
    ("bl", "blob", "binary", taosws.blob_to_column, [b"\x00\xff" * 40000, b"a", None, b""]),
]
START = {"ms": 1_700_000_000_000, "us": 1_700_000_000_000_001, "ns": 1_700_000_000_000_000_001}
# The client's `set_tbname_tags` sends bytes as the text of a list, which no adapter takes.
BYTES = ("binary", "geometry")
# NaN and infinity cannot be written by SQL.
ODD = [float("nan"), float("inf"), float("-inf"), -0.0]


def connect(url):
    return taosws.connect(f"taosws://root:taosdata@{url.removeprefix('http://')}/db")


def placeholders(count):
    return ",".join("?" * count)


class Check:
    def __init__(self, url, precision):
        self.url, self.precision, self.good, self.values = url, precision, True, 0

    def complain(self, text):
        print("  " + text)
        self.good = False

    def read(self, what, sql, kinds, expected):
        """Compares the rows of a query, over both ways, with what was bound."""
        for reader, rest in ((by_websocket, False), (by_rest, True)):
            rows = reader(self.url, sql)
            if len(rows) != len(expected):
                self.complain(f"{what}: {len(expected)} rows bound, {len(rows)} read")
                continue
            for row, want in zip(rows, expected):
                for value, b, kind in zip(row, want, kinds, strict=True):
                    got = received(value, kind)
                    self.values += 1
                    if not same(b, got, rest):
                        self.complain(f"{what} {'rest' if rest else 'ws'} {kind}: bound {b!r}, read {got!r}")

    def count(self, what, sql, expected):
        rows = by_websocket(self.url, sql)
        if rows[0][0] != expected:
            self.complain(f"{what}: {rows[0][0]} instead of {expected}")

    def refused(self, what, code, work):
        try:
            work()
        except Exception as error:  # the client has several classes
            if code in str(error):
                return
            self.complain(f"{what}: {code} expected, not {error}")
        else:
            self.complain(f"{what}: no error")


def times(check, rows):
    return [START[check.precision] + row for row in range(rows)]


def bound_columns(check, columns, keys):
    return [TIMES[check.precision](keys), *[make(values) for _, _, _, make, *_, values in columns]]


def rows_of(keys, columns):
    return [[key, *[values[at] for *_, values in columns]] for at, key in enumerate(keys)]


def decimals(columns):
    """The texts of decimals as the client wants them, and as they are expected."""
    return [(*rest, [None if v is None else decimal.Decimal(v) for v in values] if kind.startswith("decimal") else values)
            for *rest, values in columns for kind in [rest[2]]]


def tags(row, without=()):
    return [make(None if kind in without else values[row]) for _, _, kind, _, make, values in COLUMNS]


def tag_values(row, without=()):
    return [[None if kind in without else values[row] for _, _, kind, _, _, values in COLUMNS]]


def selected(columns):
    return "cast(ts as bigint), " + ", ".join(name for name, *_ in columns)


def statement(check):
    """The older way: two children of a super table in one batch, then an ordinary table."""
    connection = connect(check.url)
    insert = connection.statement()
    insert.prepare(f"insert into ? using st tags({placeholders(len(COLUMNS))}) values({placeholders(len(COLUMNS) + 1)})")
    keys = times(check, 4)
    for table, row in (("one", 0), ("two", 1)):
        insert.set_tbname_tags(table, tags(row, BYTES))
        insert.bind_param(bound_columns(check, COLUMNS, keys))
        insert.add_batch()
    check.count("before execute", "select count(*) from st", 0)
    if insert.execute() != 8:
        check.complain("statement: not 8 rows")
    kinds = ["timestamp", *[kind for _, _, kind, *_ in COLUMNS]]
    names = ", ".join("t_" + name for name, *_ in COLUMNS)
    for table, row in (("one", 0), ("two", 1)):
        check.read(f"statement {table}", f"select {selected(COLUMNS)} from st where tbname = '{table}'", kinds, rows_of(keys, COLUMNS))
        check.read(f"tags of {table}", f"select tags {names} from st where tbname = '{table}'", kinds[1:], tag_values(row, BYTES))
    # A statement stays usable, and rows of a known key are written over.
    insert = connection.statement()
    insert.prepare("insert into plain (ts, i) values (?, ?)")
    for values in ([1, None], [2, 3]):
        insert.bind_param([TIMES[check.precision](keys[:2]), taosws.ints_to_column(values)])
        insert.add_batch()
        insert.execute()
    check.read("plain", "select cast(ts as bigint), i, v from plain", ["timestamp", "int", "string"], [[keys[0], 2, None], [keys[1], 3, None]])
    insert = connection.statement()
    insert.prepare("insert into ? using stj tags(?) values(?, ?)")
    # stmt2 of this client sends a JSON tag as a text in quotes, which is no object.
    insert.set_tbname_tags("db.j", [taosws.json_to_tag('{"a" : [1, 2], "b" : "中"}')])
    insert.bind_param([TIMES[check.precision](keys[:1]), taosws.ints_to_column([1])])
    insert.add_batch()
    insert.execute()
    check.read("json", "select i, t from stj", ["int", "json"], [[1, {"a": [1, 2], "b": "中"}]])
    bad = connection.statement()
    bad.prepare("insert into ? (ts, i, v) values (?, ?, ?)")
    check.refused("unknown table", "0x2603", lambda: bad.set_tbname("nosuch"))
    bad.prepare("insert into plain (ts, i) values (?, ?)")
    columns = [TIMES[check.precision](keys[:1]), taosws.big_ints_to_column([1])]
    check.refused("another type", "0x0200", lambda: bad.bind_param(columns))
    bad.prepare("insert into plain (ts, v) values (?, ?)")
    columns = [TIMES[check.precision](keys[:1]), taosws.varchar_to_column(["x" * 9])]
    check.refused("too long", "0x0118", lambda: bad.bind_param(columns))
    check.count("after what was refused", "select count(*) from plain", 2)
    connection.close()


def stmt2(check):
    """The newer way: two tables in one bind, tables by name, an ordinary table, NaN, and a query with parameters."""
    connection = connect(check.url)
    columns = decimals([*COLUMNS, *[(*rest, None, values) for *rest, values in MORE]])
    keys = times(check, 4)
    kinds = ["timestamp", *[kind for _, _, kind, *_ in columns]]
    names = ", ".join("t_" + name for name, *_ in COLUMNS)
    param = taosws.stmt2_bind_param_view
    for sql in (
        f"insert into ? using st2 tags({placeholders(len(COLUMNS))}) values({placeholders(len(columns) + 1)})",
        f"insert into st2 (tbname, {names}, ts, {', '.join(name for name, *_ in columns)}) values ({placeholders(len(COLUMNS) + len(columns) + 2)})",
    ):
        insert = connection.stmt2_statement()
        insert.prepare(sql)
        prefix = "using" if "using" in sql else "named"
        insert.bind([param(table_name=f"{prefix}{row}", tags=tags(row), columns=bound_columns(check, columns, keys)) for row in (0, 1)])
        check.count("before execute", f"select count(*) from st2 where tbname like '{prefix}%'", 0)
        if insert.execute() != 8:
            check.complain(f"stmt2 {prefix}: not 8 rows")
        for row in (0, 1):
            table = f"{prefix}{row}"
            check.read(f"stmt2 {table}", f"select {selected(columns)} from st2 where tbname = '{table}'", kinds, rows_of(keys, columns))
            check.read(f"tags of {table}", f"select tags {names} from st2 where tbname = '{table}'", kinds[1 : len(COLUMNS) + 1],
                       tag_values(row))
    insert = connection.stmt2_statement()
    insert.prepare("insert into odd values (?, ?)")
    insert.bind([param(table_name="", tags=None, columns=[TIMES[check.precision](keys), taosws.doubles_to_column(ODD)])])
    insert.execute()
    check.read("odd", "select cast(ts as bigint), d from odd", ["timestamp", "double"], [[k, v] for k, v in zip(keys, ODD)])
    negative = by_websocket(check.url, "select d from odd")[3][0]
    if math.copysign(1, negative) > 0:
        check.complain("-0.0 lost its sign")
    query = connection.stmt2_statement()
    query.prepare("select i, v from st2 where i < ? and v = ? and tbname = 'using0'")
    query.bind([param(table_name=None, tags=None, columns=[taosws.ints_to_column([7]), taosws.varchar_to_column(["quote ' \" \\ \n"])])])
    query.execute()
    rows = [tuple(row) for row in query.result_set()]
    if rows != [(-(2**31), "quote ' \" \\ \n")]:
        check.complain(f"query with parameters: {rows}")
    insert.prepare("insert into odd values (?, ?)")
    columns = [TIMES[check.precision](keys[:1]), taosws.ints_to_column([1])]
    check.refused("another type", "0x0200", lambda: insert.bind([param(table_name="", tags=None, columns=columns)]))
    check.refused("unknown super table", "0x2603", lambda: insert.prepare("insert into ? using nosuch tags(?) values(?)"))
    connection.close()


def create(url, precision, newer):
    admin = taosws.connect(f"taosws://root:taosdata@{url.removeprefix('http://')}")
    admin.execute(f"create database db precision '{precision}' keep 36500")
    admin.close()
    connection = connect(url)
    columns = ", ".join(f"{name} {ty}" for name, ty, *_ in COLUMNS)
    more = ", ".join(f"{name} {ty}" for name, ty, *_ in MORE)
    tag_columns = ", ".join(f"t_{name} {ty}" for name, ty, *_ in COLUMNS)
    connection.execute(f"create stable st (ts timestamp, {columns}) tags ({tag_columns})")
    connection.execute("create table plain (ts timestamp, i int, v varchar(8))")
    connection.execute("create stable stj (ts timestamp, i int) tags (t json)")
    if newer:
        connection.execute(f"create stable st2 (ts timestamp, {columns}, {more}) tags ({tag_columns})")
        connection.execute("create table odd (ts timestamp, d double)")
    connection.close()


def main():
    good = True
    for version, precision in (("3.3.1.0", "us"), ("3.3.8.4", "ms"), ("3.3.8.4", "ns")):
        newer = version != "3.3.1.0"
        with Sim(sys.argv[1], "tdengine", "--server-version", version) as sim:
            create(sim.url, precision, newer)
            for write in (statement, stmt2) if newer else (statement,):
                check = Check(sim.url, precision)
                write(check)
                print(f"{write.__name__} {version} {precision}: {check.values} values read back, {'no' if check.good else 'some'} differences")
                good &= check.good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
