"""The StarRocks simulator's Arrow Flight SQL, read by ADBC's driver (Go): vendor_starrocks_flight.py BIN_DIR.

What pymysql reads of a table of every type, ADBC reads too: statement by the frontend, rows from the backend. Exit 1 and the
difference when something does not agree.
"""
import datetime
import decimal
import importlib.metadata
import os
import re
import subprocess
import sys
import tempfile
import time

import adbc_driver_flightsql.dbapi as flight
import adbc_driver_manager
import pyarrow
import pymysql

checks = 0
USER, PASSWORD = "root", "pass word"


def same(what, got, expected):
    """Fails unless both are equal in value and in type."""
    global checks
    checks += 1
    if repr(got) != repr(expected):
        sys.exit(f"{what}: got {got!r}, expected {expected!r}")


class Sim:
    """A running ts-sim starrocks of this version."""

    def __init__(self, bin_dir, version):
        self.dir = tempfile.TemporaryDirectory()
        ready = os.path.join(self.dir.name, "ready")
        command = [os.path.join(bin_dir, "ts-sim"), "starrocks", "--ready-file", ready, "--flight-listen", "127.0.0.1:0",
                   "--server-version", version, "--user", USER, "--password", PASSWORD]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while not os.path.exists(ready):
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit(f"ts-sim did not start: {command}")
            time.sleep(0.01)
        with open(ready) as file:
            self.mysql, self.flight = map(int, re.match(r"starrocks://\w+@[^:]+:(\d+)\?.*&flight=(\d+)", file.read()).groups())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.dir.cleanup()

    def connect(self, password=PASSWORD):
        """By ADBC."""
        options = {"username": USER, "password": password}
        return flight.connect(uri=f"grpc://127.0.0.1:{self.flight}", db_kwargs=options, autocommit=True)


DDL = """CREATE TABLE d.t (
  id BIGINT NOT NULL, ts DATETIME NOT NULL, ok BOOLEAN, tiny TINYINT, small SMALLINT, n INT, big LARGEINT, f FLOAT, x DOUBLE,
  m DECIMAL(20, 4), day DATE, c CHAR(4), s VARCHAR(64), j JSON, bytes VARBINARY(8), a ARRAY<INT>
) DUPLICATE KEY(id, ts) DISTRIBUTED BY HASH(id) BUCKETS 4 PROPERTIES ("replication_num" = "1")"""
ROWS = [
    (1, datetime.datetime(2025, 1, 5, 10, 0, 0, 1), 1, -128, -32768, 7, str(10**38 - 1), 0.25, 1e300, decimal.Decimal("-1.2340"),
     datetime.date(2025, 1, 31), "ab", "quote ' \" \\ łódź 🌡\n\t", '{"a":[1,null]}', "x\x01", "[1,2,null]"),
    (2, datetime.datetime(2025, 2, 5)) + (None,) * 14,
    (3, datetime.datetime(1, 1, 1), 0, 127, 32767, -7, str(-(10**38) + 1), -1.5, 5e-324, decimal.Decimal("0.0000"),
     datetime.date(1, 1, 1), "", "", "[]", "", "[]"),
]
NEW = ["int64", "timestamp[us, tz=UTC]", "bool", "int8", "int16", "int32", "decimal128(38, 0)", "float", "double",
       "decimal128(20, 4)", "date32[day]", "string", "string", "string", "binary", "list<item: int32>"]
OLD = {1: "string", 6: "string", 10: "string"}


def plain(column, value):
    """What Arrow gives, as MySQL's text gives it."""
    if value is None:
        return None
    if column == 14:
        return value.decode()
    if column in (6, 15):
        return str(value).replace("None", "null").replace(" ", "")
    if column == 2:
        return int(value)
    if column == 1 and isinstance(value, str):
        return datetime.datetime.fromisoformat(value)
    if column == 10 and isinstance(value, str):
        return datetime.date.fromisoformat(value)
    return value.replace(tzinfo=None) if isinstance(value, datetime.datetime) else value


def check(bin_dir, version, types):
    """One version."""
    with Sim(bin_dir, version) as sim:
        mysql = pymysql.connect(host="127.0.0.1", port=sim.mysql, user=USER, password=PASSWORD, charset="utf8mb4")
        cursor = mysql.cursor()
        cursor.execute("CREATE DATABASE d")
        cursor.execute(DDL)
        marks = ", ".join(["%s"] * len(ROWS[0]))
        cursor.executemany(f"INSERT INTO d.t VALUES ({marks})", ROWS)
        cursor.execute("CREATE TABLE d.many (n INT) DUPLICATE KEY(n) DISTRIBUTED BY HASH(n)")
        cursor.execute("INSERT INTO d.many VALUES " + ", ".join(f"({n})" for n in range(10_000)))
        with sim.connect() as connection, connection.cursor() as reader:
            reader.execute("SELECT * FROM d.t")
            table = reader.fetch_arrow_table()
            same(f"{version}: types", [str(field.type) for field in table.schema], types)
            cursor.execute("SELECT * FROM d.t")
            rows = [tuple(plain(at, value) for at, value in enumerate(row.values())) for row in table.to_pylist()]
            same(f"{version}: rows", rows, list(cursor.fetchall()))
            reader.execute("SELECT n FROM d.many WHERE n >= 1000")
            batches = reader.fetch_record_batch()
            numbers = [batch.num_rows for batch in batches]
            same(f"{version}: rows of messages", (sum(numbers), max(numbers)), (9000, 4096))
            # What the frontend answers itself comes from there, as texts.
            reader.execute("SHOW TABLES FROM d")
            same(f"{version}: tables", reader.fetchall(), [("many",), ("t",)])
            reader.execute("SELECT count(*) FROM d.many")
            same(f"{version}: count", reader.fetchone()[0] in ("10000", 10000), True)
            try:
                reader.execute("SELECT none FROM d.t")
                reader.fetchall()
                sys.exit("a column that is not there was read")
            except adbc_driver_manager.Error as error:
                same(f"{version}: refused", "cannot be resolved" in str(error), True)
        mysql.close()
        try:
            with sim.connect("wrong") as connection, connection.cursor() as reader:
                reader.execute("SELECT 1")
            sys.exit("a wrong password was taken")
        except adbc_driver_manager.Error as error:
            same(f"{version}: login", "Access denied" in str(error), True)


check(sys.argv[1], "4.0.4", NEW)
check(sys.argv[1], "3.5.1", [OLD.get(at, name) for at, name in enumerate(NEW)])
driver = importlib.metadata.version("adbc-driver-flightsql")
print(f"starrocks: {checks} checks over Arrow Flight SQL agree with adbc-driver-flightsql {driver}, pymysql {pymysql.VERSION_STRING}")
