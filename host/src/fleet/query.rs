//! Which servers, in which order, from where on.
//!
//! Promises that paging by `after` neither skips nor repeats a server that stays where it is in the order, whatever else changes
//! meanwhile: a page begins after a key, not at a number.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use farrier_lifecycle::{LifecycleState, ServerId, Stage};

use super::{Fleet, Row};

/// What is asked of a server to be listed. Absent: anything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The name people see.
    pub state: Option<LifecycleState>,
    /// What is being done with it.
    pub stage: Option<Stage>,
    /// How that stands: `running`, `waiting`, `resting`, `failed`.
    pub status: Option<String>,
    /// Slug.
    pub site: Option<String>,
    /// Name of the rack.
    pub rack: Option<String>,
    /// By name.
    pub tenant: Option<String>,
    /// Words that must all be found, in lower case.
    pub words: Option<String>,
    /// Does a person have to look?
    pub problem: Option<bool>,
}

impl Filter {
    fn passes(&self, row: &Row) -> bool {
        fn same(wanted: Option<&String>, value: Option<&str>) -> bool {
            wanted.is_none_or(|wanted| value == Some(wanted.as_str()))
        }
        let server = &row.server;
        self.state.is_none_or(|state| server.lifecycle_state() == state)
            && self.stage.is_none_or(|stage| server.stage == stage)
            && same(self.status.as_ref(), Some(server.status.as_str()))
            && same(self.site.as_ref(), server.facts.site.as_deref())
            && same(self.rack.as_ref(), row.rack())
            && same(self.tenant.as_ref(), server.tenant.as_deref())
            && self.problem.is_none_or(|problem| row.problem() == problem)
            && self.words.as_ref().is_none_or(|words| row.says(words))
    }
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// By name, the order that never changes under a reader.
    #[default]
    Name,
    /// By site, then name.
    Site,
    /// By site, rack, unit from the top.
    Rack,
    /// By lifecycle state in the lifecycle's order, then name.
    State,
    /// By stage in order, then name.
    Stage,
    /// Longest in its status first.
    Since,
    /// Shortest in its status first.
    Latest,
}

impl Sort {
    /// Every order, as written in a query.
    pub const ALL: [(&'static str, Self); 7] = [
        ("name", Self::Name),
        ("site", Self::Site),
        ("rack", Self::Rack),
        ("state", Self::State),
        ("stage", Self::Stage),
        ("since", Self::Since),
        ("-since", Self::Latest),
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Site => "site",
            Self::Rack => "rack",
            Self::State => "state",
            Self::Stage => "stage",
            Self::Since => "since",
            Self::Latest => "-since",
        }
    }

    /// What is compared, before the id. Servers without a site or rack come last.
    fn key(self, row: &Row) -> String {
        const LAST: &str = "\u{10ffff}";
        let server = &row.server;
        let site = server.facts.site.as_deref().unwrap_or(LAST);
        match self {
            Self::Name => row.key.clone(),
            Self::Site => format!("{site}\0{}", row.key),
            Self::Rack => {
                let from_top = u32::MAX - row.unit().unwrap_or_default();
                format!("{site}\0{}\0{from_top:010}\0{}", row.rack().unwrap_or(LAST), row.key)
            }
            Self::State => format!("{:02}\0{}", server.lifecycle_state() as u8, row.key),
            Self::Stage => format!("{:02}\0{}", server.stage as u8, row.key),
            Self::Since => format!("{:020}\0{}", server.since.0, row.key),
            Self::Latest => format!("{:020}\0{}", u64::MAX - server.since.0, row.key),
        }
    }
}

/// A page that cannot be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// Not one of ours.
    #[error("the cursor is not one that a list gave")]
    Unreadable,
    /// Of a list in another order.
    #[error("the cursor is of a list sorted by `{0}`")]
    OtherOrder(String),
}

/// One page.
#[derive(Clone, Debug)]
pub struct Found {
    /// At most as many as were asked for.
    pub rows: Vec<Arc<Row>>,
    /// From where the next page goes on; `None`: this is the last.
    pub next: Option<String>,
    /// How many there are on all pages, now.
    pub total: usize,
}

fn encode(sort: Sort, key: &str, id: &ServerId) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}\n{id}\n{key}", sort.word()))
}

fn decode(cursor: &str, sort: Sort) -> Result<(String, ServerId), PageError> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| PageError::Unreadable)?;
    let text = String::from_utf8(bytes).map_err(|_| PageError::Unreadable)?;
    let mut parts = text.splitn(3, '\n');
    let (word, id, key) = (parts.next(), parts.next(), parts.next());
    let (Some(word), Some(id), Some(key)) = (word, id, key) else { return Err(PageError::Unreadable) };
    if word != sort.word() {
        let known = Sort::ALL.iter().any(|(known, _)| *known == word);
        return Err(if known { PageError::OtherOrder(word.to_owned()) } else { PageError::Unreadable });
    }
    let id = id.parse().map_err(|_| PageError::Unreadable)?;
    Ok((key.to_owned(), id))
}

impl Fleet {
    /// One page of the servers that pass and that `seen` says are the reader's.
    pub fn find(
        &self,
        filter: &Filter,
        sort: Sort,
        limit: usize,
        cursor: Option<&str>,
        seen: impl Fn(&Row) -> bool,
    ) -> Result<Found, PageError> {
        let after = cursor.map(|cursor| decode(cursor, sort)).transpose()?;
        let rows = self.rows(|row| seen(row) && filter.passes(row));
        let total = rows.len();
        let mut keyed: Vec<(String, Arc<Row>)> = rows.into_iter().map(|row| (sort.key(&row), row)).collect();
        if sort != Sort::Name {
            keyed.sort_unstable_by(|a, b| (&a.0, &a.1.server.id).cmp(&(&b.0, &b.1.server.id)));
        }
        let begin = after.map_or(0, |(key, id)| {
            keyed.partition_point(|(at, row)| (at.as_str(), &row.server.id) <= (key.as_str(), &id))
        });
        let more = keyed.len() > begin.saturating_add(limit);
        let page: Vec<_> = keyed.into_iter().skip(begin).take(limit).collect();
        let next = page.last().filter(|_| more).map(|(key, row)| encode(sort, key, &row.server.id));
        Ok(Found { rows: page.into_iter().map(|(_, row)| row).collect(), next, total })
    }
}
