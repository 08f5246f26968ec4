//! The words the tables are written in: fields, endpoints, filters.
//!
//! Promises that an endpoint of the simulated NetBox is data: what its objects hold, how each value is
//! checked and shown, what can be filtered and what a delete does. It holds no objects and checks nothing
//! itself. Defaults are an enum rather than JSON so that whole tables can be `const`.

use serde_json::{Value, json};

use super::Version;
use super::store::{Object, Store};

/// The choices of one field: stored value and label.
pub type Choices = &'static [(&'static str, &'static str)];

/// Field errors by field name; the shape of a 400 body.
pub type Errors = serde_json::Map<String, Value>;

/// What happens to an object when what it points to is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDelete {
    /// The delete is refused with 409.
    Protect,
    /// The pointing object is deleted too.
    Cascade,
    /// The pointer becomes null.
    Clear,
}

/// What a field holds.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Text of at most this many characters.
    Text(usize),
    /// Letters, digits, `-` and `_`.
    Slug,
    /// A whole number.
    Int,
    /// A number, shown with a fraction.
    Decimal,
    /// True or false.
    Bool,
    /// Any JSON.
    Json,
    /// One of a closed list, shown as `{"value", "label"}`.
    Choice(Choices),
    /// One of a closed list, shown as the bare value.
    BareChoice(Choices),
    /// A pointer to an object of the endpoint with this path.
    Ref(&'static str, OnDelete),
    /// A pointer to something the lab does not have: null only.
    Absent,
    /// A MAC address, kept in upper case with colons.
    Mac,
    /// An IP address with a mask.
    Ip,
    /// A network.
    Network,
    /// A model's name, such as `dcim.device`.
    Model,
    /// A list of models' names.
    Models,
    /// Tags, kept as ids.
    Tags,
    /// Custom field values by name.
    CustomFields,
    /// One end of a cable, `A` or `B`.
    Terminations,
    /// Read-only: always the default.
    Fixed,
    /// Read-only: worked out from the store when shown.
    Computed(fn(&View<'_>, &Object) -> Value),
    /// Read-only: how many objects of an endpoint point here with a field.
    Count(&'static str, &'static str),
}

/// A default value, as a constant.
#[derive(Clone, Copy)]
pub enum Default {
    /// `null`.
    Null,
    /// A text.
    Text(&'static str),
    /// A flag.
    Bool(bool),
    /// A number.
    Int(i64),
    /// `[]`.
    List,
    /// `{}`.
    Map,
}

impl Default {
    /// The value in JSON.
    pub fn value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Text(text) => json!(text),
            Self::Bool(flag) => json!(flag),
            Self::Int(number) => json!(number),
            Self::List => json!([]),
            Self::Map => json!({}),
        }
    }
}

/// One field of an endpoint's objects.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent property of a column")]
pub struct Field {
    /// Its name in JSON.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What it is when never written.
    pub default: Default,
    /// A create without it is refused.
    pub required: bool,
    /// No two objects may share it.
    pub unique: bool,
    /// Only in this version; both when absent.
    pub only: Option<Version>,
    /// On 3.7 shown in answers to GET only, not to writes.
    pub annotated: bool,
    /// Zero when shown inside another object, as NetBox 4.6 shows it.
    pub zero_nested: bool,
}

const fn field(name: &'static str, kind: Kind, default: Default) -> Field {
    Field { name, kind, default, required: false, unique: false, only: None, annotated: false, zero_nested: false }
}

impl Field {
    /// The same field, required on create.
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }
    /// The same field, unique over all objects.
    pub const fn unique(mut self) -> Self {
        self.unique = true;
        self
    }
    /// The same field, only in one version.
    pub const fn only(mut self, version: Version) -> Self {
        self.only = Some(version);
        self
    }
    /// The same field, on 3.7 in answers to GET only.
    pub const fn annotated(mut self) -> Self {
        self.annotated = true;
        self
    }
    /// The same field, zero inside other objects.
    pub const fn zero_nested(mut self) -> Self {
        self.zero_nested = true;
        self
    }
    /// The same field with another default.
    pub const fn or(mut self, default: Default) -> Self {
        self.default = default;
        self
    }
    /// The same text, of at most `max` characters.
    pub const fn max(mut self, max: usize) -> Self {
        self.kind = Kind::Text(max);
        self
    }
    /// Whether a client can write it.
    pub const fn writable(&self) -> bool {
        !matches!(self.kind, Kind::Fixed | Kind::Computed(_) | Kind::Count(..))
    }
}

/// A text, blank by default.
pub const fn text(name: &'static str) -> Field {
    field(name, Kind::Text(200), Default::Text(""))
}
/// A text of at most `max` characters, null by default.
pub const fn name(name: &'static str, max: usize) -> Field {
    field(name, Kind::Text(max), Default::Null)
}
/// A unique slug, required.
pub const fn slug() -> Field {
    field("slug", Kind::Slug, Default::Null).required().unique()
}
/// A whole number, null by default.
pub const fn int(name: &'static str) -> Field {
    field(name, Kind::Int, Default::Null)
}
/// A number with a fraction, null by default.
pub const fn decimal(name: &'static str) -> Field {
    field(name, Kind::Decimal, Default::Null)
}
/// A flag.
pub const fn flag(name: &'static str, default: bool) -> Field {
    field(name, Kind::Bool, Default::Bool(default))
}
/// Any JSON, null by default.
pub const fn any(name: &'static str) -> Field {
    field(name, Kind::Json, Default::Null)
}
/// One of a closed list.
pub const fn choice(name: &'static str, choices: Choices, default: Default) -> Field {
    field(name, Kind::Choice(choices), default)
}
/// A field of any other writable kind, null by default.
pub const fn of(name: &'static str, kind: Kind) -> Field {
    field(name, kind, Default::Null)
}
/// A pointer.
pub const fn to(name: &'static str, endpoint: &'static str, on_delete: OnDelete) -> Field {
    field(name, Kind::Ref(endpoint, on_delete), Default::Null)
}
/// A pointer to what the lab does not have.
pub const fn absent(name: &'static str) -> Field {
    field(name, Kind::Absent, Default::Null)
}
/// A constant.
pub const fn fixed(name: &'static str, value: Default) -> Field {
    field(name, Kind::Fixed, value)
}
/// A count of the objects that point here.
pub const fn count(name: &'static str, endpoint: &'static str, by: &'static str) -> Field {
    field(name, Kind::Count(endpoint, by), Default::Int(0))
}
/// A value worked out when shown.
pub const fn computed(name: &'static str, show: fn(&View<'_>, &Object) -> Value) -> Field {
    field(name, Kind::Computed(show), Default::Null)
}

/// What a list can be filtered by.
#[derive(Clone, Copy)]
pub enum Filter {
    /// A field of the object, compared by its kind; texts also take `__ic` and the like.
    Field(&'static str),
    /// `param` (slug or name) and `param_id`, reached over these pointers.
    Via(&'static str, &'static [&'static str]),
    /// One parameter, answered by a function of the object and one value.
    Special(&'static str, fn(&View<'_>, &Object, &str) -> bool),
    /// One parameter, answered once for each value with the ids that match.
    Ids(&'static str, fn(&View<'_>, &str) -> Vec<u64>),
    /// The same as `Special`, in one version only.
    SpecialIn(Version, &'static str, fn(&View<'_>, &Object, &str) -> bool),
}

/// One endpoint: a list of objects under a path.
pub struct Endpoint {
    /// Its path below `/api/`, such as `dcim/sites`.
    pub path: &'static str,
    /// Its model, such as `dcim.site`.
    pub model: &'static str,
    /// The model's name in messages, such as `device type`.
    pub noun: &'static str,
    /// The model's class, as 4.6 names it in a 404.
    pub class: &'static str,
    /// Its path in the web pages where that differs from the API's.
    pub ui: Option<&'static str>,
    /// Only in this version; both when absent.
    pub only: Option<Version>,
    /// Fields, in groups so that common ones are shared.
    pub fields: &'static [&'static [Field]],
    /// Fields shown inside other objects by 3.7.
    pub brief37: &'static [&'static str],
    /// Fields shown inside other objects by 4.6.
    pub brief46: &'static [&'static str],
    /// The order of lists; `-` before a name turns it round.
    pub order: &'static [&'static str],
    /// What can be filtered, beyond `id`, `q`, `tag`, `created`, `last_updated` and custom fields.
    pub filters: &'static [Filter],
    /// Fields that `q` looks into.
    pub search: &'static [&'static str],
    /// Sets of fields that together are unique.
    pub together: &'static [&'static [&'static str]],
    /// What NetBox calls an object in messages and `display`.
    pub display: fn(&View<'_>, &Object) -> String,
    /// The model's own rules, checked after the fields: `(view, new, old)`.
    pub check: fn(&View<'_>, &Object, Option<&Object>) -> Result<(), Errors>,
}

impl Endpoint {
    /// The fields this version has.
    pub fn fields_of(&self, version: Version) -> impl Iterator<Item = &'static Field> {
        self.fields.iter().flat_map(|group| group.iter()).filter(move |f| f.only.is_none_or(|only| only == version))
    }

    /// One field by name.
    pub fn field(&self, version: Version, name: &str) -> Option<&'static Field> {
        self.fields_of(version).find(|f| f.name == name)
    }
}

/// The store as one request sees it.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// All objects.
    pub store: &'a Store,
    /// Which NetBox this is.
    pub version: Version,
    /// `http://host:port` from the request's Host header.
    pub base: &'a str,
    /// The answer is to a write.
    pub writing: bool,
    /// A cable not yet seen by its interfaces: 3.7 answers a cable's create that way.
    pub unseen_cable: Option<u64>,
    /// Added device statuses (`FIELD_CHOICES`).
    pub extra_statuses: &'a [String],
}

/// One error for one field.
pub fn error(field: &str, message: impl Into<String>) -> Errors {
    let mut errors = Errors::new();
    errors.insert(field.to_owned(), json!([message.into()]));
    errors
}
