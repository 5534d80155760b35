//! A result that another thread will deliver. A future where code is async, a blocking wait where it is not; this is
//! how the plain rooms meet the async edge without knowing its runtime.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

/// The thread that should have delivered is gone.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the thread that works on this has stopped")]
pub struct Gone;

/// A result that is on its way.
#[derive(Debug)]
pub struct Pending<T>(oneshot::Receiver<T>);

/// The other end: delivers the result once. Nobody waiting any more is no error.
#[derive(Debug)]
pub struct Deliver<T>(oneshot::Sender<T>);

/// Both ends of one result.
pub fn pending<T>() -> (Deliver<T>, Pending<T>) {
    let (sender, receiver) = oneshot::channel();
    (Deliver(sender), Pending(receiver))
}

impl<T> Deliver<T> {
    /// Hands the result over.
    pub fn deliver(self, value: T) {
        let _ = self.0.send(value);
    }

    /// Whether nobody waits any more.
    pub fn is_abandoned(&self) -> bool {
        self.0.is_closed()
    }
}

impl<T> Pending<T> {
    /// Waits on this thread. Not for async code.
    pub fn wait(self) -> Result<T, Gone> {
        self.0.blocking_recv().map_err(|_| Gone)
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, Gone>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|got| got.map_err(|_| Gone))
    }
}
