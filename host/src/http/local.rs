//! The unix socket in `state_dir`, which only this user can open: whoever can, runs the host.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use axum::Router;
use tokio_util::sync::CancellationToken;

use super::serve::{Patience, unix};

/// The socket's name in `state_dir`.
pub const SOCKET: &str = "farrier.sock";
/// Connections to it at once.
const CONNECTIONS: usize = 64;

/// Serve until `shutdown`. A socket left by a host that died is replaced; a living host was found before, by the lock of `state_dir`.
pub async fn serve(state_dir: &Path, routes: Router, shutdown: CancellationToken) -> std::io::Result<()> {
    let path = state_dir.join(SOCKET);
    let _ = std::fs::remove_file(&path);
    let listener = tokio::net::UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    unix(listener, routes, Patience::new(CONNECTIONS), shutdown).await;
    let _ = std::fs::remove_file(&path);
    Ok(())
}
