//! What each fuzz target asserts about any input; a target in fuzz_targets/ only hands bytes over. The tests of the
//! server compile this too, to replay seeds and findings. A property that does not hold panics.

pub mod document;
mod envelope;
mod exchange;
mod forms;
mod head;
mod json;
mod world;

/// A name, and what any input is put to.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("form", forms::form),
    ("query", forms::query),
    ("multipart", forms::multipart),
    ("json", json::json),
    ("envelope", envelope::envelope),
    ("head", head::head),
    ("cookie", head::cookie),
    ("document", document::document),
    ("request", exchange::request),
    ("connection", exchange::connection),
];

/// Runs one target on one input.
pub fn run(target: &str, data: &[u8]) {
    let (_, property) = TARGETS.iter().find(|(name, _)| *name == target).expect("a target");
    property(data);
}
