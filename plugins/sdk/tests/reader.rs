//! The Redfish reader and writer against small trees made for it.
//!
//! Promises: paging, loops, dangling links, entity tags and origins behave as the module says, seen from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use farrier_plugin_sdk::redfish::{Etags, Redfish};
use farrier_plugin_sdk::serde_json::{Value, json};
use farrier_plugin_sdk::testing::{Answer, Replay};
use farrier_plugin_sdk::types::{Error, Method};

fn tree(resources: &[(&str, Value)]) -> Replay {
    Replay::of(resources.iter().map(|(path, value)| ((*path).to_owned(), value.clone())))
}

fn page(members: &[&str], next: Option<&str>) -> Value {
    let members: Vec<Value> = members.iter().map(|m| json!({ "@odata.id": m })).collect();
    json!({ "Members": members, "Members@odata.nextLink": next })
}

fn named(id: &str) -> Value {
    json!({ "@odata.id": format!("/redfish/v1/c/{id}"), "Id": id })
}

#[test]
fn collections_are_read_over_all_pages() {
    let replay = tree(&[
        ("/redfish/v1/c", page(&["/redfish/v1/c/1", "/redfish/v1/C/2/"], Some("https://bmc/redfish/v1/c?$skip=2"))),
        ("/redfish/v1/c?$skip=2", page(&["/redfish/v1/c/3"], None)),
        ("/redfish/v1/c/1", named("1")),
        ("/redfish/v1/c/2", named("2")),
        ("/redfish/v1/c/3", named("3")),
    ]);
    let redfish = Redfish::new(&replay);
    let members = redfish.members(Some("/redfish/v1/c")).unwrap();
    let ids: Vec<_> = members.iter().map(|m| m["Id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["1", "2", "3"]);
    assert_eq!(replay.reads(), 5);
    redfish.members(Some("/redfish/v1/C/")).unwrap();
    assert_eq!(replay.reads(), 5, "read once in a call, however it is spelt");
}

#[test]
fn pages_that_lead_in_a_circle_end() {
    let replay = tree(&[
        ("/redfish/v1/c", page(&["/redfish/v1/c/1"], Some("/redfish/v1/c?$skip=1"))),
        ("/redfish/v1/c?$skip=1", page(&["/redfish/v1/c/1"], Some("/redfish/v1/c?$skip=1"))),
        ("/redfish/v1/c/1", named("1")),
    ]);
    assert_eq!(Redfish::new(&replay).members(Some("/redfish/v1/c")).unwrap().len(), 2);
}

#[test]
fn a_member_that_is_not_there_is_counted_and_a_refusal_ends_the_call() {
    let replay = tree(&[
        ("/redfish/v1/c", page(&["/redfish/v1/c/1", "/redfish/v1/c/2"], None)),
        ("/redfish/v1/c/1", named("1")),
    ]);
    let redfish = Redfish::new(&replay);
    assert_eq!(redfish.members(Some("/redfish/v1/c")).unwrap().len(), 1);
    assert_eq!(redfish.missing(), 1);
    assert_eq!(redfish.members(None).unwrap().len(), 0);
    let outside = Redfish::new(&replay).get("/cgi-bin/login");
    assert!(matches!(outside, Err(Error::Malformed(_))), "{outside:?}");
}

#[test]
fn null_members_are_no_members() {
    let replay = tree(&[("/redfish/v1/c", json!({ "Members": null }))]);
    assert_eq!(Redfish::new(&replay).members(Some("/redfish/v1/c")).unwrap().len(), 0);
}

#[test]
fn after_412_the_strong_form_is_tried_and_then_none() {
    let replay = tree(&[("/redfish/v1/x", json!({ "@odata.etag": "W/\"1\"" }))]);
    replay.answer("/redfish/v1/x", Answer::Say(412, json!({})));
    let error = Redfish::new(&replay).patch("/redfish/v1/x", &json!({ "A": 1 }), Etags::Own).unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error:?}");
    let sent: Vec<_> = replay.writes().into_iter().map(|w| w.if_match).collect();
    assert_eq!(sent, [Some("W/\"1\"".to_owned()), Some("\"1\"".to_owned()), None]);
    for (etags, expected) in [(Etags::Any, Some("*".to_owned())), (Etags::Never, None)] {
        let _ = Redfish::new(&replay).patch("/redfish/v1/x", &json!({ "A": 1 }), etags);
        let sent: Vec<_> = replay.writes().into_iter().map(|w| w.if_match).collect();
        assert_eq!(sent, [expected]);
    }
}

#[test]
fn a_write_forgets_what_was_read() {
    let replay = tree(&[("/redfish/v1/x", json!({ "A": 1 }))]);
    let redfish = Redfish::new(&replay);
    assert_eq!(redfish.get("/redfish/v1/x").unwrap()["A"], 1);
    redfish.patch("/redfish/v1/x", &json!({ "A": 2 }), Etags::Own).unwrap();
    assert_eq!(redfish.get("/redfish/v1/x").unwrap()["A"], 2);
}

#[test]
fn an_action_goes_to_its_own_target_with_a_body() {
    let target = "/redfish/v1/x/Actions/Bios.ChangePasswords/";
    let replay = tree(&[]);
    let resource = json!({ "Actions": { "#Bios.ChangePassword": { "target": target } } });
    Redfish::new(&replay).act(&resource, "#Bios.ChangePassword", &Value::Null).unwrap();
    let writes = replay.writes();
    assert_eq!((writes[0].method, writes[0].path.as_str(), &writes[0].body), (Method::Post, target, &json!({})));
    let none = Redfish::new(&replay).act(&resource, "#Bios.ResetBios", &Value::Null);
    assert!(matches!(none, Err(Error::Unsupported(_))), "{none:?}");
}
