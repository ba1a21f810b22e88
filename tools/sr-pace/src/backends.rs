//! The load of a cluster's back ends over SQL: SHOW BACKENDS and SHOW COMPUTE NODES, which need the right OPERATE.

use crate::sample::Node;
use fault::Result;
use starrocks::client::Options;
use starrocks::client::Table;
use starrocks::{Client, Target};

/// A cluster that is asked again and again.
pub struct Cluster {
    /// `source`, `target`.
    pub side: &'static str,
    target: Target,
    options: Options,
    client: Option<Client>,
}

impl Cluster {
    /// Does not connect yet.
    pub fn new(side: &'static str, target: Target, options: Options) -> Cluster {
        Cluster { side, target, options, client: None }
    }

    /// The load of every node. After an error the next look connects anew.
    pub fn look(&mut self) -> Result<Vec<Node>> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => Client::open(&self.target, &self.options)?,
        };
        let mut found = nodes(self.side, &client.query("SHOW BACKENDS")?);
        // Only clusters with shared data have them; older servers do not know the words.
        if let Ok(table) = client.query("SHOW COMPUTE NODES") {
            found.extend(nodes(self.side, &table));
        }
        self.client = Some(client);
        Ok(found)
    }
}

fn nodes(side: &str, table: &Table) -> Vec<Node> {
    let percent = |row: usize, name: &str| table.get(row, name).and_then(percent);
    (0..table.rows.len())
        .map(|row| Node {
            name: format!("{side} {}", table.get(row, "IP").or_else(|| table.get(row, "BackendId")).unwrap_or("?")),
            alive: table.get(row, "Alive").map(|alive| alive == "true"),
            memory: percent(row, "MemUsedPct"),
            cpu: percent(row, "CpuUsedPct"),
            disk: percent(row, "MaxDiskUsedPct"),
            ..Node::default()
        })
        .collect()
}

/// `5.00 %`.
fn percent(text: &str) -> Option<f64> {
    text.trim().trim_end_matches('%').trim().parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_their_names() {
        let text = |cells: &[&str]| cells.iter().map(|cell| Some((*cell).to_owned())).collect::<Vec<_>>();
        let table = Table {
            names: ["BackendId", "IP", "Alive", "MemUsedPct", "CpuUsedPct", "MaxDiskUsedPct"]
                .map(str::to_owned)
                .to_vec(),
            rows: vec![
                text(&["10001", "10.0.0.1", "true", "5.00 %", "2.5 %", "71.4 %"]),
                text(&["10002", "10.0.0.2", "false", "", "0", "x"]),
            ],
        };
        let found = nodes("target", &table);
        assert_eq!((found[0].name.as_str(), found[0].alive), ("target 10.0.0.1", Some(true)));
        assert_eq!((found[0].memory, found[0].cpu, found[0].disk), (Some(5.0), Some(2.5), Some(71.4)));
        assert_eq!(
            (found[1].alive, found[1].memory, found[1].cpu, found[1].disk),
            (Some(false), None, Some(0.0), None)
        );
    }
}
