//! The signals that end the server. The first asks it to stop, the second ends the process.

use std::io;

use super::Stop;

/// Must be called inside the runtime.
#[cfg(unix)]
pub(super) fn stop_on_signals(stop: Stop) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        tracing::info!("stopping: finishing what is running");
        stop.stop();
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        // Whatever was acknowledged is on disk; nothing else is owed.
        std::process::exit(1);
    });
    Ok(())
}

/// Must be called inside the runtime.
#[cfg(not(unix))]
pub(super) fn stop_on_signals(stop: Stop) -> io::Result<()> {
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.stop();
            let _ = tokio::signal::ctrl_c().await;
            std::process::exit(1);
        }
    });
    Ok(())
}
