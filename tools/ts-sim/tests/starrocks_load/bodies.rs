//! CSV, JSON, Arrow and packed bodies (dossier starrocks 1.3, 1.4, 1.8).

use crate::{Cluster, cluster, failure, numbers, success};
use std::io::Write;

const STRICT: &str = "strict_mode: true";

fn table(cluster: &Cluster) -> Vec<String> {
    cluster.rows("SELECT * FROM d.t ORDER BY id")
}

#[test]
fn null_is_backslash_n_even_when_it_is_quoted() {
    let cluster = cluster(&[]);
    let csv = ["column_separator: ,", "enclose: \"", STRICT];
    let reply = cluster.load(
        "t",
        &csv,
        "1,2024-01-01 00:00:00.5,1.25,\"a,\"\"b\"\n2,\\N,\"\\N\",\"\\N\"\n3,2024-01-02T01:02:03,-2,\n",
    );
    assert_eq!(numbers(&reply), success(3, 0, 0), "{reply}");
    assert_eq!(table(&cluster), ["1|2024-01-01 00:00:00.500000|1.25|a,\"b", "2|-|-|-", "3|2024-01-02 01:02:03|-2|"]);
}

#[test]
fn an_escape_loads_the_letter_n_for_null() {
    let cluster = cluster(&[]);
    let reply = cluster.load("t", &["column_separator: ,", "escape: \\", "columns: id,s"], "1,\\N\n2,a\\,b\n");
    assert_eq!(numbers(&reply), success(2, 0, 0), "{reply}");
    assert_eq!(table(&cluster), ["1|-|-|N", "2|-|-|a,b"]);
}

#[test]
fn separators_of_any_bytes_headers_and_blank_rows() {
    let cluster = cluster(&[]);
    let headers = ["column_separator: \\x01\\x02", "row_delimiter: \\x03", "skip_header: 1", "trim_space: true"];
    let body = "id\x01\x02...\x03 1 \x01\x02\\N\x01\x021\x01\x02 a\nb \x03\x032\x01\x02\\N\x01\x022\x01\x02c";
    let reply = cluster.load("t", &headers, body);
    assert_eq!(numbers(&reply), success(2, 0, 0), "{reply}");
    assert_eq!(table(&cluster), ["1|-|1|a\nb", "2|-|2|c"]);
    let short = cluster.load("t", &["skip_header: 3"], "x\n");
    assert!(failure(&short).contains("skip_header' is set to 3, but there are only 1 rows"), "{short}");
}

#[test]
fn bad_rows_are_filtered_and_listed() {
    let cluster = cluster(&[]);
    // too few, too many (a trailing separator), not UTF-8, a bad number, too long a text, NULL where none may be
    let body = b"1\t\\N\t1\n2\t\\N\t1\tx\t\n3\t\\N\t1\t\xff\nx\t\\N\t1\ta\n5\t\\N\t1\t123456789\n\\N\t\\N\t1\ta\n7\t\\N\t1\tok\n";
    let reply = cluster.try_load("t", &[STRICT, "label: bad"], body).unwrap();
    assert_eq!(failure(&reply), "too many filtered rows");
    assert_eq!(
        (reply["NumberTotalRows"].as_u64(), reply["NumberFilteredRows"].as_u64()),
        (Some(7), Some(6)),
        "{reply}"
    );
    let log = cluster.error_log(&reply);
    assert_eq!(log.lines().count(), 6, "{log}");
    assert!(log.starts_with("Error: Target column count: 4 doesn't match source value column count: 3. Column separator: '\\t', Row delimiter: '\\n'. Row: 1\t\\N\t1\n"), "{log}");
    assert!(
        log.contains("source value column count: 5") && log.contains("Invalid UTF-8 row") && log.contains("too long"),
        "{log}"
    );
    assert_eq!((cluster.count("t"), cluster.state("bad")), (0, "ABORTED".to_owned()));
    // a part of them may be left out when the client says so: the label is free again
    let reply = cluster.try_load("t", &[STRICT, "label: bad", "max_filter_ratio: 0.9"], body).unwrap();
    assert_eq!(numbers(&reply), success(1, 6, 0), "{reply}");
    assert_eq!(table(&cluster), ["7|-|1|ok"]);
}

#[test]
fn without_strict_mode_bad_values_become_null() {
    let cluster = cluster(&[]);
    let reply = cluster.load("t", &[], "1\tyesterday\tNaN\t123456789\n");
    assert_eq!(numbers(&reply), success(1, 0, 0), "{reply}");
    assert_eq!(table(&cluster), ["1|-|-|-"]);
    // bytes count, not characters
    let reply = cluster.load("t", &[STRICT], "2\t\\N\t1\tééééé\n");
    assert_eq!(failure(&reply), "too many filtered rows");
    assert_eq!(failure(&cluster.load("t", &[], "")), "No partitions have data available for loading");
}

#[test]
fn columns_derived_conditions_and_operations() {
    let cluster = cluster(&[]);
    let headers = [
        "column_separator: ,",
        "columns: skip, secs, id, ts = from_unixtime(secs), v = id * 2",
        "where: id <> 2 and v < 100",
    ];
    let reply = cluster.load("t", &headers, "x,0,1\nx,60,2\nx,86400,3\nx,1,50\n");
    assert_eq!(numbers(&reply), success(2, 0, 2), "{reply}");
    assert_eq!(table(&cluster), ["1|1970-01-01 00:00:00|2|-", "3|1970-01-02 00:00:00|6|-"]);
    assert!(failure(&cluster.load("t", &["columns: id, nothing = 1"], "1\n")).contains("nothing"));
    assert!(failure(&cluster.load("t", &["where: nothing = 1"], "1\n")).contains("nothing"));
    // upserts and deletes
    let op = ["column_separator: ,", "columns: id,a,b,__op"];
    assert_eq!(numbers(&cluster.load("p", &op, "1,10,x,0\n2,20,y,upsert\n3,30,z,0\n")), success(3, 0, 0));
    assert_eq!(numbers(&cluster.load("p", &op, "2,\\N,\\N,1\n1,11,x,0\n4,\\N,\\N,delete\n")), success(3, 0, 0));
    assert_eq!(cluster.rows("SELECT * FROM d.p ORDER BY id"), ["1|11|x", "3|30|z"]);
    let partial = ["column_separator: ,", "columns: id,b", "partial_update: true"];
    assert_eq!(numbers(&cluster.load("p", &partial, "3,new\n")), success(1, 0, 0));
    assert_eq!(cluster.rows("SELECT * FROM d.p ORDER BY id"), ["1|11|x", "3|30|new"]);
    assert!(
        failure(&cluster.load("t", &partial[2..], "1\n")).contains("Only primary key table support partial update")
    );
}

#[test]
fn json_documents_arrays_and_paths() {
    let cluster = cluster(&[]);
    let body = r#"[{"id":1,"big":170141183460469231731687303715884105727,"d":1.005,"ok":true,"j":{"a": [1, "x"]},"l":[1, null]},
        {"id":2,"big":"-5","d":"2.5","ok":0,"j":"text","ID":9}]"#;
    let reply = cluster.load("x", &["format: json", "strip_outer_array: true", STRICT], body);
    assert_eq!(numbers(&reply), success(2, 0, 0), "{reply}");
    let rows = cluster.rows("SELECT id, big, d, ok, l FROM d.x ORDER BY id");
    assert_eq!(rows, ["1|170141183460469231731687303715884105727|1.01|1|[1,null]", "2|-5|2.50|0|-"]);
    let reply = cluster.load("t", &["format: json"], "{\"id\":1,\"s\":\"\\\\N\"}\n{\"id\":2,\"S\":\"no such key\"}\n");
    assert_eq!(numbers(&reply), success(2, 0, 0), "{reply}");
    // a text `\N` is a text here, and another case is another key
    assert_eq!(table(&cluster), ["1|-|-|\\N", "2|-|-|-"]);
    let paths = [
        "format: json",
        "json_root: $.rows",
        "strip_outer_array: true",
        "jsonpaths: [\"$.k\", \"$.n.x\"]",
        "columns: id, s",
    ];
    let reply = cluster.load("t", &paths, "{\"rows\":[{\"k\":3,\"n\":{\"x\":\"deep\"}}]}");
    assert_eq!(numbers(&reply), success(1, 0, 0), "{reply}");
    assert_eq!(table(&cluster)[2], "3|-|-|deep");
    let array = cluster.load("t", &["format: json"], "[{\"id\":1}]");
    assert_eq!(failure(&array), "too many filtered rows");
    assert!(cluster.error_log(&array).contains("strip_outer_array=true"));
    assert_eq!(failure(&cluster.load("t", &["format: json"], "{\"id\":1}{\"id\"")), "too many filtered rows");
}

#[test]
fn packed_bodies_by_header_or_by_the_old_names() {
    let cluster = cluster(&[]);
    let body = b"1\t\\N\t1\ta\n2\t\\N\t2\tb\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(body).unwrap();
    let gzip = gzip.finish().unwrap();
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(body).unwrap();
    let zstd = zstd::stream::encode_all(&body[..], 1).unwrap();
    let bodies: [(&str, &[u8]); 5] = [
        ("compression: gzip", &gzip),
        ("format: gzip", &gzip),
        ("Content-Encoding: gzip", &gzip),
        ("compression: zstd", &zstd),
        ("compression: lz4_frame", &lz4.finish().unwrap()),
    ];
    for (header, packed) in bodies {
        let reply = cluster.try_load("t", &[header], packed).unwrap();
        assert_eq!(numbers(&reply), success(2, 0, 0), "{header}: {reply}");
    }
    assert_eq!(cluster.count("t"), 10);
    let cut = cluster.try_load("t", &["compression: gzip"], &gzip[..gzip.len() / 2]).unwrap();
    assert!(failure(&cut).contains("decompress"), "{cut}");
    assert_eq!(cluster.count("t"), 10);
}

#[test]
fn arrow_only_from_4_2_and_columns_by_name() {
    use arrow_array::{Array, Int32Array, RecordBatch, StringArray};
    use std::sync::Arc;
    let batch = RecordBatch::try_from_iter([
        ("s", Arc::new(StringArray::from(vec![Some("x"), None])) as Arc<dyn Array>),
        ("ID", Arc::new(Int32Array::from(vec![8, 9]))),
        ("id", Arc::new(Int32Array::from(vec![1, 2]))),
    ])
    .unwrap();
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    let body = writer.into_inner().unwrap();
    let old = cluster(&[]);
    let reply = old.try_load("t", &["format: arrow"], &body).unwrap();
    assert_eq!(failure(&reply), "unknown data format, format=arrow");
    let new = cluster(&["--server-version", "4.2.0"]);
    let reply = new.try_load("t", &["format: arrow", STRICT], &body).unwrap();
    assert_eq!(numbers(&reply), success(2, 0, 0), "{reply}");
    assert_eq!(table(&new), ["1|-|-|x", "2|-|-|-"]);
    assert!(failure(&new.try_load("t", &["format: arrow"], &body[..40]).unwrap()).contains("arrow"));
}

#[test]
fn a_large_body_is_read_in_pieces() {
    let cluster = cluster(&[]);
    let body: String = (0..400_000).map(|n| format!("{n}\t2024-01-01 00:00:00\t{}.5\tab\n", n % 1000)).collect();
    assert!(body.len() > 8 << 20);
    let reply = cluster.load("t", &[STRICT], &body);
    assert_eq!(numbers(&reply), success(400_000, 0, 0), "{reply}");
    assert_eq!(reply["LoadBytes"].as_u64(), Some(body.len() as u64));
    assert_eq!(cluster.rows("SELECT count(*), min(id), max(id) FROM d.t"), ["400000|0|399999"]);
}
