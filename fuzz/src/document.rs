//! The app document: what is accepted fits the limits, goes into a database, and comes out the same each time.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use keystead::domain::document::check::{Overrides, Rules, check};
use keystead::domain::document::export::export;
use keystead::domain::document::import;
use keystead::domain::document::parse;
use keystead::domain::target::Targets;
use keystead::model::time::Time;
use keystead::store::{self, lock};

use super::world::{OWNER, OWNERID, World};

const NOW: Time = Time(1_800_000_000);
const FILE_LIMIT: usize = 4_096;
/// Hashing is what takes time here, and it is not what is fuzzed.
const MOST_PASSWORDS: usize = 2;

/// How many documents went in: a target that refuses everything shows nothing.
pub static IMPORTED: AtomicUsize = AtomicUsize::new(0);

/// The text of a document.
pub(crate) fn document(data: &[u8]) {
    let Ok(document) = parse(data) else { return };
    let overrides = Overrides { owner: Some(OWNER.to_owned()), name: Some("fuzzed".to_owned()) };
    let rules = Rules { targets: Targets::default(), file_limit: FILE_LIMIT };
    let checked = match check(document, &overrides, &rules, NOW) {
        Ok(checked) => checked,
        Err(problems) => {
            assert!(!problems.told().is_empty() && problems.to_string().len() < 64 << 10, "told, and not at length");
            return;
        }
    };
    if String::from_utf8_lossy(data).matches("password").count() > MOST_PASSWORDS {
        return;
    }
    let world = World::get();
    let Some(first) = goes_in(world, checked) else { return };
    IMPORTED.fetch_add(1, Relaxed);
    let again = parse(first.as_bytes()).unwrap_or_else(|problem| panic!("the export is refused: {problem}\n{first}"));
    let again = check(again, &Overrides::default(), &rules, NOW)
        .unwrap_or_else(|problems| panic!("the export does not fit: {problems}\n{first}"));
    let second = goes_in(world, again).expect("it went in before");
    assert_eq!(first, second, "an export goes round without losing a byte");
}

/// Imports it in place of what was there, and exports it. None: another app has what only one can have.
fn goes_in(world: &World, mut checked: keystead::domain::document::check::Checked) -> Option<String> {
    let place = checked.place();
    let fits = move |tx: &mut store::Tx<'_>| match import::may_import(tx, &place, true) {
        Ok(()) => Ok(true),
        Err(import::ImportError::Store(error)) => Err(error),
        Err(_) => Ok(false),
    };
    if !world.store().read(fits).wait().expect("reads") {
        return None;
    }
    import::hash_passwords(&mut checked, 1, &mut |_| ()).expect("hashes");
    let alone = lock::hold_import(&world.path()).expect("alone");
    let vault = std::sync::Arc::default();
    import::run(world.store(), &vault, &alone, checked, true, NOW, &mut |_| ()).expect("what fits goes in");
    let read = move |tx: &mut store::Tx<'_>| {
        let mut text = Vec::new();
        export(tx, &vault, OWNERID, "fuzzed", &mut text).expect("what is there comes out");
        Ok::<_, store::Error>(text)
    };
    let text = world.store().read(read).wait().expect("reads");
    Some(String::from_utf8(text).expect("text"))
}
