//! Blocks as an Atlassian Document, which Cloud's rich text fields take.
//!
//! Promises: text nodes are never empty, a code block has one text child without marks, inline code carries no mark but a
//! link. Does not: write nodes other than those of [`Block`].

use crate::markdown::{Block, Span};
use farrier_plugin_sdk::serde_json::{Value, json};

/// A whole document; one without content gets a paragraph that says so.
pub fn document(blocks: &[Block]) -> Value {
    let mut content: Vec<Value> = blocks.iter().filter_map(node).collect();
    if content.is_empty() {
        content.push(json!({"type": "paragraph", "content": [{"type": "text", "text": "(no text)"}]}));
    }
    json!({"type": "doc", "version": 1, "content": content})
}

fn node(block: &Block) -> Option<Value> {
    Some(match block {
        Block::Paragraph(spans) => json!({"type": "paragraph", "content": inline(spans)}),
        Block::Heading(level, spans) => {
            json!({"type": "heading", "attrs": {"level": level}, "content": inline(spans)})
        }
        Block::List(ordered, items) => {
            let kind = if *ordered { "orderedList" } else { "bulletList" };
            let items: Vec<Value> =
                items.iter().map(|item| json!({"type": "listItem", "content": item_content(item)})).collect();
            json!({"type": kind, "content": items})
        }
        Block::Code(_, text) if text.is_empty() => return None,
        Block::Code(language, text) => {
            let mut block = json!({"type": "codeBlock", "content": [{"type": "text", "text": text}]});
            if let (false, Some(object)) = (language.is_empty(), block.as_object_mut()) {
                object.insert("attrs".to_owned(), json!({"language": language}));
            }
            block
        }
        Block::Quote(blocks) => {
            let content: Vec<Value> = blocks.iter().flat_map(plain).collect();
            json!({"type": "blockquote", "content": content})
        }
        Block::Rule => json!({"type": "rule"}),
    })
}

/// A list item begins with a paragraph or a code block, and holds no headings.
fn item_content(blocks: &[Block]) -> Vec<Value> {
    let allowed = |block: &Block| match block {
        Block::Heading(_, spans) => node(&Block::Paragraph(spans.clone())),
        Block::Quote(_) | Block::Rule => None,
        other => node(other),
    };
    blocks.iter().filter_map(allowed).collect()
}

/// Quotes hold paragraphs only.
fn plain(block: &Block) -> Vec<Value> {
    match block {
        Block::Paragraph(spans) | Block::Heading(_, spans) => {
            vec![json!({"type": "paragraph", "content": inline(spans)})]
        }
        Block::List(_, items) => items.iter().flatten().flat_map(plain).collect(),
        Block::Quote(blocks) => blocks.iter().flat_map(plain).collect(),
        Block::Code(_, text) if !text.is_empty() => {
            vec![json!({"type": "paragraph", "content": [{"type": "text", "text": text}]})]
        }
        Block::Code(..) | Block::Rule => Vec::new(),
    }
}

fn inline(spans: &[Span]) -> Vec<Value> {
    let mut nodes = Vec::new();
    for span in spans {
        if span.text == "\n" {
            nodes.push(json!({"type": "hardBreak"}));
            continue;
        }
        let mut marks = Vec::new();
        if span.code {
            marks.push(json!({"type": "code"}));
        } else {
            if span.strong {
                marks.push(json!({"type": "strong"}));
            }
            if span.emphasis {
                marks.push(json!({"type": "em"}));
            }
        }
        if let Some(link) = &span.link {
            marks.push(json!({"type": "link", "attrs": {"href": link}}));
        }
        let mut text = json!({"type": "text", "text": span.text});
        if let (false, Some(object)) = (marks.is_empty(), text.as_object_mut()) {
            object.insert("marks".to_owned(), Value::Array(marks));
        }
        nodes.push(text);
    }
    nodes
}
