//! What a dashboard is described with.
//!
//! Promises that a panel says no more than what a person sees of it: title, width, queries, unit, colours. Where it stands and
//! the rest of Grafana's JSON is `json`'s.

/// What fills a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One number, or one a series.
    Stat,
    /// Lines over time.
    Lines,
    /// Areas on top of each other.
    Areas,
    /// A column a query, a row a combination of labels.
    Table,
    /// A horizontal bar a series.
    Bars,
}

/// Which values are good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Look {
    /// All the same.
    Plain,
    /// 0 ok, 1 warning, 2 critical.
    Health,
    /// 1 yes, 0 no.
    Yes,
    /// Orange from the first, red from the second on.
    Above(f64, f64),
    /// Green from the second, orange from the first on, red below.
    Below(f64, f64),
}

/// One query.
#[derive(Clone, Debug)]
pub struct Target {
    /// What Prometheus is asked.
    pub expr: &'static str,
    /// A series' name, or a column's.
    pub legend: &'static str,
    /// A column's own unit.
    pub unit: Option<&'static str>,
    /// A column's own colours.
    pub look: Look,
}

/// One panel.
#[derive(Clone, Debug)]
pub struct Panel {
    pub kind: Kind,
    pub title: &'static str,
    /// Behind the small i.
    pub about: &'static str,
    /// Of 24.
    pub width: u32,
    pub height: u32,
    /// Grafana's name of it.
    pub unit: &'static str,
    pub look: Look,
    pub targets: Vec<Target>,
}

impl Panel {
    fn new(kind: Kind, title: &'static str, width: u32, height: u32) -> Self {
        Self { kind, title, about: "", width, height, unit: "short", look: Look::Plain, targets: Vec::new() }
    }

    /// One more query.
    pub fn query(mut self, expr: &'static str, legend: &'static str) -> Self {
        self.targets.push(Target { expr, legend, unit: None, look: Look::Plain });
        self
    }

    /// One more column of a table.
    pub fn column(mut self, legend: &'static str, unit: &'static str, look: Look, expr: &'static str) -> Self {
        self.targets.push(Target { expr, legend, unit: Some(unit), look });
        self
    }

    /// The unit of its values.
    pub fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// Which values are good.
    pub fn look(self, look: Look) -> Self {
        Self { look, ..self }
    }

    /// What a person should know about it.
    pub fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }
}

/// A number, an eighth wide.
pub fn stat(title: &'static str, expr: &'static str) -> Panel {
    Panel::new(Kind::Stat, title, 3, 4).query(expr, "")
}

/// Lines, of this width.
pub fn lines(title: &'static str, width: u32) -> Panel {
    Panel::new(Kind::Lines, title, width, 8)
}

/// Areas, of this width.
pub fn areas(title: &'static str, width: u32) -> Panel {
    Panel::new(Kind::Areas, title, width, 8)
}

/// A table, of this width.
pub fn table(title: &'static str, width: u32) -> Panel {
    Panel::new(Kind::Table, title, width, 10)
}

/// Bars, of this width.
pub fn bars(title: &'static str, width: u32) -> Panel {
    Panel::new(Kind::Bars, title, width, 8)
}

/// What is chosen on top of a dashboard.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    pub name: &'static str,
    pub label: &'static str,
    /// `label_values(...)`.
    pub query: &'static str,
    /// Several, or all, at once.
    pub many: bool,
}

/// Sites, several.
pub const SITES: Variable =
    Variable { name: "site", label: "Site", query: "label_values(farrier_server_info, site)", many: true };
/// One site.
pub const SITE: Variable = Variable { many: false, ..SITES };

/// A dashboard.
#[derive(Clone, Debug)]
pub struct Board {
    /// Also its file's name.
    pub uid: &'static str,
    pub title: &'static str,
    pub about: &'static str,
    pub variables: Vec<Variable>,
    pub rows: Vec<(&'static str, Vec<Panel>)>,
}

impl Board {
    /// An empty one.
    pub fn new(uid: &'static str, title: &'static str, about: &'static str) -> Self {
        Self { uid, title, about, variables: Vec::new(), rows: Vec::new() }
    }

    /// What is chosen on top, in order; a later one may use an earlier one.
    pub fn choose(mut self, variables: &[Variable]) -> Self {
        self.variables.extend_from_slice(variables);
        self
    }

    /// One more row.
    pub fn row(mut self, title: &'static str, panels: Vec<Panel>) -> Self {
        self.rows.push((title, panels));
        self
    }
}
