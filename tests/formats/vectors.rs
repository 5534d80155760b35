//! Plays the vectors under `tests/vectors` of Authgate, Authly and Wacht: what the contracts show, and every row of
//! their tables of errors, byte for byte. Their format: `tests/vectors/README.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use keystead::model::time::Span;
use keystead::model::user::Credential;

use crate::doors::Doors;
use crate::support::placeholder::{head, next_placeholder};
use crate::support::{Fixture, OWNERID, Reply, SECRET, exchange, now, password_hash};

/// How many seconds an answer's times may be off from the test's.
const LATE: i64 = 60;

/// What the contracts' tables of errors say, as it stands in an answer: its status, and text of its body.
const ROWS: &[(&str, u16, &str)] = &[
    ("authgate", 401, "Invalid API credentials"),
    ("authgate", 403, "Application is not available"),
    ("authgate", 422, "Request body must be a JSON object"),
    ("authgate", 422, "Field required: username"),
    ("authgate", 422, "Field required: password"),
    ("authgate", 422, "Field required: code"),
    ("authgate", 422, "Device authentication is required"),
    ("authgate", 403, "Banned"),
    ("authgate", 422, "Username is already taken"),
    ("authgate", 422, "Invalid or already used license code"),
    ("authgate", 422, "Invalid value: username"),
    ("authgate", 422, "Invalid value: password"),
    ("authgate", 422, "Invalid value: code"),
    ("authgate", 429, "Too many requests"),
    ("authly", 400, "MISSING_FIELDS"),
    ("authly", 401, "INVALID_SESSION"),
    ("authly", 401, "SESSION_EXPIRED"),
    ("authly", 403, "LICENSE_IN_USE"),
    ("authly", 403, "LICENSE_BANNED"),
    ("authly", 403, "LICENSE_PAUSED"),
    ("authly", 403, "LICENSE_EXPIRED"),
    ("authly", 404, "LICENSE_NOT_FOUND"),
    ("authly", 409, "USERNAME_TAKEN"),
    ("authly", 403, "APP_DISABLED"),
    ("authly", 403, "IP_BLOCKED"),
    ("authly", 403, "SID_BLOCKED"),
    ("authly", 429, "RATE_LIMITED"),
    ("authly", 403, "LICENSE_NOT_ELIGIBLE"),
    ("authly", 400, "HASH_REQUIRED"),
    ("authly", 401, "INVALID_SECRET"),
    ("authly", 401, "INVALID_HASH"),
    ("authly", 403, "VPN_BLOCKED"),
    ("authly", 404, "OWNER_NOT_FOUND"),
    ("authly", 404, "APP_NOT_FOUND"),
    ("authly", 426, "UPDATE_REQUIRED"),
    ("authly", 426, "VERSION_MISMATCH"),
    ("wacht", 400, "Bad request body"),
    ("wacht", 400, "Email is required"),
    ("wacht", 400, "Email is invalid"),
    ("wacht", 400, "Password must be at least 8 characters"),
    ("wacht", 400, "Username is invalid"),
    ("wacht", 400, "Password is invalid"),
    ("wacht", 400, "EMAIL_EXISTS"),
    ("wacht", 400, "USERNAME_EXISTS"),
    ("wacht", 400, "PHONE_NUMBER_EXISTS"),
    ("wacht", 403, "SIGNUP_RESTRICTED"),
    ("wacht", 429, "TOO_MANY_REQUESTS"),
    ("wacht", 405, "Method not allowed"),
    ("wacht", 404, "Deployment not found"),
];

/// One file.
struct Vector {
    path: PathBuf,
    /// The lines `word: rest` before the request.
    header: Vec<(String, String)>,
    request: String,
    reply: String,
}

impl Vector {
    fn read(path: PathBuf) -> Vector {
        let text = fs::read_to_string(&path).expect("UTF-8");
        let (header, rest) = text.split_once("\n=== request\n").unwrap_or_else(|| panic!("no request: {path:?}"));
        let (request, reply) = rest.split_once("\n=== reply\n").unwrap_or_else(|| panic!("no reply: {path:?}"));
        let words = |line: &str| {
            let (word, rest) = line.split_once(": ").unwrap_or_else(|| panic!("{path:?}: {line:?}"));
            (word.to_owned(), rest.to_owned())
        };
        Vector {
            header: header.lines().map(words).collect(),
            request: request.to_owned(),
            reply: reply.strip_suffix('\n').unwrap_or(reply).to_owned(),
            path,
        }
    }

    fn of(family: &str) -> Vec<Vector> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(family);
        let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        paths.into_iter().map(Vector::read).collect()
    }

    fn all<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
        self.header.iter().filter(move |(name, _)| name == word).map(|(_, rest)| rest.as_str())
    }

    /// The status that it shows.
    fn status(&self) -> u16 {
        self.reply.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line")
    }
}

#[test]
fn authgate_answers_as_its_contract_shows() {
    play_all("authgate");
}

#[test]
fn authly_answers_as_its_contract_shows() {
    play_all("authly");
}

#[test]
fn wacht_answers_as_its_contract_shows() {
    play_all("wacht");
}

#[test]
fn every_row_of_the_tables_of_errors_is_shown() {
    let mut missing = Vec::new();
    for family in ["authgate", "authly", "wacht"] {
        let vectors = Vector::of(family);
        for (_, status, text) in ROWS.iter().filter(|(of, ..)| *of == family) {
            if !vectors.iter().any(|vector| vector.status() == *status && vector.reply.contains(text)) {
                missing.push(format!("{family}: no vector shows {status} {text}"));
            }
        }
        let successes = vectors.iter().filter(|vector| vector.status() == 200).count();
        assert!(successes >= 2, "{family}: what its contract shows");
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

fn play_all(family: &str) {
    let mut wrong = Vec::new();
    for vector in Vector::of(family) {
        let shows = if vector.status() == 200 { "success" } else { "refusal" };
        assert_eq!(vector.all("shows").collect::<Vec<_>>(), [shows], "{}", vector.path.display());
        if let Err(why) = play(&vector) {
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
    let doors = Doors::open_with(db, &flags);
    // What differs from run to run, by its placeholder in requests.
    let mut known = BTreeMap::from([
        ("app", doors.app.clone()),
        ("api-key", doors.api_key.clone()),
        ("api-secret", doors.api_secret.clone()),
    ]);
    for line in vector.all("first") {
        let reply = first(&doors, &filled(line, &known));
        if reply.status != 200 {
            return Err(format!("first: {line}\n{reply:?}"));
        }
        if let Some(session) = reply.json()["session_id"].as_str() {
            known.insert("session", session.to_owned());
        }
        if let Some(cookie) = crate::doors::cookie(&reply) {
            known.insert("cookie", cookie);
        }
    }
    let request = request(&filled(&vector.request, &known));
    let reply = exchange(doors.server.address, &request);
    let text = format!("{}\n\n{}", reply.head.replace("\r\n", "\n"), reply.text());
    matches(&vector.reply, &text, &known, &reply)
        .map_err(|why| format!("{why}\n--- want\n{}\n--- got\n{text}", vector.reply))
}

/// A call that is made before: `PATH BODY`, where the body is JSON or a form.
fn first(doors: &Doors, line: &str) -> Reply {
    let (path, body) = line.split_once(' ').expect("PATH BODY");
    let kind = if body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
    let mut headers = vec![("content-type", kind)];
    if path.starts_with("/api/integration/") {
        headers.extend(doors.credentials());
    }
    doors.server.ask("POST", path, &headers, body.as_bytes())
}

/// One line of the state that a vector starts from.
fn give(db: &Fixture, line: &str, flags: &mut Vec<String>) {
    let (what, rest) = line.split_once(' ').expect("a word and more");
    let words: Vec<&str> = rest.split(' ').collect();
    let has = |word: &str| words.contains(&word);
    let option = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    match what {
        "setting" => {
            let (name, value) = rest.split_once('=').expect("NAME=VALUE");
            db.setting(name, value);
        }
        "license" => {
            let used_by = option("used-by").map(|name| db.user_now(name).expect("a user of an earlier line").id);
            db.license_with(words[0], |license| {
                license.level = option("level").unwrap_or("1").to_owned();
                if has("lifetime") {
                    license.duration = Span::Lifetime;
                }
                (license.used_at, license.used_by) = (used_by.map(|_| now()), used_by);
                (license.banned, license.paused) = (has("banned"), has("paused"));
                license.expires_at = has("over").then(now);
            });
        }
        "user" => {
            db.bare_user(words[0], Credential::Password(password_hash("secret")), |user| {
                user.email = option("email").map(str::to_owned);
                user.email_sha1 = option("email").map(keystead::domain::secret::email_sha1);
                user.profile.phone = option("phone").map(str::to_owned);
            });
        }
        "ban" if words[0] == "hwid" => db.ban_hwid(words[1]),
        "ban" => db.ban_network(words[1]),
        "flag" => {
            // A flag whose value is a file with this one line.
            flags.push(format!("--{}", words[0]));
            flags.push(db.file(words[0], &format!("{}\n", words[1])));
        }
        "option" => flags.push(format!("--{}={}", words[0], words[1..].join(" "))),
        // One that somebody opened before; an expired one's time is over since ten seconds.
        "session" | "expired" => db.sql(&format!(
            "INSERT INTO sessions (id, app_id, ip, created_at, expires_at) VALUES ('{}', {}, '127.0.0.1', {}, {})",
            words[words.len() - 1],
            db.app().id.0,
            now().0 - 100,
            now().0 + if what == "expired" { -10 } else { 1_000 }
        )),
        _ => panic!("given: {line}"),
    }
}

/// The bytes of a request: lines of the head become CRLF, and those of a multipart body too.
fn request(text: &str) -> Vec<u8> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut body = body.to_owned();
    if head.contains("multipart/form-data") {
        body = body.replace('\n', "\r\n");
    }
    while let Some((before, rest)) = body.split_once("{x*") {
        let (count, after) = rest.split_once('}').expect("{x*N}");
        body = format!("{before}{}{after}", "x".repeat(count.parse().expect("a number")));
    }
    let head = head.replace("{length}", &body.len().to_string()).replace('\n', "\r\n");
    format!("{head}\r\n\r\n{body}").into_bytes()
}

/// A request's text with what differs from run to run.
fn filled(text: &str, known: &BTreeMap<&str, String>) -> String {
    let fixed = [("{ownerid}", OWNERID), ("{secret}", SECRET)];
    let text = fixed.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
    known.iter().fold(text, |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// Compares an answer with a text whose placeholders stand for what differs from run to run.
fn matches(want: &str, got: &str, known: &BTreeMap<&str, String>, reply: &Reply) -> Result<(), String> {
    let (mut want, mut rest) = (want, got);
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    while let Some((literal, placeholder, after)) = next_placeholder(want) {
        rest = rest.strip_prefix(literal).ok_or_else(|| format!("expected {literal:?} at {:?}", head(rest)))?;
        let length = length_of(placeholder, rest, known, reply)
            .ok_or_else(|| format!("expected {{{placeholder}}} at {:?}", head(rest)))?;
        // A numbered one stands for the same text wherever it is.
        let numbered = placeholder.rsplit_once('-').is_some_and(|(_, n)| n.bytes().all(|b| b.is_ascii_digit()));
        if numbered && *seen.entry(placeholder).or_insert(&rest[..length]) != &rest[..length] {
            return Err(format!("{{{placeholder}}} is another one at {:?}", head(rest)));
        }
        (want, rest) = (after, &rest[length..]);
    }
    if want == rest { Ok(()) } else { Err(format!("expected {want:?} at {:?}", head(rest))) }
}

/// How much of the text is what the placeholder stands for.
fn length_of(placeholder: &str, text: &str, known: &BTreeMap<&str, String>, reply: &Reply) -> Option<usize> {
    let exactly = |value: &str| text.starts_with(value).then_some(value.len());
    let made_of = |length: usize, fits: fn(u8) -> bool| {
        let value = text.get(..length)?;
        value.bytes().all(fits).then_some(length)
    };
    let until_quote = || text.find('"').map(|end| &text[..end]);
    let (base, plus) = match placeholder.split_once('+') {
        Some((base, plus)) => (base, plus.parse::<i64>().ok()?),
        None => (placeholder, 0),
    };
    let base = base.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('-');
    if let Some(value) = known.get(base) {
        return exactly(value);
    }
    match base {
        "length" => exactly(&reply.body.len().to_string()),
        "date" => {
            let value = text.lines().next()?;
            chrono::NaiveDateTime::parse_from_str(value, "%a, %d %b %Y %H:%M:%S GMT").ok().map(|_| value.len())
        }
        // Seconds to wait.
        "wait" => {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            text[..digits].parse::<u32>().is_ok_and(|seconds| (1..=3_600).contains(&seconds)).then_some(digits)
        }
        // Seconds that a new browser is known.
        "life" => {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            let seconds: i64 = text[..digits].parse().ok()?;
            (0..=LATE).contains(&(30 * 86_400 - seconds)).then_some(digits)
        }
        // A new session's id, or the token of a cookie; not one that was known.
        "hex" => {
            let end = text.find(|c: char| !matches!(c, '0'..='9' | 'a'..='f'))?;
            (end >= 32).then_some(end)
        }
        "uuid" => uuid::Uuid::parse_str(text.get(..36)?).ok().map(|_| 36),
        "drawn" => made_of(12, |b| matches!(b, b'a'..=b'z' | b'2'..=b'7')),
        "number" => {
            let value = until_quote()?;
            value.parse::<i64>().is_ok_and(|number| number > 0 && number.to_string() == value).then_some(value.len())
        }
        // A time of an answer, so many seconds after it was made.
        "time" => {
            let value = text.get(..20)?;
            let time = chrono::NaiveDateTime::parse_from_str(value, "%Y-%m-%dT%H:%M:%SZ").ok()?;
            let late = now().0 + plus - time.and_utc().timestamp();
            (0..=LATE).contains(&late).then_some(value.len())
        }
        _ => panic!("no such placeholder: {placeholder}"),
    }
}
