//! Which servers a wave takes, in which order and step.
//!
//! Promises that the first step's server is one whose firmware is known to differ, where any is: a first server with nothing to do would prove
//! nothing. Only servers that are ready now are taken; they are looked at again when their turn comes.

use std::collections::{BTreeSet, HashSet};

use farrier_lifecycle::{Server, ServerId, Timestamp};

use super::{Member, Size, Standing, Wanted};

/// Servers of one wave; more would make its record too long to swap often.
pub const MOST: usize = 2_000;

/// What became of a selection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selected {
    /// Taken, in order, with their steps.
    pub members: Vec<Member>,
    /// Selected and not ready: name and why.
    pub left_out: Vec<(String, String)>,
    /// Names that no server has.
    pub unknown: Vec<String>,
    /// Sites of the members.
    pub sites: BTreeSet<Option<String>>,
}

fn named(server: &Server, name: &str) -> bool {
    server.label().eq_ignore_ascii_case(name) || server.id.as_str().eq_ignore_ascii_case(name)
}

/// Is it selected?
pub fn matches(server: &Server, wanted: &Wanted) -> bool {
    let same = |one: &Option<String>, is: Option<&str>| one.as_deref().is_none_or(|one| is == Some(one));
    let starts = |one: &Option<String>, is: Option<&str>| {
        one.as_deref().is_none_or(|one| is.is_some_and(|is| is.starts_with(one)))
    };
    let facts = &server.facts;
    same(&wanted.site, facts.site.as_deref())
        && same(&wanted.rack, facts.rack.as_deref())
        && starts(&wanted.driver, facts.driver.as_deref())
        && starts(&wanted.model, facts.model.as_deref())
        && (wanted.servers.is_empty() || wanted.servers.iter().any(|name| named(server, name)))
}

fn why_not(server: &Server, now: Timestamp) -> Option<String> {
    if !server.is_ready() {
        return Some(format!("it is {}", server.lifecycle_state()));
    }
    server.reserved(now).map(|one| format!("it is reserved for order {}", one.order))
}

/// Choose from `servers`, which the caller may see. `differs`: known to have other firmware than it should.
pub fn select(
    servers: &[Server],
    asked: &Wanted,
    sizes: &[Size],
    differs: &HashSet<ServerId>,
    now: Timestamp,
) -> Selected {
    let mut chosen = Selected::default();
    let unknown = |name: &&String| !servers.iter().any(|server| named(server, name));
    chosen.unknown = asked.servers.iter().filter(unknown).cloned().collect();
    let mut taken = Vec::new();
    for server in servers.iter().filter(|server| matches(server, asked)) {
        match why_not(server, now) {
            Some(why) => chosen.left_out.push((server.label().to_owned(), why)),
            None => taken.push(server),
        }
    }
    let place = |server: &Server| (server.facts.site.clone(), server.facts.rack.clone());
    taken.sort_by_cached_key(|server| (!differs.contains(&server.id), server.label().to_lowercase()));
    let first_rack = taken.first().map(|first| place(first));
    // The first one's neighbours follow it.
    let mut rest: Vec<&Server> = taken.split_off(taken.len().min(1));
    rest.sort_by_cached_key(|server| Some(place(server)) != first_rack);
    taken.extend(rest);
    let neighbours = taken.iter().filter(|server| Some(place(server)) == first_rack).count();
    let steps = steps(taken.len(), neighbours, sizes);
    chosen.sites = taken.iter().map(|server| server.facts.site.clone()).collect();
    chosen.members = taken
        .iter()
        .zip(steps)
        .map(|(server, step)| Member {
            id: server.id.clone(),
            name: server.label().to_owned(),
            step,
            standing: Standing::Waiting,
            since: now,
            started: None,
            why: None,
        })
        .collect();
    chosen
}

/// The step of each of `count` servers, of which the first `neighbours` are in the first one's rack. Steps without a server are passed over.
fn steps(count: usize, neighbours: usize, sizes: &[Size]) -> Vec<u32> {
    let mut steps = Vec::with_capacity(count);
    let mut step = 0;
    for size in sizes.iter().chain([&Size::Rest]) {
        let left = count.saturating_sub(steps.len());
        let wanted = match size {
            Size::Servers(servers) => usize::try_from(*servers).unwrap_or(usize::MAX),
            Size::Rack => neighbours.saturating_sub(steps.len()),
            Size::Percent(part) => count.saturating_mul(usize::try_from(*part).unwrap_or(100)).div_ceil(100).max(1),
            Size::Rest => left,
        };
        let size = wanted.min(left);
        if size > 0 {
            steps.extend(std::iter::repeat_n(step, size));
            step += 1;
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_then_a_rack_then_a_tenth_then_the_rest() {
        let sizes = [Size::Servers(1), Size::Rack, Size::Percent(10), Size::Rest];
        let count = |count, neighbours| {
            let steps = steps(count, neighbours, &sizes);
            (0..4).map(|step| steps.iter().filter(|one| **one == step).count()).collect::<Vec<_>>()
        };
        assert_eq!(count(50, 10), [1, 9, 5, 35]);
        assert_eq!(count(1, 1), [1, 0, 0, 0]);
        assert_eq!(count(5, 5), [1, 4, 0, 0]);
        assert_eq!(count(5, 1), [1, 1, 3, 0], "a rack of its own has no rest");
        assert_eq!(steps(4, 1, &[Size::Servers(1)]), [0, 1, 1, 1], "what the steps leave is a last one");
    }
}
