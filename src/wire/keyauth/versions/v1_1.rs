//! Version 1.1: plain forms, no signature, no enckey, no `nonce`, no `newSession` (contract 3.3).

use super::Version;

/// Version 1.1.
pub static V1_1: Version = Version {
    name: "1.1",
    signed: false,
    step_down: |fields| fields.retain(|(name, _)| *name != "nonce" && *name != "newSession"),
};
