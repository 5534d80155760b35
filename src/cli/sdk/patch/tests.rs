//! The rewriting: every language's shape, every layout of the hidden key, and that nothing else is touched.

use std::path::Path;

use proptest::prelude::*;

use super::super::key::{KEYAUTH, fnv1a};
use super::*;

const OURS: &str = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";

fn target() -> Target {
    let base = Base::parse("https://auth.example.com").expect("a base");
    Target { base, key: PublicKey::parse(OURS).expect("a key"), retired: Vec::new() }
}

fn patch_as(name: &str, source: &[u8]) -> Patched {
    patch(source, kinds::of(Path::new(name)), &target())
}

/// The new text; patching it once more changes nothing.
fn patched(name: &str, source: &str) -> String {
    let once = patch_as(name, source.as_bytes()).bytes;
    let twice = patch_as(name, &once);
    assert_eq!(twice.bytes, once, "{name}: the second time changes nothing");
    assert!(twice.is_client(), "{name}: ours is known again");
    String::from_utf8(once).expect("UTF-8")
}

fn notes(name: &str, source: &str) -> String {
    let notes = patch_as(name, source.as_bytes()).notes;
    notes.into_iter().map(|(line, text)| format!("{line:?} {text}\n")).collect()
}

#[test]
fn every_language() {
    let upper = KEYAUTH.to_ascii_uppercase();
    for (name, source) in [
        ("a.cs", "var raw = web.Send(\"https://keyauth.win/api/1.3/\");\nvar k = bytes(\"KEY\");\n".to_owned()),
        ("main.cpp", "std::string url = hide(\"https://keyauth.win/api/1.3/\").open();\n".to_owned()),
        ("old.hpp", "static const char* API_PUBLIC_KEY = \"KEY\";\n".to_owned()),
        ("a.py", "r = post('https://keyauth.win/api/1.3/', body)\nok(r, 'KEY')\n".to_owned()),
        ("a.php", "$c = curl_init(\"https://keyauth.win/api/1.3/\");\n$k = 'KEY';\n".to_owned()),
        ("a.go", "var APIUrl = \"https://keyauth.win/api/1.3/\"\nvar PublicKey = \"KEY\"\n".to_owned()),
        ("main.rs", "KeyauthApi::new(\"demo\", \"https://keyauth.win/api/1.2/\")\n".to_owned()),
        ("a.ts", "url = `https://prod.keyauth.com/api/1.3/`;\nkey = \"UPPER\";\n".to_owned()),
        ("A.java", "String url = \"https://keyauth.cc/api/1.1/\";\n".to_owned()),
        ("a.rb", "URI('https://keyauth.win/api/1.1/?type=init')\n".to_owned()),
        ("a.pl", "$ua->get(\"https://keyauth.win/api/1.1/?type=$type\");\n".to_owned()),
        ("a.lua", "Get(\"https://keyauth.win/api/1.1/?name=\" .. name)\n".to_owned()),
        ("a.vb", "client.UploadValues(\"https://keyauth.win/api/1.0/\", data)\n".to_owned()),
        ("a.json", "{\"url\":\"https:\\/\\/keyauth.win\\/api\\/1.2\\/\"}\n".to_owned()),
    ] {
        let source = source.replace("KEY", KEYAUTH).replace("UPPER", &upper);
        let want = source
            .replace(KEYAUTH, OURS)
            .replace(&upper, &OURS.to_ascii_uppercase())
            .replace("https:\\/\\/keyauth.win", "https:\\/\\/auth.example.com")
            .replace("https://keyauth.win", "https://auth.example.com")
            .replace("https://keyauth.cc", "https://auth.example.com")
            .replace("https://prod.keyauth.com", "https://auth.example.com");
        assert_eq!(patched(name, &source), want, "{name}");
    }
}

#[test]
fn places_are_told_by_line() {
    let source = format!("one\n\nurl = 'https://keyauth.win/api/1.3/'\r\nkey = '{KEYAUTH}'\n");
    let found = patch_as("a.py", source.as_bytes());
    let url = Url {
        line: 3,
        old: "https://keyauth.win".to_owned(),
        new: "https://auth.example.com".to_owned(),
        version: Some("1.3".to_owned()),
    };
    assert_eq!(found.urls, [url]);
    assert_eq!(found.keys, [Key { line: 4, form: Form::Text, changed: true }]);
}

#[test]
fn what_else_is_there_stays() {
    let longer = format!("{KEYAUTH}0");
    for source in [
        "// docs: https://keyauth.cc/app/ and https://github.com/KeyAuth\n",
        "https://keyauth.win/api/seller/?sellerkey=x",
        &longer,
        "uint8_t a[4] = { 1, 2, 3, 4 };",
        "",
    ] {
        let found = patch_as("a.cpp", source.as_bytes());
        assert_eq!(found.bytes, source.as_bytes());
        assert!(!found.is_client(), "{source}");
    }
    let latin = b"// caf\xe9\r\nurl = \"https://keyauth.win/api/1.2/\"\r// \xff\xfe\n";
    assert_eq!(
        patch_as("a.cs", latin).bytes,
        b"// caf\xe9\r\nurl = \"https://auth.example.com/api/1.2/\"\r// \xff\xfe\n"
    );
}

/// How a test spells a hidden key.
#[derive(Clone, Copy, Debug)]
struct Layout {
    halves: bool,
    hex: bool,
    capitals: bool,
    per_line: usize,
    separator: &'static str,
    last: &'static str,
    end: &'static str,
}

const LAYOUT: Layout =
    Layout { halves: false, hex: true, capitals: false, per_line: 16, separator: ", ", last: "", end: "\n" };

fn list(layout: &Layout, text: &str, mask: u8) -> String {
    let spelled = |byte: u8| match (layout.hex, layout.capitals) {
        (true, true) => format!("0x{:02X}", byte ^ mask),
        (true, false) => format!("0x{:02x}", byte ^ mask),
        (false, _) => (byte ^ mask).to_string(),
    };
    let rows: Vec<String> = text
        .as_bytes()
        .chunks(layout.per_line)
        .map(|row| row.iter().map(|b| spelled(*b)).collect::<Vec<_>>().join(layout.separator))
        .collect();
    format!("{{{}{}{}{}}}", layout.end, rows.join(&format!(",{}", layout.end)), layout.last, layout.end)
}

fn library(layout: &Layout, key: &str, checksum: &str) -> String {
    let (one, two) = if layout.halves { key.split_at(32) } else { (key, key) };
    format!(
        "constexpr auto M1 = 0x5A; constexpr auto M2 = 0xA5;{e}constexpr auto SUM = {checksum};{e}byte one[] = {};{e}\
         byte two[] = {};{e}",
        list(layout, one, 0x5a),
        list(layout, two, 0xa5),
        e = layout.end
    )
}

#[test]
fn the_hidden_key_in_every_layout() {
    let layouts = [
        LAYOUT,
        Layout { halves: true, ..LAYOUT },
        Layout { capitals: true, last: ",", ..LAYOUT },
        Layout { hex: false, per_line: 1, ..LAYOUT },
        Layout { hex: false, halves: true, separator: ",", per_line: 64, end: "", ..LAYOUT },
        Layout { per_line: 8, separator: " , /* next */ ", last: ", // end", end: "\r\n", ..LAYOUT },
    ];
    let hex = |key: &str| format!("{:016x}", fnv1a(key));
    let in_fours = |text: &str, by: &str| {
        let groups: Vec<&str> = (0..4).map(|i| &text[i * 4..i * 4 + 4]).collect();
        groups.join(by)
    };
    let checksums: [&dyn Fn(&str) -> String; 6] = [
        &|key| format!("0x{}ULL", hex(key)),
        &|key| format!("0X{}", hex(key).to_ascii_uppercase()),
        &|key| format!("0x{}u64", in_fours(&hex(key), "_")),
        &|key| format!("0x{}ull", in_fours(&hex(key), "'")),
        &|key| format!("{}u", fnv1a(key)),
        &|key| format!("UINT64_C({})", fnv1a(key)),
    ];
    for layout in layouts {
        for checksum in checksums {
            let source = library(&layout, KEYAUTH, &checksum(KEYAUTH));
            assert_eq!(patched("auth.cpp", &source), library(&layout, OURS, &checksum(OURS)), "{layout:?}");
        }
    }
}

#[test]
fn a_key_of_another_server_is_known_by_its_checksum() {
    let other = "00ff".repeat(16);
    let sum = format!("{:#x}", fnv1a(&other));
    for layout in [LAYOUT, Layout { halves: true, ..LAYOUT }] {
        let new = patched("auth.cpp", &library(&layout, &other, &sum));
        assert_eq!(new, library(&layout, OURS, &format!("{:#x}", fnv1a(OURS))));
        let unvouched = library(&layout, &other, "0x1234567890");
        assert_eq!(patch_as("auth.cpp", unvouched.as_bytes()).bytes, unvouched.as_bytes());
        assert!(notes("auth.cpp", &unvouched).contains("no checksum in this file"), "{layout:?}");
    }
}

#[test]
fn a_key_that_our_server_retired_is_exchanged() {
    let old = "00ff".repeat(16);
    let target = Target { retired: vec![PublicKey::parse(&old).expect("a key")], ..target() };
    let sum = |key: &str| format!("{:#x}", fnv1a(key));
    let source = |key: &str| format!("k = \"{key}\";\n{}", library(&LAYOUT, key, &sum(key)));
    let new = patch(source(&old).as_bytes(), kinds::of(Path::new("a.cpp")), &target).bytes;
    assert_eq!(String::from_utf8(new).expect("UTF-8"), source(OURS));
}

#[test]
fn a_key_in_capitals_is_masked_and_summed_in_capitals() {
    let (old, new) = (KEYAUTH.to_ascii_uppercase(), OURS.to_ascii_uppercase());
    let sum = |key: &str| format!("{:#018x}", fnv1a(key));
    assert_eq!(patched("a.cpp", &library(&LAYOUT, &old, &sum(&old))), library(&LAYOUT, &new, &sum(&new)));
}

#[test]
fn what_could_not_be_found_is_told() {
    let told = notes("a.py", "post('https://keyauth.win/api/1.3/')");
    assert!(told.contains("public key is not in this file"), "{told}");
    let told = notes("auth.cpp", &format!("byte k[] = {};", list(&LAYOUT, KEYAUTH, 0x5a)));
    assert!(told.contains("its checksum is not in this file") && told.contains("no URL of the API"), "{told}");
    let told = notes("sum.h", &format!("sum = {:#x};", fnv1a(KEYAUTH)));
    assert!(told.contains("the masked key is not"), "{told}");
    let told = notes("a.vb", "'\nx(\"https://keyauth.win/api/1.0/\")");
    assert!(told.contains("--api-1-0"), "{told}");
    let told = notes("a.js", "\nfetch('https://keyauth.win/api/1.9/' + q); fetch(`https://keyauth.win/api/seller/?`)");
    assert!(told.contains("API 1.9 (line 2)") && told.contains("Some(2) left as it is: this is the seller"), "{told}");
    let told =
        notes("a.cpp", "connect(\"keyauth.win\"); open(\"https://keyauth.cc\"); u = \"https://keyauth.com/api/v7/\";");
    assert_eq!(told.matches("left as it is").count(), 3, "{told}");
    let told = notes("a.php", "x('https://keyauth.win/api/1.2/');");
    assert!(told.contains("forceHwid") && !told.contains("clocks"), "{told}");
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    let fixed = |text: String| Just(text.into_bytes());
    prop_oneof![
        3 => proptest::collection::vec(any::<u8>(), 0..40),
        3 => "[{}\\[\\]0-9a-fx',/*\"\\\\ \n]{0,40}".prop_map(String::into_bytes),
        2 => fixed("\"https://keyauth.win/api/1.3/\"".to_owned()),
        1 => fixed("'https:\\/\\/prod.keyauth.com\\/api\\/1.2'".to_owned()),
        1 => fixed(format!("\"{KEYAUTH}\"")),
        1 => fixed(format!(" {} ", list(&LAYOUT, KEYAUTH, 0x5a))),
        1 => fixed(format!(" {} ", list(&Layout { hex: false, ..LAYOUT }, KEYAUTH, 0xa5))),
        1 => fixed(format!(" {:#x}ULL ", fnv1a(KEYAUTH))),
        1 => fixed("https://keyauth.cc/app/ \"keyauth.win\"".to_owned()),
    ]
}

/// The text with every finding cut out.
fn without_findings(source: &[u8]) -> Vec<u8> {
    let target = target();
    let urls = url::find(source, &target.base).into_iter().filter(|found| matches!(found.role, Role::Api(_)));
    let keys = key::find(source, &target.key, &target.retired).found.into_iter().map(|found| found.at);
    apply(source, urls.map(|found| found.origin).chain(keys).map(|at| (at, b"<found>".to_vec())).collect())
}

proptest! {
    #[test]
    fn only_what_was_found_changes(pieces in proptest::collection::vec(piece(), 0..8)) {
        let source: Vec<u8> = pieces.concat();
        let new = patch_as("a.cpp", &source).bytes;
        prop_assert_eq!(without_findings(&new), without_findings(&source));
        prop_assert_eq!(patch_as("a.cpp", &new).bytes, new);
    }
}
