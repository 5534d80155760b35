//! What holds across the formats: the bytes that the contracts show (`vectors.rs`), a test for each of their rules
//! (`rules.rs`), one customer at all doors (`story.rs`, `keys.rs`, `switches.rs`), everything at one moment
//! (`races.rs`), bad input at every door (`hostile.rs`),
//! a database that fails (`faults.rs`), a server that is killed (`durable.rs`), and that the page for operators tells the truth (`page.rs`).

#[path = "../support/mod.rs"]
mod support;

mod doors;
mod durable;
mod faults;
mod hostile;
mod keys;
mod page;
mod races;
mod rules;
mod story;
mod switches;
mod vectors;
