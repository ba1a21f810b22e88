#!/usr/bin/env python3
"""The peers that are Python libraries: peers.py NAME INPUT [OUTPUT] [ROWS]. Each does on one core what one of our tools does.

Where start-up or reading is not to be counted, the CPU seconds of the part that counts go to the file $BENCH_SELF as
"wall user sys".
"""

import os
import resource
import sys
import time

COLUMNS = ["ts", "temperature", "humidity", "pressure", "status", "location", "device_id"]


class Counted:
    """The CPU and wall seconds of a `with` block, for the runner."""

    def __enter__(self):
        self.wall, self.used = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)

    def __exit__(self, *failure):
        used = resource.getrusage(resource.RUSAGE_SELF)
        times = time.monotonic() - self.wall, used.ru_utime - self.used.ru_utime, used.ru_stime - self.used.ru_stime
        if "BENCH_SELF" in os.environ:
            with open(os.environ["BENCH_SELF"], "w", encoding="ascii") as out:
                out.write("%.4f %.4f %.4f\n" % times)


def duckdb_run(sql):
    import duckdb

    connection = duckdb.connect()
    connection.execute("set threads=1; set timezone='UTC'; set enable_progress_bar=false")
    return connection.execute(sql)


def csv_source(path):
    columns = ",".join(f"'{name}':'varchar'" for name in COLUMNS)
    return f"read_csv('{path}', header=false, skip=1, auto_detect=false, delim=',', quote='\"', columns={{{columns}}})"


# Text to text: no number is parsed. One cell a line, so nothing is quoted.
LINES = "(format csv, header false, quote '', escape '', delimiter '\x01')"
DUCKDB_LINE = (
    r"'sensors,device_id='||device_id||',location='||replace(location,' ','\ ')||' temperature='||temperature"
    "||',humidity='||humidity||',pressure='||pressure||',status='||status||'i '||"
)


def duckdb_csv_lp(source, out="/dev/null"):
    duckdb_run(f"copy (select {DUCKDB_LINE} ts||'000000' from {csv_source(source)}) to '{out}' {LINES}")


def duckdb_parquet_lp(source, out="/dev/null"):
    duckdb_run(f"copy (select {DUCKDB_LINE} epoch_ns(ts) from read_parquet('{source}')) to '{out}' {LINES}")


TYPED = {"ts": "timestamp", "temperature": "float", "humidity": "float", "pressure": "double", "status": "integer"}


def duckdb_csv_parquet(source, out="/dev/null"):
    columns = ",".join(f"'{name}':'{TYPED.get(name, 'varchar')}'" for name in COLUMNS)
    scan = f"read_csv('{source}', header=false, skip=1, auto_detect=false, delim=',', quote='\"', columns={{{columns}}})"
    duckdb_run(f"copy (select * from {scan}) to '{out}' (format parquet, compression zstd)")


def duckdb_hash(source, _out=None):
    print(duckdb_run(f"select count(*), sum(hash({','.join(COLUMNS)})) from read_parquet('{source}')").fetchone())


def duckdb_json(source, out="/dev/null"):
    scan = f"read_json('{source}', maximum_object_size=2000000000, columns={{'data':'json[]'}})"
    cells = ",".join(f"r->>{at}" for at in range(len(COLUMNS)))
    duckdb_run(f"copy (select {cells} from (select unnest(data) as r from {scan})) to '{out}' (format csv, header false)")


def python_json(source, out="/dev/null"):
    import csv
    import json

    with open(source, encoding="utf-8") as body, open(out, "w", encoding="utf-8", newline="") as cells:
        csv.writer(cells, lineterminator="\n").writerows(json.load(body)["data"])


def polars_line(pl, time_cell):
    text, column = pl.lit, pl.col
    cells = [text("sensors,device_id="), column("device_id"), text(",location="), column("location").str.replace_all(" ", r"\ ", literal=True)]
    for at, field in enumerate(["temperature", "humidity", "pressure", "status"]):
        cells += [text(f"{' ' if at == 0 else ','}{field}="), column(field)]
    return pl.concat_str([*cells, text("i "), time_cell])


def polars_csv(source):
    import polars as pl

    return pl, pl.scan_csv(source, has_header=False, skip_rows=1, new_columns=COLUMNS, infer_schema=False)


def polars_csv_lp(source, out="/dev/null"):
    pl, frame = polars_csv(source)
    line = polars_line(pl, pl.concat_str([pl.col("ts"), pl.lit("000000")]))
    frame.select(line).sink_csv(out, include_header=False, quote_style="never")


def polars_parquet_lp(source, out="/dev/null"):
    import polars as pl

    line = polars_line(pl, pl.col("ts").dt.timestamp("ns"))
    frame = pl.scan_parquet(source).with_columns(pl.col("location", "device_id").cast(pl.String))
    frame.select(line).sink_csv(out, include_header=False, quote_style="never")


def polars_csv_parquet(source, out="/dev/null"):
    pl, frame = polars_csv(source)
    types = {"temperature": pl.Float32, "humidity": pl.Float32, "pressure": pl.Float64, "status": pl.Int32}
    frame = frame.with_columns([pl.col(name).cast(kind) for name, kind in types.items()])
    frame = frame.with_columns(pl.col("ts").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", time_unit="ms"))
    frame.sink_parquet(out, compression="zstd")


def influxdb_client_lp(source, _out=None, rows="200000"):
    import pandas
    from influxdb_client.client.write.dataframe_serializer import DataframeSerializer
    from influxdb_client.client.write_api import PointSettings
    from influxdb_client.domain.write_precision import WritePrecision

    frame = pandas.read_csv(source, header=None, skiprows=1, names=COLUMNS, nrows=int(rows))
    frame["ts"] = pandas.to_datetime(frame["ts"], unit="ms", utc=True)
    frame = frame.set_index("ts")
    with Counted():
        settings = {"data_frame_measurement_name": "sensors", "data_frame_tag_columns": ["location", "device_id"]}
        lines = DataframeSerializer(frame, PointSettings(), WritePrecision.NS, **settings).serialize()
    assert len(lines) == int(rows)


def taosws_csv(url, out="/dev/null", table="sensors"):
    import csv

    import taosws

    connection = taosws.connect(url)
    with Counted(), open(out, "w", encoding="utf-8", newline="") as cells:
        cursor = connection.cursor()
        cursor.execute(f"select * from {table}")
        csv.writer(cells, lineterminator="\n").writerows(cursor.fetchall())


def pymysql_rows(address, _out=None, table="sensors"):
    import pymysql
    import pymysql.cursors

    host, port = address.rsplit(":", 1)
    connection = pymysql.connect(host=host, port=int(port), user="root", database="demo", cursorclass=pymysql.cursors.SSCursor)
    with Counted():
        cursor = connection.cursor()
        cursor.execute(f"select * from {table}")
        rows = sum(1 for _ in cursor)
    print(rows)


# What two sides are compared by: rows, times, values, names. 32-bit floats as such: a text has fewer digits than their 64 bits.
SUMS = """count(*), sum({0}::hugeint), sum(temperature::float::double), sum(humidity::float::double), sum(pressure::double),
    sum(status::int), count(distinct device_id), count(distinct location), max(location)"""


def parquet_sums(source, time_column="ts"):
    print(*duckdb_run(f"select {SUMS.format(f'epoch_ns({time_column})')} from read_parquet('{source}')").fetchone())


def lp_sums(source):
    line = r"sensors,device_id=(\w+),location=((?:\\.|[^ \\])+) temperature=([^,]+),humidity=([^,]+),pressure=([^,]+),status=(\d+)i (\d+)"
    names = "['device_id','location','temperature','humidity','pressure','status','ts']"
    scan = f"read_csv('{source}', header=false, auto_detect=false, delim='\x01', quote='', escape='', columns={{'line':'varchar'}})"
    cells = f"select unnest(regexp_extract(line, '{line}', {names})) from {scan}"
    print(*duckdb_run(f"select {SUMS.format('ts')} from ({cells})").fetchone())


if __name__ == "__main__":
    name = sys.argv[1].replace("-", "_")
    known = [key for key, value in globals().items() if callable(value) and getattr(value, "__code__", None)]
    if name not in known or len(sys.argv) < 3:
        sys.exit(f"usage: peers.py NAME INPUT [OUTPUT] [MORE]; names: {' '.join(key.replace('_', '-') for key in known)}")
    globals()[name](*sys.argv[2:])
