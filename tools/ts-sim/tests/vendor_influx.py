"""The InfluxDB simulator, written to and read by the vendor's own clients: vendor_influx.py BIN_DIR.

influxdb (v1) and influxdb-client (v2) write points of every type and read them back value by value; then they read what
was loaded with --load. Exit 1 and the difference when something does not agree.
"""
import sys
import tempfile
import urllib.parse

import influxdb
import influxdb.exceptions
import influxdb_client
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from vendor_sim import Sim

BASE = 1700000000000000000
STRINGS = ["plain", "", 'quote " and \\ backslash', "comma, space = equals", "łódź 温度 🌡", "two\nlines", "'single'"]
FLOATS = [0.1, -0.0, 1e300, 5e-324, 1.7976931348623157e308, 3.0, 1e21, 1e-7]
INTS = [0, -1, 9223372036854775807, -9223372036854775808]
checks = 0


def same(what, got, expected):
    """Fails unless both are equal in value and in type (-0.0 is not 0.0)."""
    global checks
    checks += 1
    if repr(got) != repr(expected):
        sys.exit(f"{what}: got {got!r}, expected {expected!r}")


class Influx(Sim):
    """A running ts-sim influx."""

    def __init__(self, bin_dir, *args):
        super().__init__(bin_dir, "influx", *args)
        parsed = urllib.parse.urlparse(self.url)
        self.host, self.port = parsed.hostname, parsed.port


def rows():
    """(time, tags, fields) of what is written: every type, fields missing here and there, two series."""
    found = []
    for n in range(200):
        fields = {"f": FLOATS[n % len(FLOATS)]}
        if n % 2 == 0:
            fields["i"] = INTS[n // 2 % len(INTS)]
        if n % 3 == 0:
            fields["s"] = STRINGS[n // 3 % len(STRINGS)]
        if n % 5 == 0:
            fields["b"] = n % 10 == 0
        tags = {"host": "a" if n % 2 else "b c,d=e", "only_odd": "x"} if n % 2 else {"host": "b c,d=e"}
        found.append((BASE + n * 1000, tags, fields))
    return found


def as_float(value):
    """JSON has no type for 3.0 and prints -0.0 as -0: this client gives back the integers 3 and 0."""
    return value if value is None else float(value) + 0.0


def check_v1_rows(what, client, measurement, expected, text=lambda s: s):
    """`text` says what became of a string on the way in."""
    for chunked in (False, True):
        result = client.query(f'SELECT * FROM "{measurement}"', epoch="ns", chunked=chunked, chunk_size=7)
        got = [row for part in (result if chunked else [result]) for row in part.get_points()]
        same(f"{what}: rows, chunked={chunked}", len(got), len(expected))
        for row, (when, tags, fields) in zip(sorted(got, key=lambda r: r["time"]), expected):
            same(f"{what}: time", row["time"], when)
            for name in ("host", "only_odd"):
                same(f"{what}: tag {name} at {when}", row.get(name), tags.get(name))
            for name in ("f", "i", "s", "b"):
                value = row.get(name)
                wanted = fields.get(name)
                if isinstance(wanted, str):
                    wanted = text(wanted)
                if name == "f":
                    value, wanted = as_float(value), as_float(wanted)
                same(f"{what}: {name} at {when}", value, wanted)


def v1(bin_dir, flavor):
    with Influx(bin_dir, "--flavor", flavor) as sim:
        client = influxdb.InfluxDBClient(sim.host, sim.port, database="db")
        client.ping()
        client.create_database("db")
        same(f"{flavor}: databases", client.get_list_database(), [{"name": "db"}])
        expected = rows()
        points = [{"measurement": "all types", "time": t, "tags": tags, "fields": f} for t, tags, f in expected]
        client.write_points(points, time_precision="n", batch_size=50)
        # once more: nothing changes
        client.write_points(points, time_precision="n", batch_size=33)
        # this client sends a line end as backslash and n, which no server turns back
        check_v1_rows(flavor, client, "all types", expected, lambda s: s.replace("\n", "\\n"))
        same(f"{flavor}: measurements", client.get_list_measurements(), [{"name": "all types"}])
        count = list(client.query('SELECT COUNT(f), SUM(i) FROM "all types" WHERE time < 1700000000000010000').get_points())
        same(f"{flavor}: count", count[0]["count"], 10)
        policies = client.get_list_retention_policies("db")
        same(f"{flavor}: policies", [(p["name"], p["duration"], p["default"]) for p in policies], [("autogen", "0s", True)])
        keys = {p["fieldKey"]: p["fieldType"] for p in client.query('SHOW FIELD KEYS FROM "all types"').get_points()}
        same(f"{flavor}: field keys", keys, {"b": "boolean", "f": "float", "i": "integer", "s": "string"})
        values = [v["value"] for v in client.query('SHOW TAG VALUES WITH KEY = "host"').get_points()]
        same(f"{flavor}: tag values", values, ["a", "b c,d=e"])
        try:
            client.write_points([{"measurement": "all types", "time": BASE, "fields": {"f": "text"}}], time_precision="n")
            sys.exit(f"{flavor}: a type conflict was accepted")
        except influxdb.exceptions.InfluxDBClientError as error:
            same(f"{flavor}: conflict", (error.code, "field type conflict" in str(error)), (400, True))
        try:
            client.query("SELEC f FROM m")
            sys.exit(f"{flavor}: a wrong query was accepted")
        except influxdb.exceptions.InfluxDBClientError as error:
            same(f"{flavor}: parse error", (error.code, "error parsing query: found SELEC" in str(error)), (400, True))
        client.drop_database("db")
        same(f"{flavor}: databases at the end", client.get_list_database(), [])
    with tempfile.NamedTemporaryFile("w", suffix=".lp") as file:
        file.write(line_protocol())
        file.flush()
        with Influx(bin_dir, "--flavor", flavor, "--database", "db", "--load", file.name) as sim:
            check_v1_rows(f"{flavor} --load", influxdb.InfluxDBClient(sim.host, sim.port, database="db"), "m", rows())
    with Influx(bin_dir, "--flavor", flavor, "--database", "db", "--auth", "me:secret") as sim:
        influxdb.InfluxDBClient(sim.host, sim.port, "me", "secret", "db").write_points([points[0]], time_precision="n")
        try:
            influxdb.InfluxDBClient(sim.host, sim.port, "me", "wrong", "db").write_points([points[0]])
            sys.exit(f"{flavor}: a wrong password was accepted")
        except influxdb.exceptions.InfluxDBClientError as error:
            same(f"{flavor}: wrong password", error.code, 401)


def escape(text, special):
    return "".join("\\" + c if c in special else c for c in text)


def line_protocol():
    """The same rows as text, written here and not by a client."""
    lines = []
    for when, tags, fields in rows():
        key = ",".join(["m", *(f"{k}={escape(v, ', =')}" for k, v in sorted(tags.items()))])
        parts = []
        for name, value in fields.items():
            if isinstance(value, bool):
                parts.append(f"{name}={'t' if value else 'f'}")
            elif isinstance(value, int):
                parts.append(f"{name}={value}i")
            elif isinstance(value, str):
                quoted = value.replace("\\", "\\\\").replace('"', '\\"')
                parts.append(f'{name}="{quoted}"')
            else:
                parts.append(f"{name}={value!r}")
        lines.append(f"{key} {','.join(parts)} {when}\n")
    return "".join(lines)


def nanoseconds(when):
    """The client keeps microseconds only."""
    delta = when - when.__class__(1970, 1, 1, tzinfo=when.tzinfo)
    return (delta.days * 86400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1000


def flux_string(text):
    """Annotated CSV cannot tell "" from NULL; the server's own answer turns LF into CRLF."""
    return None if text == "" else text.replace("\n", "\r\n")


def check_v2_rows(what, api, measurement, expected):
    script = f'from(bucket: "b") |> range(start: 0) |> filter(fn: (r) => r._measurement == "{measurement}")'
    got = {}
    for table in api.query(script):
        for record in table.records:
            got[(nanoseconds(record.get_time()), record.get_field())] = (record.get_value(), record.values.get("host"), record.values.get("only_odd"))
    wanted = {}
    for when, tags, fields in expected:
        for name, value in fields.items():
            value = flux_string(value) if isinstance(value, str) else value
            wanted[(when, name)] = (value, tags.get("host"), tags.get("only_odd"))
    same(f"{what}: cells", len(got), len(wanted))
    for key in sorted(wanted):
        same(f"{what}: {key}", got.get(key), wanted[key])
    pivoted = api.query(script + ' |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")')
    same(f"{what}: pivoted rows", sum(len(t.records) for t in pivoted), len(expected))
    by_time = {nanoseconds(r.get_time()): r.values for t in pivoted for r in t.records}
    for when, _, fields in expected:
        same(f"{what}: pivot at {when}", by_time[when]["f"], fields["f"])
        same(f"{what}: pivot i at {when}", by_time[when].get("i"), fields.get("i"))
    counted = api.query(script + ' |> filter(fn: (r) => r["_field"] == "f") |> count() |> group() |> sum()')
    same(f"{what}: count", counted[0].records[0].get_value(), len(expected))


def v2(bin_dir):
    expected = rows()
    with Influx(bin_dir, "--flavor", "2.9") as sim:
        client = influxdb_client.InfluxDBClient(sim.url, token=None, org="o")
        setup = influxdb_client.SetupService(client.api_client)
        same("2.9: set up already", setup.get_setup().allowed, True)
        request = influxdb_client.OnboardingRequest(username="me", password="password", org="o", bucket="b", token="t0ken")
        same("2.9: token", setup.post_setup(onboarding_request=request).auth.token, "t0ken")
        client = influxdb_client.InfluxDBClient(sim.url, token="t0ken", org="o", enable_gzip=True)
        same("2.9: ping", client.ping(), True)
        same("2.9: health", client.health().status, "pass")
        same("2.9: orgs", [o.name for o in client.organizations_api().find_organizations(org="o")], ["o"])
        buckets = client.buckets_api()
        made = buckets.create_bucket(bucket_name="other", org="o", retention_rules=influxdb_client.BucketRetentionRules(type="expire", every_seconds=3600))
        same("2.9: new bucket", (made.name, made.retention_rules[0].every_seconds), ("other", 3600))
        same("2.9: buckets", [b.name for b in buckets.find_buckets().buckets], ["b", "other"])
        same("2.9: one bucket", buckets.find_bucket_by_name("other").id, made.id)
        write = client.write_api(write_options=SYNCHRONOUS)
        points = []
        for when, tags, fields in expected:
            point = influxdb_client.Point("all types").time(when)
            for name, value in tags.items():
                point = point.tag(name, value)
            for name, value in fields.items():
                point = point.field(name, value)
            points.append(point)
        write.write(bucket="b", record=points)
        write.write(bucket="b", record=points)
        check_v2_rows("2.9", client.query_api(), "all types", expected)
        for token, bucket, code in (("wrong", "b", 401), ("t0ken", "nosuch", 404)):
            other = influxdb_client.InfluxDBClient(sim.url, token=token, org="o").write_api(write_options=SYNCHRONOUS)
            try:
                other.write(bucket=bucket, record="m f=1 1")
                sys.exit(f"2.9: {token} may write to {bucket}")
            except ApiException as error:
                same(f"2.9: {token} to {bucket}", error.status, code)
        client.delete_api().delete("1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z", '_measurement="all types"', bucket="b", org="o")
        same("2.9: after delete", client.query_api().query('from(bucket: "b") |> range(start: 0)'), [])
    with tempfile.NamedTemporaryFile("w", suffix=".lp") as file:
        file.write(line_protocol())
        file.flush()
        with Influx(bin_dir, "--flavor", "2.9", "--bucket", "b", "--org", "o", "--token", "t", "--load", file.name) as sim:
            client = influxdb_client.InfluxDBClient(sim.url, token="t", org="o")
            check_v2_rows("2.9 --load", client.query_api(), "m", expected)


for version in ("1.6", "1.8", "1.13"):
    v1(sys.argv[1], version)
v2(sys.argv[1])
print(f"influx: {checks} checks agree (influxdb {influxdb.__version__}, influxdb-client {influxdb_client.__version__})")
