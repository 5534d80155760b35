//! The versions of the protocol. Answers are written in the newest plain form; an older version is a step down from it.
//! A version is one file and one line here; calls do not know it.

use crate::wire::reply::Fields;

mod v1_1;
mod v1_2;

pub use v1_1::V1_1;
pub use v1_2::V1_2;

/// One version.
pub struct Version {
    /// As in its path.
    pub name: &'static str,
    /// Whether answers are signed; without it there is no enckey either.
    pub signed: bool,
    /// Takes away what this version does not have.
    pub step_down: fn(&mut Fields),
}

/// All versions that are served, newest first.
pub static ALL: &[&Version] = &[&V1_2, &V1_1];

impl Version {
    /// Whether this version is at least `other`.
    pub fn has(&self, other: &Version) -> bool {
        let place = |version: &Version| ALL.iter().position(|v| std::ptr::eq(*v, version));
        place(self) <= place(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_versions_have_what_older_ones_have() {
        assert!(V1_2.has(&V1_1) && V1_2.has(&V1_2) && V1_1.has(&V1_1));
        assert!(!V1_1.has(&V1_2));
    }
}
