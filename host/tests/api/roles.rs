//! Every route, every role, every relation to the server: who is let in, and who sees nothing.
//!
//! Promises to be complete: a route of the table that has no line below fails the test, and what is expected follows from the table
//! and the principal alone.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use farrier::access::{Means, Permission, Principal, Role};
use farrier::http::api::ROUTES;
use serde_json::{Value, json};

use crate::rig::{Answer, Rig, active};

/// What a route is about.
#[derive(Clone, Copy, PartialEq)]
enum About {
    /// No server: the permission alone decides.
    Nothing,
    /// The one server; who does not see it is told that there is none.
    Server,
    /// A list: it is in it exactly for those who see it.
    List,
    /// Everybody's at once: who is bound to a site or a tenant is refused.
    Whole,
    /// Streams: only the way in is looked at here.
    Stream,
}

/// Method, path of the table, path to ask, body, what it is about, and the permission the body asks for beyond the route's.
type Case = (&'static str, &'static str, &'static str, Option<Value>, About, Option<Permission>);

const SERVER: &str = "9440c9000001";

fn cases() -> Vec<Case> {
    use About::{List, Nothing, Server, Stream, Whole};
    let get = |path, about| ("GET", path, path, None, about, None);
    let one = |path, real| ("GET", path, real, None, Server, None);
    let ask = |body, permission| {
        let path = "/api/v1/servers/{name}/preview";
        ("POST", path, "/api/v1/servers/9440c9000001/preview", Some(body), Server, Some(permission))
    };
    // Refused by the lifecycle, so that the server stays as it is; who may ask is decided before.
    let request = |body, permission| {
        let path = "/api/v1/servers/{name}/requests";
        ("POST", path, "/api/v1/servers/9440c9000001/requests", Some(body), Server, Some(permission))
    };
    vec![
        get("/auth/means", Nothing),
        ("POST", "/auth/token", "/auth/token", Some(json!({ "token": "far_no" })), Stream, None),
        get("/auth/link", Stream),
        get("/auth/oidc", Stream),
        get("/auth/callback", Stream),
        ("POST", "/auth/sign-out", "/auth/sign-out", Some(json!({})), Nothing, None),
        ("POST", "/auth/links", "/auth/links", Some(json!({})), Nothing, None),
        get("/api/v1/tokens", Nothing),
        (
            "POST",
            "/api/v1/tokens",
            "/api/v1/tokens",
            Some(json!({ "name": "x", "roles": ["viewer"], "seconds": 0 })),
            Nothing,
            None,
        ),
        ("DELETE", "/api/v1/tokens/{id}", "/api/v1/tokens/none", None, Nothing, None),
        get("/", Nothing),
        get("/servers", Nothing),
        ("GET", "/servers/{name}", "/servers/x", None, Nothing, None),
        get("/racks", Nothing),
        get("/work", Nothing),
        get("/orders", Nothing),
        get("/journal", Nothing),
        get("/api", Nothing),
        ("GET", "/label/{name}", "/label/x", None, Nothing, None),
        get("/sign-in", Nothing),
        ("GET", "/ui/{version}/{file}", "/ui/x/farrier.css", None, Nothing, None),
        get("/api/v1/me", Nothing),
        get("/api/v1/fleet", Nothing),
        get("/api/v1/servers", List),
        one("/api/v1/servers/{name}", "/api/v1/servers/9440c9000001"),
        one("/api/v1/servers/{name}/timeline", "/api/v1/servers/9440c9000001/timeline"),
        one("/api/v1/servers/{name}/evidence", "/api/v1/servers/9440c9000001/evidence"),
        one("/api/v1/servers/{name}/readings", "/api/v1/servers/9440c9000001/readings"),
        one("/api/v1/servers/{name}/label.svg", "/api/v1/servers/9440c9000001/label.svg"),
        request(json!("retry"), Permission::Revalidate),
        request(json!("reset"), Permission::Operate),
        request(json!({ "approve": { "action": "power", "reason": "x", "expires": 1 } }), Permission::Approve),
        ask(json!("retry"), Permission::Revalidate),
        ask(json!("release"), Permission::Operate),
        get("/api/v1/racks", List),
        get("/api/v1/work", Nothing),
        get("/api/v1/journal", List),
        get("/api/v1/events", Stream),
        get("/api/v1/bus", Nothing),
        get("/api/v1/bus/dead", Whole),
        ("POST", "/api/v1/bus/dead/{id}/redrive", "/api/v1/bus/dead/77/redrive", None, Whole, None),
        (
            "POST",
            "/api/v1/leases",
            "/api/v1/leases",
            Some(json!({ "mac": "94:40:c9:00:00:01", "ip": "10.9.9.9" })),
            Server,
            None,
        ),
        get("/api/v1/plugins", Nothing),
        get("/api/v1/orders", Nothing),
        ("POST", "/api/v1/orders", "/api/v1/orders", Some(json!({ "count": 0 })), Nothing, None),
        ("POST", "/api/v1/orders/preview", "/api/v1/orders/preview", Some(json!({ "count": 0 })), Nothing, None),
        ("GET", "/api/v1/orders/{id}", "/api/v1/orders/O999999", None, Nothing, None),
        ("POST", "/api/v1/orders/{id}/cancel", "/api/v1/orders/O999999/cancel", None, Nothing, None),
        ("POST", "/api/v1/orders/{id}/approve", "/api/v1/orders/O999999/approve", None, Nothing, None),
        get("/api/v1/firmware", List),
        get("/api/v1/waves", Nothing),
        ("POST", "/api/v1/waves", "/api/v1/waves", Some(json!({ "steps": ["none"] })), Nothing, None),
        ("POST", "/api/v1/waves/preview", "/api/v1/waves/preview", Some(json!({ "steps": ["none"] })), Nothing, None),
        ("GET", "/api/v1/waves/{id}", "/api/v1/waves/W999999", None, Nothing, None),
        ("POST", "/api/v1/waves/{id}/halt", "/api/v1/waves/W999999/halt", None, Nothing, None),
        ("POST", "/api/v1/waves/{id}/resume", "/api/v1/waves/W999999/resume", None, Nothing, None),
        get("/api/v1/audit", Whole),
        get("/api/v1/faults", Nothing),
        get("/api/v1/silences", Nothing),
        (
            "POST",
            "/api/v1/silences",
            "/api/v1/silences",
            Some(json!({ "site": "ams", "seconds": 0, "reason": "x" })),
            Nothing,
            None,
        ),
        ("DELETE", "/api/v1/silences/{id}", "/api/v1/silences/none", None, Nothing, None),
        get("/api/v1/drift", Nothing),
        ("POST", "/api/v1/webhooks/netbox", "/api/v1/webhooks/netbox", Some(json!({})), Stream, None),
        get("/api/devices", List),
        ("GET", "/api/device/{id}/timeline", "/api/device/9440c9000001/timeline", None, Server, None),
        get("/api/queue", Nothing),
        get("/api/stats", Nothing),
        get("/metrics", List),
        get("/api/v1/openapi.json", Nothing),
    ]
}

#[test]
fn every_route_has_a_case() {
    let cases = cases();
    for (method, path, _) in ROUTES {
        assert!(cases.iter().any(|case| (case.0, case.1) == (*method, *path)), "{method} {path} is not in the matrix");
    }
    for case in &cases {
        assert!(
            ROUTES.iter().any(|(method, path, _)| (case.0, case.1) == (*method, *path)),
            "{} {} is no route",
            case.0,
            case.1
        );
    }
}

fn needed(case: &Case) -> Permission {
    ROUTES.iter().find(|(method, path, _)| (case.0, case.1) == (*method, *path)).unwrap().2
}

async fn call(rig: &Rig, token: &str, case: &Case) -> Answer {
    let mut request = Request::builder().method(case.0).uri(case.2);
    if case.3.is_some() {
        request = request.header("content-type", "application/json");
    }
    let body = case.3.as_ref().map_or_else(Body::empty, |body| Body::from(body.to_string()));
    if case.2 == "/api/v1/events" {
        let response = rig.send(Some(token), request, body).await;
        return Answer { status: response.status(), headers: response.headers().clone(), text: String::new() };
    }
    rig.ask(Some(token), request, body).await
}

fn check(case: &Case, who: &Principal, sees: bool, answer: &Answer) {
    let told =
        format!("{:?} (sites {:?}, tenant {:?}): {} {}: {answer:?}", who.roles, who.sites, who.tenant, case.0, case.2);
    let needed = needed(case);
    if !who.may(needed) || case.5.is_some_and(|more| !who.may(more)) {
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "no-permission"), "{told}");
        return;
    }
    assert_ne!(answer.code(), "no-permission", "{told}");
    assert!(answer.status.as_u16() < 500, "{told}");
    match case.4 {
        About::Server if sees => assert_ne!(answer.code(), "no-server", "{told}"),
        About::Server => {
            assert_eq!((answer.status, answer.code().as_str()), (StatusCode::NOT_FOUND, "no-server"), "{told}");
        }
        About::List => {
            assert_eq!(answer.status, StatusCode::OK, "{told}");
            assert_eq!(answer.text.contains("AMS-SRV-00001"), sees, "{told}");
        }
        About::Whole if who.sites.is_none() && who.tenant.is_none() => {
            assert_ne!(answer.status, StatusCode::FORBIDDEN, "{told}");
        }
        About::Whole => {
            assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "whole-fleet"), "{told}");
            assert!(!answer.json()["hint"].as_str().unwrap().is_empty(), "{told}");
        }
        About::Nothing | About::Stream => assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{told}"),
    }
}

#[tokio::test]
async fn everyone_gets_what_their_role_site_and_tenant_allow_and_nothing_else() {
    let rig = Rig::new().await;
    let server = rig.put(active(1, "ams", "ACME")).await;
    assert_eq!(server.id.as_str(), SERVER);
    let cases = cases();
    let mut asked = 0;
    for role in Role::ALL {
        for site in [None, Some("ams"), Some("fra")] {
            for tenant in [None, Some("ACME"), Some("OTHER")] {
                if role == Role::Tenant && tenant.is_none() {
                    // No such token can be made.
                    continue;
                }
                let token = rig.token(role, site, tenant).await;
                let who = Principal {
                    name: String::new(),
                    means: Means::Token,
                    roles: [role].into(),
                    sites: site.map(|site| [site.to_owned()].into()),
                    tenant: tenant.map(str::to_owned),
                };
                for case in &cases {
                    let answer = call(&rig, &token, case).await;
                    if needed(case) == Permission::Public {
                        assert!(
                            answer.status.as_u16() < 500 && answer.code() != "no-permission",
                            "{} {}: {answer:?}",
                            case.0,
                            case.2
                        );
                    } else {
                        check(case, &who, who.sees(&server), &answer);
                    }
                    asked += 1;
                }
            }
        }
    }
    assert_eq!(asked, 51 * cases.len());
    assert_eq!(rig.get(None, "/api/v1/servers/9440c9000001").await.json()["version"], 1, "nobody changed it");
}

#[tokio::test]
async fn a_lease_is_published_by_who_sees_its_server() {
    let rig = Rig::new().await;
    rig.put(active(1, "ams", "ACME")).await;
    rig.put(active(2, "fra", "ACME")).await;
    let (ams, all) = (rig.token(Role::Operator, Some("ams"), None).await, rig.token(Role::Operator, None, None).await);
    let lease = async |token: &str, mac: &str| {
        let body = json!({ "mac": mac, "ip": "10.9.9.9" });
        rig.post(Some(token), "/api/v1/leases", &body).await.status
    };
    for (mac, bound) in [
        ("94:40:c9:00:00:01", StatusCode::ACCEPTED),
        ("94:40:c9:00:00:02", StatusCode::NOT_FOUND),
        ("02:00:00:00:00:01", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(lease(&ams, mac).await, bound, "{mac}");
        assert_eq!(lease(&all, mac).await, StatusCode::ACCEPTED, "{mac}");
    }
}
