//! The API's description, made from the handlers' own.
//!
//! Promises OpenAPI 3.1 in which every answer of every route stands: what a route answers beside its own is added here by what the
//! route is (who may call it, whether it takes a body, whether it changes something), so that none is forgotten.

use std::sync::OnceLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required, ResponseBuilder,
    tag::TagBuilder,
};
use utoipa::{PartialSchema, ToSchema};

use super::error::{FieldProblemView, PROBLEM, ProblemView};
use super::events::{OrderEvent, ProgressEvent, TransitionEvent};
use super::routes::ROUTES;
use crate::access::Permission;
use crate::http::auth::tokens;

const TAGS: [(&str, &str); 9] = [
    ("fleet", "The pipeline in numbers."),
    ("servers", "Servers: where they stand, what was found on them, what may be asked of them."),
    ("orders", "What tenants and operators ask for."),
    ("firmware", "What firmware differs, and waves that bring it."),
    ("journal", "What happened and what happens."),
    ("bus", "The store, dead letters, leases, plugins."),
    ("poc", "Paths of the Python PoC's dashboard."),
    ("tokens", "Who may use the API."),
    ("about", "The API itself."),
];

/// What the handlers' descriptions are added to.
pub fn head() -> OpenApi {
    let tags = TAGS.map(|(name, text)| TagBuilder::new().name(name).description(Some(text)).build());
    let mut components = Components::new();
    let bearer =
        HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A token of `farrier token create`"));
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
    let mut schemas = vec![
        (ProblemView::name().into_owned(), ProblemView::schema()),
        (FieldProblemView::name().into_owned(), FieldProblemView::schema()),
        (TransitionEvent::name().into_owned(), TransitionEvent::schema()),
        (ProgressEvent::name().into_owned(), ProgressEvent::schema()),
        (OrderEvent::name().into_owned(), OrderEvent::schema()),
    ];
    TransitionEvent::schemas(&mut schemas);
    OrderEvent::schemas(&mut schemas);
    components.schemas.extend(schemas);
    OpenApiBuilder::new()
        .info(InfoBuilder::new().title("Farrier").version(env!("CARGO_PKG_VERSION")).description(Some(ABOUT)).build())
        .tags(Some(tags))
        .components(Some(components))
        .build()
}

const ABOUT: &str = "Provisioning of bare-metal servers: where every server stands, why, and what to do next.\n\nTimes are RFC 3339, UTC. \
Failures are `application/problem+json` with a `code` that never changes and a `hint`. Lists give `limit` items (100, at most 1000) and a \
`next` cursor. Unknown parameters and fields are refused by name. A changing request may carry an `Idempotency-Key`: repeated within a \
day by the same caller with the same body, it gets the first answer again (`Idempotency-Replayed: true`).";

/// Status and what it means, of answers that many routes share.
fn shared(method: &str, path: &str, permission: Permission, operation: &Operation) -> Vec<(u16, &'static str)> {
    let mut all = Vec::new();
    let (body, named) = (operation.request_body.is_some(), path.contains('{'));
    if operation.parameters.is_some() || body || method != "GET" {
        all.push((400, "The path, query, a header or the body is not as described; `errors` says where"));
    }
    if permission != Permission::Public {
        all.push((401, "Nobody is signed in, or the token is unknown, expired or revoked"));
        all.push((403, "Your role does not allow it"));
    }
    all.push((414, "The path and query are longer than 8 KiB"));
    if named {
        all.push((404, "There is none of this name that you may see"));
    }
    if method != "GET" {
        all.push((409, "It cannot be done as things stand; `code` says why"));
        all.push((413, "The body is too large"));
    }
    if takes_keys(method, path) {
        all.push((422, "The idempotency key was used for another request"));
    }
    if body {
        all.push((415, "The body is not `application/json`"));
    }
    let matches = operation.parameters.iter().flatten().any(|parameter| parameter.name == "If-Match");
    if matches {
        all.push((412, "It has another version than `If-Match` says"));
    }
    all.push((429, "Too many requests; `Retry-After` says when to come back"));
    all.push((503, "The store does not answer"));
    all
}

/// May a request be repeated under an idempotency key? Not one whose answer is a secret: it would have to be kept.
fn takes_keys(method: &str, path: &str) -> bool {
    method != "GET" && !path.starts_with("/api/v1/tokens")
}

fn complete(method: &str, path: &str, operation: &mut Operation) {
    let route = ROUTES.iter().find(|(known, at, _)| *known == method && *at == path);
    let permission = route.map_or(Permission::Administer, |(_, _, permission)| *permission);
    for (status, text) in shared(method, path, permission, operation) {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemView::name()))).build();
        let response = ResponseBuilder::new().description(text).content(PROBLEM, content).build();
        operation.responses.responses.entry(status.to_string()).or_insert(RefOr::T(response));
    }
    if permission == Permission::Public {
        return;
    }
    if method == "POST" && takes_keys(method, path) {
        let text =
            "1 to 128 visible ASCII characters; repeated within a day with the same body, the first answer comes again";
        let key = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(text))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String).max_length(Some(128)).build()))
            .build();
        operation.parameters.get_or_insert_default().push(key);
    }
    operation.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
    let word = serde_json::to_value(permission).unwrap_or_default();
    let note = format!("Permission: `{}`.", word.as_str().unwrap_or_default());
    let text = operation.description.take().filter(|text| !text.is_empty());
    operation.description = Some(text.map_or(note.clone(), |text| format!("{text}\n\n{note}")));
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let PathItem { get, post, put, delete, patch, .. } = item;
    [("GET", get), ("POST", post), ("PUT", put), ("DELETE", delete), ("PATCH", patch)]
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Routes whose handlers stand elsewhere.
#[derive(utoipa::OpenApi)]
#[openapi(paths(tokens::list, tokens::create, tokens::revoke))]
struct Elsewhere;

/// The whole description.
pub fn document() -> OpenApi {
    let mut document = super::described().split_for_parts().1;
    document.merge(<Elsewhere as utoipa::OpenApi>::openapi());
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            complete(method, path, operation);
        }
    }
    document
}

/// The API's description.
///
/// OpenAPI 3.1, made from the program itself.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "about",
    responses((status = 200, body = serde_json::Value)))]
pub async fn serve() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| document().to_json().unwrap_or_default());
    ([(header::CONTENT_TYPE, "application/json")], text.as_str()).into_response()
}
