//! Codes of a second factor, computed on their own (RFC 6238: SHA-1, six digits, 30 seconds). Asks no server.

// Each test file uses its own part of this.
#![allow(dead_code, unreachable_pub)]

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use keystead::clock::Clock;

/// The code of this base32 secret so many steps from now.
pub fn code(secret: &str, steps: i64) -> String {
    code_at(secret, Clock::System.now().0 / 30 + steps)
}

/// The code of this base32 secret at this step.
pub fn code_at(secret: &str, step: i64) -> String {
    let mac = Hmac::<Sha1>::new_from_slice(&unbase32(secret)).unwrap();
    let hash = mac.chain_update(step.to_be_bytes()).finalize().into_bytes();
    let offset = usize::from(hash[19] & 15);
    let number = u32::from_be_bytes(hash[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// A code that is never right.
pub const WRONG: &str = "12345x";

fn unbase32(text: &str) -> Vec<u8> {
    let mut bits = String::new();
    for c in text.bytes() {
        let value = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|b| *b == c).expect("base32");
        bits.push_str(&format!("{value:05b}"));
    }
    bits.as_bytes().chunks_exact(8).map(|b| u8::from_str_radix(std::str::from_utf8(b).unwrap(), 2).unwrap()).collect()
}
