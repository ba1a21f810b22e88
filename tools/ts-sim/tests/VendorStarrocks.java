// The simulated StarRocks, written to by the vendor's own stream-load SDK and read back by MySQL's Connector/J, both as the
// Flink connector ships them: java -cp CONNECTOR.jar:SLF4J.jar:. VendorStarrocks MYSQL_HOST:PORT FE_HOST:PORT
// Exit 1 and the difference when something does not agree. scripts/live/vendor-clients.sh runs it.

import com.starrocks.data.load.stream.StreamLoadDataFormat;
import com.starrocks.data.load.stream.StreamLoadSnapshot;
import com.starrocks.data.load.stream.StreamLoadUtils;
import com.starrocks.data.load.stream.TransactionStatus;
import com.starrocks.data.load.stream.properties.StreamLoadProperties;
import com.starrocks.data.load.stream.properties.StreamLoadTableProperties;
import com.starrocks.data.load.stream.v2.StreamLoadManagerV2;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.Arrays;

public class VendorStarrocks {
    static int checks = 0;
    static Connection connection;

    static void same(String what, Object got, Object expected) {
        checks++;
        if (!expected.equals(got)) {
            System.out.println(what + ": got " + got + ", expected " + expected);
            System.exit(1);
        }
    }

    /** The cells of a query's rows, joined by bars and blanks. */
    static String query(String sql) throws Exception {
        try (Statement statement = connection.createStatement()) {
            if (!statement.execute(sql)) {
                return "";
            }
            ResultSet rows = statement.getResultSet();
            StringBuilder all = new StringBuilder();
            while (rows.next()) {
                all.append(all.length() == 0 ? "" : " ");
                for (int column = 1; column <= rows.getMetaData().getColumnCount(); column++) {
                    all.append(column == 1 ? "" : "|").append(rows.getString(column));
                }
            }
            return all.toString();
        }
    }

    static StreamLoadProperties.Builder common(String mysql, String fe, StreamLoadTableProperties table) {
        return StreamLoadProperties.builder()
                .jdbcUrl("jdbc:mysql://" + mysql)
                .loadUrls(fe)
                .username("root")
                .password("")
                .version("3.3.5")
                .labelPrefix("sdk-")
                .connectTimeout(5000)
                .scanningFrequency(50)
                .expectDelayTime(60000)
                .defaultTableProperties(table);
    }

    static StreamLoadTableProperties.Builder table(String name) {
        return StreamLoadTableProperties.builder().database("d").table(name).chunkLimit(10000).maxBufferRows(10000);
    }

    /** One load of its own: the SDK commits it at the flush. */
    static void plain(String mysql, String fe) throws Exception {
        StreamLoadTableProperties csv = table("t").streamLoadDataFormat(StreamLoadDataFormat.CSV)
                .addProperty("column_separator", ",").addProperty("strict_mode", "true").build();
        StreamLoadManagerV2 manager = new StreamLoadManagerV2(common(mysql, fe, csv).build(), true);
        manager.init();
        for (int row = 0; row < 1000; row++) {
            manager.write(null, "d", "t", row + ",2024-01-01 00:00:00," + row + ".5,s" + row % 7);
        }
        manager.flush();
        same("an error of the plain load", String.valueOf(manager.getException()), "null");
        manager.close();
        same("rows of the plain load", query("SELECT count(*), min(id), max(id) FROM d.t"), "1000|0|999");
    }

    /** A transaction of JSON, prepared, then committed or aborted. */
    static void transaction(String mysql, String fe, boolean commit, String compression) throws Exception {
        StreamLoadTableProperties.Builder json = table("p").streamLoadDataFormat(StreamLoadDataFormat.JSON)
                .addProperty("format", "json").addProperty("strip_outer_array", "true");
        if (compression != null) {
            json.addProperty("compression", compression);
        }
        StreamLoadManagerV2 manager = new StreamLoadManagerV2(common(mysql, fe, json.build()).enableTransaction().build(), false);
        manager.init();
        String before = query("SELECT count(*) FROM d.p");
        for (int part = 0; part < 2; part++) {
            for (int row = 0; row < 500; row++) {
                int id = part * 500 + row + (compression == null ? 0 : 1000);
                manager.write(null, "d", "p", "{\"id\":" + id + ",\"a\":" + id * 2 + ",\"b\":\"b\\u00e9\"}");
            }
            manager.flush();
        }
        StreamLoadSnapshot snapshot = manager.snapshot();
        same("labels of the transaction", snapshot.getTransactions().size() > 0, true);
        same("prepare", manager.prepare(snapshot), true);
        same("rows before the commit", query("SELECT count(*) FROM d.p"), before);
        if (commit) {
            same("commit", manager.commit(snapshot), true);
        } else {
            same("abort", manager.abort(snapshot), true);
        }
        for (StreamLoadSnapshot.Transaction one : snapshot.getTransactions()) {
            TransactionStatus state = manager.getStreamLoader().getLoadStatus("d", "p", one.getLabel());
            same("state of " + one.getLabel(), state, commit ? TransactionStatus.VISIBLE : TransactionStatus.ABORTED);
        }
        manager.close();
    }

    /** Rows that cannot be loaded: the SDK reports the server's words. */
    static void refused(String mysql, String fe) throws Exception {
        StreamLoadTableProperties csv = table("t").streamLoadDataFormat(StreamLoadDataFormat.CSV)
                .addProperty("column_separator", ",").addProperty("strict_mode", "true").build();
        StreamLoadManagerV2 manager = new StreamLoadManagerV2(common(mysql, fe, csv).maxRetries(0).build(), true);
        manager.init();
        manager.write(null, "d", "t", "no number,2024-01-01 00:00:00,1,s");
        String thrown = "";
        try {
            manager.flush();
        } catch (Throwable error) {
            thrown = String.valueOf(error) + error.getCause();
        }
        thrown += manager.getException();
        same("the words of a refusal (" + thrown + ")", thrown.contains("too many filtered rows"), true);
        manager.close();
    }

    public static void main(String[] arguments) throws Exception {
        String mysql = arguments[0];
        String fe = arguments[1];
        connection = DriverManager.getConnection("jdbc:mysql://" + mysql + "/?useSSL=false", "root", "");
        query("CREATE DATABASE d");
        query("CREATE TABLE d.t (id INT NOT NULL, ts DATETIME, v DOUBLE, s VARCHAR(8)) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id)");
        query("CREATE TABLE d.p (id INT NOT NULL, a INT, b VARCHAR(20)) PRIMARY KEY(id) DISTRIBUTED BY HASH(id)");
        boolean probe = StreamLoadUtils.isStarRocksSupportTransactionLoad(Arrays.asList(fe), 5000, "root", "");
        same("the probe for transactions", probe, true);
        plain(mysql, fe);
        transaction(mysql, fe, false, null);
        same("rows after the abort", query("SELECT count(*) FROM d.p"), "0");
        transaction(mysql, fe, true, null);
        same("rows of the transaction", query("SELECT count(*), sum(a), max(b) FROM d.p"), "1000|999000|bé");
        transaction(mysql, fe, true, "lz4_frame");
        same("rows of the packed one", query("SELECT count(*), sum(a) FROM d.p"), "2000|3998000");
        refused(mysql, fe);
        connection.close();
        System.out.println("stream-load SDK and Connector/J: " + checks + " checks agree");
        System.exit(0);
    }
}
