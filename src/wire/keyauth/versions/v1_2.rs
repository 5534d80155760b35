//! Version 1.2: plain forms, HMAC-SHA256 signatures (contract 3.1).

use super::{Sealing, UNKNOWN_TYPE, Version, without};

/// Version 1.2.
pub static V1_2: Version = Version {
    name: "1.2",
    sealing: Sealing::Hmac,
    reads_query: true,
    unknown_type: UNKNOWN_TYPE,
    unwrap: None,
    shape: |fields, _| without(fields, &["role"]),
};
