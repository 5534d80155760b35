//! Plays the vectors under `tests/vectors/keyauth` against the real server, byte for byte, and holds the table of calls
//! to them: no call without its cases, no folder without a call, no refusal that is not shown. Their format:
//! `tests/vectors/README.md`.

#[path = "vectors/derive.rs"]
mod derive;
#[path = "vectors/file.rs"]
mod file;
mod support;

use std::collections::{BTreeMap, BTreeSet};

use file::Vector;
use keystead::domain::secret::email_sha1;
use keystead::domain::vault::{Purpose, Vault};
use keystead::model::time::{Span, Time};
use keystead::model::user::Credential;
use keystead::store::two_factor;
use keystead::wire::keyauth::calls::{COMMON, Call, TABLE};
use keystead::wire::keyauth::versions::{self, V1_2};
use support::placeholder::{head, next_placeholder};
use support::web::{Web, answer};
use support::{
    Envelope, Fixture, OTHER_SECRET, Reply, SECRET, Seal, Server, exchange, hmac_hex, now, post_bytes, totp,
};

/// What every call must show in every version that has it.
const CASES: &[&str] = &["success", "no rights", "wrong app"];

/// What a vector cannot show: the call, the code, and why. This list may only shrink.
const NOT_SHOWN: &[(&str, &str, &str)] = &[
    (ANY, "BUSY", "needs a full queue: tests/keyauth/limits.rs"),
    (ANY, "VERSION_OFF", "the servers of these vectors have 1.0 on: tests/keyauth/version_1_0.rs"),
];

/// Stands for a call where it does not matter which one.
const ANY: &str = "any call";

/// The secret of every second factor: 25 times the byte 7.
const SECOND_FACTOR: &str = "A4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYH";

/// How many seconds an answer's times may be off from the test's.
const LATE: i64 = 60;

#[test]
fn every_call_has_its_cases_and_every_folder_its_call() {
    let mut shown: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for vector in file::all() {
        let case = vector.one("shows").to_owned();
        assert!(case == "refusal" || CASES.contains(&case.as_str()), "{}: {case}", vector.path.display());
        shown.entry((vector.version().to_owned(), vector.call().to_owned())).or_default().insert(case);
    }
    let mut missing = Vec::new();
    for version in versions::ALL {
        for call in TABLE.iter().filter(|call| version.has(call.since)) {
            let cases = shown.remove(&(version.name.to_owned(), call.name.to_owned())).unwrap_or_default();
            for case in CASES.iter().filter(|case| !cases.contains(**case)) {
                missing.push(format!("{} {} has no vector that shows: {case}", version.name, call.name));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(shown.is_empty(), "no call of that version: {:?}", shown.keys());
}

#[test]
fn derived_vectors_are_what_their_sources_give() {
    derive::check();
}

/// Contract, Appendix A, the 1.0 rows: what the server is measured with is measured too.
#[test]
fn the_measure_of_1_0_is_right() {
    let envelope = Envelope::new(SECRET, "init-iv-example");
    assert_eq!(envelope.close(b"1.0"), "cbcb4cea6211a4191db37e80c9059b29");
    let body = "45c646265d5775916a05fc38eecc57846d8efe442683df5f98e8349e674312b9e3cf71ce4d75a99c07e3a4745fd1983c";
    assert_eq!(envelope.open(body.as_bytes()).unwrap(), br#"{"success":true,"message":"Initialized"}"#);
    assert_eq!(envelope.open(body.to_uppercase().as_bytes()), None);
    assert_ne!(Envelope::new(SECRET, "").open(body.as_bytes()), envelope.open(body.as_bytes()));
    assert_eq!(Envelope::new("another text", "init-iv-example").open(body.as_bytes()), None);
}

#[test]
fn every_code_is_declared_and_every_declared_code_is_shown() {
    let mut shown: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let all = file::all();
    for vector in &all {
        let Some(code) = vector.code() else { continue };
        let call = TABLE.iter().find(|call| call.name == vector.call()).expect("a call");
        let mut declared = call.refuses.iter().chain(COMMON).map(|refusal| refusal.code());
        assert!(declared.any(|one| one == code), "{}: {} does not refuse {code}", vector.path.display(), call.name);
        if vector.version() == home(call) {
            shown.entry(call.name).or_default().insert(code.to_owned());
            shown.entry(ANY).or_default().insert(code.to_owned());
        }
    }
    let is_shown = |call: &str, code: &str| shown.get(call).is_some_and(|codes| codes.contains(code));
    let mut missing = Vec::new();
    let of_calls = TABLE.iter().flat_map(|call| call.refuses.iter().map(|refusal| (call.name, refusal.code())));
    let declared: Vec<(&str, &str)> = COMMON.iter().map(|refusal| (ANY, refusal.code())).chain(of_calls).collect();
    for (call, code) in &declared {
        let excused = NOT_SHOWN.iter().any(|(name, what, _)| (name, what) == (call, code));
        if !is_shown(call, code) && !excused {
            missing.push(format!("{call}: no vector of 1.2, or of the version it came with, answers {code}"));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    for (call, code, why) in NOT_SHOWN {
        let declared = declared.contains(&(call, code));
        assert!(declared && !is_shown(call, code) && !why.is_empty(), "needs no excuse any more: {call} {code}");
    }
}

/// The version whose vectors show everything that a call refuses: 1.2, or the first that has it.
fn home(call: &Call) -> &'static str {
    if V1_2.has(call.since) { V1_2.name } else { call.since.name }
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
    for vector in file::all().iter().skip(share).step_by(4) {
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
    let is_enveloped = vector.version() == "1.0";
    if is_enveloped {
        flags.push("--api-1-0=true".to_owned());
    }
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let server = db.serve(&flags);
    let mut session = String::new();
    let mut enckey = String::new();
    for (word, form) in vector.header.iter().filter(|(word, _)| word == "first" || word == "refused") {
        let form = filled(form, &session);
        let path = format!("/api/{}/", vector.version());
        let text = text_of(&form, &enckey);
        let body = if is_enveloped { enveloped(&form, &text) } else { form.clone() };
        let mut reply = server.raw(&post_bytes(&path, "application/x-www-form-urlencoded", body.as_bytes()));
        if is_enveloped {
            reply = reply.opened(&text, init_iv(&form));
        }
        if reply.success() != (word == "first") {
            return Err(format!("{word}: {form}\n{reply:?}"));
        }
        if let Some(id) = reply.json()["sessionid"].as_str() {
            session = id.to_owned();
            enckey = file::parameter(&form, "enckey").unwrap_or_default().to_owned();
        }
    }
    let seal = seal_of(vector);
    if let Seal::Envelope(text) = &seal {
        enckey = text.clone();
    }
    let mut init_iv_sent = String::new();
    let reply = exchange(
        server.address,
        &request(&vector.request, &session, |form| {
            if !is_enveloped {
                return form;
            }
            init_iv_sent = init_iv(&form).to_owned();
            enveloped(&form, &text_of(&form, &enckey))
        }),
    );
    let body = match &seal {
        Seal::Envelope(text) => String::from_utf8(opened(&reply, text, &init_iv_sent)?).unwrap(),
        _ => reply.text(),
    };
    let text = format!("{}\n\n{body}", reply.head.replace("\r\n", "\n"));
    matches(&vector.reply, &text, &server, &reply)
        .map_err(|why| format!("{why}\n--- want\n{}\n--- got\n{text}", vector.reply))?;
    reply.assert_sealed(&seal);
    Ok(())
}

/// What must protect the answer, as the vector says.
fn seal_of(vector: &Vector) -> Seal {
    if vector.version() == "1.0" {
        return match vector.one("envelope") {
            "none" => Seal::None,
            "the secret" => Seal::Envelope(SECRET.to_owned()),
            enckey => Seal::Envelope(enckey.to_owned()),
        };
    }
    match vector.one("sealed by") {
        "nothing" => Seal::None,
        "the literal" => Seal::Literal,
        "the secret" => Seal::secret(),
        "the server" => Seal::Server,
        key => Seal::session(key.strip_suffix("-<secret>").expect("the server, nothing, the literal, or a key")),
    }
}

/// A shown form as 1.0 sends it.
fn enveloped(form: &str, text: &str) -> String {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(form).unwrap();
    Envelope::new(text, init_iv(form)).form(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

fn init_iv(form: &str) -> &str {
    file::parameter(form, "init_iv").unwrap_or_default()
}

/// What a form of 1.0 is enciphered with: an app's secret to open a session, then the enckey.
fn text_of(form: &str, enckey: &str) -> String {
    match (file::parameter(form, "type"), file::parameter(form, "name")) {
        (Some("init"), Some("other")) => OTHER_SECRET.to_owned(),
        (Some("init"), _) => SECRET.to_owned(),
        _ => enckey.to_owned(),
    }
}

fn opened(reply: &Reply, text: &str, init_iv: &str) -> Result<Vec<u8>, String> {
    Envelope::new(text, init_iv).open(&reply.body).ok_or_else(|| format!("does not open with {text:?}: {reply:?}"))
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
                license.paused = words.contains(&"paused");
                license.expires_at = seconds("ends").map(|left| now() + left);
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
        "second-factor" => {
            let user = db.user_now(words[0]).expect("a user of an earlier line").id;
            let (is_on, until) = (words[1] == "on", now() + if words[1] == "late" { 0 } else { 300 });
            db.write(move |tx| {
                let sealed = Vault::default().seal(Purpose::TwoFactor, &[7; 25], &mut rand::rng());
                assert!(two_factor::begin(tx, user, &sealed, until).unwrap());
                assert!(!is_on || two_factor::switch_on(tx, user, &sealed, 0).unwrap());
            });
        }
        "variable" => db.variable(words[0], &words[2..].join(" "), words[1] == "authenticated"),
        "user-variable" => db.user_variable(words[0], words[1], words[2], words.contains(&"read-only")),
        "user-variables" => db.fill_user_variables(words[0], words[1].parse().unwrap()),
        "channel" => db.channel(words[0], seconds("delay").unwrap_or(0)),
        "message" => db.message(words[0], words[1], &words[2..].join(" "), Time(1_893_369_600)),
        "mute" => db.mute(words[0], Time(words[1].parse().unwrap())),
        "token" => db.token(words[0], |token| {
            token.file_hash = option("hash").map(str::to_owned);
            (token.banned, token.ban_reason) = (option("banned").is_some(), spaced("banned"));
        }),
        "login-token" => db.login_token(words[0], words[1], now() + 300),
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
        "option" => flags.push(format!("--{}={}", words[0], words[1..].join(" "))),
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

/// The bytes of a request: lines become CRLF, the body stays but for what `wrap` does, `{x*70}` is seventy x.
fn request(text: &str, session: &str, wrap: impl FnOnce(String) -> String) -> Vec<u8> {
    let text = filled(text, session);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut body = body.to_owned();
    while let Some((before, rest)) = body.split_once("{x*") {
        let (count, after) = rest.split_once('}').unwrap();
        body = format!("{before}{}{after}", "x".repeat(count.parse().unwrap()));
    }
    let body = wrap(body);
    let head = head.replace("{length}", &body.len().to_string()).replace('\n', "\r\n");
    format!("{head}\r\n\r\n{body}").into_bytes()
}

/// A request's text with what differs from run to run.
fn filled(text: &str, session: &str) -> String {
    text.replace("{sessionid}", session).replace("{code}", &totp::code(SECOND_FACTOR, 0))
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
        "secret" => {
            let value = text.get(..40)?;
            value.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7')).then_some(40)
        }
        // Which key it is, is looked at afterwards; here, that it is one.
        "signature" => hex(hmac_hex("", b"").len()),
        "ed25519" => hex(128),
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
