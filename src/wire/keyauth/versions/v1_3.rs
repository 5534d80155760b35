//! Version 1.3: plain forms, Ed25519 signatures over time and body, `code` and `ownerid` in every answer (contract 3.2
//! and Appendix B).

use crate::wire::reply::Json;

use super::{Sealing, UNKNOWN_TYPE, Version};

/// The `code` of a success; clients end the program otherwise (contract, rule 7). Of a failure: Appendix D.
const DONE: i64 = 68;
const FAILED: i64 = 0;

/// Version 1.3.
pub static V1_3: Version = Version {
    name: "1.3",
    sealing: Sealing::Ed25519,
    reads_query: true,
    unknown_type: UNKNOWN_TYPE,
    unwrap: None,
    shape: |fields, about| {
        let code = if about.success { DONE } else { FAILED };
        fields.insert(fields.len().min(1), ("code", Json::Int(code)));
        fields.push(("ownerid", Json::from(about.ownerid.to_owned())));
    },
};
