//! Plays the vectors under `tests/vectors/keyauth` against the real server, byte for byte, and holds the table of calls
//! to them: no call without its cases, no folder without a call. Their format: `tests/vectors/README.md`.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use keystead::domain::secret::email_sha1;
use keystead::model::time::Span;
use keystead::model::user::Credential;
use keystead::wire::keyauth::calls::TABLE;
use keystead::wire::keyauth::versions;
use support::web::{Web, answer};
use support::{Fixture, Reply, Seal, Server, exchange, hmac_hex, now, post_bytes};

/// What every call must show in every version that has it.
const CASES: &[&str] = &["success", "no rights", "wrong app"];

/// How many seconds an answer's times may be off from the test's.
const LATE: i64 = 60;

struct Vector {
    path: PathBuf,
    /// The lines `word: rest` before the request.
    header: Vec<(String, String)>,
    request: String,
    reply: String,
}

impl Vector {
    fn read(path: &Path) -> Vector {
        let text = fs::read_to_string(path).unwrap();
        let (header, rest) = text.split_once("\n=== request\n").unwrap_or_else(|| panic!("no request: {path:?}"));
        let (request, reply) = rest.split_once("\n=== reply\n").unwrap_or_else(|| panic!("no reply: {path:?}"));
        let words = |line: &str| {
            let (word, rest) = line.split_once(": ").unwrap_or_else(|| panic!("{path:?}: {line:?}"));
            (word.to_owned(), rest.to_owned())
        };
        Vector {
            path: path.to_owned(),
            header: header.lines().map(words).collect(),
            request: request.to_owned(),
            reply: reply.strip_suffix('\n').unwrap_or(reply).to_owned(),
        }
    }

    fn all(&self, word: &str) -> impl Iterator<Item = &str> {
        self.header.iter().filter(move |(name, _)| name == word).map(|(_, rest)| rest.as_str())
    }

    fn one(&self, word: &str) -> &str {
        self.all(word).next().unwrap_or_else(|| panic!("{}: no line {word:?}", self.path.display()))
    }

    /// The version and the call: the two folders it is in.
    fn place(&self) -> (String, String) {
        let mut names = self.path.iter().rev().skip(1).map(|name| name.to_str().unwrap().to_owned());
        let call = names.next().unwrap();
        (names.next().unwrap(), call)
    }
}

fn vectors() -> Vec<Vector> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/keyauth")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() { folders.push(entry) } else { found.push(Vector::read(&entry)) }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

#[test]
fn every_call_has_its_cases_and_every_folder_its_call() {
    let mut shown: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for vector in vectors() {
        let case = vector.one("shows").to_owned();
        assert!(case == "refusal" || CASES.contains(&case.as_str()), "{}: {case}", vector.path.display());
        shown.entry(vector.place()).or_default().insert(case);
    }
    for version in versions::ALL {
        for call in TABLE.iter().filter(|call| version.has(call.since)) {
            let cases = shown.remove(&(version.name.to_owned(), call.name.to_owned())).unwrap_or_default();
            for case in CASES {
                assert!(cases.contains(*case), "{} {} has no vector that shows: {case}", version.name, call.name);
            }
        }
    }
    assert!(shown.is_empty(), "no call of that version: {:?}", shown.keys());
}

// The vectors in four tests, so that they are played side by side.
#[test]
fn vectors_1_of_4() {
    play_share(0);
}

#[test]
fn vectors_2_of_4() {
    play_share(1);
}

#[test]
fn vectors_3_of_4() {
    play_share(2);
}

#[test]
fn vectors_4_of_4() {
    play_share(3);
}

fn play_share(share: usize) {
    let mut wrong = Vec::new();
    for vector in vectors().iter().skip(share).step_by(4) {
        if let Err(why) = play(vector) {
            wrong.push(format!("{}\n{why}\n", vector.path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn play(vector: &Vector) -> Result<(), String> {
    let db = Fixture::new();
    let mut flags = Vec::new();
    for line in vector.all("given") {
        give(&db, line, &mut flags);
    }
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let server = db.serve(&flags);
    let mut session = String::new();
    for form in vector.all("first") {
        let form = form.replace("{sessionid}", &session);
        let path = format!("/api/{}/", vector.place().0);
        let reply = server.raw(&post_bytes(&path, "application/x-www-form-urlencoded", form.as_bytes()));
        if !reply.success() {
            return Err(format!("first: {form}\n{reply:?}"));
        }
        if let Some(id) = reply.json()["sessionid"].as_str() {
            session = id.to_owned();
        }
    }
    let reply = exchange(server.address, &request(&vector.request, &session));
    let text = format!("{}\n\n{}", reply.head.replace("\r\n", "\n"), reply.text());
    matches(&vector.reply, &text, &server, &reply)
        .map_err(|why| format!("{why}\n--- want\n{}\n--- got\n{text}", vector.reply))?;
    let seal = match vector.one("sealed by") {
        "nothing" => Seal::None,
        "the literal" => Seal::Literal,
        "the secret" => Seal::secret(),
        key => Seal::session(key.strip_suffix("-<secret>").expect("nothing, the literal, the secret, or X-<secret>")),
    };
    reply.assert_sealed(&seal);
    Ok(())
}

/// One line of the state that a vector starts from.
fn give(db: &Fixture, line: &str, flags: &mut Vec<String>) {
    let (what, rest) = line.split_once(' ').unwrap();
    let words: Vec<&str> = rest.split(' ').collect();
    let option = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let seconds = |name: &str| option(name).map(|text| text.parse::<i64>().unwrap());
    let spaced = |name: &str| option(name).map(|text| text.replace('_', " "));
    match what {
        "setting" => {
            let (name, value) = rest.split_once('=').unwrap();
            db.setting(name, value);
        }
        "plan" => db.plan(words[0], words[1]),
        "license" => {
            let used_by = option("used-by").map(|name| db.user_now(name).expect("a user of an earlier line").id);
            db.license_with(words[0], |license| {
                license.level = option("level").unwrap_or("1").to_owned();
                license.duration = seconds("seconds").map_or(license.duration, Span::Seconds);
                if words.contains(&"lifetime") {
                    license.duration = Span::Lifetime;
                }
                (license.used_at, license.used_by) = (used_by.map(|_| now()), used_by);
                (license.banned, license.ban_reason) = (option("banned").is_some(), spaced("banned"));
            });
        }
        "user" => {
            let credential = match option("password") {
                Some(password) => Credential::Password(support::password_hash(password)),
                None => Credential::License,
            };
            let id = db.bare_user(words[0], credential, |user| {
                (user.banned, user.ban_reason) = (option("banned").is_some(), spaced("banned"));
                user.email_sha1 = option("email").map(email_sha1);
            });
            if let Some(hwid) = option("hwid") {
                db.device(id, hwid.to_owned().leak());
            }
            if let Some(left) = seconds("left") {
                db.subscription(id, |new| {
                    new.granted_at = now() + -1_000;
                    new.expires_at = Some(now() + left);
                    new.paused_at = words.contains(&"paused").then(|| now() + -500);
                });
            }
        }
        "variable" => db.variable(words[0], &words[2..].join(" "), words[1] == "authenticated"),
        "relay" if words[1] == "upstream" => {
            let text = words[3..].join(" ");
            let web = Web::start(move |_| answer(200, &[], text.as_bytes()));
            flags.push("--allow-target=127.0.0.1".to_owned());
            db.relay(words[0], &web.url("/"), words[2] == "authenticated");
        }
        "relay" => db.relay(words[0], words[1], words[2] == "authenticated"),
        "file" if words[2] == "at" => db.file_at(words[0], words[3], words[1] == "authenticated"),
        "file" => db.kept_file(words[0], words[2..].join(" ").as_bytes(), words[1] == "authenticated"),
        "ban" if words[0] == "hwid" => db.ban_hwid(words[1]),
        "ban" => db.ban_network(words[1]),
        "flag" => {
            // A flag whose value is a file with this one line.
            flags.push(format!("--{}", words[0]));
            flags.push(db.file(words[0], &format!("{}\n", words[1])));
        }
        "expired" => db.sql(&format!(
            "INSERT INTO sessions (id, app_id, sign_key, ip, created_at, expires_at) \
             VALUES ('{}', {}, 'k-{}', '127.0.0.1', {}, {})",
            words[1],
            db.app().id.0,
            support::SECRET,
            now().0 - 100,
            now().0 - 10
        )),
        _ => panic!("given: {line}"),
    }
}

/// The bytes of a request: lines become CRLF, the body stays, `{x*70}` is seventy x.
fn request(text: &str, session: &str) -> Vec<u8> {
    let text = text.replace("{sessionid}", session);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut body = body.to_owned();
    while let Some((before, rest)) = body.split_once("{x*") {
        let (count, after) = rest.split_once('}').unwrap();
        body = format!("{before}{}{after}", "x".repeat(count.parse().unwrap()));
    }
    let head = head.replace("{length}", &body.len().to_string()).replace('\n', "\r\n");
    format!("{head}\r\n\r\n{body}").into_bytes()
}

/// Compares an answer with a text whose placeholders stand for what differs from run to run.
fn matches(want: &str, got: &str, server: &Server, reply: &Reply) -> Result<(), String> {
    let (mut want, mut rest) = (want, got);
    while let Some((literal, placeholder, after)) = next_placeholder(want) {
        rest = rest.strip_prefix(literal).ok_or_else(|| format!("expected {literal:?} at {:?}", head(rest)))?;
        let length = length_of(placeholder, rest, server, reply)
            .ok_or_else(|| format!("expected {{{placeholder}}} at {:?}", head(rest)))?;
        (want, rest) = (after, &rest[length..]);
    }
    if want == rest { Ok(()) } else { Err(format!("expected {want:?} at {:?}", head(rest))) }
}

fn head(text: &str) -> String {
    text.chars().take(60).collect()
}

/// The text before the first `{word}`, the word, and what follows. JSON's braces are followed by a quote.
fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    text.match_indices('{').find_map(|(at, _)| {
        let inner = &text[at + 1..];
        let end = inner.find(|c: char| !matches!(c, 'a'..='z' | '0'..='9' | '+' | '-'))?;
        (end > 0 && inner[end..].starts_with('}')).then(|| (&text[..at], &inner[..end], &inner[end + 1..]))
    })
}

/// How much of the text is what the placeholder stands for.
fn length_of(placeholder: &str, text: &str, server: &Server, reply: &Reply) -> Option<usize> {
    let hex = |length: usize| {
        let value = text.get(..length)?;
        value.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')).then_some(length)
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = || text[..digits].parse::<i64>().ok();
    let exactly = |value: String| text.starts_with(&value).then_some(value.len());
    match placeholder {
        "sessionid" | "nonce" => hex(32),
        // Which key it is, is looked at afterwards; here, that it is one.
        "signature" => hex(hmac_hex("", b"").len()),
        "length" => exactly(reply.body.len().to_string()),
        "address" => exactly(server.address.to_string()),
        "date" => {
            let value = text.lines().next()?;
            chrono::NaiveDateTime::parse_from_str(value, "%a, %d %b %Y %H:%M:%S GMT").ok().map(|_| value.len())
        }
        _ => {
            let (base, plus) = placeholder.split_at(placeholder.find(['+', '-']).unwrap_or(placeholder.len()));
            let plus = if plus.is_empty() { 0 } else { plus.parse::<i64>().ok()? };
            // Seconds pass between the fixture and the answer: later by so much, or so much less left.
            let late = match base {
                "now" => now().0 + plus - number()?,
                "left" => plus - number()?,
                _ => panic!("no such placeholder: {placeholder}"),
            };
            (0..=LATE).contains(&late).then_some(digits)
        }
    }
}
