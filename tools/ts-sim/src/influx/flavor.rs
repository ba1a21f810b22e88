//! The servers that the simulator can be, and where they differ.

use std::str::FromStr;

/// An InfluxDB release line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    /// 1.6.7 as Debian has it: no v2 API, any unknown precision is ns.
    V16,
    /// 1.8.10: v1 API and the v2 write and query paths.
    V18,
    /// 1.13.2, the newest 1.x.
    V113,
    /// 2.9.1.
    V29,
    /// 3 Core, from its sources (dossier influxdb 2.4).
    V3,
}

impl FromStr for Flavor {
    type Err = String;

    fn from_str(text: &str) -> Result<Flavor, String> {
        match text {
            "1.6" => Ok(Flavor::V16),
            "1.8" => Ok(Flavor::V18),
            "1.13" => Ok(Flavor::V113),
            "2.9" => Ok(Flavor::V29),
            "3" => Ok(Flavor::V3),
            _ => Err(format!("unknown flavour `{text}`; there are: 1.6 1.8 1.13 2.9 3")),
        }
    }
}

impl Flavor {
    /// One of the 1.x servers.
    pub fn is_v1(self) -> bool {
        matches!(self, Flavor::V16 | Flavor::V18 | Flavor::V113)
    }

    /// Serves `/api/v2/write` and `/api/v2/query`.
    pub fn has_v2_write(self) -> bool {
        !matches!(self, Flavor::V16)
    }

    /// `X-Influxdb-Version`, as recorded (builds without version stamp say `unknown` and `dev`).
    pub fn version(self) -> &'static str {
        match self {
            Flavor::V16 => "1.6.7~rc0",
            Flavor::V18 | Flavor::V113 => "unknown",
            Flavor::V29 => "dev",
            Flavor::V3 => "3.10.1",
        }
    }

    /// Longest string field in bytes; longer ones are dropped (1.6 and 1.8: no limit).
    pub fn max_string(self) -> usize {
        match self {
            Flavor::V16 | Flavor::V18 => usize::MAX,
            Flavor::V113 | Flavor::V29 => 1 << 20,
            Flavor::V3 => 1 << 16,
        }
    }

    /// Default of the largest request body in bytes.
    pub fn max_body(self) -> Option<u64> {
        match self {
            Flavor::V16 | Flavor::V18 | Flavor::V113 => Some(25_000_000),
            Flavor::V29 => None,
            Flavor::V3 => Some(10_485_760),
        }
    }

    /// Fields whose types differ inside one batch on a new measurement: 1.8 refuses the whole shard's batch, because it
    /// makes the fields after it has checked all points; the others drop the later lines.
    pub fn refuses_new_conflicts(self) -> bool {
        matches!(self, Flavor::V18)
    }

    /// Says that it stripped a field named `time` (the older ones strip it in silence).
    pub fn reports_stripped_time(self) -> bool {
        matches!(self, Flavor::V113 | Flavor::V29)
    }

    /// Names database and policy after `dropped=N`, and both ends of what was outside retention.
    pub fn verbose_drops(self) -> bool {
        matches!(self, Flavor::V113 | Flavor::V29)
    }
}
