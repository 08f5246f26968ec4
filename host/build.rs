//! Links a debug build of the `farrier` program at a fixed address.
//!
//! As a DHCP server's lease hook it is started for each lease, and position-independent code is relocated at each start. An unoptimised
//! build with wasmtime inside has 230,000 places to relocate, 3 ms of a budget of 5 (measured: 4.5 ms against 1.4 ms for one call), which
//! would drown what the tests measure. A release build has far fewer and keeps its random address.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    // Elsewhere (musl) the start files chosen by rustc do not fit a fixed address.
    if is("PROFILE", "debug") && is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo:rustc-link-arg-bin=farrier=-no-pie");
    }
}
