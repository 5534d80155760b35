//! Version 1.2: plain forms, HMAC-SHA256 signatures (contract 3.1). The form in which answers are written.

use super::Version;

/// Version 1.2.
pub static V1_2: Version = Version { name: "1.2", signed: true, step_down: |_| {} };
