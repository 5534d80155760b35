//! Holds the documentation to the program: `docs/api.md` is what the tables of the code say, links lead somewhere, and
//! commands are understood. Reads files; starts no server.

mod api;
mod commands;
mod links;
mod page;

use page::Page;

/// The page that is made from the tables.
const API: &str = "docs/api.md";

#[test]
fn api_md_is_what_the_tables_say() {
    let (path, text) = (page::root().join(API), api::text());
    if std::env::var_os("KEYSTEAD_RENEW_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = written.lines().zip(text.lines()).position(|(a, b)| a != b);
    assert!(
        written == text,
        "{API} is not what the code says (first in line {}); renew it with `KEYSTEAD_RENEW_DOCS=1 cargo test --test docs`",
        differs.unwrap_or(written.lines().count().min(text.lines().count())) + 1
    );
}

#[test]
fn links_lead_somewhere() {
    let wrong: Vec<String> = Page::all().iter().flat_map(links::broken).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn commands_are_understood() {
    let pages = Page::all();
    let wrong: Vec<String> = pages.iter().flat_map(commands::misunderstood).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let shown: usize = pages.iter().map(|page| commands::all(page).len()).sum();
    assert!(shown > 20, "only {shown} commands were found: are they looked for in the right way?");
}
