//! The kinds of client there are, and what each of them demands that no patch can give it. One table; knows how to look
//! for a few of these demands in the text, and changes nothing.

use std::path::Path;

use super::url::Base;

/// A kind of client, by the language it is written in.
pub(super) struct Kind {
    /// Its name for people and programs.
    pub(super) name: &'static str,
    extensions: &'static [&'static str],
    /// What those that speak 1.3 and verify it want to know.
    of_1_3: &'static str,
    /// What all of them want to know; empty if there is nothing.
    always: &'static str,
}

const NO_HWID: &str = "it sends no hwid: leave the app's setting forceHwid at 0; users whom another client has bound to a \
                       device are refused here while hwidcheck is on";

/// The table. The last one is for all other files.
static KINDS: &[Kind] = &[
    Kind {
        name: "C#",
        extensions: &["cs"],
        of_1_3: "it refuses answers that are more than 20 seconds old: both clocks must be right",
        always: "",
    },
    Kind {
        name: "C++",
        extensions: &["cpp", "cc", "cxx", "c", "hpp", "hh", "hxx", "h", "ipp", "mm"],
        of_1_3: "builds of 2024 refuse answers that are more than 15 seconds old, those of 2026 two minutes: both \
                 clocks must be right; if your program links the library as a .lib, rebuild that from this source",
        always: "",
    },
    Kind {
        name: "Python",
        extensions: &["py", "pyw"],
        of_1_3: "it refuses answers that are more than 25 seconds old: both clocks must be right",
        always: "",
    },
    Kind {
        name: "PHP",
        extensions: &["php"],
        of_1_3: "it refuses answers that are more than 5 minutes off: both clocks must be right",
        always: NO_HWID,
    },
    Kind {
        name: "Go",
        extensions: &["go"],
        of_1_3: "it refuses answers that are more than 25 seconds off: both clocks must be right",
        always: "",
    },
    Kind { name: "Rust", extensions: &["rs"], of_1_3: "", always: "" },
    Kind {
        name: "JavaScript",
        extensions: &["js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx", "vue", "svelte"],
        of_1_3: "those that verify refuse answers that are more than 25 seconds off, and answers with \\uXXXX in them: \
                 start the server with --ascii-only false if your texts are not all ASCII",
        always: "the React client sends no hwid: leave the app's setting forceHwid at 0 for it",
    },
    Kind { name: "Java", extensions: &["java", "kt"], of_1_3: "", always: "" },
    Kind { name: "Ruby", extensions: &["rb"], of_1_3: "", always: "" },
    Kind { name: "Perl", extensions: &["pl", "pm"], of_1_3: "", always: "" },
    Kind { name: "Lua", extensions: &["lua", "luau"], of_1_3: "", always: NO_HWID },
    Kind { name: "Visual Basic", extensions: &["vb"], of_1_3: "", always: "" },
    Kind { name: "text", extensions: &[], of_1_3: "", always: "" },
];

/// The kind of a file, by its name.
pub(super) fn of(path: &Path) -> &'static Kind {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let known = KINDS.iter().find(|kind| kind.extensions.contains(&extension.as_str()));
    known.unwrap_or(&KINDS[KINDS.len() - 1])
}

/// What is known of a client when its demands are told.
pub(super) struct Client<'a> {
    /// The new source.
    pub(super) source: &'a [u8],
    /// Where it will look for its server.
    pub(super) base: &'a Base,
    /// Whether it speaks 1.3.
    pub(super) speaks_1_3: bool,
    /// Whether it verifies 1.3 answers: it has a key.
    pub(super) verifies: bool,
}

/// Something that the operator or the programmer must see to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// Where it is, if it is somewhere.
    pub(super) at: Option<usize>,
    /// What it is.
    pub(super) text: String,
}

impl Note {
    /// About a place in the source.
    pub(super) fn at(at: usize, text: impl Into<String>) -> Note {
        Note { at: Some(at), text: text.into() }
    }

    /// About the whole file.
    pub(super) fn whole(text: impl Into<String>) -> Note {
        Note { at: None, text: text.into() }
    }
}

/// What this client demands.
pub(super) fn demands(kind: &Kind, client: &Client<'_>) -> Vec<Note> {
    let mut notes = issuer(client.source);
    notes.extend(ownerid(client.source));
    if kind.name == "C++" && (client.verifies || client.speaks_1_3) {
        notes.push(cpp_of_2026(client.base));
    }
    let told = [(client.verifies, kind.of_1_3), (true, kind.always)];
    notes.extend(told.into_iter().filter(|(now, text)| *now && !text.is_empty()).map(|(_, text)| Note::whole(text)));
    notes
}

fn cpp_of_2026(base: &Base) -> Note {
    let wants = "the C++ library of 2026 wants HTTPS on port 443, a certificate it can verify and no loopback address";
    let port = base.port().is_none_or(|port| port == "443");
    let fits = base.is_https() && port && !base.is_loopback();
    let verdict = if fits { "" } else { ": it will end the customer's program with this URL; give it another one" };
    Note::whole(format!("{wants}{verdict}"))
}

/// A client that looks at who issued the server's certificate.
fn issuer(source: &[u8]) -> Vec<Note> {
    let names = ["Google Trust Services", "Let's Encrypt", "Let\\'s Encrypt", "Cloudflare Inc"];
    let first = names.iter().filter_map(|name| position(source, name.as_bytes())).min();
    let text = "it checks who issued the server's certificate: use one of Let's Encrypt, or put your issuer's name into \
                this check";
    first.map(|at| Note::at(at, text)).into_iter().collect()
}

/// Owner ids that are written down and that clients refuse for their length.
fn ownerid(source: &[u8]) -> Vec<Note> {
    let lower = source.to_ascii_lowercase();
    let mut notes: Vec<Note> = Vec::new();
    for name in ["ownerid", "owner_id"] {
        let mut from = 0;
        while let Some(at) = position(&lower[from..], name.as_bytes()).map(|at| at + from) {
            from = at + name.len();
            if let Some(length) = literal_after(&source[from..]).filter(|length| *length != 10) {
                let text = format!(
                    "this ownerid has {length} characters and clients want 10; `keystead app show` prints your app's"
                );
                notes.push(Note::at(at, text));
            }
        }
    }
    notes.sort_by_key(|note| note.at);
    notes
}

/// How long the word is that is assigned here: `= "…"`, `: '…'`, `: &str = "…"`, `= wrapped("…")`.
fn literal_after(rest: &[u8]) -> Option<usize> {
    let rest = &rest[..rest.len().min(160)];
    let assigned = rest.iter().position(|b| b"=:".contains(b))?;
    let open = assigned + rest[assigned..].iter().position(|b| b"\"'`".contains(b))?;
    let before = rest[..assigned].iter().all(|b| b"\"']) \t".contains(b));
    let between = rest[assigned..open].iter().all(|b| b.is_ascii_alphanumeric() || b"=:>&@$(_ \t".contains(b));
    let close = rest[open + 1..].iter().position(|b| *b == rest[open])?;
    let word = &rest[open + 1..open + 1 + close];
    (before && between && word.iter().all(u8::is_ascii_alphanumeric)).then_some(word.len())
}

fn position(source: &[u8], piece: &[u8]) -> Option<usize> {
    source.windows(piece.len()).position(|window| window == piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(kind: &str, source: &str, base: &str, speaks_1_3: bool) -> String {
        let base = Base::parse(base).expect("a base");
        let client = Client { source: source.as_bytes(), base: &base, speaks_1_3, verifies: speaks_1_3 };
        let notes = demands(of(Path::new(kind)), &client);
        notes.into_iter().map(|note| note.text).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_table_is_sound() {
        for (index, kind) in KINDS.iter().enumerate() {
            let last = index + 1 == KINDS.len();
            assert_eq!(kind.extensions.is_empty(), last, "{}", kind.name);
            for extension in kind.extensions {
                assert!(std::ptr::eq(of(Path::new(&format!("a.{}", extension.to_uppercase()))), kind), "{extension}");
            }
        }
        assert_eq!((of(Path::new("Makefile")).name, of(Path::new("a.toml")).name), ("text", "text"));
    }

    #[test]
    fn an_issuer_check_is_told() {
        let told = notes("a.cs", "if (!issuer.Contains(\"Let's Encrypt\")) quit();", "https://a.example", false);
        assert!(told.contains("who issued"), "{told}");
        assert!(!notes("a.cs", "nothing", "https://a.example", false).contains("who issued"));
    }

    #[test]
    fn cpp_wants_https_on_443_and_another_machine() {
        for bad in ["http://a.example", "https://a.example:8443", "https://localhost", "https://127.0.0.1"] {
            assert!(notes("a.cpp", "", bad, true).contains("give it another one"), "{bad}");
        }
        for good in ["https://a.example", "https://a.example:443"] {
            let told = notes("a.cpp", "", good, true);
            assert!(told.contains("port 443") && !told.contains("give it another"), "{told}");
        }
        assert!(!notes("a.cpp", "", "http://a.example", false).contains("443"));
    }

    #[test]
    fn an_ownerid_that_clients_refuse_is_told() {
        for bad in [
            "ownerid = \"short\"",
            "OwnerId: 'elevenchars'",
            "const OWNER_ID: &str = \"\";",
            "std::string ownerid = skCrypt(\"short\").decrypt();",
            "$data['ownerid'] = \"short\"",
            "\"ownerid\" => 'short'",
        ] {
            assert!(notes("a", bad, "https://a.example", false).contains("clients want 10"), "{bad}");
        }
        for good in [
            "ownerid = \"AbCdEfGh12\"",
            "if ownerid == other { say(\"no\") }",
            "post[\"ownerid\"] = this.ownerid; post[\"hwid\"] = \"x\";",
            "ownerid",
            "ownerid=\" + ownerid + \"&x\"",
        ] {
            assert!(!notes("a", good, "https://a.example", false).contains("clients want 10"), "{good}");
        }
    }
}
