//! Tells a service manager that waits for it (systemd, `Type=notify`) that the server is ready, and that it is
//! stopping. Where nobody waits, nothing happens.

#[cfg(unix)]
pub(super) fn tell(state: &str) {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let address = match name.as_bytes().strip_prefix(b"@") {
        #[cfg(target_os = "linux")]
        Some(name) => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name),
        _ => SocketAddr::from_pathname(&name),
    };
    let told = address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address));
    if let Err(error) = told {
        tracing::warn!(state, %error, "could not tell the service manager (NOTIFY_SOCKET)");
    }
}

#[cfg(not(unix))]
pub(super) fn tell(_: &str) {}

/// Clients are answered from now on.
pub(super) const READY: &str = "READY=1";

/// No new clients from now on.
pub(super) const STOPPING: &str = "STOPPING=1";
