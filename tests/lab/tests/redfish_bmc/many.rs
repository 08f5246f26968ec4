//! Many controllers in one process.

use farrier_lab::ledger::Ledger;
use farrier_lab::redfish::{BmcConfig, start};

use crate::client::{ALL, Client};

#[tokio::test]
async fn many_controllers_share_a_process_and_keep_apart() {
    let count: usize = std::env::var("FARRIER_LAB_MANY").ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    let ledger = Ledger::default();
    let begin = std::time::Instant::now();
    let mut all = Vec::new();
    for (n, kind) in ALL.into_iter().cycle().take(count).enumerate() {
        let mut config = BmcConfig::new(&format!("LAB-SRV-{n:04}"), kind);
        config.serial = format!("SN{n:05}");
        config.seed = n as u64;
        all.push(start(config, ledger.clone(), None).await.unwrap());
    }
    println!("started {count} in {:?}; {}", begin.elapsed(), memory());
    let mut uuids = std::collections::BTreeSet::new();
    for bmc in all.iter().take(20) {
        let mut client = Client::new(&bmc.url());
        client.login(&bmc.config().username, &bmc.config().password).await;
        let systems = client.get("/redfish/v1/Systems").await.body;
        let system = client.get(systems["Members"][0]["@odata.id"].as_str().unwrap()).await.body;
        assert!(system.to_string().contains(&bmc.config().serial));
        uuids.insert(system["UUID"].as_str().unwrap().to_owned());
    }
    // Supermicro's UUID follows from the controller's MAC, which is the same here.
    assert_eq!(uuids.len(), 17);
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("memory unknown").to_owned()
}
