//! SQL: what tools and the vendors' clients send, and what must be refused.

use serde_json::{Value, json};
use testkit::Sim;

use crate::client::{file, post, rest, rows};

/// `db.m`: tables a, b, c with tags g = 1, 2, NULL and place; ten rows each, 100 ms apart, v = NULL in every third.
fn sim() -> Sim {
    let mut csv = String::from("ts|time,tb|table,g|tag:int,place|tag,v|int,x|double,s|string\n");
    for i in 0..10 {
        for (table, g, place) in [("a", "1", "north"), ("b", "2", "south"), ("c", "", "north_east")] {
            let v = if i % 3 == 0 { String::new() } else { i.to_string() };
            csv.push_str(&format!("2023-11-14T22:13:20.{}00Z,{table},{g},{place},{v},{}.5,\"s{i}\"\n", i, i));
        }
    }
    let (_keep, path) = file(&csv);
    Sim::tdengine(["--load", &format!("db.m={path}")])
}

fn code(sim: &Sim, sql: &str) -> u64 {
    rest(sim, sql)["code"].as_u64().unwrap()
}

#[test]
fn time_conditions_are_half_open_and_read_integers_and_text() {
    let sim = sim();
    let count =
        |condition: &str| rows(&sim, &format!("select count(*) from db.m where {condition}"))[0][0].as_i64().unwrap();
    assert_eq!(count("ts >= 1700000000100 and ts < 1700000000300"), 6);
    assert_eq!(count("ts > 1700000000100 and ts <= 1700000000300"), 6);
    assert_eq!(count("1700000000100 <= ts and 1700000000300 > ts"), 6);
    assert_eq!(count("ts >= '2023-11-14T22:13:20.100Z' and ts < '2023-11-15T06:13:20.300+08:00'"), 6);
    assert_eq!(count("ts between '2023-11-14 22:13:20.100' and 1700000000300"), 9);
    assert_eq!(count("ts = 1700000000900"), 3);
    assert_eq!(count("ts <> 1700000000900"), 27);
    assert_eq!(count("not (ts >= 1700000000100)"), 3);
    assert_eq!(count("ts < 1700000000100 or ts >= 1700000000900"), 6);
    assert_eq!(count("ts < 9223372036854775807 and ts > -9223372036854775808"), 30);
    assert_eq!(count("ts < now and ts > now - 36500d"), 30);
}

#[test]
fn tags_and_table_names_select_tables() {
    let sim = sim();
    let tables = |condition: &str| rows(&sim, &format!("select tags tbname from db.m where {condition}"));
    assert_eq!(tables("g = 1"), json!([["a"]]));
    assert_eq!(tables("g <> 1"), json!([["b"]]));
    assert_eq!(tables("g > 0 and g < 2"), json!([["a"]]));
    assert_eq!(tables("g is null"), json!([["c"]]));
    assert_eq!(tables("g is not null"), json!([["a"], ["b"]]));
    assert_eq!(tables("g in (2, 3) or place = 'north'"), json!([["a"], ["b"]]));
    assert_eq!(tables("g not in (2, 3)"), json!([["a"]]));
    assert_eq!(tables("place like 'north%'"), json!([["a"], ["c"]]));
    assert_eq!(tables(r"place like 'north\_%'"), json!([["c"]]));
    assert_eq!(tables("place not like '%th'"), json!([["c"]]));
    assert_eq!(tables("tbname in ('c', 'a', 'nosuch')"), json!([["a"], ["c"]]));
    assert_eq!(tables("tbname = 'b'"), json!([["b"]]));
    assert_eq!(tables("not (tbname = 'b' or (g is null and place = 'north_east'))"), json!([["a"]]));
    assert_eq!(
        rows(&sim, "select tags tbname, `g`, `place` from `db`.`m` where tbname = 'c'"),
        json!([["c", null, "north_east"]])
    );
}

#[test]
fn rows_are_cut_ordered_and_computed() {
    let sim = sim();
    let expected = json!([["2023-11-14T22:13:20.900Z", 9], ["2023-11-14T22:13:20.800Z", 8]]);
    // 900 is v = NULL (a multiple of three), so order by value differs from order by time.
    assert_eq!(
        rows(&sim, "select ts, v from db.a order by ts desc limit 1"),
        json!([["2023-11-14T22:13:20.900Z", null]])
    );
    assert_eq!(rows(&sim, "select ts, x - 0.5 as y from db.a order by y desc limit 2"), expected);
    assert_eq!(
        rows(&sim, "select v from db.a where v is not null order by v desc limit 2 offset 1"),
        json!([[7], [5]])
    );
    assert_eq!(rows(&sim, "select v from db.a limit 1, 2"), json!([[1], [2]]));
    assert_eq!(
        rows(&sim, "select cast(ts as bigint), cast(x as int), cast(v as varchar(8)) from db.a where v = 4"),
        json!([[1_700_000_000_400_i64, 4, "4"]])
    );
    assert_eq!(
        rows(&sim, "select tbname, ts from db.m order by ts desc, tbname limit 2"),
        json!([["a", "2023-11-14T22:13:20.900Z"], ["b", "2023-11-14T22:13:20.900Z"]])
    );
    assert_eq!(
        rows(&sim, "select distinct place from db.m order by place"),
        json!([["north"], ["north_east"], ["south"]])
    );
    assert_eq!(rows(&sim, "select 1, 'x', null, -2.5"), json!([[1, "x", null, -2.5]]));
}

#[test]
fn aggregates_skip_nulls_and_group() {
    let sim = sim();
    assert_eq!(
        rows(&sim, "select count(*), count(v), min(v), max(v), sum(v), avg(v) from db.a"),
        json!([[10, 6, 1, 8, 27, 4.5]])
    );
    assert_eq!(
        rows(&sim, "select first(ts), last(ts), first(v), last(v), last_row(v) from db.a"),
        json!([["2023-11-14T22:13:20.000Z", "2023-11-14T22:13:20.900Z", 1, 8, null]])
    );
    let by_table = rows(
        &sim,
        "select tbname, count(*), min(ts), max(ts) from db.m where ts >= 1700000000500 partition by tbname order by tbname",
    );
    assert_eq!(by_table[2], json!(["c", 5, "2023-11-14T22:13:20.500Z", "2023-11-14T22:13:20.900Z"]));
    assert_eq!(by_table.as_array().unwrap().len(), 3);
    assert_eq!(
        rows(&sim, "select place, sum(v) from db.m group by place order by place desc"),
        json!([["south", 27], ["north_east", 27], ["north", 27]])
    );
    // LIMIT after PARTITION BY counts in each partition.
    assert_eq!(
        rows(&sim, "select tbname, count(*) from db.m partition by tbname limit 1").as_array().unwrap().len(),
        3
    );
    assert_eq!(rows(&sim, "select count(*) from db.m where ts < 0"), json!([[0]]));
    assert_eq!(rows(&sim, "select first(ts), last(ts) from db.m where ts < 0"), json!([]));
    assert_eq!(
        rows(&sim, "select cast(min(ts) as bigint), max(_c0) from db.m"),
        json!([[1_700_000_000_000_i64, "2023-11-14T22:13:20.900Z"]])
    );
}

#[test]
fn inner_queries_mean_the_same_however_they_are_run() {
    let sim = sim();
    let outer = "where ts >= 1700000000200 and ts < 1700000000400";
    let flat = rows(&sim, &format!("select * from (select * from db.m where g = 1) {outer}"));
    assert_eq!(flat, rows(&sim, "select * from db.a where ts >= 1700000000200 and ts < 1700000000400"));
    let renamed = rows(&sim, &format!("select * from (select ts, v as w, tbname from db.m where g = 1) {outer}"));
    assert_eq!(renamed, json!([["2023-11-14T22:13:20.200Z", 2, "a"], ["2023-11-14T22:13:20.300Z", null, "a"]]));
    assert_eq!(rows(&sim, "select count(*) from (select distinct place from db.m)"), json!([[3]]));
    assert_eq!(code(&sim, "select x from (select ts from db.m)"), 9730);
    assert_eq!(
        rows(&sim, "select max(n) from (select tbname, count(*) as n from db.m partition by tbname)"),
        json!([[10]])
    );
}

#[test]
fn what_is_not_understood_is_refused() {
    let sim = sim();
    for (sql, expected) in [
        ("select ts from db.m group by tbname", 9740),
        ("select count(*) from db.m having count(*) > 1", 9728),
        ("select _wstart, count(*) from db.m interval(1s)", 9728),
        ("select ts from db.m union all select ts from db.m", 9728),
        ("select a.ts from db.a a join db.b b on a.ts = b.ts", 9728),
        ("select percentile(v, 50) from db.a", 0x2800),
        ("select count(distinct v) from db.a", 9728),
        ("select t->'k' from db.m", 9728),
        ("select ts from db.m where count(*) > 1", 0x260B),
        ("select ts from db.m where ts > 'yesterday'", 9733),
        ("select ts from db.m where v = 'x'", 9733),
        ("select tags v from db.m", 9728),
        ("select sum(s) from db.m", 0x2802),
        ("select", 9729),
        ("select * from db.m where (ts > 1", 9729),
        ("select * from db.m where ts >", 9729),
        ("alter table db.m rename column y z", 9728),
        ("select * from db.m; select 1", 9728),
        ("select 'open", 9728),
    ] {
        assert_eq!(code(&sim, sql), expected, "{sql}");
    }
    let deep = format!("select {}1{}", "(".repeat(5000), ")".repeat(5000));
    assert_eq!(code(&sim, &deep), 9728);
    let nested = |depth: usize| {
        format!("{}select v from db.a{} where v > 0", "select * from (".repeat(depth), ")".repeat(depth))
    };
    assert_eq!(rows(&sim, &nested(10)).as_array().unwrap().len(), 6);
    assert_eq!(code(&sim, &nested(5000)), 9728);
    let long = |terms: usize| format!("select count(*) from db.a where v = 1{}", " or v = 2 and x > 0".repeat(terms));
    assert_eq!(rows(&sim, &long(4000)), json!([[2]]));
    assert_eq!(code(&sim, &long(20_000)), 9728);
}

#[test]
fn inserts_update_create_and_are_all_or_nothing() {
    let sim = sim();
    let now = "now";
    let affected = |sql: &str| rows(&sim, sql)[0][0].as_u64().unwrap();
    assert_eq!(affected("create database if not exists w precision 'us' keep 36500d"), 0);
    assert_eq!(code(&sim, "create database w"), 897);
    affected("create stable w.st (ts timestamp, k int primary key, v double, s nchar(4)) tags (t int, u varchar(8))");
    assert_eq!(
        affected(
            "insert into w.d1 using w.st tags (1, 'one') values (1700000000000000, 1, 1.5, 'ab') (1700000000000000, 2, 2.5, null) w.d2 using w.st (u) tags ('two') values ('2023-11-14T22:13:20.000001Z', 1, 3, '😀')"
        ),
        3
    );
    // The same key again: named columns change, the others stay; another key of the same instant is another row.
    assert_eq!(affected("insert into w.d1 (ts, k, v) values (1700000000000000, 1, 9)"), 1);
    assert_eq!(
        affected(
            "insert into w.st (tbname, t, ts, k, v) values ('d3', 3, 1700000000000000, 1, 7) ('d1', 99, 1700000000000000, 3, 8)"
        ),
        2
    );
    assert_eq!(
        rows(&sim, "select tbname, k, v, s, t, u from w.st order by tbname, k"),
        json!([
            ["d1", 1, 9, "ab", 1, "one"],
            ["d1", 2, 2.5, null, 1, "one"],
            ["d1", 3, 8, null, 1, "one"],
            ["d2", 1, 3, "😀", null, "two"],
            ["d3", 1, 7, null, 3, null]
        ])
    );
    // One bad value, and no row of the statement is there.
    for (sql, expected) in [
        (format!("insert into w.d1 values ({now}, 5, 1, 'x') ({now}+1s, 5, 'bad', 'x')"), 534),
        (format!("insert into w.d1 values ({now}, 5, 1, 'x') ({now}, 5, 1, 'toolong')"), 9811),
        (format!("insert into w.d1 values ({now}, 5, 1, 'x') ({now}, null, 1, 'x')"), 0x267B),
        (format!("insert into w.d1 values ({now}, 5, 1, 'x') w.nosuch values ({now}, 5, 1, 'x')"), 9731),
        ("insert into w.d1 values (-4000000000000000, 5, 1, 'x')".to_string(), 1547),
        (format!("insert into w.d1 values ({now}, 5, nan, 'x')"), 534),
        (format!("insert into w.d1 values ({now}, 99999999999, 1, 'x')"), 534),
    ] {
        assert_eq!(code(&sim, &sql), expected, "{sql}");
    }
    assert_eq!(rows(&sim, "select count(*) from w.st"), json!([[5]]));
    assert_eq!(affected("delete from w.st where ts = 1700000000000000 and t = 1"), 3);
    assert_eq!(code(&sim, "delete from w.st where v > 1"), 0x2658);
    affected("drop table w.d2");
    assert_eq!(rows(&sim, "select tbname from w.st"), json!([["d3"]]));
    affected("drop stable w.st");
    assert_eq!(code(&sim, "select * from w.d3"), 9826);
    affected("drop database w");
    assert_eq!(code(&sim, "drop database w"), 904);
}

#[test]
fn composite_keys_are_described() {
    let sim = sim();
    rows(&sim, "create table db.k (ts timestamp, id bigint unsigned primary key, v decimal(20,4), w decimal(10,2))");
    rows(&sim, "insert into db.k values (now, 18446744073709551615, 123.45, -0.5)");
    assert_eq!(rows(&sim, "describe db.k")[1][3], "PRIMARY KEY");
    assert_eq!(rows(&sim, "describe db.k")[2][1], "DECIMAL(20, 4)");
    assert_eq!(rows(&sim, "select id, v, w from db.k"), json!([[u64::MAX, "123.4500", "-0.50"]]));
    let created = rows(&sim, "show create table db.k")[0][1].as_str().unwrap().to_string();
    assert!(created.contains("`id` BIGINT UNSIGNED") && created.contains(" PRIMARY KEY"), "{created}");
}

#[test]
fn the_catalog_is_a_table_like_any_other() {
    let sim = sim();
    rows(&sim, "create table db.plain (ts timestamp, v int)");
    let query = |sql: &str| rows(&sim, sql);
    assert_eq!(
        query("select name, `precision` from information_schema.ins_databases where name = 'db'"),
        json!([["db", "ms"]])
    );
    assert_eq!(
        query("select stable_name, `columns`, `tags` from information_schema.ins_stables where db_name = 'db'"),
        json!([["m", 4, 2]])
    );
    assert_eq!(
        query(
            "select table_name, stable_name, `type` from information_schema.ins_tables where db_name = 'db' order by table_name desc limit 2"
        ),
        json!([["plain", null, "NORMAL_TABLE"], ["c", "m", "CHILD_TABLE"]])
    );
    assert_eq!(
        query(
            "select stable_name, count(*) from information_schema.ins_tables where db_name = 'db' and stable_name is not null group by stable_name"
        ),
        json!([["m", 3]])
    );
    assert_eq!(
        query("select tag_name, tag_type, tag_value from information_schema.ins_tags where table_name = 'c'"),
        json!([["g", "INT", null], ["place", "VARCHAR(16)", "north_east"]])
    );
    assert_eq!(query("show db.tables like 'p%'"), json!([["plain"]]));
    assert_eq!(code(&sim, "select * from information_schema.nosuch"), 9826);
    assert_eq!(code(&sim, "show nosuch.stables"), 904);
    let groups: Vec<Value> = serde_json::from_value(query("show db.vgroups")).unwrap();
    assert_eq!(groups.iter().map(|g| g[2].as_i64().unwrap()).sum::<i64>(), 4);
}

#[test]
fn parameters_of_the_rest_interface_work() {
    let sim = sim();
    let ask = |path: &str, headers: &[&str], sql: &str| {
        let reply = testkit::http::post(&sim.host, path, headers, sql.as_bytes());
        (reply.status, serde_json::from_slice::<Value>(&reply.body).unwrap())
    };
    let auth = [crate::client::AUTH];
    let (_, reply) = ask("/rest/sql/db?timing=true&row_with_meta=true", &auth, "select ts, v from a limit 1");
    assert_eq!(reply["data"], json!([{"ts": "2023-11-14T22:13:20.000Z", "v": null}]));
    assert!(reply["timing"].is_number());
    // conn_tz reads literals and wins over tz for the output; tz alone does not touch literals.
    let sql = "select ts from a where ts = '2023-11-15 06:13:20.100'";
    assert_eq!(
        ask("/rest/sql/db?conn_tz=Asia%2FShanghai&tz=UTC", &auth, sql).1["data"],
        json!([["2023-11-15T06:13:20.100+08:00"]])
    );
    assert_eq!(ask("/rest/sql/db?tz=Asia/Shanghai", &auth, sql).1["data"], json!([]));
    assert_eq!(ask("/rest/sql?req_id=0", &auth, "select 1").0, 400);
    assert_eq!(ask("/rest/sql", &["Authorization: Bearer t"], "select 1").0, 401);
    assert_eq!(
        ask(
            "/rest/sql",
            &["Authorization: Taosd /KfeAzX/f9na8qdtNZmtONryp201ma04bEl8LcvLUd7a8qdtNZmtONryp201ma04"],
            "select 1"
        )
        .1["rows"],
        1
    );
    let huge = format!("select '{}'", "x".repeat(1 << 20));
    assert_eq!(ask("/rest/sql", &auth, &huge).1["code"], 0x0219);
    assert_eq!(post(&sim, "use db").status, 200);
    assert_eq!(code(&sim, "select * from a"), 9750, "REST forgets USE");
}
