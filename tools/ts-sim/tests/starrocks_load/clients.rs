//! Clients that are not ours.

use crate::cluster;
use std::process::Command;

/// The documented hand client. Skipped, loudly, where there is no curl.
#[test]
fn curl_follows_the_redirect_with_its_credentials() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: no curl on this machine");
        return;
    }
    let cluster = cluster(&[]);
    let directory = testkit::temp_dir();
    let file = directory.path().join("rows.csv");
    let rows: String = (0..100_000).map(|n| format!("{n},2024-01-01 00:00:00,{n}.5,x{}\n", n % 10)).collect();
    std::fs::write(&file, &rows).unwrap();
    let curl = |url: &str, label: &str, more: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-sS", "--location-trusted", "-u", "root:", "-H", "Expect: 100-continue"]);
        command
            .args(["-H", &format!("label: {label}"), "-H", "column_separator: ,", "-T"])
            .arg(&file)
            .args(more)
            .arg(url);
        let output = command.output().expect("curl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let url = format!("http://{}/api/d/t/_stream_load", cluster.sim.host);
    let reply: serde_json::Value = serde_json::from_str(&curl(&url, "by-curl", &[])).unwrap();
    assert_eq!(crate::numbers(&reply), crate::success(100_000, 0, 0), "{reply}");
    assert_eq!((cluster.count("t"), cluster.state("by-curl")), (100_000, "VISIBLE".to_owned()));
    assert!(curl(&url, "by-curl", &[]).contains("Label Already Exists"));
    // chunked: without a length
    assert!(curl(&url, "chunked", &["-H", "Transfer-Encoding: chunked"]).contains("\"Success\""));
    assert_eq!(cluster.count("t"), 200_000);
    // wrong credentials end at the FE
    assert!(curl(&url, "wrong", &["-u", "root:wrong"]).contains("Access denied"));
}
