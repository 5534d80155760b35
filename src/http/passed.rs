//! A listening socket that is handed over instead of being opened: by systemd's socket units, by `systemfd`, by whatever
//! follows that protocol (`LISTEN_FDS`). Who hands it over keeps it open, so clients queue in it while servers change.

use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;

/// The socket that was handed to this process, if one was. Two are a mistake of whoever starts it.
pub fn socket() -> io::Result<Option<TcpListener>> {
    let mut handed = ListenFd::from_env();
    if handed.len() > 1 {
        let count = handed.len();
        return Err(io::Error::other(format!(
            "{count} sockets were handed over (LISTEN_FDS), and one is needed: leave one ListenStream= in the unit"
        )));
    }
    let socket = handed.take_tcp_listener(0)?;
    if let Some(socket) = &socket {
        socket.set_nonblocking(true)?;
    }
    Ok(socket)
}
