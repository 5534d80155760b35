//! Who is no customer: one guesses licenses and passwords through all formats, one floods the server with what it cannot
//! use. Each sits at an address of its own and is let down by the limits, which must remember it without growing. What
//! they are told is checked as well: for each request there is one right answer, or the limits'.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::client::{Answer, Client, FORM, Result};
use super::Shared;

const GUESSER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 100);
const FLOODER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 101);

/// One guess takes at least so long: what an address may guess at once is used up in a quarter of a minute.
const GUESS: Duration = Duration::from_millis(40);
/// Guesses on one session.
const GUESSES: u64 = 50;

/// The flood comes over so many connections, in waves: 400 requests a second together, of which an address may ask 200.
pub(super) const FLOODS: u64 = 2;
const WAVE: Duration = Duration::from_millis(250);
const REQUESTS_OF_A_WAVE: u64 = 50;

const JSON: (&str, &str) = ("content-type", "application/json");

/// How the limits say no, in each format.
const LIMITED: [&str; 3] = ["RATE_LIMITED", "TOO_MANY_REQUESTS", "Too many requests"];

/// What one of them asked, and how much of it the limits refused.
#[derive(Default)]
pub(super) struct Wrong {
    pub(super) asked: AtomicU64,
    pub(super) limited: AtomicU64,
}

/// What is posted, and what the server has to say to it.
struct Ask {
    target: String,
    headers: Vec<(&'static str, String)>,
    body: String,
    right: &'static str,
}

impl Ask {
    fn post(target: impl Into<String>, kind: (&'static str, &str), body: impl ToString, right: &'static str) -> Ask {
        let headers = vec![(kind.0, kind.1.to_owned())];
        Ask { target: target.into(), headers, body: body.to_string(), right }
    }

    fn form(body: String, right: &'static str) -> Ask {
        Ask::post("/api/1.2/", FORM, body, right)
    }

    fn with(mut self, name: &'static str, value: &str) -> Ask {
        self.headers.push((name, value.to_owned()));
        self
    }
}

impl Wrong {
    fn ask(&self, client: &mut Client, ask: &Ask) -> Result<()> {
        let headers: Vec<_> = ask.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = client.send("POST", &ask.target, &headers, &ask.body)?;
        self.judge(&answer, ask.right, &format!("{} {}", ask.target, ask.body))
    }

    /// That the limits did not refuse all of it. How much they do refuse depends on how quick the machine is.
    pub(super) fn were_judged(&self, what: &str) -> Result<()> {
        let (asked, limited) = (self.asked.load(Ordering::Relaxed), self.limited.load(Ordering::Relaxed));
        if limited < asked { Ok(()) } else { Err(format!("of {what}, all {asked} requests were refused").into()) }
    }

    fn judge(&self, answer: &Answer, right: &str, asked: &str) -> Result<()> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let said = said(answer);
        if LIMITED.contains(&&*said) {
            self.limited.fetch_add(1, Ordering::Relaxed);
        } else if said != right {
            let body = String::from_utf8_lossy(&answer.body);
            return Err(format!("{asked}\n  was answered {} {body}, not {right}", answer.status).into());
        }
        Ok(())
    }
}

/// The one word of an answer: its code in those formats that have one, else its text, else its status.
fn said(answer: &Answer) -> String {
    let json = answer.json();
    let coded = [&json["error"], &json["code"], &json["detail"], &json["errors"][0]["code"]];
    if json["success"] == true {
        "done".to_owned()
    } else if let Some(code) = coded.into_iter().find_map(|code| code.as_str()) {
        code.to_owned()
    } else if answer.status == 200 {
        String::from_utf8_lossy(&answer.body).into_owned()
    } else {
        answer.status.to_string()
    }
}

/// Guesses until all is over.
pub(super) fn guess(shared: &Shared<'_>) -> Result<()> {
    let mut client = Client::between(GUESSER, shared.server.address)?;
    let mut session = String::new();
    for turn in 0.. {
        if shared.is_over() {
            break;
        }
        let since = Instant::now();
        if turn % GUESSES == 0 {
            client.hang_up();
            let opened = client.success(&shared.data.init(0))?;
            session = opened["sessionid"].as_str().ok_or("no sessionid")?.to_owned();
        }
        shared.guesses.ask(&mut client, &a_guess(shared, turn, &session)?)?;
        thread::sleep(GUESS.saturating_sub(since.elapsed()));
    }
    Ok(())
}

fn a_guess(shared: &Shared<'_>, turn: u64, session: &str) -> Result<Ask> {
    let data = shared.data;
    let key = format!("NO-SUCH-KEY-{turn}");
    let keyauth = format!("sessionid={session}&name={}&ownerid={}", data.app("name")?, data.app("ownerid")?);
    let authgate = |credentials| -> Result<Ask> {
        let body = json!({"credentials": credentials, "hardware_id": "a-strangers"});
        let ask = Ask::post("/api/integration/auth/login", JSON, body, "Invalid credentials");
        Ok(ask.with("x-api-key", data.app("api_key")?).with("x-api-secret", data.app("api_secret")?))
    };
    // One customer after the other, once somebody is there.
    let names = shared.names.lock().map_err(|_| "a client broke down")?;
    let known: Vec<_> = names.iter().flatten().collect();
    let name = known.get(turn as usize / 8 % known.len().max(1));
    let wrong =
        json!({"session_id": session, "username": name, "password": key, "license_key": key, "sid": "a-strangers"});
    Ok(match (turn % 8, name) {
        (0, Some(name)) => {
            let form = format!("type=login&{keyauth}&username={name}&pass={key}&hwid=a-strangers");
            Ask::form(form, "INVALID_PASSWORD")
        }
        (1, Some(name)) => authgate(json!({"username": name, "password": key}))?,
        (2, Some(_)) => Ask::post("/api/v2/login", JSON, wrong, "INVALID_PASSWORD"),
        (3, Some(name)) => {
            let form = format!("strategy=plain_username&username={name}&password={key}");
            Ask::post(format!("/wacht/{}/auth/signin", data.app("id")?), FORM, form, "INVALID_CREDENTIALS")
        }
        (4, _) => Ask::form(format!("type=login&{keyauth}&username=no-one-{turn}&pass={key}"), "USER_NOT_FOUND"),
        (5, _) => authgate(json!({"code": key}))?,
        (6, _) => Ask::post("/api/v2/licenses", JSON, wrong, "LICENSE_NOT_FOUND"),
        _ => Ask::form(format!("type=license&{keyauth}&key={key}&hwid=a-strangers"), "LICENSE_NOT_FOUND"),
    })
}

/// Floods over one connection until all is over.
pub(super) fn flood(shared: &Shared<'_>) -> Result<()> {
    let mut client = Client::between(FLOODER, shared.server.address)?;
    while !shared.is_over() {
        let since = Instant::now();
        for turn in 0..REQUESTS_OF_A_WAVE {
            if turn % 50 == 7 {
                // Hardly HTTP, on a connection that ends with it.
                client.hang_up();
                shared.flood.judge(&client.exchange(b"\x16\x03\x01\r\n\r\n")?, "400", "bytes")?;
            } else {
                shared.flood.ask(&mut client, &a_nuisance(shared, turn)?)?;
            }
        }
        shared.wait(WAVE.saturating_sub(since.elapsed()));
    }
    Ok(())
}

fn a_nuisance(shared: &Shared<'_>, turn: u64) -> Result<Ask> {
    let data = shared.data;
    let app = format!("name={}&ownerid={}", data.app("name")?, data.app("ownerid")?);
    Ok(match turn % 16 {
        // What is written, and would be left behind: sessions on which nobody logs in, browsers on which nobody signs in.
        0 => Ask::form(data.init(turn as usize), "done"),
        1 => Ask::post(format!("/wacht/{}/auth/signin", data.app("id")?), FORM, "strategy=none", "BAD_REQUEST_BODY"),
        // These two are answered however many there are.
        2 => Ask::post("/no/such/path", FORM, "", "404"),
        3 => Ask::form("type=init&name=nobody&ownerid=AAAAAAAAAA&ver=1.0".to_owned(), "KeyAuth_Invalid"),
        4 | 5 => Ask::post("/api/v2/init", JSON, "{\"owner_id\":", "MISSING_FIELDS"),
        6 | 7 => Ask::post("/api/integration/auth/login", JSON, "{}", "Invalid API credentials")
            .with("x-api-key", "none")
            .with("x-api-secret", "none"),
        8..12 => Ask::form(format!("type=nothing&{app}"), "UNKNOWN_TYPE"),
        _ => Ask::form(format!("type=check&{app}&sessionid={turn:032x}"), "SESSION_NOT_FOUND"),
    })
}
