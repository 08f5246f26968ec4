//! All endpoints, as data.
//!
//! Promises that what an endpoint holds, shows and filters is read in one place. The models' own rules and
//! computed values are functions the tables name; everything else about an endpoint is a line here.

mod dcim;
mod device;
mod extras;
mod ipam;

use super::Version;
use super::schema::{Default, Endpoint, Errors, Field, Kind, View, fixed, of, text};
use super::store::Object;

/// Every endpoint of either version.
pub const ENDPOINTS: &[&[Endpoint]] = &[dcim::ENDPOINTS, device::ENDPOINTS, ipam::ENDPOINTS, extras::ENDPOINTS];

/// The endpoint with this path in this version.
pub fn endpoint(version: Version, path: &str) -> Option<&'static Endpoint> {
    all(version).find(|endpoint| endpoint.path == path)
}

/// The endpoint of a model, such as `dcim.device`.
pub fn endpoint_of(version: Version, model: &str) -> Option<&'static Endpoint> {
    all(version).find(|endpoint| endpoint.model == model)
}

/// The endpoints of one version.
pub fn all(version: Version) -> impl Iterator<Item = &'static Endpoint> {
    ENDPOINTS.iter().flat_map(|group| group.iter()).filter(move |e| e.only.is_none_or(|only| only == version))
}

/// What most objects end with.
const TAIL: &[Field] = &[
    text("description"),
    fixed("owner", Default::Null).only(Version::V4_6),
    of("tags", Kind::Tags).or(Default::List),
    of("custom_fields", Kind::CustomFields).or(Default::Map),
];

/// Long text, on endpoints that have it in both versions.
const COMMENTS: Field = of("comments", Kind::Text(1_000_000)).or(Default::Text(""));

/// What an endpoint is unless its table says otherwise.
const BASE: Endpoint = Endpoint {
    path: "",
    model: "",
    noun: "",
    class: "",
    ui: None,
    only: None,
    fields: &[TAIL],
    brief37: &["name", "slug"],
    brief46: &["name", "slug", "description"],
    order: &["name"],
    filters: &[],
    search: &["name", "slug", "description"],
    together: &[],
    display: by_name,
    check: accept,
};

fn by_name(_: &View<'_>, object: &Object) -> String {
    object.get("name").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where other tables name a rule that can refuse")]
fn accept(_: &View<'_>, _: &Object, _: Option<&Object>) -> Result<(), Errors> {
    Ok(())
}
