//! The versions of the protocol. Answers are written in one form, that of 1.2 with whatever a newer version adds; a
//! version takes away what it does not have and adds what only it has. A version is one file and one line here; calls
//! do not know it.

use crate::wire::form::Form;
use crate::wire::reply::Fields;

mod v1_0;
mod v1_1;
mod v1_2;
mod v1_3;

pub(super) use v1_0::Envelope;
pub use v1_0::V1_0;
pub use v1_1::V1_1;
pub use v1_2::V1_2;
pub use v1_3::V1_3;

/// One version.
pub struct Version {
    /// As in its path.
    pub name: &'static str,
    /// How its answers are sealed.
    pub sealing: Sealing,
    /// Whether it reads the query.
    pub reads_query: bool,
    /// What it says to a `type` that it does not know (contract section 2; spelled as it is).
    pub unknown_type: &'static str,
    /// Reads what has to be known before the app is: most versions send it as it is.
    pub(super) unwrap: Option<fn(&Form) -> Form>,
    /// Gives the fields of an answer this version's shape.
    pub(super) shape: fn(&mut Fields, &About<'_>),
}

/// How a version protects its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// Not at all.
    Nothing,
    /// A header with an HMAC by a key that the client and the server share (contract 3.1).
    Hmac,
    /// Headers with a time and an Ed25519 signature by the server's key (contract 3.2).
    Ed25519,
    /// The body enciphered by a key that the client and the server share (contract 3.4).
    Envelope,
}

/// What an answer's shape depends on.
pub(super) struct About<'a> {
    pub(super) success: bool,
    /// As sent by the client; empty if it sent none.
    pub(super) ownerid: &'a str,
}

/// What all versions but the oldest say.
const UNKNOWN_TYPE: &str = "The value inputted for type paramater was not found";

/// All versions that are served, newest first.
pub static ALL: &[&Version] = &[&V1_3, &V1_2, &V1_1, &V1_0];

impl Version {
    /// Whether this version is at least `other`.
    pub fn has(&self, other: &Version) -> bool {
        let place = |version: &Version| ALL.iter().position(|v| std::ptr::eq(*v, version));
        place(self) <= place(other)
    }

    /// Whether its `init` knows the token system (contract 4.1).
    pub(super) fn has_token_files(&self) -> bool {
        self.has(&V1_2)
    }

    /// Whether its `login` takes a token in place of the password (contract 3.4).
    pub(super) fn has_login_tokens(&self) -> bool {
        self.has(&V1_1)
    }

    /// Whether its `init` takes an enckey.
    pub(super) fn has_enckey(&self) -> bool {
        matches!(self.sealing, Sealing::Hmac | Sealing::Envelope)
    }
}

/// Takes fields away.
fn without(fields: &mut Fields, names: &[&str]) {
    fields.retain(|(name, _)| !names.contains(name));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_versions_have_what_older_ones_have() {
        assert!(V1_2.has(&V1_1) && V1_2.has(&V1_2) && V1_1.has(&V1_1) && V1_3.has(&V1_0));
        assert!(!V1_1.has(&V1_2) && !V1_0.has(&V1_1) && !V1_2.has(&V1_3));
    }

    #[test]
    fn tokens_are_read_only_where_the_contract_has_them() {
        let of = |known: fn(&Version) -> bool| ALL.iter().map(|version| known(version)).collect::<Vec<_>>();
        assert_eq!(of(Version::has_token_files), [true, true, false, false]);
        assert_eq!(of(Version::has_login_tokens), [true, true, true, false]);
    }
}
