//! The crate `keyauth` as published, against a real server: each case runs for its 1.0, its 1.1 and its 1.2 client.
//!
//! The 1.2 client verifies every answer, so a case that ends in anything but its "tampered with" also proves the
//! signature, failures included; the 1.0 client has to decipher every answer. Must not check bodies or headers (the
//! vectors do): only what a program that uses the crate gets to see.
//!
//! What the crate does that shapes these tests: it opens a connection for each call, sends values in random order and
//! (1.1 and 1.2) unescaped, reads any status, and unwraps what it reads. A missing or null field is a panic here, as in
//! a customer's program. So is any answer to the 1.0 client that is not enciphered: it is not asked about an app that
//! does not exist, nor anything before `init`, because no server could encipher those answers for it.

/// Tests of these cases, for each version of the client.
macro_rules! cases {
    ($($case:ident)*) => {
        $(mod $case {
            #[test] fn v1_0() { super::$case::<keyauth::v1_0::KeyauthApi>(); }
            #[test] fn v1_1() { super::$case::<keyauth::v1_1::KeyauthApi>(); }
            #[test] fn v1_2() { super::$case::<keyauth::v1_2::KeyauthApi>(); }
        })*
    };
}

/// The same without 1.0; the case says why.
macro_rules! cases_of_1_1_and_1_2 {
    ($($case:ident)*) => {
        $(mod $case {
            #[test] fn v1_1() { super::$case::<keyauth::v1_1::KeyauthApi>(); }
            #[test] fn v1_2() { super::$case::<keyauth::v1_2::KeyauthApi>(); }
        })*
    };
}

mod client;
mod enter;
mod init;
mod more;
mod session;

/// The text of a refusal; fails on success.
#[track_caller]
fn refused<T>(result: Result<T, String>) -> String {
    match result {
        Ok(_) => panic!("was not refused"),
        Err(message) => message,
    }
}
