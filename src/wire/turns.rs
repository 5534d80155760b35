//! Work that needs a password hashed between two transactions, for every format: first on a reader, which refuses what
//! can be refused without a hash; then hashed, with nothing of the database held; then on the writer, with the proof and
//! with all checks again. Decides nothing.

use std::net::IpAddr;
use std::sync::Arc;

use crate::domain::secret::{Proof, Work};
use crate::domain::{Refusal, Stop};
use crate::model::exchange::subscriber;
use crate::store::{self, Tx};

use super::Ctx;

/// How often work is run again because what it had proven changed meanwhile.
pub(super) const TRIES: usize = 4;

/// Runs `work` until it is done. It may be run several times, and must keep nothing from one run for the next.
pub(super) async fn run<T, W>(ctx: &Ctx, peer: IpAddr, work: W) -> Result<T, Stop>
where
    T: Send + 'static,
    W: Fn(&mut Tx<'_>, Option<&Proof>) -> Result<T, Stop> + Send + Sync + 'static,
{
    let work = Arc::new(work);
    let reading = Arc::clone(&work);
    let mut outcome = ctx.store.read(move |tx| reading(tx, None)).await;
    for _ in 0..TRIES {
        let needed = match outcome {
            Err(Stop::Prove(needed)) => needed,
            outcome => return outcome,
        };
        let proof = prove(ctx, peer, needed).await?;
        let writing = Arc::clone(&work);
        outcome = ctx.store.write(move |tx| writing(tx, Some(&proof))).await;
    }
    Err(Refusal::Busy.into())
}

/// Has it hashed, for a client at this address.
pub(super) async fn prove(ctx: &Ctx, peer: IpAddr, work: Work) -> Result<Proof, Stop> {
    if work == Work::Nothing {
        return Ok(Proof::Nothing);
    }
    let promise = ctx.hashing.submit_for(subscriber(peer), work)?;
    promise.await.map_err(|gone| Stop::Failed(store::Error::Bug(gone.to_string())))
}
