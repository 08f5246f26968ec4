//! Browsers' sessions and sign-in links over a real listener.

use super::support::{Site, new_token, now};
use farrier::access::{Principal, Role, Tokens};
use farrier::config::Api;
use farrier::http::auth::{Links, Sessions};
use farrier::http::serve::Patience;
use farrier_lifecycle::Timestamp;
use serde_json::json;
use std::time::Duration;

async fn csrf_of(site: &Site, cookie: &str) -> String {
    let me = site.get("/test/me", &[("cookie", cookie)]).await;
    assert_eq!((me.status, &me.json()["who"]["means"]), (200, &json!("session")));
    me.json()["csrf"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_cookie_is_for_this_origin_and_no_script() {
    let site = Site::start().await;
    let token = site.token("ana", &[Role::Operator]).await;
    let (_, cookie) = site.sign_in(&token).await;
    let mut parts: Vec<_> = cookie.split("; ").collect();
    let pair = parts.remove(0);
    assert!(pair.starts_with("farrier_session=") && pair.len() == "farrier_session=".len() + 64, "{pair}");
    parts.sort_unstable();
    assert_eq!(parts, ["HttpOnly", "Max-Age=86400", "Path=/", "SameSite=Lax"]);
}

#[tokio::test]
async fn behind_a_proxy_the_scheme_it_names_makes_the_cookie_secure() {
    let site = Site::with(Api { behind_proxy: true, ..Api::default() }, Patience::new(16)).await;
    let token = site.token("ana", &[Role::Operator]).await;
    let https = [("x-forwarded-proto", "https")];
    let answer = site.post("/auth/token", &https, json!({ "token": token })).await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-farrier_session=") && cookie.contains("; Secure"), "{cookie}");
    assert!(!answer.header("strict-transport-security").is_empty());
    let pair = cookie.split(';').next().unwrap();
    assert_eq!(site.get("/test/me", &[https[0], ("cookie", pair)]).await.status, 200);
    let plain = pair.trim_start_matches("__Host-");
    assert_eq!(
        site.get("/test/me", &[https[0], ("cookie", plain)]).await.status,
        401,
        "the bare name could be planted"
    );
    let direct = Site::start().await;
    let token = direct.token("ana", &[Role::Operator]).await;
    let answer = direct.post("/auth/token", &https, json!({ "token": token })).await;
    assert!(!answer.header("set-cookie").contains("Secure"), "nobody said that there is a proxy");
}

#[tokio::test]
async fn a_change_needs_the_proof_and_a_page_of_ours() {
    let site = Site::start().await;
    let (cookie, _) = site.sign_in(&site.token("ana", &[Role::Operator]).await).await;
    let csrf = csrf_of(&site, &cookie).await;
    let (other, _) = site.sign_in(&site.token("ben", &[Role::Operator]).await).await;
    let others = csrf_of(&site, &other).await;
    assert_ne!(csrf, others);
    let origin = site.url("");
    let same = ("sec-fetch-site", "same-origin");
    let own = ("origin", origin.as_str());
    let proof = ("x-farrier-csrf", csrf.as_str());
    let allowed: [&[(&str, &str)]; 3] = [&[proof, same], &[proof, own], &[proof, own, same]];
    let refused: [&[(&str, &str)]; 11] = [
        &[],
        &[proof],
        &[same],
        &[own, same],
        &[("x-farrier-csrf", &others), same],
        &[("x-farrier-csrf", ""), same],
        &[proof, ("sec-fetch-site", "cross-site")],
        &[proof, ("sec-fetch-site", "same-site")],
        &[proof, ("origin", "https://evil.org")],
        &[proof, ("origin", "null")],
        &[proof, own, ("sec-fetch-site", "cross-site")],
    ];
    for headers in allowed {
        let headers = [&[("cookie", cookie.as_str())], headers].concat();
        assert_eq!(site.post("/test/change", &headers, json!({})).await.status, 200, "{headers:?}");
    }
    for headers in refused {
        let headers = [&[("cookie", cookie.as_str())], headers].concat();
        let answer = site.post("/test/change", &headers, json!({})).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "csrf"), "{headers:?}");
        assert_eq!(site.get("/test/me", &headers).await.status, 200, "looking needs no proof: {headers:?}");
    }
    let elsewhere = [("origin", "https://evil.org")];
    let token = site.token("cyd", &[Role::Operator]).await;
    let sign_in = site.post("/auth/token", &elsewhere, json!({ "token": token })).await;
    assert_eq!((sign_in.status, sign_in.code().as_str()), (403, "csrf"), "nobody is signed in by another site's form");
}

#[tokio::test]
async fn a_sign_out_ends_it_and_a_sign_in_ends_the_one_before() {
    let site = Site::start().await;
    let token = site.token("ana", &[Role::Operator]).await;
    let (first, _) = site.sign_in(&token).await;
    let again = site.post("/auth/token", &[("cookie", &first)], json!({ "token": token })).await;
    let second = again.header("set-cookie").split(';').next().unwrap().to_owned();
    assert_ne!(first, second);
    let old = site.get("/test/me", &[("cookie", &first)]).await;
    assert_eq!(old.status, 401);
    assert!(old.header("set-cookie").starts_with("farrier_session=; "), "the browser is told to forget: {old:?}");

    let csrf = csrf_of(&site, &second).await;
    let headers = [("cookie", second.as_str()), ("x-farrier-csrf", &csrf), ("sec-fetch-site", "same-origin")];
    assert_eq!(site.post("/auth/sign-out", &headers[..1], json!({})).await.status, 403, "not by another site");
    let out = site.post("/auth/sign-out", &headers, json!({})).await;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(site.get("/test/me", &[("cookie", &second)]).await.status, 401);
    let found = site.audits().await;
    for what in ["sign-in", "sign-out"] {
        assert!(found.iter().any(|one| one["what"] == what && one["result"] == "ok"), "{what}: {found:#?}");
    }
}

#[tokio::test]
async fn a_session_ends_with_its_token_and_with_time() {
    let site = Site::start().await;
    let (id, token) = site.make(&new_token("ana", &[Role::Operator])).await;
    let (cookie, _) = site.sign_in(&token).await;
    site.auth.tokens.revoke(&id, &Principal::local("root")).await.unwrap();
    assert_eq!(site.get("/test/me", &[("cookie", &cookie)]).await.status, 401);

    let (idle, longest) = (Duration::from_hours(1), Duration::from_hours(3));
    let sessions = Sessions::new(site.bus.clone(), idle, longest);
    let tokens = Tokens::new(site.bus.clone());
    let began = now();
    let after = |minutes: u64| Timestamp(began.0 + minutes * 60_000);
    let root = Principal::local("root");
    let unused = sessions.begin(&root, None, began).await.unwrap();
    assert!(sessions.find(&unused, &tokens, after(59)).await.unwrap().is_some());
    let unused = sessions.begin(&root, None, began).await.unwrap();
    assert!(sessions.find(&unused, &tokens, after(60)).await.unwrap().is_none(), "an hour without a request");
    let used = sessions.begin(&root, None, began).await.unwrap();
    for minutes in [40, 80, 120, 160, 179] {
        assert!(sessions.find(&used, &tokens, after(minutes)).await.unwrap().is_some(), "{minutes}");
    }
    assert!(sessions.find(&used, &tokens, after(180)).await.unwrap().is_none(), "three hours in any case");
    assert!(sessions.find(&"0".repeat(64), &tokens, began).await.unwrap().is_none());
}

#[tokio::test]
async fn a_link_signs_in_once_however_many_open_it() {
    let site = Site::start().await;
    let link = site.auth.sign_in_link(&Principal::local("root")).await.unwrap();
    let path = link.url.split_once("8640").unwrap().1.to_owned();
    assert!(path.starts_with("/auth/link?code=") && path.len() == "/auth/link?code=".len() + 64, "{path}");
    for ahead in [("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch")] {
        assert_eq!(site.get(&path, &[ahead]).await.status, 403, "fetched ahead, not opened");
    }
    assert_eq!(site.ask("HEAD", &path, &[], None).await.status, 403);
    let (first, second, third) = tokio::join!(site.get(&path, &[]), site.get(&path, &[]), site.get(&path, &[]));
    let (mut good, bad): (Vec<_>, Vec<_>) = [first, second, third].into_iter().partition(|one| one.status == 303);
    assert_eq!((good.len(), bad.len()), (1, 2));
    assert!(bad.iter().all(|one| one.status == 401 && one.code() == "wrong-link"));
    let signed = good.remove(0);
    assert_eq!(signed.header("location"), "/");
    let cookie = signed.header("set-cookie").split(';').next().unwrap().to_owned();
    let me = site.get("/test/me", &[("cookie", &cookie)]).await.json();
    assert_eq!((&me["who"]["name"], &me["who"]["roles"]), (&json!("local:root"), &json!(["admin"])));
    let page = site.get(&path, &[("accept", "text/html")]).await;
    assert!(page.status == 401 && page.header("content-type").starts_with("text/html"), "{page:?}");
}

#[tokio::test]
async fn a_link_is_good_for_a_quarter_of_an_hour() {
    let site = Site::start().await;
    let links = Links::new(site.bus.clone());
    let (root, began) = (Principal::local("root"), now());
    let code = links.make(&root, began).await.unwrap();
    assert!(links.take(&code, Timestamp(began.0 + 15 * 60_000)).await.unwrap().is_none());
    let code = links.make(&root, began).await.unwrap();
    assert_eq!(links.take(&code, Timestamp(began.0 + 14 * 60_000)).await.unwrap(), Some(root));
    assert!(links.take(&code, began).await.unwrap().is_none(), "used");
}

#[tokio::test]
async fn links_are_made_on_the_host_alone() {
    let site = Site::start().await;
    let admin = super::support::bearer(&site.token("root", &[Role::Admin]).await);
    let answer = site.post("/auth/links", &[("authorization", &admin)], json!(null)).await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "not-local"));
}

#[tokio::test]
async fn who_opens_a_page_is_led_to_sign_in() {
    let site = Site::start().await;
    let page = site.get("/page", &[("accept", "text/html,*/*")]).await;
    assert_eq!((page.status, page.header("location")), (303, "/sign-in"));
    assert_eq!(site.get("/page", &[("accept", "application/json")]).await.status, 401);
    let means = site.get("/auth/means", &[]).await;
    assert_eq!(means.json(), json!({ "token": true, "oidc": false, "oidc_name": null }));
}
