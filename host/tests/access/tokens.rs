//! Tokens over a real listener: what serves, what does not, and what each is refused with.

use std::collections::BTreeSet;

use super::support::{Site, bearer, new_token, now};
use farrier::access::{NewToken, Principal, Role};
use farrier_lifecycle::Timestamp;
use serde_json::json;

#[tokio::test]
async fn a_token_serves_until_it_is_revoked() {
    let site = Site::start().await;
    let (id, token) = site.make(&new_token("ci", &[Role::Operator])).await;
    let me = site.get("/test/me", &[("authorization", &bearer(&token))]).await;
    assert_eq!(
        (me.status, &me.json()["who"]["name"], &me.json()["who"]["means"]),
        (200, &json!("token:ci"), &json!("token"))
    );
    assert_eq!(site.post("/test/change", &[("authorization", &bearer(&token))], json!({})).await.status, 200);

    let root = site.token("root", &[Role::Admin]).await;
    let revoked = site.ask("DELETE", &format!("/api/v1/tokens/{id}"), &[("authorization", &bearer(&root))], None).await;
    assert_eq!(revoked.status, 204);
    let after = site.get("/test/me", &[("authorization", &bearer(&token))]).await;
    assert_eq!((after.status, after.code().as_str()), (401, "wrong-token"));
    let again = site.ask("DELETE", &format!("/api/v1/tokens/{id}"), &[("authorization", &bearer(&root))], None).await;
    assert_eq!((again.status, again.code().as_str()), (404, "no-token"));
}

#[tokio::test]
async fn what_is_no_token_is_refused_with_the_same_words() {
    let site = Site::start().await;
    let (id, token) = site.make(&new_token("ci", &[Role::Admin])).await;
    let year_ago = Timestamp(now().0 - 366 * 86_400_000);
    let old = NewToken { seconds: Some(3_600), ..new_token("old", &[Role::Admin]) };
    let (_, expired) = site.auth.tokens.create(&old, &Principal::local("root"), year_ago).await.unwrap();
    let (head, last) = token.split_at(token.len() - 1);
    let other = if last == "0" { "1" } else { "0" };
    let wrong = [
        format!("Bearer {head}{other}"),
        format!("Bearer far_{id}_{}", "0".repeat(64)),
        format!("Bearer far_{}_{}", "0".repeat(12), "0".repeat(64)),
        format!("Bearer {}", expired.expose()),
        format!("Bearer {token}x"),
        format!("Bearer {}", token.to_uppercase()),
        format!("Basic {token}"),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Bearer far__".to_owned(),
        token.clone(),
    ];
    let mut bodies = BTreeSet::new();
    for value in &wrong {
        let answer = site.get("/test/me", &[("authorization", value)]).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "wrong-token"), "{value}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
        bodies.insert(answer.body);
    }
    assert_eq!(bodies.len(), 1, "an answer tells one wrong token from another: {bodies:?}");
    let none = site.get("/test/me", &[]).await;
    assert_eq!((none.status, none.code().as_str()), (401, "not-signed-in"));
}

#[tokio::test]
async fn a_wrong_token_is_not_saved_by_a_session_beside_it() {
    let site = Site::start().await;
    let token = site.token("ana", &[Role::Viewer]).await;
    let (cookie, _) = site.sign_in(&token).await;
    assert_eq!(site.get("/test/me", &[("cookie", &cookie)]).await.status, 200);
    let both = site.get("/test/me", &[("cookie", &cookie), ("authorization", "Bearer far_x_y")]).await;
    assert_eq!(both.status, 401);
}

#[tokio::test]
async fn a_role_allows_what_it_allows() {
    let site = Site::start().await;
    for role in Role::ALL {
        let new = NewToken { tenant: Some("acme".to_owned()), ..new_token(role.as_str(), &[role]) };
        let (_, token) = site.make(&new).await;
        let headers = [("authorization", &*bearer(&token))];
        assert_eq!(site.get("/test/servers", &headers).await.status, 200, "{role}");
        let change = site.post("/test/change", &headers, json!({})).await;
        if matches!(role, Role::Operator | Role::Admin) {
            assert_eq!(change.status, 200, "{role}");
        } else {
            assert_eq!((change.status, change.code().as_str()), (403, "no-permission"), "{role}");
            assert!(change.json()["hint"].as_str().unwrap().contains("operator, admin"), "{change:?}");
        }
        let tokens = site.get("/api/v1/tokens", &headers).await;
        assert_eq!(tokens.status, if role == Role::Admin { 200 } else { 403 }, "{role}");
    }
}

#[tokio::test]
async fn what_is_not_in_the_table_is_refused_to_everyone() {
    let site = Site::start().await;
    let admin = bearer(&site.token("root", &[Role::Admin]).await);
    let headers = [("authorization", &*admin)];
    let forgotten = site.get("/api/v1/forgotten", &headers).await;
    assert_eq!((forgotten.status, forgotten.code().as_str()), (403, "no-permission"));
    let nothing = site.get("/api/v1/nothing", &headers).await;
    assert_eq!((nothing.status, nothing.code().as_str()), (404, "no-route"));
    let method = site.ask("PUT", "/test/change", &headers, None).await;
    assert_eq!((method.status, method.code().as_str(), method.header("allow")), (405, "no-method", "POST"));
    assert_eq!(site.ask("HEAD", "/test/me", &headers, None).await.status, 200);
    assert_eq!(site.ask("HEAD", "/test/me", &[], None).await.status, 401);
}

#[tokio::test]
async fn nobody_makes_or_sees_a_token_that_sees_more_than_they_do() {
    let site = Site::start().await;
    let ams = NewToken { sites: Some(BTreeSet::from(["ams".to_owned()])), ..new_token("ams-admin", &[Role::Admin]) };
    let headers_of = |token: &str| vec![("authorization".to_owned(), bearer(token))];
    let headers = headers_of(&site.make(&ams).await.1);
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let everywhere = site.make(&new_token("everywhere", &[Role::Viewer])).await.0;

    for wider in [
        json!({ "name": "a", "roles": ["viewer"] }),
        json!({ "name": "a", "roles": ["viewer"], "sites": ["ams", "fra"] }),
        json!({ "name": "a", "roles": ["viewer"], "sites": ["fra"] }),
    ] {
        let refused = site.post("/api/v1/tokens", &headers, wider.clone()).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "wider"), "{wider}");
    }
    let own =
        site.post("/api/v1/tokens", &headers, json!({ "name": "a", "roles": ["viewer"], "sites": ["ams"] })).await;
    assert_eq!(own.status, 201, "{own:?}");
    let listed = site.get("/api/v1/tokens", &headers).await.json();
    let names: Vec<_> = listed["items"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ams-admin", "a"]);
    let refused = site.ask("DELETE", &format!("/api/v1/tokens/{everywhere}"), &headers, None).await;
    assert_eq!(refused.status, 404);
}

#[tokio::test]
async fn a_token_that_cannot_be_is_not_made() {
    let site = Site::start().await;
    let admin = bearer(&site.token("root", &[Role::Admin]).await);
    let headers = [("authorization", &*admin)];
    for (wrong, field) in [
        (json!({ "name": "", "roles": ["viewer"] }), "name"),
        (json!({ "name": "a\nb", "roles": ["viewer"] }), "name"),
        (json!({ "name": "x".repeat(65), "roles": ["viewer"] }), "name"),
        (json!({ "name": "root", "roles": ["viewer"] }), "name"),
        (json!({ "name": "a", "roles": [] }), "roles"),
        (json!({ "name": "a", "roles": ["tenant"] }), "tenant"),
        (json!({ "name": "a", "roles": ["viewer"], "sites": [] }), "sites"),
        (json!({ "name": "a", "roles": ["viewer"], "seconds": 0 }), "seconds"),
        (json!({ "name": "a", "roles": ["viewer"], "seconds": 367 * 86_400 }), "seconds"),
    ] {
        let answer = site.post("/api/v1/tokens", &headers, wrong.clone()).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid-input"), "{wrong}");
        assert_eq!(answer.json()["errors"][0]["field"], field, "{wrong}");
    }
    for wrong in [
        json!({ "name": "a", "roles": ["root"] }),
        json!({ "name": "a" }),
        json!({ "name": "a", "roles": ["viewer"], "x": 1 }),
    ] {
        let answer = site.post("/api/v1/tokens", &headers, wrong.clone()).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid-input"), "{wrong}");
    }
}

#[tokio::test]
async fn the_secret_is_shown_once_and_kept_nowhere() {
    let site = Site::start().await;
    let admin = bearer(&site.token("root", &[Role::Admin]).await);
    let headers = [("authorization", &*admin)];
    let made = site.post("/api/v1/tokens", &headers, json!({ "name": "ci", "roles": ["viewer"] })).await;
    assert_eq!(made.status, 201);
    let token = made.json()["secret"].as_str().unwrap().to_owned();
    let secret = token.rsplit('_').next().unwrap().to_owned();
    assert_eq!((secret.len(), token.len()), (64, 64 + 12 + 5));
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(made.header("location"), format!("/api/v1/tokens/{id}"));
    assert_eq!(site.get("/test/me", &[("authorization", &bearer(&token))]).await.status, 200);
    let (cookie, _) = site.sign_in(&token).await;

    let listed = site.get("/api/v1/tokens", &headers).await;
    assert!(!listed.body.contains(&secret));
    let used = &listed.json()["items"][1];
    assert_eq!(used["name"], "ci");
    assert!(used["last_used"].is_string(), "{used}");
    let session = cookie.split_once('=').unwrap().1.to_owned();
    let mut kept = 0;
    for (key, _) in site.bus.keys("").await.unwrap() {
        let value = site.bus.get(&key).await.unwrap().unwrap_or_default();
        let text = format!("{key} {}", String::from_utf8_lossy(&value));
        assert!(!text.contains(&secret) && !text.contains(&session), "{text}");
        kept += 1;
    }
    assert!(kept >= 5, "tokens, last uses and a session were looked at: {kept}");
    for entry in site.audits().await {
        assert!(!entry.to_string().contains(&secret), "{entry}");
    }
}

#[tokio::test]
async fn decisions_are_in_the_log_and_a_flood_of_refusals_is_a_number() {
    let site = Site::start().await;
    let admin = bearer(&site.token("root", &[Role::Admin]).await);
    let made =
        site.post("/api/v1/tokens", &[("authorization", &admin)], json!({ "name": "ci", "roles": ["viewer"] })).await;
    let ci = bearer(made.json()["secret"].as_str().unwrap());
    for _ in 0..30 {
        assert_eq!(site.post("/test/change", &[("authorization", &ci)], json!({})).await.status, 403);
    }
    assert_eq!(site.post("/test/change", &[("authorization", &admin)], json!({})).await.status, 200);
    let found = site.audits().await;
    let of = |what: &str, who: &str| found.iter().filter(|one| one["what"] == what && one["who"] == who).count();
    assert_eq!(of("token-made", "token:root"), 1, "{found:#?}");
    let refused: Vec<_> = found.iter().filter(|one| one["result"] == "no-permission").collect();
    assert_eq!(refused.len(), 1, "the first of the minute is written, the rest counted: {refused:#?}");
    assert_eq!((&refused[0]["who"], &refused[0]["target"]), (&json!("token:ci"), &json!("/test/change")));
    assert_eq!(refused[0]["from"], "127.0.0.1");
    let done = found.iter().find(|one| one["result"] == "ok" && one["what"] == "POST").unwrap();
    assert_eq!((&done["who"], &done["target"]), (&json!("token:root"), &json!("/test/change")));
}
