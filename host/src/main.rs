//! The `farrier` program: lease hook, shipper, host and command line in one binary.
//!
//! As a hook it must be done in about a millisecond, so that is decided by the file name before anything else is set up.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let argv0 = args.next().unwrap_or_default();
    let args: Vec<OsString> = args.collect();
    if let Some(code) = farrier::ingest::hook::run_if_hook(&argv0, &args, &|name| std::env::var_os(name)) {
        return code;
    }
    // One TLS provider for everything; an error means that it is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    farrier::cli::run()
}
