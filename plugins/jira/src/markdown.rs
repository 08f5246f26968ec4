//! `CommonMark` as blocks, which both of Jira's rich texts are written from.
//!
//! Promises: every text of the source arrives, formatted or not; what Jira has no form for (HTML, images) arrives as plain
//! text. Does not: render.

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Parser, Tag, TagEnd};

/// A piece of text with its formatting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Span {
    /// Never empty.
    pub text: String,
    /// Bold.
    pub strong: bool,
    /// Italic.
    pub emphasis: bool,
    /// As typed.
    pub code: bool,
    /// Where it leads.
    pub link: Option<String>,
}

/// A block of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A paragraph.
    Paragraph(Vec<Span>),
    /// A heading of level 1 to 6.
    Heading(u8, Vec<Span>),
    /// Items, numbered or not.
    List(bool, Vec<Vec<Block>>),
    /// Language and text.
    Code(String, String),
    /// What somebody said.
    Quote(Vec<Block>),
    /// A line across.
    Rule,
}

/// What is open while reading.
#[derive(Default)]
struct Level {
    blocks: Vec<Block>,
    spans: Vec<Span>,
    items: Vec<Vec<Block>>,
}

/// The blocks of a text.
pub fn parse(text: &str) -> Vec<Block> {
    let mut reader = Reader { levels: vec![Level::default()], format: Span::default(), code: None };
    for event in Parser::new(text) {
        reader.take(event);
    }
    reader.flush();
    reader.levels.pop().map(|level| level.blocks).unwrap_or_default()
}

struct Reader {
    levels: Vec<Level>,
    format: Span,
    code: Option<(String, String)>,
}

impl Reader {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => match &mut self.code {
                Some((_, code)) => code.push_str(&text),
                None => self.span(&text, false),
            },
            Event::Code(text) => self.span(&text, true),
            Event::SoftBreak => self.span(" ", false),
            Event::HardBreak => self.span("\n", false),
            Event::Rule => {
                self.flush();
                self.push(Block::Rule);
            }
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Strong => self.format.strong = true,
            Tag::Emphasis => self.format.emphasis = true,
            Tag::Link { dest_url, .. } => self.format.link = Some(dest_url.into_string()),
            Tag::CodeBlock(kind) => {
                self.flush();
                let language = match kind {
                    CodeBlockKind::Fenced(language) => language.into_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                self.code = Some((language, String::new()));
            }
            Tag::List(_) | Tag::Item | Tag::BlockQuote(_) => {
                self.flush();
                self.levels.push(Level::default());
            }
            Tag::Paragraph | Tag::Heading { .. } => self.flush(),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Strong => self.format.strong = false,
            TagEnd::Emphasis => self.format.emphasis = false,
            TagEnd::Link => self.format.link = None,
            TagEnd::CodeBlock => {
                if let Some((language, code)) = self.code.take() {
                    self.push(Block::Code(language, code.trim_end_matches('\n').to_owned()));
                }
            }
            TagEnd::Heading(level) => {
                let spans = self.spans();
                if !spans.is_empty() {
                    self.push(Block::Heading(depth(level), spans));
                }
            }
            TagEnd::Paragraph => self.flush(),
            TagEnd::Item => {
                self.flush();
                let blocks = self.levels.pop().map(|level| level.blocks).unwrap_or_default();
                if let Some(list) = self.levels.last_mut()
                    && !blocks.is_empty()
                {
                    list.items.push(blocks);
                }
            }
            TagEnd::List(ordered) => {
                let items = self.levels.pop().map(|level| level.items).unwrap_or_default();
                if !items.is_empty() {
                    self.push(Block::List(ordered, items));
                }
            }
            TagEnd::BlockQuote(_) => {
                self.flush();
                let blocks = self.levels.pop().map(|level| level.blocks).unwrap_or_default();
                if !blocks.is_empty() {
                    self.push(Block::Quote(blocks));
                }
            }
            _ => {}
        }
    }

    fn span(&mut self, text: &str, code: bool) {
        let span = Span { text: text.to_owned(), code, ..self.format.clone() };
        if let Some(level) = self.levels.last_mut()
            && !text.is_empty()
        {
            level.spans.push(span);
        }
    }

    fn spans(&mut self) -> Vec<Span> {
        self.levels.last_mut().map(|level| std::mem::take(&mut level.spans)).unwrap_or_default()
    }

    /// Text that stands in no paragraph of its own, as in a tight list, is one.
    fn flush(&mut self) {
        let spans = self.spans();
        if !spans.is_empty() {
            self.push(Block::Paragraph(spans));
        }
    }

    fn push(&mut self, block: Block) {
        if let Some(level) = self.levels.last_mut() {
            level.blocks.push(block);
        }
    }
}

const fn depth(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}
