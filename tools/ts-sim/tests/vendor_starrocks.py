"""The StarRocks simulator, asked by clients that are not ours: vendor_starrocks.py BIN_DIR.

pymysql writes and reads every type, through a buffered and an unbuffered cursor; the vendor's SQLAlchemy dialect
reflects tables; the mysql or mariadb command line client, where there is one, runs a script. Exit 1 and the difference
when something does not agree.
"""
import datetime
import decimal
import re
import shutil
import subprocess
import sys

import pymysql
import pymysql.cursors
import sqlalchemy

from vendor_sim import Sim

checks = 0


def same(what, got, expected):
    """Fails unless both are equal in value and in type."""
    global checks
    checks += 1
    if repr(got) != repr(expected):
        sys.exit(f"{what}: got {got!r}, expected {expected!r}")


class Starrocks(Sim):
    """A running ts-sim starrocks."""

    def __init__(self, bin_dir):
        super().__init__(bin_dir, "starrocks")
        self.port = int(re.match(r"starrocks://\w+@[^:]+:(\d+)\?", self.url).group(1))


DDL = """CREATE TABLE d.t (
  id BIGINT NOT NULL, ts DATETIME NOT NULL, ok BOOLEAN, tiny TINYINT, big LARGEINT, f FLOAT, x DOUBLE, m DECIMAL(20, 4),
  day DATE, c CHAR(4), s VARCHAR(64), j JSON, a ARRAY<INT>
) DUPLICATE KEY(id, ts) PARTITION BY RANGE(ts) (START ("2025-01-01") END ("2025-03-01") EVERY (INTERVAL 1 MONTH))
DISTRIBUTED BY HASH(id) BUCKETS 4 PROPERTIES ("replication_num" = "1")"""
ROWS = [
    (1, datetime.datetime(2025, 1, 5, 10, 0, 0, 1), 1, -128, str(2**127 - 1), 0.25, 1e300, decimal.Decimal("-1.2340"),
     datetime.date(2025, 1, 31), "ab", "quote ' \" \\ łódź 🌡\n\t", '{"a":[1,null]}', "[1,2,null]"),
    (2, datetime.datetime(2025, 2, 5), None, None, None, None, None, None, None, None, None, None, None),
    (3, datetime.datetime(2025, 2, 6), 0, 127, str(-(2**127)), -1.5, 5e-324, decimal.Decimal("0.0000"),
     datetime.date(1, 1, 1), "", "", "[]", "[]"),
]


def by_pymysql(sim):
    connection = pymysql.connect(host="127.0.0.1", port=sim.port, user="root", password="", charset="utf8mb4")
    cursor = connection.cursor()
    cursor.execute("CREATE DATABASE d")
    cursor.execute(DDL)
    marks = ", ".join(["%s"] * len(ROWS[0]))
    same("rows inserted", cursor.executemany(f"INSERT INTO d.t VALUES ({marks})", ROWS), 3)
    for kind in (pymysql.cursors.Cursor, pymysql.cursors.SSCursor):
        with connection.cursor(kind) as reader:
            reader.execute("SELECT * FROM d.t ORDER BY id")
            same(kind.__name__, list(reader.fetchall()), ROWS)
    cursor.execute("SELECT id FROM d.t PARTITION(p202502) WHERE ts >= %s", (datetime.datetime(2025, 2, 6),))
    same("partition and condition", cursor.fetchall(), ((3,),))
    cursor.execute("SELECT count(*), sum(m), min(ts), max(id) FROM d.t")
    same("aggregates", cursor.fetchall(), ((3, decimal.Decimal("-1.2340"), ROWS[0][1], 3),))
    connection.select_db("d")
    cursor.execute("SHOW TABLES")
    same("tables", cursor.fetchall(), (("t",),))
    try:
        cursor.execute("SELECT * FROM none")
        sys.exit("a table that is not there was read")
    except pymysql.Error as error:
        same("unknown table", error.args, (1051, "Unknown table 'd.none'"))
    connection.ping()
    connection.close()
    for user, database, code in (("nobody", None, 1045), ("root", "none", 1049)):
        try:
            pymysql.connect(host="127.0.0.1", port=sim.port, user=user, database=database)
            sys.exit(f"{user}/{database} was let in")
        except pymysql.Error as error:
            same("refused", error.args[0], code)


def by_sqlalchemy(sim):
    engine = sqlalchemy.create_engine(f"starrocks://root@127.0.0.1:{sim.port}/d")
    inspector = sqlalchemy.inspect(engine)
    same("table names", inspector.get_table_names(), ["t"])
    columns = {column["name"]: column for column in inspector.get_columns("t")}
    same("column names", list(columns), ["id", "ts", "ok", "tiny", "big", "f", "x", "m", "day", "c", "s", "j", "a"])
    same("not null", [name for name, column in columns.items() if not column["nullable"]], ["id", "ts"])
    same("largeint and boolean", [type(columns[name]["type"]).__name__ for name in ("big", "ok")], ["LARGEINT", "BOOLEAN"])
    same("decimal", (columns["m"]["type"].precision, columns["m"]["type"].scale), (20, 4))
    same("varchar", columns["s"]["type"].length, 64)
    same("array", type(columns["a"]["type"]).__name__, "ARRAY")
    options = inspector.get_table_options("t")
    same("distribution", options["starrocks_distributed_by"], "HASH(`id`) BUCKETS 4")
    same("keys", options["starrocks_duplicate_key"], "id, ts")
    same("range partitions", str(options["starrocks_partition_by"]).count("PARTITION p2025"), 2)
    same("replication", options["starrocks_properties"]["replication_num"], "1")
    with engine.connect() as connection:
        table = sqlalchemy.Table("t", sqlalchemy.MetaData(), autoload_with=engine)
        query = sqlalchemy.select(table.c.id, table.c.s).where(table.c.tiny.is_not(None)).order_by(table.c.id.desc())
        same("rows by SQLAlchemy", [tuple(row) for row in connection.execute(query)], [(3, ""), (1, ROWS[0][10])])


def by_command_line(sim):
    client = shutil.which("mariadb") or shutil.which("mysql")
    if client is None:
        print("skipped: the mysql or mariadb command line client is not installed")
        return
    script = "use d; select id, ts, ok, s from t where id < 3; show tables; select count(*) from t"
    command = [client, "--no-defaults", "-h127.0.0.1", f"-P{sim.port}", "-uroot", "--batch", "-e", script]
    out = subprocess.run(command, capture_output=True, text=True, check=False)
    same(
        "the command line client",
        (out.returncode, out.stdout),
        (0, "id\tts\tok\ts\n1\t2025-01-05 10:00:00.000001\t1\tquote ' \" \\\\ łódź 🌡\\n\\t\n2\t2025-02-05 00:00:00\tNULL\tNULL\n"
            "Tables_in_d\nt\ncount(*)\n3\n"),
    )


with Starrocks(sys.argv[1]) as running:
    by_pymysql(running)
    by_sqlalchemy(running)
    by_command_line(running)
print(f"starrocks: {checks} checks agree with pymysql {pymysql.VERSION_STRING}, SQLAlchemy {sqlalchemy.__version__}")
