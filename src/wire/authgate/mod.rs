//! Authgate's format: bytes to domain and back. Decides no rule, knows no SQL.

use super::Family;

/// This family.
pub static FAMILY: Family = Family { name: "authgate", paths: &[] };
