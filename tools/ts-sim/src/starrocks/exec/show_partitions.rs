//! `SHOW PARTITIONS` and `SHOW TABLET` (dossier starrocks 3.1).

use super::information_schema::{bound_text, partition_key, replication, size_text};
use super::query::{Columns, Made};
use super::virtual_table::{int, text, texts, typed};
use super::{Refusal, Session};
use crate::starrocks::datetime::datetime_text;
use crate::starrocks::sql::cursor::Qualified;
use crate::starrocks::types::{STRING, Type};

const TEXT: Type = Type::Varchar(STRING);

/// Every partition of a table.
pub fn run(session: &Session, name: &Qualified) -> Result<(Columns, Made), Refusal> {
    let database = session.database_of(name)?;
    let store = session.server.store();
    let table = store.table(&database, &name.name)?;
    let schema = &table.schema;
    let list = !schema.partitioning.columns().is_empty() && !schema.partitioning.is_range();
    let columns = typed(&[
        ("PartitionId", Type::BigInt),
        ("PartitionName", TEXT),
        ("VisibleVersion", Type::BigInt),
        ("VisibleVersionTime", TEXT),
        ("VisibleVersionHash", Type::BigInt),
        ("State", TEXT),
        ("PartitionKey", TEXT),
        (if list { "List" } else { "Range" }, TEXT),
        ("DistributionKey", TEXT),
        ("Buckets", Type::Int),
        ("ReplicationNum", Type::Int),
        ("StorageMedium", TEXT),
        ("CooldownTime", TEXT),
        ("LastConsistencyCheckTime", TEXT),
        ("DataSize", TEXT),
        ("IsInMemory", TEXT),
        ("RowCount", Type::BigInt),
    ]);
    let spread = schema.distribution.columns.join(", ");
    let rows = table.partitions.iter().map(|partition| {
        vec![
            int(partition.id),
            text(&partition.name),
            int(partition.version),
            text(datetime_text(partition.version_time / 1_000_000 * 1_000_000)),
            int(0),
            text("NORMAL"),
            text(partition_key(schema)),
            text(bound_text(schema, partition)),
            text(if spread.is_empty() { "ALL KEY" } else { &spread }),
            int(schema.distribution.buckets.unwrap_or(1)),
            int(replication(schema).parse::<i64>().unwrap_or(1)),
            text("HDD"),
            text("9999-12-31 23:59:59"),
            text("NULL"),
            text(size_text(partition.rows.bytes())),
            text("false"),
            int(partition.rows.count()),
        ]
    });
    Ok((columns, rows.collect()))
}

/// The tablets: one a partition here, with the partition's id.
pub fn tablets(session: &Session, name: &Qualified) -> Result<(Columns, Made), Refusal> {
    let database = session.database_of(name)?;
    let store = session.server.store();
    let table = store.table(&database, &name.name)?;
    let rows = table.partitions.iter().map(|p| {
        vec![text(p.id.to_string()), text("10001"), text(p.version.to_string()), text(p.rows.count().to_string())]
    });
    Ok((texts(&["TabletId", "BackendId", "Version", "RowCount"]), rows.collect()))
}
