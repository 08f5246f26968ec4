//! The contract's Rust bindings, generated here once for every plugin.
//!
//! Promises: the types of the world `bmc-driver-plugin` and a public `export!` macro. Does not: bind the other
//! worlds: fleet tools have the crate `sdk-fleet`, and a plugin of another kind generates its own bindings until it has a second user.
//!
//! Not obvious: the folder of the contract is named relative to this crate, so plugins outside the workspace work.
#![allow(missing_docs, clippy::pedantic, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

wit_bindgen::generate!({
    path: "../../wit/since_v0.1.0",
    world: "bmc-driver-plugin",
    pub_export_macro: true,
    default_bindings_module: "farrier_plugin_sdk::bindings",
    additional_derives: [PartialEq],
});
