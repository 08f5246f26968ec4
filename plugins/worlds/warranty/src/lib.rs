//! Bindings of the world `warranty-plugin`, and the macro that exports a plugin of it.
//!
//! Promises: what this world shares with the others (errors, jobs, HTTP) are the SDK's types. Does not: hold logic.
//!
//! Not obvious: each world has a crate of its own, because exported macros of two worlds would have the same names.
#![allow(missing_docs, clippy::pedantic, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

wit_bindgen::generate!({
    path: "../../../wit/since_v0.1.0",
    world: "warranty-plugin",
    pub_export_macro: true,
    default_bindings_module: "farrier_world_warranty",
    additional_derives: [PartialEq],
    with: {
        "farrier:provisioning/types@0.1.0": farrier_plugin_sdk::bindings::farrier::provisioning::types,
        "farrier:provisioning/http@0.1.0": farrier_plugin_sdk::bindings::farrier::provisioning::http,
        "farrier:provisioning/clock@0.1.0": farrier_plugin_sdk::bindings::farrier::provisioning::clock,
        "farrier:provisioning/kv@0.1.0": farrier_plugin_sdk::bindings::farrier::provisioning::kv,
        "farrier:provisioning/log@0.1.0": farrier_plugin_sdk::bindings::farrier::provisioning::log,
        "farrier:provisioning/progress@0.1.0": farrier_plugin_sdk::bindings::farrier::provisioning::progress,
    },
});
