//! The Rust bindings of the world `fleet-manager-plugin`.
//!
//! Promises: the imports and their types are those of [`farrier_plugin_sdk::bindings`], so an error or a request is one type in every kind of
//! plugin. Does not: share the exported types; a job's state here is not the driver's.
//!
//! Not obvious: which world a component has is decided by the `export!` it calls, not by the bindings linked into it.
#![allow(missing_docs, clippy::pedantic, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

wit_bindgen::generate!({
    path: "../../wit/since_v0.1.0",
    world: "fleet-manager-plugin",
    pub_export_macro: true,
    default_bindings_module: "farrier_plugin_sdk_fleet::bindings",
    additional_derives: [PartialEq],
    with: {
        "farrier:provisioning/types@0.1.0": farrier_plugin_sdk::bindings::farrier::provisioning::types,
        "farrier:provisioning/http@0.1.0": farrier_plugin_sdk::bindings::farrier::provisioning::http,
        "farrier:provisioning/log@0.1.0": farrier_plugin_sdk::bindings::farrier::provisioning::log,
        "farrier:provisioning/kv@0.1.0": farrier_plugin_sdk::bindings::farrier::provisioning::kv,
        "farrier:provisioning/clock@0.1.0": farrier_plugin_sdk::bindings::farrier::provisioning::clock,
        "farrier:provisioning/progress@0.1.0": farrier_plugin_sdk::bindings::farrier::provisioning::progress,
    },
});
