//! The load of a front or back end over HTTP: `/metrics`, in Prometheus' text format. Names: "dossier starrocks 7".

use crate::sample::Node;
use fault::{Error, Kind, Result};
use net::http::{Client, Options, Request};

/// No page is larger.
const LARGEST: usize = 64 << 20;

/// A page that is read again and again.
pub struct Page {
    /// `HOST:PORT`.
    pub name: String,
    client: Client,
    path: String,
    /// CPU time at the last look: idle and all.
    cpu: Option<(f64, f64)>,
}

impl Page {
    /// `http://be:8040/metrics`; without a path that one. Does not connect yet.
    pub fn new(url: &str, options: Options) -> Result<Page> {
        let bad = || Error::usage(format!("'{url}' is no URL of metrics: http://BE:8040/metrics"));
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !matches!(scheme, "http" | "https") || host.is_empty() || host.contains('@') {
            return Err(bad());
        }
        let path = if path.is_empty() { "/metrics".to_owned() } else { format!("/{path}") };
        Ok(Page {
            name: host.to_owned(),
            client: Client::new(&format!("{scheme}://{host}"), options)?,
            path,
            cpu: None,
        })
    }

    /// The load of this node.
    pub fn look(&mut self) -> Result<Node> {
        let side = self.client.options().side;
        let reply = self.client.send(Request::get(self.path.clone())).map_err(|failure| failure.error(side))?;
        let status = reply.status;
        let body = reply.bytes(LARGEST).map_err(|failure| failure.error(side))?;
        if status != 200 {
            let text = format!("{}: HTTP {status}: {}", self.name, fault::excerpt(&body));
            return Err(Error::new(Kind::Source, text));
        }
        Ok(self.read(&String::from_utf8_lossy(&body)))
    }

    fn read(&mut self, text: &str) -> Node {
        let mut node = Node { name: self.name.clone(), ..Node::default() };
        let (mut idle, mut all) = (0.0, 0.0);
        let (mut free, mut size) = (Vec::new(), Vec::new());
        for (name, labels, value) in text.lines().filter_map(line) {
            match name {
                "cpu" => {
                    all += value;
                    if labels.contains("mode=\"idle\"") || labels.contains("mode=\"iowait\"") {
                        idle += value;
                    }
                }
                "max_disk_io_util_percent" => largest(&mut node.io, value),
                "tablet_cumulative_max_compaction_score"
                | "tablet_base_max_compaction_score"
                | "tablet_update_max_compaction_score"
                | "tablet_max_compaction_score" => largest(&mut node.compaction, value),
                "publish_version_queue_count" => largest(&mut node.publish, value),
                "disks_avail_capacity" => free.push((labels, value)),
                "disks_total_capacity" => size.push((labels, value)),
                _ => {}
            }
        }
        for (labels, size) in size.iter().filter(|(_, size)| *size > 0.0) {
            if let Some((_, free)) = free.iter().find(|(other, _)| other == labels) {
                largest(&mut node.disk, 100.0 * (size - free) / size);
            }
        }
        // Time since the machine started: only a difference tells of now.
        if let Some((idle_before, all_before)) = self.cpu.replace((idle, all)) {
            let passed = all - all_before;
            if passed > 0.0 {
                node.cpu = Some((100.0 * (1.0 - (idle - idle_before) / passed)).clamp(0.0, 100.0));
            }
        }
        node
    }
}

fn largest(slot: &mut Option<f64>, value: f64) {
    *slot = Some(slot.map_or(value, |before| before.max(value)));
}

/// Name without its prefix, labels, value.
fn line(line: &str) -> Option<(&str, &str, f64)> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let name = name.trim().trim_start_matches("starrocks_be_").trim_start_matches("starrocks_fe_");
    value.parse().ok().filter(|value: &f64| value.is_finite()).map(|value| (name, labels.trim_end_matches('}'), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_a_back_end() {
        let mut page = Page::new("http://be1:8040", Options::new(net::Side::Source)).unwrap();
        assert_eq!((page.name.as_str(), page.path.as_str()), ("be1:8040", "/metrics"));
        let text = |idle: u32, user: u32| {
            format!(
                "# TYPE starrocks_be_cpu COUNTER\nstarrocks_be_cpu{{device=\"cpu\",mode=\"idle\"}} {idle}\nstarrocks_be_cpu{{device=\"cpu\",mode=\"user\"}} {user}\n\
                 starrocks_be_max_disk_io_util_percent 37\nstarrocks_be_tablet_cumulative_max_compaction_score 12\n\
                 starrocks_be_tablet_base_max_compaction_score 40\nstarrocks_be_publish_version_queue_count 3\n\
                 starrocks_be_disks_avail_capacity{{path=\"/d1\"}} 25\nstarrocks_be_disks_total_capacity{{path=\"/d1\"}} 100\nbroken\nx NaN\n"
            )
        };
        let first = page.read(&text(1000, 100));
        assert_eq!((first.cpu, first.io, first.compaction), (None, Some(37.0), Some(40.0)));
        assert_eq!((first.publish, first.disk), (Some(3.0), Some(75.0)));
        assert_eq!(page.read(&text(1030, 170)).cpu, Some(70.0));
        for bad in ["be:8040", "ftp://be", "http://", "http://u:p@be/metrics"] {
            assert!(Page::new(bad, Options::new(net::Side::Source)).is_err(), "{bad}");
        }
    }
}
