//! Typed CSV files, and mistakes on the command line.

use serde_json::json;
use testkit::Sim;

use crate::client::{file, rest, rows};

#[test]
fn every_type_is_loaded_and_described() {
    let csv = "ts|time,tb|table:redundant,\"d|decimal(20,4)\",\"e|decimal(6,2)\",b|boolean,f|float,u|ulong,bin|binary,geo|geometry,at|timestamp,s|string,t|tag,j|tag:json,n|ignore:long\n\
        2023-11-14T22:13:20.000001Z,a,1.5,-2.25,true,0.1,18446744073709551615,00ff,0101000000000000000000f03f0000000000000040,1969-12-31T23:59:59.999999Z,\"a,\"\"b\nc\",grüße,\"{\"\"k\"\":1}\",7\n\
        2023-11-14T22:13:20.000002Z,a,,,,,,,,,,grüße,\"{\"\"k\"\":1}\",\n\
        #ts-end rows=2 xxh3=0\n";
    let (_keep, path) = file(csv);
    let sim = Sim::tdengine(["--load", &format!("db.m={path}"), "--type", "s=NCHAR(9)"]);
    assert_eq!(
        rows(&sim, "select * from db.m"),
        json!([
            ["2023-11-14T22:13:20.000001Z", "1.5000", "-2.25", true, 0.1, u64::MAX, "00ff",
             "0101000000000000000000f03f0000000000000040", "1969-12-31T23:59:59.999999Z", "a,\"b\nc", "grüße", {"k": 1}],
            ["2023-11-14T22:13:20.000002Z", null, null, null, null, null, null, null, null, null, "grüße", {"k": 1}]
        ])
    );
    let types: Vec<String> = rows(&sim, "describe db.m")
        .as_array()
        .unwrap()
        .iter()
        .map(|r| format!("{} {}", r[1].as_str().unwrap(), r[2]))
        .collect();
    assert_eq!(
        types,
        [
            "TIMESTAMP 8",
            "DECIMAL(20, 4) 16",
            "DECIMAL(6, 2) 8",
            "BOOL 1",
            "FLOAT 4",
            "BIGINT UNSIGNED 8",
            "VARBINARY 16",
            "GEOMETRY 32",
            "TIMESTAMP 8",
            "NCHAR 9",
            "VARCHAR 16",
            "JSON 4095"
        ]
    );
    assert_eq!(
        rows(&sim, "select `precision` from information_schema.ins_databases where name = 'db'"),
        json!([["us"]])
    );
}

#[test]
fn rows_in_any_order_end_sorted_and_the_last_of_a_key_wins() {
    let csv = "ts|time,tb|table,seq|int:key,v|string,t|tag\n\
        2023-11-14T22:13:22Z,a,1,late,x\n2023-11-14T22:13:20Z,a,2,two,x\n2023-11-14T22:13:20Z,a,1,one,x\n2023-11-14T22:13:20Z,a,2,again,x\n";
    let (_keep, path) = file(csv);
    let sim = Sim::tdengine(["--load", &format!("db.m={path}"), "--precision", "ns"]);
    assert_eq!(rows(&sim, "select seq, v from db.m"), json!([[1, "one"], [2, "again"], [1, "late"]]));
    assert_eq!(rest(&sim, "select ts from db.m limit 1")["data"], json!([["2023-11-14T22:13:20.000000000Z"]]));
}

#[test]
fn tables_are_made_from_tags_or_nothing() {
    let (_keep, by_tags) = file(
        "ts|time,t|tag,v|int\n2023-11-14T22:13:20.000Z,x,1\n2023-11-14T22:13:20.000Z,y,2\n2023-11-14T22:13:20.001Z,x,3\n",
    );
    let (_keep2, plain) = file("ts|time,v|int\n2023-11-14T22:13:20.000Z,1\n");
    let sim = Sim::tdengine(["--load", &format!("db.m={by_tags}"), "--load", &format!("db.p={plain}")]);
    assert_eq!(rows(&sim, "select t, count(*) from db.m group by t"), json!([["x", 2], ["y", 1]]));
    assert_eq!(
        rows(&sim, "select table_name, stable_name from information_schema.ins_tables where `type` = 'NORMAL_TABLE'"),
        json!([["p", null]])
    );
}

#[test]
fn mistakes_end_it_with_the_place() {
    for (csv, why) in [
        ("", "empty input"),
        ("a,b\n", "column 1: `a` is not name|type"),
        ("v|int\n", "one column of type time"),
        ("ts|time,v|int\n2023-11-14T22:13:20.000Z,x\n", "data:2: column v: `x` is not INT"),
        ("ts|time,v|byte\n2023-11-14T22:13:20.000Z,128\n", "`128` is not TINYINT"),
        ("ts|time,v|int\n2023-11-14T22:13:20.000Z\n", "1 cells, the header has 2"),
        ("ts|time,v|int\n1700000000,1\n", "is not an RFC 3339 time"),
        (
            "ts|time,v|int\n2023-11-14T22:13:20.000Z,1\n2023-11-14T22:13:20.000001Z,1\n",
            "does not have the precision ms",
        ),
        (
            "ts|time,tb|table,t|tag\n2023-11-14T22:13:20.000Z,a,x\n2023-11-14T22:13:20.001Z,a,y\n",
            "the tags of table a differ",
        ),
        ("ts|time,s|string\n2023-11-14T22:13:20.000Z,\"open\n", "a quote is not closed"),
    ] {
        let (_keep, path) = file(csv);
        let outcome = testkit::tool("ts-sim").args(["tdengine", "--load", &format!("db.m={path}")]).run().code(3);
        assert!(outcome.stderr.contains(why), "{csv}: {}", outcome.stderr);
    }
    for args in [
        ["--load", "nodot=x"],
        ["--type", "a=INTEGRAL"],
        ["--server-version", "x"],
        ["--fault", "close-ws=1"],
        ["--fault", "code=0"],
    ] {
        testkit::tool("ts-sim").arg("tdengine").args(args).run().code(2);
    }
    testkit::tool("ts-sim").args(["tdengine", "--load", "db.m=/nosuch/file"]).run().code(7);
    let (_keep, script) = file("create database d\nselect * from nosuch.t\n");
    let outcome = testkit::tool("ts-sim").args(["tdengine", "--sql", &script]).run().code(3);
    assert!(outcome.stderr.contains("line 2:"), "{}", outcome.stderr);
}
