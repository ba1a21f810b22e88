//! InfluxDB 3: partial writes, all-or-nothing writes, SQL and InfluxQL to read back. Not recorded from a server: the
//! expected replies are those that its sources give (dossier influxdb 2.4, 3.3).
mod influx_common;

use influx_common::{Reply, Running, encode, get, send, start};
use serde_json::{Value as Json, json};

fn v3(args: &[&str]) -> Running {
    start(&[&["--flavor", "3"], args].concat(), |_| ())
}

fn write(server: &Running, target: &str, body: &str) -> Reply {
    send(&server.address, "POST", target, &[], body.as_bytes(), false)
}

fn sql(server: &Running, query: &str) -> Json {
    let reply = get(&server.address, "/api/v3/query_sql", &[("db", "d"), ("q", query)], &[]);
    assert_eq!(reply.status, 200, "{query}: {}", reply.text());
    serde_json::from_slice(&reply.body).unwrap_or_else(|e| panic!("{e}: {}", reply.text()))
}

const NATIVE: &str = "/api/v3/write_lp?db=d&precision=ns";

#[test]
fn good_lines_are_stored_and_bad_ones_are_listed() {
    let server = v3(&[]);
    let body = "m,t=a f=1,i=2i 1\nm,t=b f=oops 2\nm,t=c f=3i 3\nm,t=d f=4,s=\"x\" 4\n";
    let reply = write(&server, NATIVE, body);
    assert_eq!(reply.status, 400);
    let answer: Json = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(answer["error"], "partial write of line protocol occurred");
    let lines: Vec<u64> =
        answer["data"].as_array().unwrap().iter().map(|e| e["line_number"].as_u64().unwrap()).collect();
    assert_eq!(lines, [2, 3]);
    // cut after twenty bytes
    assert_eq!(answer["data"][1]["original_line"], "m,t=c f=3i 3");
    let conflict = "invalid column type for column 'f', expected iox::column_type::field::float, got iox::column_type::field::integer";
    assert_eq!(answer["data"][1]["error_message"], conflict);
    let rows = sql(&server, "SELECT time, t, f, i, s FROM m ORDER BY time");
    assert_eq!(
        rows,
        json!([
            {"time": "1970-01-01T00:00:00.000000001", "t": "a", "f": 1, "i": 2},
            {"time": "1970-01-01T00:00:00.000000004", "t": "d", "f": 4, "s": "x"}
        ])
    );
}

#[test]
fn without_accept_partial_and_on_the_compatible_paths_nothing_is_stored() {
    let server = v3(&["--database", "d"]);
    let body = "m f=1 1\nm f=oops 2\nm f=worse 3\n";
    let native = write(&server, "/api/v3/write_lp?db=d&precision=ns&accept_partial=false", body);
    let answer: Json = serde_json::from_slice(&native.body).unwrap();
    assert_eq!((native.status, &answer["error"]), (400, &json!("line protocol parsing error")));
    assert_eq!(answer["data"]["line_number"], 2);
    let compatible = write(&server, "/api/v2/write?bucket=d", body);
    let answer: Json = serde_json::from_slice(&compatible.body).unwrap();
    assert_eq!((compatible.status, &answer["code"]), (400, &json!("invalid")));
    assert!(answer["message"].as_str().unwrap().contains("line protocol parse failed"), "{answer}");
    assert_eq!(write(&server, "/write?db=d", body).status, 400);
    let tables = sql(&server, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'iox'");
    assert_eq!(tables, json!([]));
}

#[test]
fn what_three_reads_differently() {
    let server = v3(&[]);
    // floats need digits on both sides; 1e400 is infinite; a field may come only once; a type is fixed for ever
    for bad in [
        "m f=.5 1",
        "m f=5. 1",
        "m f=1,f=2 1",
        "m,t= f=1 1",
        "m f=1 1.5",
        "m f=1 1\r",
        "m,t=a\\",
        "m f=\"open 1",
        "m,f=x f=1 1",
    ] {
        assert_eq!(write(&server, NATIVE, bad).status, 400, "{bad:?}");
    }
    for good in
        ["m f=1e400 1", "m f=0.5 2", "m,t=a=b f=1 3", "m,t=a\\\\b f=1 4", "m f=-1e-5 5", "m u=18446744073709551615u 6"]
    {
        assert_eq!(write(&server, NATIVE, good).status, 204, "{good:?}");
    }
    assert_eq!(write(&server, NATIVE, "m f=1i 1000000000000000000").status, 400, "another type in another week");
    let tags = sql(&server, "SELECT DISTINCT t FROM m WHERE t != ''");
    assert_eq!(tags, json!([{"t": "a=b"}, {"t": "a\\b"}]));
    for (empty, why) in [("", "incoming write was empty"), ("# only a comment\n", "incoming write was empty")] {
        let reply = write(&server, NATIVE, empty);
        assert_eq!((reply.status, reply.text().contains(why)), (400, true), "{}", reply.text());
    }
    assert_eq!(send(&server.address, "POST", NATIVE, &[], b"m,t=\xff f=1 1", false).status, 400, "not UTF-8");
    let encoded = [("Content-Encoding".to_string(), "zstd".to_string())];
    assert_eq!(send(&server.address, "POST", NATIVE, &encoded, b"m f=1 1", false).status, 400);
    let large = "x".repeat(10_485_761);
    assert_eq!(write(&server, NATIVE, &large).status, 413);
}

#[test]
fn the_default_precision_guesses_from_the_size() {
    let server = v3(&[]);
    let body = "m,u=s f=1 4\nm,u=ms f=1 5000000000\nm,u=us f=1 5000000000000\nm,u=ns f=1 5000000000000000\n";
    // 4 s; below 5e12 ms; below 5e15 us; ns above
    assert_eq!(write(&server, "/api/v3/write_lp?db=d", body).status, 204);
    let rows = sql(&server, "SELECT time, u FROM m");
    let found: Vec<(String, String)> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["u"].as_str().unwrap().into(), r["time"].as_str().unwrap().into()))
        .collect();
    let expect = [
        ("s", "1970-01-01T00:00:04"),
        ("ms", "1970-02-27T20:53:20"),
        ("us", "1970-02-27T20:53:20"),
        ("ns", "1970-02-27T20:53:20"),
    ];
    for (unit, time) in expect {
        assert!(found.contains(&(unit.into(), time.into())), "{unit} in {found:?}");
    }
}

#[test]
fn sql_reads_windows_schemas_and_aggregates() {
    let server = v3(&["--database", "d", "--token", "t0ken"]);
    let token = [("Authorization".to_string(), "Bearer t0ken".to_string())];
    let body: String = (0..10).map(|i| format!("cpu,host=h{} busy={i},n={i}i {}\n", i % 2, 1000 + i)).collect();
    assert_eq!(send(&server.address, "POST", NATIVE, &[], body.as_bytes(), false).status, 401);
    assert_eq!(send(&server.address, "POST", NATIVE, &token, body.as_bytes(), false).status, 204);
    let ask = |query: &str, format: &str| {
        let body = json!({"db": "d", "q": query, "format": format}).to_string();
        let reply = send(&server.address, "POST", "/api/v3/query_sql", &token, body.as_bytes(), false);
        assert_eq!(reply.status, 200, "{query}: {}", reply.text());
        reply.text()
    };
    assert_eq!(
        ask("SELECT * FROM cpu WHERE time >= to_timestamp_nanos(1002) AND time < to_timestamp_nanos(1004)", "jsonl"),
        "{\"busy\":2,\"host\":\"h0\",\"n\":2,\"time\":\"1970-01-01T00:00:00.000001002\"}\n\
         {\"busy\":3,\"host\":\"h1\",\"n\":3,\"time\":\"1970-01-01T00:00:00.000001003\"}\n"
    );
    let csv = "host,rows,total\nh0,5,20\nh1,5,25\n";
    assert_eq!(ask("SELECT host, COUNT(*) AS rows, SUM(n) AS total FROM \"cpu\" GROUP BY host", "csv"), csv);
    assert_eq!(ask("SELECT COUNT(*) FROM cpu WHERE time < '1970-01-01T00:00:00Z'", "json"), "[{\"count(*)\":0}]");
    assert_eq!(
        ask("SELECT MIN(time) AS a, MAX(time) AS b FROM cpu WHERE host = 'h1'", "json"),
        "[{\"a\":\"1970-01-01T00:00:00.000001001\",\"b\":\"1970-01-01T00:00:00.000001009\"}]"
    );
    let columns = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'cpu' AND table_schema = 'iox'";
    let expect = "column_name,data_type\nbusy,Float64\nhost,\"Dictionary(Int32, Utf8)\"\nn,Int64\ntime,\"Timestamp(Nanosecond, None)\"\n";
    assert_eq!(ask(columns, "csv"), expect);
    for (query, why) in [
        ("SELECT * FROM nosuch", "not found"),
        ("SELECT nosuch FROM cpu", "No field named"),
        ("SELEC 1", "sql parser error"),
    ] {
        let reply = get(&server.address, "/api/v3/query_sql", &[("db", "d"), ("q", query)], &token);
        assert_eq!((reply.status, reply.text().contains(why)), (400, true), "{query}: {}", reply.text());
    }
    assert_eq!(get(&server.address, "/api/v3/query_sql", &[("db", "no"), ("q", "SELECT 1")], &token).status, 404);
}

#[test]
fn influxql_is_there_on_both_paths() {
    let server = v3(&[]);
    assert_eq!(write(&server, NATIVE, "m,t=a f=1.5 1\nm,t=b f=2 2\n").status, 204);
    let v1 = get(&server.address, "/query", &[("db", "d"), ("epoch", "ns"), ("q", "SELECT f FROM m GROUP BY *")], &[]);
    assert_eq!(
        v1.text(),
        "{\"results\":[{\"statement_id\":0,\"series\":[{\"name\":\"m\",\"tags\":{\"t\":\"a\"},\"columns\":[\"time\",\"f\"],\"values\":[[1,1.5]]},\
         {\"name\":\"m\",\"tags\":{\"t\":\"b\"},\"columns\":[\"time\",\"f\"],\"values\":[[2,2]]}]}]}\n"
    );
    let v3 = get(
        &server.address,
        "/api/v3/query_influxql",
        &[("db", "d"), ("q", "SELECT f, t FROM m"), ("format", "json")],
        &[],
    );
    assert_eq!(
        v3.text(),
        "[{\"iox::measurement\":\"m\",\"time\":\"1970-01-01T00:00:00.000000001\",\"f\":1.5,\"t\":\"a\"},\
         {\"iox::measurement\":\"m\",\"time\":\"1970-01-01T00:00:00.000000002\",\"f\":2,\"t\":\"b\"}]"
    );
}

#[test]
fn databases_are_made_listed_and_dropped() {
    let server = v3(&[]);
    let path = "/api/v3/configure/database";
    let make =
        |name: &str| send(&server.address, "POST", path, &[], json!({"db": name}).to_string().as_bytes(), false).status;
    assert_eq!((make("one"), make("one"), make("")), (200, 409, 400));
    assert_eq!(get(&server.address, path, &[("format", "json")], &[]).text(), "[{\"iox::database\":\"one\"}]");
    let drop =
        |name: &str| send(&server.address, "DELETE", &format!("{path}?db={}", encode(name)), &[], b"", false).status;
    assert_eq!((drop("one"), drop("one")), (200, 404));
}
