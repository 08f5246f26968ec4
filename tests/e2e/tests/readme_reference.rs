//! The documentation against the program: configuration keys, the complete example, and links between pages.
//!
//! Promises that a key of the configuration is in the reference and in the example, that the example is accepted, and that no relative
//! link of a page leads nowhere. It does not look at links to other machines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

const EXAMPLE: &str = "examples/farrier.toml";
const REFERENCE: &str = "docs/reference/configuration.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The example in a folder of its own, with the secrets and the playbook it names.
fn example(folder: &Path) -> PathBuf {
    let text = read(EXAMPLE).replace("/etc/farrier", folder.to_str().unwrap());
    for quoted in text.split('"').filter(|quoted| quoted.starts_with(folder.to_str().unwrap())) {
        std::fs::create_dir_all(Path::new(quoted).parent().unwrap()).unwrap();
        std::fs::write(quoted, "secret\n").unwrap();
    }
    let file = folder.join("farrier.toml");
    std::fs::write(&file, text).unwrap();
    file
}

/// Paths of all keys: `bmc.credentials[].match`. What is under these two is the operator's own words.
fn paths(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) if !["netbox.status", "plugins.ouis"].contains(&path) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                paths(value, &path, found);
                if !value.is_object() || ["netbox.status", "plugins.ouis"].contains(&path.as_str()) {
                    found.insert(path);
                }
            }
        }
        Value::Array(items) => {
            items.iter().filter(|item| item.is_object()).for_each(|item| paths(item, &format!("{path}[]"), found));
        }
        _ => {}
    }
}

/// The first column of the reference's tables.
fn documented() -> BTreeSet<String> {
    let page = read(REFERENCE);
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(key, _)| key.to_owned()).filter(|key| !key.starts_with("FARRIER_")).collect()
}

#[test]
fn the_complete_example_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    farrier::config::load(&example(folder.path())).unwrap();
}

#[test]
fn without_its_secrets_and_images_the_example_lacks_nothing_but_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("farrier.toml");
    std::fs::write(&file, read(EXAMPLE).replace("/etc/farrier", "/nonexistent")).unwrap();
    let error = farrier::config::load(&file).unwrap_err();
    let farrier::config::ConfigError::Problems { problems, .. } = error else { panic!("{error}") };
    let (images, secrets): (Vec<_>, Vec<_>) =
        problems.iter().partition(|problem| problem.path.starts_with("firmware.image["));
    assert!(images.iter().all(|image| image.path.ends_with("].file")), "{images:?}");
    for problem in &secrets {
        assert!(problem.path.ends_with("_file"), "{problem}");
    }
    assert_eq!((images.len(), secrets.len()), (1, 8), "{problems:?}");
}

#[test]
fn every_key_in_force_is_in_the_reference() {
    let folder = tempfile::tempdir().unwrap();
    let config = farrier::config::load(&example(folder.path())).unwrap();
    let mut found = BTreeSet::new();
    paths(&serde_json::to_value(&config).unwrap(), "", &mut found);
    assert!(found.len() > 50, "{found:?}");
    let documented = documented();
    let missing: Vec<_> = found.difference(&documented).collect();
    assert!(missing.is_empty(), "not in {REFERENCE}: {missing:?}");
}

#[test]
fn every_key_of_the_sections_is_in_reference_and_example() {
    let files = ["sections", "remote", "services", "policy", "api", "orders", "monitor"];
    let sections = files.map(|file| read(&format!("host/src/config/{file}.rs"))).join("\n");
    let renamed = sections.replace("pub matches:", "pub match:");
    let fields: BTreeSet<_> = renamed
        .lines()
        .filter_map(|line| line.strip_prefix("    pub ")?.split_once(": "))
        .map(|(name, _)| name.to_owned())
        .filter(|name| !name.contains(' '))
        .collect();
    assert!(fields.contains("state_dir") && fields.contains("match"), "the fields were not found");
    let documented = documented();
    let last = |key: &String| key.rsplit('.').next().unwrap().trim_end_matches("[]").to_owned();
    let keys: BTreeSet<_> =
        documented.iter().flat_map(|key| key.split('.')).map(|part| last(&part.to_owned())).collect();
    let example = read(EXAMPLE);
    let words: BTreeSet<_> = example.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    for field in &fields {
        assert!(keys.contains(field), "`{field}` is not in {REFERENCE}");
        assert!(words.contains(field.as_str()), "`{field}` is not in {EXAMPLE}");
    }
    for key in &documented {
        assert!(fields.contains(&last(key)), "{REFERENCE} has `{key}`, and the configuration has no such key");
    }
}

/// Markdown files of the tree, without what is built or fetched.
fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" {
                pages(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// Targets of `[text](target)`, outside of code blocks and code spans.
fn links(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut code = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        if code {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            let outside = line[..at].matches('`').count() % 2 == 0;
            if let (true, Some((target, _))) = (outside, line[at + 2..].split_once(')')) {
                found.push(target.to_owned());
            }
        }
    }
    found
}

/// A heading as the anchor that leads to it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-")
}

#[test]
fn relative_links_lead_somewhere() {
    let mut all = Vec::new();
    pages(&root(), &mut all);
    assert!(all.len() > 20, "the pages were not found");
    let mut wrong = Vec::new();
    for page in all {
        for link in links(&std::fs::read_to_string(&page).unwrap()) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let text =
                if heading.is_empty() { String::new() } else { std::fs::read_to_string(&target).unwrap_or_default() };
            let headed =
                heading.is_empty() || text.lines().any(|line| line.starts_with('#') && anchor(line) == heading);
            if !target.exists() || !headed {
                wrong.push(format!("{}: {link}", page.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(wrong.is_empty(), "links that lead nowhere:\n{}", wrong.join("\n"));
}

#[test]
fn links_in_code_are_no_links() {
    let page = "see [a](b.md) and `[c](d.md)`\n```text\n[e](f.md)\n```\n[g](h.md#i)";
    assert_eq!(links(page), ["b.md", "h.md#i"]);
    assert_eq!(anchor("## A small real set-up"), "a-small-real-set-up");
}
