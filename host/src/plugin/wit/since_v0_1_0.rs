//! Host bindings of `wit/since_v0.1.0`, generated once and never edited after that version is released.
//!
//! Promises: the types and call stubs of the world `host`. Does not: decide anything. Interfaces are looked up one by one
//! through their `GuestIndices`, because no plugin exports them all.
#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::indexing_slicing, clippy::unwrap_used)]

wasmtime::component::bindgen!({
    path: "../wit/since_v0.1.0",
    world: "host",
    imports: {
        "farrier:provisioning/http.send": async,
        "farrier:provisioning/http.send-many": async,
        "farrier:provisioning/kv.get": async,
        "farrier:provisioning/kv.set": async,
        "farrier:provisioning/kv.delete": async,
    },
    exports: { default: async },
    additional_derives: [PartialEq, serde::Serialize, serde::Deserialize],
});
