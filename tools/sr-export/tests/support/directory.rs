//! What an export directory holds.

use std::collections::BTreeMap;
use std::path::Path;

/// The lines of a manifest.
pub fn manifest(directory: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(directory.join("manifest.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The files below a directory with their content, without the manifest.
pub fn files(directory: &Path) -> BTreeMap<String, String> {
    fn walk(root: &Path, at: &Path, found: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(at).unwrap().flatten() {
            match entry.path() {
                path if path.is_dir() => walk(root, &path, found),
                path => {
                    let name = path.strip_prefix(root).unwrap().display().to_string();
                    found.insert(name, String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned());
                }
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(directory, directory, &mut found);
    found.remove("manifest.jsonl");
    found
}
