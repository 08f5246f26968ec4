//! The plugin contract is whole: every world of `wit/since_v0.1.0` resolves, and its bindings compile.
//!
//! Promises that no world is forgotten: the list of worlds compiled here is compared with the folder's.
//! It runs nothing; the SDK and the host do.

use std::path::Path;

use wit_parser::Resolve;

/// Compile the guest bindings of a world, and put its name on the list.
macro_rules! worlds {
    ($($module:ident = $world:literal),* $(,)?) => {
        $(
            #[allow(missing_docs, dead_code, unused_imports, clippy::all, clippy::pedantic, clippy::unwrap_used,
                clippy::expect_used, clippy::indexing_slicing, reason = "generated")]
            mod $module {
                wit_bindgen::generate!({ path: "../wit/since_v0.1.0", world: $world, generate_all });
            }
        )*
        const COMPILED: &[&str] = &[$($world),*];
    };
}

worlds! {
    bmc_driver = "bmc-driver-plugin",
    boot_provisioner = "boot-provisioner-plugin",
    fleet_manager = "fleet-manager-plugin",
    host = "host",
    imports = "imports",
    plugin = "plugin",
    ticketing = "ticketing-plugin",
    warranty = "warranty-plugin",
}

#[test]
fn every_world_of_the_folder_is_compiled() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/since_v0.1.0");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(&folder).expect("the folder is one package that parses");
    let mut found: Vec<&str> = resolve.packages[package].worlds.keys().map(String::as_str).collect();
    found.sort_unstable();
    assert_eq!(found, COMPILED);
}
