//! The way of a booting server through the files under `examples/`: each names what the next one serves.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::rig::Rig;

async fn get(rig: &Rig, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let answer = farrier::http::public(rig.parts.clone()).oneshot(request).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn the_example_of_network_boot_leads_to_each_servers_own_script() {
    let rig = Rig::new().await;
    let http = rig.parts.config.http.as_ref().expect("examples/farrier.toml has [http]");
    assert_eq!(http.public_url.port_or_known_default(), Some(http.listen.port()), "examples/farrier.toml");
    let base = http.public_url.as_str().trim_end_matches('/');

    let dnsmasq = include_str!("../../../examples/validation/dnsmasq.conf");
    let handed: Vec<&str> = dnsmasq.lines().filter_map(|line| line.strip_prefix("dhcp-boot=tag:ipxe,")).collect();
    assert_eq!(handed.len(), 1, "{handed:?}");
    let path = handed[0].strip_prefix(base).expect("dnsmasq.conf names the host of farrier.toml");
    let (status, script) = get(&rig, path).await;
    assert_eq!(status, StatusCode::OK, "{script}");
    assert!(script.starts_with("#!ipxe\n") && script.ends_with("||\nexit\n"), "{script}");

    let asked: Vec<&str> =
        script.lines().filter_map(|line| line.strip_prefix("chain --autofree ")?.strip_suffix(" ||")).collect();
    assert!(asked[0].ends_with("?mac=${netX/mac}") && asked.len() > 4, "the interface it booted from first: {asked:?}");
    for url in asked {
        let (before, _) = url.strip_prefix(base).expect("the same host").split_once("${").expect("iPXE fills in a MAC");
        let (status, said) = get(&rig, &format!("{before}88:e9:a4:00:00:01")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{said}");
        assert!(said.contains("no server with this MAC"), "served, and nothing waits for it: {said}");
    }
}
