//! Blocks as Jira's wiki markup, which Data Center's text fields take.
//!
//! Promises: characters that would begin markup are escaped, so that a log line shows as it was written. Does not: nest
//! lists deeper than Jira numbers them.

use crate::markdown::{Block, Span};
use std::fmt::Write as _;

/// The whole text.
pub fn text(blocks: &[Block]) -> String {
    let mut out = String::new();
    for block in blocks {
        write(&mut out, block, "");
    }
    let text = out.trim_end().to_owned();
    if text.is_empty() { "(no text)".to_owned() } else { text }
}

/// `marks` are the list marks of the levels above: `*`, `*#`.
fn write(out: &mut String, block: &Block, marks: &str) {
    // Writing to a String cannot fail.
    let _ = match block {
        Block::Paragraph(spans) => write!(out, "{}\n{}", inline(spans), if marks.is_empty() { "\n" } else { "" }),
        Block::Heading(level, spans) => write!(out, "h{level}. {}\n\n", inline(spans)),
        Block::Code(language, text) => {
            let language = if language.is_empty() { String::new() } else { format!(":{language}") };
            // The end mark inside the text would end the block.
            write!(out, "{{code{language}}}\n{}\n{{code}}\n\n", text.replace("{code", "{ code"))
        }
        Block::Quote(blocks) => write!(out, "{{quote}}\n{}\n{{quote}}\n\n", text(blocks)),
        Block::Rule => write!(out, "----\n\n"),
        Block::List(ordered, items) => {
            let marks = format!("{marks}{}", if *ordered { '#' } else { '*' });
            for item in items {
                for (index, block) in item.iter().enumerate() {
                    if index == 0 && !matches!(block, Block::List(..)) {
                        let _ = write!(out, "{marks} ");
                    }
                    write(out, block, &marks);
                }
            }
            if marks.len() == 1 { writeln!(out) } else { Ok(()) }
        }
    };
}

fn inline(spans: &[Span]) -> String {
    let mut out = String::new();
    for span in spans {
        let text = if span.code { format!("{{{{{}}}}}", escape(&span.text)) } else { escape(&span.text) };
        let text = match (span.strong && !span.code, span.emphasis && !span.code) {
            (true, true) => format!("*_{text}_*"),
            (true, false) => format!("*{text}*"),
            (false, true) => format!("_{text}_"),
            (false, false) => text,
        };
        match &span.link {
            Some(link) => {
                let _ = write!(out, "[{text}|{}]", link.replace([']', '|'], ""));
            }
            None => out.push_str(&text),
        }
    }
    out
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '{' | '}' | '[' | ']' | '*' | '_' | '|' | '!' | '^' | '~' | '+' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
