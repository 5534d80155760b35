//! How many argon2id hashes this machine makes a second, with nothing else to do: the ceiling for logins.
//!
//! `argon2 THREADS SECONDS` prints verifications per second over all threads. Parameters are those that Keystead stores
//! passwords with (m=19456 KiB, t=2, p=1). Must not measure anything but the hash.

use std::error::Error;
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};

const MEMORY_KIB: u32 = 19456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(threads), Some(seconds)) = (args.next(), args.next()) else {
        return Err("usage: argon2 THREADS SECONDS".into());
    };
    let threads: usize = threads.parse()?;
    let window = Duration::from_secs_f64(seconds.parse()?);
    let workers: Vec<_> = (0..threads).map(|_| thread::spawn(move || verify_for(window))).collect();
    let mut rate = 0.0;
    for worker in workers {
        rate += worker.join().map_err(|_| "a worker panicked")??;
    }
    println!("{rate:.1}");
    Ok(())
}

/// Verifies one password again and again for `window`; verifications per second of this thread.
fn verify_for(window: Duration) -> Result<f64, argon2::Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
    // The memory is made once, as a server that cares for speed would: fetching 19 MiB anew each time is not the hash.
    let mut memory = vec![Block::default(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let salt = [7; 16];
    let mut stored = [0; 32];
    argon2.hash_password_into_with_memory(b"correct horse", &salt, &mut stored, &mut memory)?;
    let start = Instant::now();
    let mut count = 0_u32;
    loop {
        let mut made = [0; 32];
        argon2.hash_password_into_with_memory(b"correct horse", &salt, &mut made, &mut memory)?;
        assert_eq!(black_box(made), stored);
        count += 1;
        let elapsed = start.elapsed();
        if elapsed >= window {
            return Ok(f64::from(count) / elapsed.as_secs_f64());
        }
    }
}
