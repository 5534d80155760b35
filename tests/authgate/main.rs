//! Authgate's format against the real server, one file per subject. The rules of the contract's first section are named
//! in the tests that show them; what single answers look like, byte for byte, is in `tests/formats`.

#[path = "../support/mod.rs"]
mod support;

mod activate;
mod addressing;
mod bad_input;
mod by_license;
mod caller;
mod client;
mod context;
mod device;
mod download;
mod faults;
mod limits;
mod login;
mod races;
mod sign_up;
