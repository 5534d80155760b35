//! Version 1.1: plain forms, no signature, no enckey, no `nonce`, no `newSession` (contract 3.3).

use super::{Sealing, UNKNOWN_TYPE, Version, without};

/// Version 1.1.
pub static V1_1: Version = Version {
    name: "1.1",
    sealing: Sealing::Nothing,
    reads_query: true,
    unknown_type: UNKNOWN_TYPE,
    unwrap: None,
    shape: |fields, _| without(fields, &["nonce", "newSession", "role"]),
};
