//! The import rule of common/README.md, over `cargo metadata`: every other edge fails.

use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use std::collections::BTreeMap;
use std::path::Path;

/// The layer of a crate of ours, by its folder.
fn layer(package: &Package) -> Option<&'static str> {
    let root = testkit::root();
    let folder = package.manifest_path.parent()?.as_std_path().strip_prefix(&root).ok()?.to_owned();
    Some(match folder.to_str()? {
        "tools/ts-sim" => "sim",
        path if path.starts_with("tools/") => "tool",
        "common/fault" => "fault",
        "common/lp" => "lp",
        "common/rows" => "rows",
        "common/cli" => "cli",
        "common/net" => "net",
        "common/state" => "state",
        "common/testkit" => "testkit",
        path if path.starts_with("common/") => "client",
        other => panic!("{other} is neither in common/ nor in tools/"),
    })
}

/// What a layer may import.
fn allowed(layer: &str) -> &'static [&'static str] {
    match layer {
        "tool" => &["cli", "state", "client", "rows", "lp", "net", "fault"],
        // A double that shares code with its subject proves nothing.
        "sim" => &["cli", "fault"],
        "client" => &["net", "rows", "fault"],
        "rows" => &["lp", "fault"],
        "net" | "cli" | "state" => &["fault"],
        "fault" | "lp" | "testkit" => &[],
        other => panic!("no rule for {other}"),
    }
}

/// Crates that only some of ours may use, and who.
const PRIVATE: [(&str, &[&str]); 11] = [
    ("tokio", &["net", "starrocks", "ts-sim", "testkit"]),
    ("mysql_async", &["starrocks", "testkit"]),
    ("mysql_common", &["starrocks"]),
    ("opensrv-mysql", &["ts-sim"]),
    ("arrow-flight", &["starrocks", "ts-sim"]),
    ("tonic", &["starrocks", "ts-sim"]),
    ("object_store", &["store", "ts-sim"]),
    ("reqwest", &["net"]),
    ("hyper", &["net", "ts-sim"]),
    ("clap", &["cli"]),
    ("arrow", &[]),
];

fn packages() -> Vec<Package> {
    let metadata = MetadataCommand::new()
        .manifest_path(testkit::root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo metadata");
    metadata.packages
}

#[test]
fn imports_go_only_downward() {
    let packages = packages();
    let layers: BTreeMap<&str, &str> =
        packages.iter().filter_map(|package| Some((package.name.as_str(), layer(package)?))).collect();
    let mut wrong = Vec::new();
    for package in &packages {
        let name = package.name.as_str();
        let own = layers[name];
        for dependency in &package.dependencies {
            let Some(other) = layers.get(dependency.name.as_str()) else { continue };
            let fine = match dependency.kind {
                DependencyKind::Development => *other == "testkit",
                _ => allowed(own).contains(other),
            };
            if !fine {
                wrong.push(format!("{name} ({own}) -> {} ({other})", dependency.name));
            }
        }
    }
    assert!(wrong.is_empty(), "edges against the import rule: {wrong:#?}");
    assert!(layers.len() >= 16, "only {} crates were looked at", layers.len());
}

#[test]
fn heavy_crates_stay_where_they_belong() {
    let mut wrong = Vec::new();
    for package in packages() {
        let tool = layer(&package) == Some("tool") || layer(&package) == Some("sim");
        for dependency in &package.dependencies {
            for (name, users) in PRIVATE {
                let name_fits = users.contains(&package.name.as_str()) || (name == "clap" && tool);
                if dependency.name == name && !name_fits {
                    wrong.push(format!("{} -> {name}", package.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_stay_small() {
    fn walk(path: &Path, wrong: &mut Vec<String>) {
        for entry in std::fs::read_dir(path).expect("a readable tree").flatten() {
            let path = entry.path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target") {
                    walk(&path, wrong);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let lines = std::fs::read_to_string(&path).expect("readable").lines().count();
                let tool_lib = path.ends_with("src/lib.rs") && path.starts_with(testkit::root().join("tools"));
                let most = if tool_lib { 300 } else { 600 };
                if lines > most {
                    wrong.push(format!("{}: {lines} lines, at most {most}", path.display()));
                }
            }
        }
    }
    let mut wrong = Vec::new();
    walk(&testkit::root().join("common"), &mut wrong);
    walk(&testkit::root().join("tools"), &mut wrong);
    assert!(wrong.is_empty(), "a file that grows past its limit is two ideas: {wrong:#?}");
}

/// Every tool and shared page has its README, and no page points to what is not there.
#[test]
fn every_tool_has_a_readme_and_links_lead_somewhere() {
    let root = testkit::root();
    let tools = std::fs::read_dir(root.join("tools")).expect("tools/");
    let bare: Vec<_> = tools
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("Cargo.toml").exists() && !path.join("README.md").exists())
        .collect();
    assert!(bare.is_empty(), "without README.md: {bare:?}");
    let (mut count, mut dead) = (0, Vec::new());
    for page in testkit::readme::find(&root) {
        let text = std::fs::read_to_string(&page).expect("readable");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(link, _)| link)) {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.contains([' ', '\n', '`']) {
                continue;
            }
            count += 1;
            if !page.parent().is_some_and(|folder| folder.join(path).exists()) {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "links to nothing: {dead:#?}");
    assert!(count >= 15, "only {count} links were looked at");
}
