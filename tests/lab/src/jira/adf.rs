//! Whether a value is an Atlassian Document.
//!
//! Promises the rules that Cloud enforces: known nodes in places where they may stand, no empty text, a code block with one
//! text and no marks, known marks, no longer than a field takes.

use serde_json::Value;

/// Characters of one field.
const LONGEST: usize = 32_767;
const BLOCKS: [&str; 8] =
    ["paragraph", "heading", "bulletList", "orderedList", "codeBlock", "blockquote", "rule", "panel"];

/// What is wrong with it; `None`: nothing.
pub fn problem(document: &Value) -> Option<String> {
    if document.get("type").and_then(Value::as_str) != Some("doc") || document.get("version") != Some(&Value::from(1)) {
        return Some("not a document of version 1".to_owned());
    }
    if document.to_string().chars().count() > LONGEST {
        return Some("the document is longer than a field takes".to_owned());
    }
    let Some(content) = document.get("content").and_then(Value::as_array) else {
        return Some("a document without content".to_owned());
    };
    content.iter().find_map(|node| block(node, &BLOCKS))
}

fn kind(node: &Value) -> &str {
    node.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn children(node: &Value) -> &[Value] {
    node.get("content").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn block(node: &Value, allowed: &[&str]) -> Option<String> {
    let name = kind(node);
    if !allowed.contains(&name) {
        return Some(format!("a node `{name}` where it may not stand"));
    }
    match name {
        "paragraph" => children(node).iter().find_map(inline),
        "heading" => {
            let level = node.pointer("/attrs/level").and_then(Value::as_u64).unwrap_or_default();
            if !(1..=6).contains(&level) {
                return Some("a heading without a level from 1 to 6".to_owned());
            }
            children(node).iter().find_map(inline)
        }
        "bulletList" | "orderedList" => {
            if children(node).is_empty() {
                return Some("a list without items".to_owned());
            }
            children(node).iter().find_map(item)
        }
        "codeBlock" => code(node),
        "blockquote" | "panel" => {
            if children(node).is_empty() {
                return Some(format!("an empty {name}"));
            }
            children(node).iter().find_map(|child| block(child, &["paragraph", "bulletList", "orderedList"]))
        }
        _ => None,
    }
}

fn item(node: &Value) -> Option<String> {
    let content = children(node);
    match (kind(node), content.first().map(kind)) {
        ("listItem", Some("paragraph" | "codeBlock")) => {
            content.iter().find_map(|child| block(child, &["paragraph", "codeBlock", "bulletList", "orderedList"]))
        }
        ("listItem", _) => Some("a list item that does not begin with a paragraph or code".to_owned()),
        (other, _) => Some(format!("a `{other}` in a list")),
    }
}

fn code(node: &Value) -> Option<String> {
    match children(node) {
        [] => None,
        [one] if kind(one) == "text" && one.get("marks").is_none() => inline(one),
        _ => Some("a code block with more than one plain text".to_owned()),
    }
}

fn inline(node: &Value) -> Option<String> {
    match kind(node) {
        "hardBreak" => None,
        "text" => {
            if node.get("text").and_then(Value::as_str).is_none_or(str::is_empty) {
                return Some("an empty text".to_owned());
            }
            marks(node.get("marks").and_then(Value::as_array).map_or(&[], Vec::as_slice))
        }
        other => Some(format!("a node `{other}` inside a line")),
    }
}

fn marks(marks: &[Value]) -> Option<String> {
    let has_code = marks.iter().any(|mark| kind(mark) == "code");
    marks.iter().find_map(|mark| match kind(mark) {
        "link" if mark.pointer("/attrs/href").and_then(Value::as_str).is_none_or(str::is_empty) => {
            Some("a link that leads nowhere".to_owned())
        }
        "code" | "link" => None,
        "strong" | "em" | "strike" | "underline" if !has_code => None,
        other => Some(format!("a mark `{other}` that may not stand here")),
    })
}
