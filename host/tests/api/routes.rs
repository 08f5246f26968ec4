//! The table of routes, the router and the description say the same.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use farrier::http::api::{ROUTES, document};
use serde_json::Value;

use crate::rig::Rig;

fn described() -> BTreeSet<(String, String)> {
    let document = serde_json::to_value(document()).unwrap();
    let mut all = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            all.insert((method.to_uppercase(), path.clone()));
        }
    }
    all
}

#[test]
fn the_table_and_the_description_have_the_same_routes() {
    let api = |path: &&str| path.starts_with("/api/") || *path == "/metrics";
    let table: BTreeSet<_> = ROUTES
        .iter()
        .filter(|(_, path, _)| api(path))
        .map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()))
        .collect();
    let described = described();
    assert_eq!(table.difference(&described).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "not described");
    assert_eq!(described.difference(&table).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "not in the table");
    let once: BTreeSet<_> = ROUTES.iter().map(|(method, path, _)| (method, path)).collect();
    assert_eq!(once.len(), ROUTES.len(), "a route stands twice");
}

#[test]
fn every_route_has_its_place_in_the_reference() {
    let document = serde_json::to_value(document()).unwrap();
    let tags: BTreeSet<&str> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let tag = operation["tags"][0].as_str().unwrap();
            assert!(tags.contains(tag), "{method} {path} is under `{tag}`, which the reference does not print");
        }
    }
}

#[test]
fn the_paths_of_the_old_dashboard_are_in_the_guide_for_those_who_used_it() {
    let guide = include_str!("../../../docs/guides/from-the-python-poc.md");
    let old: Vec<_> = ROUTES.iter().map(|(_, path, _)| *path).filter(|path| path.starts_with("/api/")).collect();
    let old: Vec<_> = old.into_iter().filter(|path| !path.starts_with("/api/v1/")).collect();
    assert_eq!(old.len(), 4, "{old:?}");
    for path in old {
        let row = format!("| `{}` |", path.replace('{', "<").replace('}', ">"));
        assert!(guide.contains(&row), "{row}");
    }
}

#[test]
fn every_reference_of_the_description_leads_somewhere() {
    fn walk(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    match value {
                        Value::String(text) if key == "$ref" => {
                            found.insert(text.clone());
                        }
                        _ => walk(value, found),
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let document = serde_json::to_value(document()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = BTreeSet::new();
    walk(&document, &mut found);
    assert!(found.len() > 20, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn every_operation_says_what_it_answers_and_has_a_summary() {
    let document = serde_json::to_value(document()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.keys().any(|status| status.starts_with('2')), "{method} {path}: no success");
            assert!(answers.contains_key("503"), "{method} {path}");
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}: no summary");
            for (status, answer) in answers.iter().filter(|(status, _)| status.as_str() >= "400") {
                let kinds = answer["content"].as_object().map(|kinds| kinds.keys().cloned().collect::<Vec<_>>());
                assert_eq!(kinds.unwrap_or_default(), ["application/problem+json"], "{method} {path} {status}");
            }
        }
    }
}

/// A path with something for each of its parts.
fn concrete(path: &str) -> String {
    path.replace("{name}", "nobody").replace("{id}", "0").replace("{version}", "x").replace("{file}", "farrier.css")
}

#[tokio::test]
async fn every_route_of_the_table_is_served_and_no_other() {
    let rig = Rig::new().await;
    for (method, path, _) in ROUTES {
        let request = Request::builder().method(*method).uri(concrete(path)).header("content-type", "application/json");
        let answer = rig.send(None, request, Body::from("{}")).await;
        let status = answer.status();
        assert!(status != StatusCode::METHOD_NOT_ALLOWED && status.as_u16() != 500, "{method} {path}: {status}");
        let code = answer.extensions().get::<farrier::http::problem::Refused>().map(|refused| refused.0.to_string());
        assert_ne!(code.as_deref(), Some("no-route"), "{method} {path}");
    }
    let answer = rig.get(None, "/api/v1/nothing").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::NOT_FOUND, "application/problem+json"));
    let answer = rig.ask(None, Request::builder().method(Method::PUT).uri("/api/v1/servers"), Body::empty()).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn nobody_gets_in_without_a_credential() {
    let rig = Rig::new().await;
    for (method, path, permission) in ROUTES {
        if *permission == farrier::access::Permission::Public {
            continue;
        }
        let request = Request::builder().method(*method).uri(concrete(path)).header("content-type", "application/json");
        let answer = rig.ask(Some("far_none"), request, Body::from("{}")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}: {answer:?}");
    }
}
