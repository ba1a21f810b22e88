//! `ts-sim starrocks` over the MySQL protocol, asked by a client that is not ours.

use testkit::Sim;

fn script(text: &str) -> (testkit::tempfile::TempDir, String) {
    let directory = testkit::temp_dir();
    let path = directory.path().join("script.sql");
    std::fs::write(&path, text).unwrap();
    (directory, path.to_string_lossy().into_owned())
}

/// Rows as one text: cells by a space, rows by a bar, NULL as `-`.
fn shown(rows: Vec<Vec<Option<String>>>) -> String {
    let row = |row: Vec<Option<String>>| {
        row.into_iter().map(|cell| cell.unwrap_or_else(|| "-".to_string())).collect::<Vec<_>>().join(" ")
    };
    rows.into_iter().map(row).collect::<Vec<_>>().join(" | ")
}

const METERS: &str = "time|time,place|tag,v|double,note|string\n\
    2025-01-31T23:59:59.999999Z,a,1.5,x\n2025-02-01T00:00:00.000000Z,b,,\"\"\n2025-02-02T00:00:00.000000Z,b,-2,\n";

fn meters() -> (testkit::tempfile::TempDir, testkit::Starrocks) {
    let directory = testkit::temp_dir();
    let path = directory.path().join("m.csv");
    std::fs::write(&path, METERS).unwrap();
    let sim = Sim::starrocks(["--load", &format!("d.m={}", path.display())]);
    (directory, sim)
}

#[test]
fn a_loaded_table_is_read_back_by_partition() {
    let (_directory, sim) = meters();
    assert_eq!(shown(sim.query("SHOW TABLES FROM d")), "m");
    assert_eq!(
        shown(sim.query("SELECT * FROM d.m")),
        "2025-01-31 23:59:59.999999 a 1.5 x | 2025-02-01 00:00:00 b -  | 2025-02-02 00:00:00 b -2 -"
    );
    assert_eq!(shown(sim.query("SELECT count(*) FROM d.m PARTITION(p202502)")), "2");
    let partitions = sim.query("SHOW PARTITIONS FROM d.m");
    let names: Vec<_> = partitions.iter().map(|p| p[1].clone().unwrap()).collect();
    assert_eq!(names, ["p202501", "p202502"]);
    assert_eq!(partitions[0][2].as_deref(), Some("2"), "one load makes version 2");
    assert_eq!(
        partitions[1][7].as_deref(),
        Some("[types: [DATETIME]; keys: [2025-02-01 00:00:00]; ..types: [DATETIME]; keys: [2025-03-01 00:00:00]; )")
    );
    assert!(sim.ask("SELECT * FROM d.m PARTITION(p1)").unwrap_err().contains("Unknown partition"));
    assert!(sim.ask("SELECT * FROM d.none").unwrap_err().contains("Unknown table 'd.none'"));
}

#[test]
fn a_script_makes_tables_first() {
    let (_directory, path) = script(
        "CREATE DATABASE d; -- a comment\nCREATE TABLE d.t (k INT NOT NULL, s VARCHAR(5)) PRIMARY KEY(k) DISTRIBUTED BY HASH(k);\n\
         INSERT INTO d.t VALUES (1, 'a;b'), (2, NULL), (1, 'c');",
    );
    let sim = Sim::starrocks(["--sql", &path]);
    assert_eq!(shown(sim.query("SELECT * FROM d.t ORDER BY k")), "1 c | 2 -");
    assert_eq!(shown(sim.query("SELECT current_version()")), "3.3.5-6d81f75");
}

#[test]
fn logins_are_checked() {
    let sim = Sim::starrocks(["--user", "me", "--password", "secret"]);
    assert_eq!(shown(sim.query("SELECT 1")), "1");
    let refused = Sim::starrocks(["--fault", "refuse-login@1"]);
    assert!(refused.ask("SELECT 1").unwrap_err().contains("1045"));
    assert_eq!(shown(refused.query("SELECT 1")), "1");
}

fn sim_with(statements: &str, args: &[&str]) -> (testkit::tempfile::TempDir, testkit::Starrocks) {
    let (directory, path) = script(statements);
    let sim = Sim::starrocks(["--sql", &path].iter().chain(args));
    (directory, sim)
}

const TYPES: &str = "CREATE DATABASE d; CREATE TABLE d.ty (k INT NOT NULL, b BOOLEAN, ti TINYINT, si SMALLINT, bi BIGINT, \
    li LARGEINT, f FLOAT, dd DOUBLE, de DECIMAL(20,3), da DATE, dt DATETIME, c CHAR(3), s STRING, vb VARBINARY, j JSON, \
    a ARRAY<INT>, m MAP<STRING,INT>, st STRUCT<x INT, y STRING>) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2;\n\
    INSERT INTO d.ty VALUES (1, true, -128, 7, 9223372036854775807, 170141183460469231731687303715884105727, 0.1, 2.5, \
    -1.2345, '2025-01-31', '2025-01-31 10:00:00.000001', 'ab', 'x''y', unhex('00ff'), '{\"a\": [1, null]}', [1,2,null], \
    '{\"k\":1}', '{\"x\":1,\"y\":\"z\"}'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
    NULL, NULL, NULL);";

#[test]
fn every_type_has_its_text() {
    let (_directory, sim) = sim_with(TYPES, &[]);
    assert_eq!(
        shown(
            sim.query("SELECT k,b,ti,si,bi,li,f,dd,de,da,dt,c,s,hex(vb),to_base64(vb),j,a,m,st FROM d.ty WHERE k = 1")
        ),
        "1 1 -128 7 9223372036854775807 170141183460469231731687303715884105727 0.1 2.5 -1.235 2025-01-31 \
         2025-01-31 10:00:00.000001 ab x'y 00FF AP8= {\"a\":[1,null]} [1,2,null] {\"k\":1} {\"x\":1,\"y\":\"z\"}"
    );
    let nulls = sim.query("SELECT * FROM d.ty WHERE k = 2");
    assert!(nulls[0][1..].iter().all(Option::is_none), "{nulls:?}");
    let ddl = sim.query("SHOW CREATE TABLE d.ty")[0][1].clone().unwrap();
    assert!(ddl.contains("`li` largeint(40) NULL COMMENT \"\",\n  `f` float NULL"), "{ddl}");
    // What it shows can be read again, and shows the same.
    sim.query(&ddl.replace("CREATE TABLE `ty`", "CREATE TABLE `d`.`again`").replace("  `j` json", "  `j` JSON"));
    let again = sim.query("SHOW CREATE TABLE d.again")[0][1].clone().unwrap();
    assert_eq!(again.replace("`again`", "`ty`"), ddl);
    assert_eq!(
        shown(sim.query(
            "SELECT DATA_TYPE, COLUMN_TYPE, COLUMN_SIZE, DECIMAL_DIGITS FROM information_schema.columns WHERE TABLE_NAME = 'ty' \
             AND COLUMN_NAME IN ('b', 'li', 'de', 's')"
        )),
        "tinyint tinyint(1) - - | bigint unsigned bigint(20) unsigned 20 0 | decimal decimal(20, 3) 20 3 | varchar varchar(65533) 65533 -"
    );
    assert!(sim.ask("INSERT INTO d.ty (k, ti) VALUES (3, 128)").unwrap_err().contains("strict mode"));
    assert!(sim.ask("INSERT INTO d.ty (k, c) VALUES (3, 'äö')").unwrap_err().contains("strict mode"));
}

#[test]
fn key_models_treat_equal_keys_in_their_own_way() {
    let (_directory, sim) = sim_with(
        "CREATE DATABASE d; CREATE TABLE d.dup (k INT, v INT) DUPLICATE KEY(k); CREATE TABLE d.uni (k INT, v INT) UNIQUE KEY(k) \
         DISTRIBUTED BY HASH(k); CREATE TABLE d.pri (k INT, v INT) PRIMARY KEY(k) DISTRIBUTED BY HASH(k); CREATE TABLE d.agg (k INT, \
         s BIGINT SUM, x INT MAX, r INT REPLACE_IF_NOT_NULL, b BITMAP BITMAP_UNION, h HLL HLL_UNION) AGGREGATE KEY(k) DISTRIBUTED BY \
         HASH(k);",
        &[],
    );
    for table in ["dup", "uni", "pri"] {
        sim.query(&format!("INSERT INTO d.{table} VALUES (1, 1), (2, 2), (1, 3)"));
        sim.query(&format!("INSERT INTO d.{table} VALUES (2, 4)"));
    }
    assert_eq!(shown(sim.query("SELECT * FROM d.dup ORDER BY k, v")), "1 1 | 1 3 | 2 2 | 2 4");
    assert_eq!(shown(sim.query("SELECT * FROM d.uni ORDER BY k")), "1 3 | 2 4");
    assert_eq!(shown(sim.query("SELECT * FROM d.pri ORDER BY k")), "1 3 | 2 4");
    sim.query("DELETE FROM d.pri WHERE v = 4");
    assert_eq!(shown(sim.query("SELECT count(*), count(DISTINCT k) FROM d.pri")), "1 1");
    sim.query("INSERT INTO d.agg VALUES (1, 10, 5, 1, to_bitmap(5), hll_hash('a')), (1, 5, 9, NULL, to_bitmap(7), hll_hash('a'))");
    sim.query("INSERT INTO d.agg VALUES (1, 1, 2, NULL, to_bitmap(7), hll_hash('b'))");
    assert_eq!(
        shown(
            sim.query(
                "SELECT k, s, x, r, b, h, bitmap_to_string(b), bitmap_to_base64(b), hll_cardinality(h) FROM d.agg"
            )
        ),
        "1 16 9 1 - - 5,7 CgIAAAAFAAAAAAAAAAcAAAAAAAAA 2"
    );
    assert_eq!(
        shown(
            sim.query("SELECT TABLE_NAME, TABLE_MODEL, PRIMARY_KEY FROM information_schema.tables_config ORDER BY 1")
        ),
        "agg AGG_KEYS  | dup DUP_KEYS  | pri PRI_KEYS `k` | uni UNQ_KEYS `k`"
    );
}

#[test]
fn partitions_of_every_kind() {
    let (_directory, sim) = sim_with(
        "CREATE DATABASE d; CREATE TABLE d.r (dt DATE, v INT) DUPLICATE KEY(dt) PARTITION BY RANGE(dt) (PARTITION p0 VALUES LESS THAN \
         ('2025-01-01'), PARTITION p1 VALUES [('2025-01-01'), ('2025-02-01')), PARTITION pm VALUES LESS THAN MAXVALUE); CREATE TABLE \
         d.l (city VARCHAR(9) NOT NULL, v INT) DUPLICATE KEY(city) PARTITION BY LIST(city) (PARTITION pa VALUES IN ('x', 'y')); CREATE \
         TABLE d.e (dt DATETIME, v INT) DUPLICATE KEY(dt) PARTITION BY date_trunc('day', dt); CREATE TABLE d.c (a INT, b VARCHAR(9)) \
         DUPLICATE KEY(a) PARTITION BY (b);",
        &[],
    );
    sim.query("INSERT INTO d.r VALUES (NULL, 0), ('2024-12-31', 1), ('2025-01-01', 2), ('9999-01-01', 3)");
    assert_eq!(shown(sim.query("SELECT v FROM d.r PARTITION(p0)")), "0 | 1");
    assert_eq!(shown(sim.query("SELECT v FROM d.r PARTITION(p1, pm)")), "2 | 3");
    let range = |at: usize| sim.query("SHOW PARTITIONS FROM d.r")[at][7].clone().unwrap();
    assert_eq!(range(0), "[types: [DATE]; keys: [0000-01-01]; ..types: [DATE]; keys: [2025-01-01]; )");
    assert_eq!(range(2), "[types: [DATE]; keys: [2025-02-01]; ..types: [DATE]; keys: [MAXVALUE]; )");
    assert!(sim.ask("INSERT INTO d.l VALUES ('z', 1)").unwrap_err().contains("out of partition ranges"));
    sim.query("ALTER TABLE d.l ADD PARTITION pz VALUES IN ('z')");
    sim.query("INSERT INTO d.l VALUES ('z', 1)");
    assert_eq!(shown(sim.query("SELECT v FROM d.l PARTITION(pz)")), "1");
    assert_eq!(sim.query("SHOW PARTITIONS FROM d.l")[0][7].as_deref(), Some("(('x'), ('y'))"));
    sim.query("INSERT INTO d.e VALUES ('2025-01-02 10:00:00', 1), ('2025-01-01 00:00:00', 2)");
    sim.query("INSERT INTO d.e VALUES ('2025-01-01 23:59:59', 3)");
    let versions =
        "SELECT PARTITION_NAME, VISIBLE_VERSION, ROW_COUNT FROM information_schema.partitions_meta WHERE TABLE_NAME = ";
    assert_eq!(shown(sim.query(&format!("{versions} 'e'"))), "p20250101 3 2 | p20250102 2 1");
    sim.query("INSERT INTO d.c VALUES (1, 'u v'), (2, 'w')");
    assert_eq!(shown(sim.query(&format!("{versions} 'c'"))), "puv 2 1 | pw 2 1");
    sim.query("TRUNCATE TABLE d.e PARTITION(p20250101)");
    assert_eq!(shown(sim.query(&format!("{versions} 'e'"))), "p20250101 1 0 | p20250102 2 1");
    sim.query("ALTER TABLE d.e DROP PARTITION p20250101");
    assert_eq!(shown(sim.query("SELECT count(*) FROM d.e")), "1");
}

#[test]
fn conditions_groups_and_orders() {
    let (_directory, sim) = meters();
    let ask = |sql: &str| shown(sim.query(sql));
    assert_eq!(ask("SELECT v FROM d.m WHERE time >= '2025-02-01' AND v IS NOT NULL"), "-2");
    assert_eq!(ask("SELECT count(*) FROM d.m WHERE NOT (place = 'a' OR v < 0)"), "0", "NULL is not true");
    assert_eq!(
        ask("SELECT count(*) FROM d.m WHERE time BETWEEN '2025-02-01' AND '2025-02-02' AND place LIKE 'b%'"),
        "2"
    );
    assert_eq!(
        ask("SELECT place, count(*) n, sum(v), min(v), max(time) FROM d.m GROUP BY place ORDER BY n DESC LIMIT 1"),
        "b 2 -2 -2 2025-02-02 00:00:00"
    );
    assert_eq!(ask("SELECT count(*), sum(v) FROM d.m WHERE 1 = 0"), "0 -");
    assert_eq!(ask("SELECT coalesce(v, 0) + 1 FROM d.m ORDER BY time DESC LIMIT 1, 2"), "1 | 2.5");
    assert_eq!(ask("SELECT DISTINCT place FROM d.m ORDER BY 1 DESC"), "b | a");
    assert_eq!(ask("SELECT n * 2 FROM (SELECT count(*) AS n FROM d.m) AS t"), "6");
    assert_eq!(
        ask("SELECT date_trunc('month', time) AS mon, count(*) FROM d.m GROUP BY mon"),
        "2025-01-01 00:00:00 1 | 2025-02-01 00:00:00 2"
    );
    for wrong in ["SELECT", "SELECT * FROM d.m WHERE", "SELECT nothing(v) FROM d.m", "SELECT x FROM d.m", "FLY"] {
        assert!(sim.ask(wrong).unwrap_err().contains("1064"), "{wrong}");
    }
}

#[test]
fn files_are_written_and_read_by_the_cluster() {
    let (_directory, sim) = sim_with(TYPES, &[]);
    let folder = testkit::temp_dir();
    let at = format!("file://{}", folder.path().display());
    let columns = "k,b,ti,si,bi,f,dd,de,da,dt,c,s,vb,a";
    sim.query(&format!(
        "INSERT INTO FILES('path' = '{at}/p/', 'format' = 'parquet', 'compression' = 'zstd') SELECT {columns} FROM d.ty"
    ));
    let hexed = columns.replace("vb", "hex(vb)");
    let there = shown(sim.query(&format!("SELECT {hexed} FROM d.ty")));
    let read = format!("SELECT {hexed} FROM FILES('path' = '{at}/p/*', 'format' = 'parquet')");
    assert_eq!(shown(sim.query(&read)), there);
    sim.query("CREATE TABLE d.copy (k INT, dt DATETIME, de DECIMAL(20,3)) PRIMARY KEY(k) DISTRIBUTED BY HASH(k)");
    sim.query(&format!("INSERT INTO d.copy SELECT k, dt, de FROM FILES('path' = '{at}/p/*', 'format' = 'parquet')"));
    assert_eq!(shown(sim.query("SELECT * FROM d.copy")), shown(sim.query("SELECT k, dt, de FROM d.ty")));

    sim.query(&format!("EXPORT TABLE d.ty (k, s, dt) TO '{at}/x/e_' PROPERTIES('column_separator' = '|') WITH BROKER"));
    let state = |what: &str, column: usize| {
        for _ in 0..200 {
            let row = sim.query(what).remove(0);
            let state = row[column].clone().unwrap();
            if matches!(state.as_str(), "FINISHED" | "CANCELLED") {
                return row;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("{what}: not finished");
    };
    assert_eq!(state("SHOW EXPORT FROM d", 2)[2].as_deref(), Some("FINISHED"));
    let files: Vec<_> = std::fs::read_dir(folder.path().join("x")).unwrap().flatten().map(|f| f.path()).collect();
    assert_eq!(files.len(), 1, "no temporary folder is left");
    assert_eq!(std::fs::read_to_string(&files[0]).unwrap(), "1|x'y|2025-01-31 10:00:00.000001\n2|\\N|\\N\n");
    sim.query("CREATE TABLE d.back (k INT, s STRING, dt DATETIME) DUPLICATE KEY(k)");
    let load =
        format!("LOAD LABEL d.l1 (DATA INFILE('{at}/x/*') INTO TABLE back COLUMNS TERMINATED BY '|') WITH BROKER");
    sim.query(&load);
    assert_eq!(
        state("SELECT STATE, SINK_ROWS FROM information_schema.loads WHERE LABEL = 'l1'", 0)[1].as_deref(),
        Some("2")
    );
    assert_eq!(shown(sim.query("SELECT * FROM d.back")), "1 x'y 2025-01-31 10:00:00.000001 | 2 - -");
    assert!(sim.ask(&load).unwrap_err().contains("has already been used"));
}

#[test]
fn faults_of_the_mysql_side() {
    let rows: String = (0..1000).map(|n| format!("2025-01-01T00:00:00.{n:06}Z,{n}\n")).collect();
    let directory = testkit::temp_dir();
    let path = directory.path().join("t.csv");
    std::fs::write(&path, format!("time|time,n|int\n{rows}")).unwrap();
    let load = format!("d.t={}", path.display());
    let faults = ["mysql-kill=700@2", "silent-loss=3@3", "query-timeout@4", "busy@5"];
    let args = ["--load", &load].into_iter().chain(faults.iter().flat_map(|f| ["--fault", f]));
    let sim = Sim::starrocks(args);
    let select = "SELECT * FROM d.t";
    assert_eq!(sim.query(select).len(), 1000);
    assert!(sim.ask(select).is_err(), "the connection ends");
    assert_eq!(sim.query(select).len(), 997, "rows are missing, and nobody says so");
    assert!(sim.ask(select).unwrap_err().contains("exceeded time limit of 300 seconds"));
    assert!(sim.ask(select).unwrap_err().contains("queue is full"));
    assert_eq!(sim.query(select).len(), 1000);
    assert_eq!(shown(sim.query("SELECT count(*) FROM d.t")), "1000", "counts are not counted as reads");
}

#[test]
fn the_load_of_the_backend_is_replayed() {
    let directory = testkit::temp_dir();
    let tape = directory.path().join("tape");
    std::fs::write(&tape, "{\"MemUsedPct\": 91.5}\n{\"CpuUsedPct\": \"3.0 %\", \"Alive\": \"false\"}\n").unwrap();
    let sim = Sim::starrocks(["--metrics-tape", &tape.to_string_lossy(), "--be-name", "be1.private:8040"]);
    let ask = || shown(sim.query("SHOW BACKENDS"));
    assert!(ask().contains(" be1.private 9050 9060 8040 ") && sim.query("SHOW COMPUTE NODES").is_empty());
    let sim = Sim::starrocks(["--metrics-tape", &tape.to_string_lossy()]);
    let column = |at: usize| sim.query("SHOW BACKENDS")[0][at].clone().unwrap();
    assert_eq!(column(25), "91.5 %");
    assert_eq!(column(8), "false");
    assert_eq!(column(26), "3.0 %", "the last step stays");
}

#[test]
fn older_versions_know_less() {
    let old = Sim::starrocks(["--server-version", "2.5.0"]);
    assert_eq!(shown(old.query("SELECT current_version(), version()")), "2.5.0-6d81f75 5.1.0");
    assert!(old.ask("SELECT * FROM information_schema.loads").unwrap_err().contains("Unknown table"));
    assert!(old.ask("INSERT INTO FILES('path' = 'file:///tmp/x/', 'format' = 'csv') SELECT 1").is_err());
    assert_eq!(shown(old.query("SELECT murmur_hash3_32('hello', 'world')")), "984713481");
    assert!(old.ask("SELECT xx_hash3_64('hello')").unwrap_err().contains("No matching function"));
    let new = Sim::starrocks(["--server-version", "4.2.0"]);
    assert_eq!(
        shown(new.query("SELECT xx_hash3_64('hello', 'world'), xx_hash3_64('hello', NULL), murmur_hash3_32(NULL)")),
        "7001965798170371843 - -"
    );
    assert_eq!(
        shown(new.query("SELECT CAST(xx_hash3_64('hello') AS LARGEINT) + 0")),
        "-7685981735718036227",
        "sums of hashes need 128 bits"
    );
    assert!(new.query("SELECT * FROM information_schema.loads").is_empty());
}
