//! What the whole-system tests share. It tests nothing itself, and knows the host only as a program.

pub mod dice;
pub mod netns;
pub mod seen;

use std::path::PathBuf;

use farrier_lab::estate::Estate;
use farrier_lab::rig::RigConfig;

/// Compiling the plugins costs seconds of every start: the tests' rigs share what is compiled, in the target folder.
///
/// # Panics
/// When this program does not know where it is.
#[allow(clippy::expect_used, reason = "a test has nothing to do without its own path")]
pub fn compiled() -> PathBuf {
    let exe = std::env::current_exe().expect("this test's own path");
    let target = exe.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target.map_or_else(std::env::temp_dir, |target| target.join("tmp")).join("farrier-e2e-compiled")
}

/// A rig for a test: as [`RigConfig::new`], with the compiled plugins of all tests.
pub fn config(estate: Estate) -> RigConfig {
    RigConfig { compiled: Some(compiled()), ..RigConfig::new(estate) }
}
