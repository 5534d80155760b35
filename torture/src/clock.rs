//! todo
use crate::Torture;
pub fn run(_: &mut Torture) {}
