//! The embedded inventory: what a file says is found, and what is wrong with one is said at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::path::Path;

use farrier::config::Config;
use farrier::inventory::{FileError, FileInventory, Found, Heights, Inventory as _, Problem, parse};
use farrier::netbox;
use farrier_lifecycle::{Blame, Mac, Retry};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/estate");

fn mac(text: &str) -> Mac {
    text.parse().unwrap()
}

fn problems(text: &str) -> Vec<Problem> {
    match parse(Path::new("inventory.toml"), text, false) {
        Err(FileError::Problems { problems, .. }) => problems,
        other => panic!("no problems: {other:?}"),
    }
}

#[tokio::test]
async fn the_example_is_found_with_its_cables() {
    let path = Path::new(EXAMPLES).join("five-sites.toml");
    let inventory = FileInventory::open(&path).unwrap();
    for spelling in ["A0:36:9F:01:00:00", "a0369f010000", "a0:36:9f:1:0:0"] {
        let Found::Server(found) = inventory.find(mac(spelling)).await.unwrap() else { panic!("{spelling}") };
        assert_eq!(
            (found.name.as_str(), found.id.as_str(), found.site.as_deref()),
            ("AMS-SRV-001", "AMS-SRV-001", Some("ams"))
        );
        assert_eq!(found.rack, Some(("A01".to_owned(), Some(10))));
        assert_eq!(inventory.heights(&found).await.unwrap(), Heights { server: Some(2), rack: Some(42) });
        assert_eq!(found.nics[0].mac, Some(mac("88:e9:a4:01:01:00")));
        assert_eq!(found.nics[1].cable, Some(("ams-a01-tor-b".to_owned(), "Ethernet1".to_owned())));
    }
    let nic = inventory.find(mac("88:e9:a4:01:01:00")).await.unwrap();
    assert_eq!(nic, Found::NotController { device: "AMS-SRV-001".to_owned(), interface: "ens1f0".to_owned() });
    assert_eq!(inventory.find(mac("02:00:00:00:00:01")).await.unwrap(), Found::Unknown);
    assert_eq!(inventory.check().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn the_pocs_csv_says_the_same_macs_and_what_it_does_not_say() {
    let path = Path::new(EXAMPLES).join("five-sites.csv");
    let mut config = Config::default();
    config.inventory = Some(farrier::config::Inventory { file: path });
    let inventory = netbox::open(&config).unwrap();
    let Found::Server(found) = inventory.find(mac("a0:36:9f:01:00:00")).await.unwrap() else { panic!() };
    assert_eq!((found.name.as_str(), found.site.as_deref(), found.model), ("AMS-SRV-001", Some("amsterdam"), None));
    assert_eq!(found.nics.len(), 2);
    let lines = inventory.check().await.unwrap();
    assert!(lines[0].contains("10 of 10 servers"), "{lines:?}");
}

#[test]
fn every_problem_is_named_with_its_line() {
    let found = problems(
        r#"
[[site]]
name = "Amsterdam"
slug = "ams"

[[rack]]
name = "A01"
site = "ams"
units = 42

[[switch]]
name = "tor"
site = "ams"
rack = "A01"
unit = 41
ports = ["Ethernet1"]

[[server]]
name = "one"
site = "Amsterdam"
rack = "A01"
unit = 10
bmc_mac = "94:40:c9:00:00:01"
[[server.interface]]
name = "ens1f0"
mac = "88:e9:a4:00:00:01"
cable = { device = "tor", port = "Ethernet1" }

[[server]]
name = "two"
site = "fra"
rack = "A01"
unit = 10
bmc_mac = "9440.c900.0001"
[[server.interface]]
name = "ens1f0"
mac = "zz"
cable = { device = "tor", port = "Ethernet1" }
[[server.interface]]
name = "ens1f1"
cable = { device = "tor", port = "Ethernet9" }
[[server.interface]]
name = "ens1f2"
cable = { device = "nowhere", port = "Ethernet1" }

[[server]]
name = "two"
site = "ams"
bmc_mac = "01:00:5e:00:00:01"
colour = "red"

[[servers]]
name = "three"

[[prefix]]
prefix = "10.0.0.1/24"
"#,
    );
    let said: Vec<String> = found.iter().map(ToString::to_string).collect();
    for expected in [
        "server two: site: no site is called `fra`",
        "server two: bmc_mac: `94:40:c9:00:00:01` is taken by server one: bmc_mac",
        "server two: interface ens1f0: mac: `zz` is not a unicast MAC address",
        "server two: interface ens1f0: cable: `Ethernet1` of `tor` is taken by server one: interface ens1f0: cable",
        "server two: interface ens1f1: cable: `tor` has no port `Ethernet9`",
        "server two: interface ens1f2: cable: no switch is called `nowhere`",
        "colour",
        "servers: no such table",
        "prefix: `10.0.0.1/24` is not a network",
    ] {
        assert!(said.iter().any(|line| line.contains(expected)), "{expected} in {said:#?}");
    }
    assert!(found.iter().all(|problem| problem.line > 1), "{said:#?}");
    let unknown = found.iter().find(|problem| problem.at == "servers").unwrap();
    assert_eq!(unknown.line, 52);
    assert!(said.iter().filter(|line| line.contains("hint: ")).count() >= 4);
}

#[test]
fn what_is_two_units_high_has_both_for_itself() {
    let place = |name: &str, unit: u32, units: u32, mac: u32| {
        format!(
            "[[server]]\nname = \"{name}\"\nsite = \"a\"\nrack = \"R\"\nunit = {unit}\nunits = {units}\n\
             bmc_mac = \"94:40:c9:00:00:0{mac}\"\n"
        )
    };
    let head = "[[site]]\nname = \"a\"\n[[rack]]\nname = \"R\"\nsite = \"a\"\nunits = 24\n";
    let sound = format!("{head}{}{}{}", place("one", 1, 2, 1), place("two", 3, 1, 2), place("top", 23, 2, 3));
    parse(Path::new("inventory.toml"), &sound, false).unwrap();
    let rest = [place("one", 1, 2, 1), place("two", 2, 1, 2), place("top", 24, 2, 3), place("flat", 9, 0, 4)].concat();
    let said: Vec<String> = problems(&format!("{head}{rest}")).iter().map(ToString::to_string).collect();
    for expected in [
        "device two: unit: unit 2 of rack `R` is `one`'s",
        "server top: unit: unit 25 is not in a rack of 24 units",
        "device flat: units: must be at least 1",
    ] {
        assert!(said.iter().any(|line| line.contains(expected)), "{expected} in {said:#?}");
    }
    assert_eq!(said.len(), 3, "{said:#?}");
}

#[test]
fn a_csv_has_problems_with_lines_too() {
    let text = "Datacenter,Rack,Server,Interface,MAC Address,Type,Description\n\
                East,R1,E-1,bmc,94:40:c9:00:00:01,,\n\
                East,R1,E-2,bmc,94:40:c9:00:00:01,,\n\
                East,R1,E-3,ens1f0,88:e9:a4:00:00:01,,\n\
                ,R1,E-4,bmc,88:e9:a4:00:00:09,,\n";
    let Err(FileError::Problems { problems, .. }) = parse(Path::new("x.csv"), text, true) else { panic!() };
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(
        said.iter().any(|line| line.starts_with("line 3: server E-2: bmc_mac: `94:40:c9:00:00:01` is taken")),
        "{said:#?}"
    );
    assert!(said.iter().any(|line| line.starts_with("line 4: server E-3: bmc_mac: is empty")), "{said:#?}");
    assert!(said.iter().any(|line| line.starts_with("line 5: Datacenter: is empty")), "{said:#?}");
    let Err(FileError::Problems { problems, .. }) = parse(Path::new("x.csv"), "a,b\n1,2\n", true) else { panic!() };
    assert!(problems[0].text.contains("Datacenter, Server, Interface, MAC Address"), "{problems:?}");
}

#[tokio::test]
async fn an_edit_counts_from_the_next_look_and_a_broken_one_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inventory.toml");
    let file =
        |mac: &str| format!("[[site]]\nname = \"A\"\n[[server]]\nname = \"one\"\nsite = \"A\"\nbmc_mac = \"{mac}\"\n");
    std::fs::write(&path, file("94:40:c9:00:00:01")).unwrap();
    let inventory = FileInventory::open(&path).unwrap();
    assert!(matches!(inventory.find(mac("94:40:c9:00:00:01")).await.unwrap(), Found::Server(_)));
    std::fs::write(&path, file("94:40:c9:00:00:02") + "# longer\n").unwrap();
    assert!(matches!(inventory.find(mac("94:40:c9:00:00:02")).await.unwrap(), Found::Server(_)));
    assert_eq!(inventory.find(mac("94:40:c9:00:00:01")).await.unwrap(), Found::Unknown);
    std::fs::write(&path, file("nonsense")).unwrap();
    let fault = inventory.find(mac("94:40:c9:00:00:02")).await.unwrap_err();
    assert_eq!((fault.code.as_str(), fault.retry, fault.blame), ("inventory-invalid", Retry::Slowly, Blame::Operator));
    assert!(fault.text.contains("line 3"), "{fault}");
}
