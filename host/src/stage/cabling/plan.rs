//! From found wiring to expected wiring, as steps for one pair of hands.
//!
//! Promises that after the steps, in their order, every interface that should have a cable has it where it should be, and that no step
//! puts a cable into a port that is taken. Not obvious: whoever wants a port that is taken waits for whoever is in it, so the waits are
//! chains, which are done from their free end, and rings, which are one step: a ring of two is a swap.

use std::fmt;

use serde::Serialize;

/// A port of a switch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The switch.
    pub device: String,
    /// Its port.
    pub port: String,
}

impl Place {
    /// As it is said when `before` was just named: the switch is not named twice.
    pub fn after(&self, before: &Self) -> String {
        if self.device == before.device { format!("port {}", self.port) } else { self.to_string() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} port {}", self.device, self.port)
    }
}

/// Where an interface's cable was seen to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// No switch was heard.
    Nothing,
    /// In this port.
    At(Place),
    /// It hears this port, and so does another: something stands between them.
    Doubtful(Place),
}

/// One interface, to be planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub nic: String,
    /// Where its cable should end; none: it should have none, and any is left where it is.
    pub wanted: Option<Place>,
    /// Where it ends.
    pub seen: Seen,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Move one end at the switch.
    Move {
        /// From this port.
        from: Place,
        /// To this one, which is free.
        to: Place,
    },
    /// Two cables change places.
    Swap(Place, Place),
    /// Each cable goes to the next port, the last one's to the first.
    Rotate(Vec<Place>),
    /// An interface from which nothing is heard.
    Plug {
        /// The interface.
        nic: String,
        /// Where its cable belongs.
        to: Place,
    },
    /// An interface that hears a port which another one hears too.
    Trace {
        /// The interface.
        nic: String,
        /// What it hears.
        heard: Place,
        /// Where its cable belongs.
        to: Place,
    },
    /// A cable the inventory does not know is in the way.
    Unplug {
        /// Where it is.
        from: Place,
        /// The interface it leads to.
        nic: String,
    },
    /// The cable is right at the switch and wrong at the server.
    AtServer {
        /// The interface it is in.
        from: String,
        /// The one it belongs in.
        to: String,
        /// Its port.
        at: Place,
    },
    /// The inventory wants two cables in one port.
    Correct {
        /// The interface that cannot have it.
        nic: String,
        /// The port.
        at: Place,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Move { from, to } => write!(f, "Move the cable in {from} to {}", to.after(from)),
            Self::Swap(one, other) => write!(f, "Swap the two cables: the one in {one} and the one in {other}"),
            Self::Rotate(places) => {
                write!(f, "Unplug these {} cables, then move each one on: ", places.len())?;
                let next = places.iter().cycle().skip(1);
                let moves: Vec<String> = places
                    .iter()
                    .zip(next)
                    .map(|(from, to)| format!("the one in {from} to {}", to.after(from)))
                    .collect();
                f.write_str(&moves.join(", "))
            }
            Self::Plug { nic, to } => write!(
                f,
                "No LLDP heard on {nic}: plug the cable from {to} in, or check that the port is up and sends LLDP"
            ),
            Self::Trace { nic, heard, to } => write!(
                f,
                "Follow the cable of {nic} and plug it into {to}: it hears {heard}, and so does another interface"
            ),
            Self::Unplug { from, nic } => {
                write!(f, "Unplug the cable in {from}: it leads to {nic}, where the inventory has no cable")
            }
            Self::AtServer { from, to, at } => {
                write!(f, "At the server, move the cable in {from} to {to}: it comes from {at}")
            }
            Self::Correct { nic, at } => {
                write!(f, "Correct the inventory: it has {nic} and another interface in {at}")
            }
        }
    }
}

/// The steps, in an order that can be carried out.
pub fn plan(rows: &[Row]) -> Vec<Step> {
    let mut planner = Planner::new(rows);
    let mut steps = Vec::new();
    while let Some(&first) = planner.pending.first() {
        let free = planner.pending.iter().copied().find(|row| planner.occupant(*row).is_none());
        let step = match free {
            Some(row) => planner.settle(row),
            None => planner.untie(first),
        };
        steps.extend(step);
    }
    steps
}

struct Planner<'a> {
    rows: &'a [Row],
    /// Where each row's cable is known to be.
    at: Vec<Option<Place>>,
    /// Rows whose cable is not where it should be.
    pending: Vec<usize>,
}

impl<'a> Planner<'a> {
    fn new(rows: &'a [Row]) -> Self {
        let at = |row: &Row| match &row.seen {
            Seen::At(place) => Some(place.clone()),
            Seen::Nothing | Seen::Doubtful(_) => None,
        };
        let at: Vec<Option<Place>> = rows.iter().map(at).collect();
        let wrong = |(index, (row, at)): (usize, (&Row, &Option<Place>))| {
            (row.wanted.is_some() && row.wanted != *at).then_some(index)
        };
        let pending = rows.iter().zip(&at).enumerate().filter_map(wrong).collect();
        Self { rows, at, pending }
    }

    fn wanted(&self, row: usize) -> Option<&'a Place> {
        self.rows.get(row)?.wanted.as_ref()
    }

    fn nic(&self, row: usize) -> String {
        self.rows.get(row).map(|row| row.nic.clone()).unwrap_or_default()
    }

    fn here(&self, row: usize) -> Option<Place> {
        self.at.get(row).cloned().flatten()
    }

    fn put(&mut self, row: usize, place: Option<Place>) {
        if let Some(at) = self.at.get_mut(row) {
            *at = place;
        }
        self.pending.retain(|pending| *pending != row);
    }

    /// Whose cable is in the port that this row wants?
    fn occupant(&self, row: usize) -> Option<usize> {
        let wanted = self.wanted(row)?;
        self.at.iter().enumerate().position(|(other, at)| other != row && at.as_ref() == Some(wanted))
    }

    /// The port is free: put the cable there.
    fn settle(&mut self, row: usize) -> Option<Step> {
        let to = self.wanted(row)?.clone();
        let step = match (self.here(row), self.rows.get(row).map(|row| &row.seen)) {
            (Some(from), _) => Step::Move { from, to: to.clone() },
            (None, Some(Seen::Doubtful(heard))) => {
                Step::Trace { nic: self.nic(row), heard: heard.clone(), to: to.clone() }
            }
            (None, _) => Step::Plug { nic: self.nic(row), to: to.clone() },
        };
        self.put(row, Some(to));
        Some(step)
    }

    /// Everyone waits: follow the waits from `first` to a ring, or to someone who will not move.
    fn untie(&mut self, first: usize) -> Option<Step> {
        let mut chain = vec![first];
        let mut last = first;
        loop {
            let Some(next) = self.occupant(last) else { return self.settle(last) };
            if let Some(begin) = chain.iter().position(|row| *row == next) {
                return Some(self.turn(chain.split_off(begin)));
            }
            if !self.pending.contains(&next) {
                return self.clear(last, next);
            }
            chain.push(next);
            last = next;
        }
    }

    /// Each one's port is held by the next in the ring.
    fn turn(&mut self, ring: Vec<usize>) -> Step {
        let places: Vec<Place> = ring.iter().filter_map(|row| self.here(*row)).collect();
        for row in ring {
            let wanted = self.wanted(row).cloned();
            self.put(row, wanted);
        }
        match places.as_slice() {
            [one, other] => Step::Swap(one.clone(), other.clone()),
            _ => Step::Rotate(places),
        }
    }

    /// `row` wants a port where the cable of `holder` is, which is not to move by itself.
    fn clear(&mut self, row: usize, holder: usize) -> Option<Step> {
        let at = self.wanted(row)?.clone();
        if self.wanted(holder).is_some() {
            let here = self.here(row);
            self.put(row, here);
            return Some(Step::Correct { nic: self.nic(row), at });
        }
        self.put(holder, None);
        let silent = self.rows.get(row).is_some_and(|row| row.seen == Seen::Nothing);
        if silent {
            self.put(row, Some(at.clone()));
            return Some(Step::AtServer { from: self.nic(holder), to: self.nic(row), at });
        }
        Some(Step::Unplug { from: at, nic: self.nic(holder) })
    }
}
