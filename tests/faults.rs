//! Every call to the engine fails once: whichever it is, the client is told "unavailable", nothing is half done, what
//! was acknowledged stands, and the next try goes through. In process, so that the faults can be placed.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use keystead::clock::Clock;
use keystead::domain::guesses::Guesses;
use keystead::domain::hashing::Hashing;
use keystead::domain::license::{self, Alphabet, Batch};
use keystead::domain::lists::Lists;
use keystead::domain::secret::Proof;
use keystead::domain::session::NewToken;
use keystead::domain::target::Targets;
use keystead::domain::user::{Entered, Name, SignUp, sign_up};
use keystead::domain::{Stop, app, chat, owner, plan, session};
use keystead::model::app::App;
use keystead::model::exchange::{HeaderValue, Method, Request};
use keystead::model::ids::{SessionId, UserId};
use keystead::model::time::{Span, Time};
use keystead::model::user::Profile;
use keystead::outside::fetch::Fetcher;
use keystead::store::variables::Variable;
use keystead::store::{
    self, Options, Store, bans, chats, devices, sessions, subscriptions, two_factor, user_variables, users, variables,
    verify,
};
use keystead::wire::limits::Limits;
use keystead::wire::{Answer, Ctx, FAMILIES};
use uuid::Uuid;

#[path = "support/totp.rs"]
mod totp;

const NOW: Time = Time(1_900_000_000);
const MASK: &str = "FAULT-";
const SECRET: &str = "df220954669509bed23b28cb56759a7186f90b2242dbf9f4c77a139ff1cd6225";

/// A store with an app of two plans and keys FAULT-1 to FAULT-4.
fn make_template(path: &Path) {
    let store = Store::open(&Options::small(path)).unwrap();
    store
        .write(|tx| -> Result<(), store::Error> {
            let owner = owner::create(tx, "acme", Some("AbCdEfGh12"), NOW, &mut rand::rng()).unwrap();
            let credentials = app::Credentials { secret: Some(SECRET.to_owned()), sellerkey: None };
            let app = app::create(tx, &owner, "demo", &credentials, NOW, &mut rand::rng()).unwrap();
            plan::create(tx, app.id, "extra", "1").unwrap();
            let news = Variable { name: "news".into(), value: "none".into(), authenticated: true, updated_at: NOW };
            variables::set(tx, app.id, &news)?;
            chat::create(tx, app.id, "lobby", Span::Seconds(0)).unwrap();
            for n in 1..=4 {
                let batch = Batch {
                    expires_at: None,
                    count: 1,
                    mask: format!("{MASK}{n}"),
                    alphabet: Alphabet::Upper,
                    duration: Span::Seconds(86_400),
                    level: "1".into(),
                    note: None,
                    created_by: None,
                };
                license::create(tx, app.id, &batch, NOW, &mut rand::rng()).unwrap();
            }
            Ok(())
        })
        .wait()
        .unwrap();
    store.close();
}

struct Server {
    ctx: Arc<Ctx>,
    runtime: tokio::runtime::Runtime,
}

impl Server {
    fn open(path: &Path) -> Server {
        let ctx = Arc::new(Ctx {
            store: Store::open(&Options::small(path)).unwrap(),
            hashing: Hashing::start(1, 4).unwrap(),
            guesses: Default::default(),
            own_shares: Default::default(),
            clock: Clock::test(NOW),
            vault: Arc::default(),
            server_key: Default::default(),
            fetcher: Fetcher::new(Targets::default(), Duration::from_secs(1)),
            limits: Limits::new(1 << 20, 1 << 20),
            mail: true,
            serves_1_0: true,
            lists: Lists::default(),
            public_url: "http://127.0.0.1".into(),
            ascii_only: true,
        });
        Server { ctx, runtime: tokio::runtime::Builder::new_current_thread().build().unwrap() }
    }

    /// Status and body. Every answer is signed as its session's are, or with the app's secret where there is none
    /// yet.
    fn call(&self, form: &str) -> (u16, serde_json::Value) {
        let request = Request {
            place: Box::default(),
            headers: Vec::new(),
            id: 1,
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            now: NOW,
            method: Method::Post,
            query: Bytes::new(),
            content_type: Some("application/x-www-form-urlencoded".into()),
            body: Bytes::from(format!("name=demo&ownerid=AbCdEfGh12&{form}")),
            since_start: Duration::ZERO,
            limited: None,
        };
        let answer = FAMILIES[0].paths.iter().find(|(path, _)| *path == "/api/1.2").unwrap().1;
        let response = match (answer.answer)(&self.ctx, request) {
            Answer::Now(response) => response,
            Answer::Later(future) => self.runtime.block_on(future),
        };
        let has_session = form.contains("sessionid=");
        let key = if has_session { format!("k-{SECRET}") } else { SECRET.to_owned() };
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_bytes());
        let signature = hex::encode(ring::hmac::sign(&key, &response.body));
        let given = response.headers.iter().find(|(name, _)| *name == "signature").map(|(_, value)| value);
        let is_signed = matches!(given, Some(HeaderValue::Made(given)) if *given == signature);
        // An app that could not be looked up has no key that anybody knows.
        assert!(is_signed || (!has_session && response.status == 503), "{form}: {response:?}");
        let body = serde_json::from_slice(&response.body)
            .unwrap_or_else(|_| panic!("no JSON: {:?}", String::from_utf8_lossy(&response.body)));
        (response.status, body)
    }

    fn app(&self) -> App {
        self.ctx.store.read(|tx| store::apps::find(tx, "AbCdEfGh12", "demo")).wait().unwrap().unwrap()
    }
}

/// What the client does; a step that fails with "unavailable" is tried again, once. Answers the steps that had to be.
fn story(server: &Server) -> Vec<&'static str> {
    let mut again = Vec::new();
    let mut step = |name: &'static str, form: String| -> serde_json::Value {
        let (status, body) = server.call(&form);
        if body["success"] == true {
            return body;
        }
        assert_eq!((status, body["error"].as_str()), (503, Some("UNAVAILABLE")), "{name}: {body}");
        again.push(name);
        let (_, second) = server.call(&form);
        // The step whose commit failed may not have happened; one whose commit stood would have been acknowledged.
        assert_eq!(second["success"], true, "{name}, second try: {second}");
        second
    };
    const INIT: &str = "type=init&ver=1.0&enckey=k";
    const LICENSE: &str = "type=license&key=FAULT-3&hwid=two";
    let id = |opened: serde_json::Value| opened["sessionid"].as_str().unwrap().to_owned();
    let session = id(step("init", INIT.into()));
    let with = |form: &str| format!("sessionid={session}&{form}");
    step("register", with("type=register&username=mia&pass=secret&key=FAULT-1&hwid=one&email=mia@example.test"));
    step("login", with("type=login&username=mia&pass=secret&hwid=one"));
    step("upgrade", with("type=upgrade&username=mia&key=FAULT-2"));
    step("license, first", with("type=license&key=FAULT-3&hwid=two"));
    step("license, again", with("type=license&key=FAULT-3&hwid=two"));
    let begun = step("2faenable", with("type=2faenable"));
    let code = totp::code_at(begun["2fa"]["secret_code"].as_str().unwrap(), NOW.0 / 30);
    step("2faenable, code", with(&format!("type=2faenable&code={code}")));
    step("license, code", with(&format!("{LICENSE}&code={code}")));
    step("2fadisable", with(&format!("type=2fadisable&code={code}")));
    step("setvar", with("type=setvar&var=rank&data=gold"));
    step("getvar", with("type=getvar&var=rank"));
    step("chatsend", with("type=chatsend&channel=lobby&message=hello"));
    step("chatget", with("type=chatget&channel=lobby"));
    step("fetchOnline", with("type=fetchOnline"));
    step("fetchStats", with("type=fetchStats"));
    step("check", with("type=check"));
    step("var", with("type=var&varid=news"));
    step("logout", with("type=logout"));
    let session = id(step("init", INIT.into()));
    step("license, again", format!("sessionid={session}&{LICENSE}"));
    step("changeUsername", format!("sessionid={session}&type=changeUsername&newUsername=fault-3"));
    let session = id(step("init", INIT.into()));
    step("license, again", format!("sessionid={session}&{LICENSE}"));
    step("ban", format!("sessionid={session}&type=ban&hwid=two"));
    again
}

/// What the story leaves, whatever failed on the way.
fn assert_told(server: &Server) {
    let app = server.app();
    let told = server
        .ctx
        .store
        .read(move |tx| -> Result<_, store::Error> {
            assert_eq!(verify::problems(tx)?, Vec::<String>::new());
            let mut held = BTreeMap::new();
            let banned = users::by_name(tx, app.id, "fault-3")?.unwrap();
            assert_eq!((banned.name.as_str(), banned.banned), ("fault-3", true));
            assert_eq!(bans::all(tx, app.id)?.len(), 2);
            assert_eq!(two_factor::of_user(tx, banned.id)?.unwrap().secret, None);
            let lobby = chats::channel(tx, app.id, "lobby")?.unwrap();
            let texts: Vec<_> = chats::messages(tx, lobby.id)?.into_iter().map(|message| message.text).collect();
            assert_eq!(texts, ["hello"], "once, however often its sending failed");
            assert_eq!(user_variables::find(tx, banned.id, "rank")?.unwrap().value, "gold");
            for name in ["mia", "FAULT-3"] {
                let user = users::by_name(tx, app.id, name)?.unwrap();
                held.insert(name, subscriptions::of_user(tx, user.id)?);
            }
            let used: Vec<bool> =
                (1..=4).map(|n| license::find(tx, app.id, &format!("{MASK}{n}")).unwrap().used_at.is_some()).collect();
            Ok((held, used))
        })
        .wait()
        .unwrap();
    let (held, used) = told;
    assert_eq!(used, [true, true, true, false]);
    let ends = |name| held[name].iter().map(|s| s.expires_at.unwrap() - NOW).collect::<Vec<i64>>();
    // One day from the registration for both plans of the level, one more from the upgrade for the first of them.
    assert_eq!(ends("mia"), [172_800, 86_400]);
    assert_eq!(ends("FAULT-3"), [86_400, 86_400]);
}

#[test]
fn whichever_engine_call_fails_nothing_is_half_done() {
    let dir = tempfile::tempdir().unwrap();
    let template = dir.path().join("template.db");
    make_template(&template);

    let mut failed_steps = BTreeMap::new();
    let mut n = 0;
    loop {
        n += 1;
        let path = dir.path().join(format!("run-{n}.db"));
        fs::copy(&template, &path).unwrap();
        let server = Server::open(&path);
        server.ctx.store.faults().fail_nth(n);
        for name in story(&server) {
            *failed_steps.entry(name).or_insert(0) += 1;
        }
        let hit = server.ctx.store.faults().hits() > 0;
        server.ctx.store.faults().clear();
        assert_told(&server);
        drop(server);
        // What is on disk is what was told.
        assert_told(&Server::open(&path));
        fs::remove_file(&path).unwrap();
        if !hit {
            break;
        }
    }
    assert!(n > 60, "only {n} engine calls were seen to fail");
    let calls = ["init", "register", "login", "upgrade", "license, first", "license, again", "logout"];
    let own = ["2faenable", "2faenable, code", "license, code", "2fadisable", "changeUsername", "ban"];
    let kept = ["setvar", "getvar", "chatsend", "chatget", "fetchOnline", "fetchStats"];
    for name in calls.iter().chain(&own).chain(&kept) {
        assert!(failed_steps.contains_key(*name), "no fault ever fell into {name}: {failed_steps:?}");
    }
}

/// What one transaction does.
type Step = Box<dyn Fn(&mut store::Tx<'_>, &App) -> Result<Entered, Stop> + Send + Sync>;

/// What stands behind the sign-ups and logins of the other formats, without their bodies: a user with its license, its
/// device and its profile, and sessions of each kind. Answers how many steps failed, each once.
fn other_formats(store: &Store, app: &App) -> usize {
    let mut failures = 0;
    let mut step = |name: &str, work: Step| {
        let work = Arc::new(work);
        let run = || {
            let (work, app) = (Arc::clone(&work), app.clone());
            store.write(move |tx| work(tx, &app)).wait()
        };
        run().unwrap_or_else(|stop| {
            assert!(matches!(stop, Stop::Failed(store::Error::Unavailable(_))), "{name}: {stop:?}");
            failures += 1;
            run().unwrap_or_else(|stop| panic!("{name}, second try: {stop:?}"))
        })
    };
    let entered = step(
        "sign up",
        Box::new(|tx, app| {
            let profile = Profile { phone: Some("5550100".into()), ..Profile::default() };
            let (guesses, guessed) = (Guesses::default(), AtomicBool::new(false));
            let by = SignUp {
                name: Name::Given("mia"),
                password: Some("secret"),
                key: Some("FAULT-1"),
                hwid: Some("one"),
                email: Some("mia@example.test"),
                claims_email: true,
                profile,
                ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
                now: NOW,
                uuid: Uuid::from_u128(7),
                guess: guesses.guess(&guessed, IpAddr::V4(Ipv4Addr::LOCALHOST), Duration::ZERO),
            };
            sign_up(tx, app, &Lists::default(), &by, Some(&Proof::Hashed { hash: "$argon2id$".into() }))
        }),
    );
    for n in [1, 2] {
        let entered = entered.clone();
        step(
            "open a token",
            Box::new(move |tx, app| {
                let id = SessionId::long_from_random([1, n]);
                let new = NewToken { id, hwid: Some("one"), ip: IpAddr::V4(Ipv4Addr::LOCALHOST), now: NOW };
                session::open_token(tx, app, &entered, &new)?;
                Ok(entered.clone())
            }),
        );
    }
    let signed_in = entered.clone();
    step(
        "sign in on a browser",
        Box::new(move |tx, app| {
            let id = SessionId::long_from_random([2, 1]);
            session::open_sign_in(tx, app, &signed_in, id, IpAddr::V4(Ipv4Addr::LOCALHOST), NOW, NOW + 600)?;
            Ok(signed_in.clone())
        }),
    );
    step(
        "open one more session",
        Box::new(move |tx, app| {
            let id = SessionId::long_from_random([3, 1]);
            session::open_for(tx, app, &entered, id, IpAddr::V4(Ipv4Addr::LOCALHOST), NOW)?;
            Ok(entered.clone())
        }),
    );
    failures
}

#[test]
fn whichever_engine_call_fails_a_sign_up_and_its_sessions_are_whole_or_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let template = dir.path().join("template.db");
    make_template(&template);
    let mut n = 0;
    loop {
        n += 1;
        let path = dir.path().join(format!("run-{n}.db"));
        fs::copy(&template, &path).unwrap();
        let store = Store::open(&Options::small(&path)).unwrap();
        let app = store.read(|tx| store::apps::find(tx, "AbCdEfGh12", "demo")).wait().unwrap().unwrap();
        store.faults().fail_nth(n);
        let failures = other_formats(&store, &app);
        let hit = store.faults().hits() > 0;
        store.faults().clear();
        assert_eq!(failures > 0, hit, "call {n}: a fault is a step that failed");
        store.close();

        // What is on disk: all of it, and once.
        let store = Store::open(&Options::small(&path)).unwrap();
        let id = app.id;
        let told = store.read(move |tx| -> Result<_, store::Error> {
            assert_eq!(verify::problems(tx)?, Vec::<String>::new());
            let all = users::after(tx, id, UserId(0), 10)?;
            let [mia] = all.as_slice() else { panic!("one user: {all:?}") };
            assert_eq!((mia.uuid, mia.email_claimed), (Uuid::from_u128(7), true));
            assert_eq!(mia.profile.phone.as_deref(), Some("5550100"));
            assert_eq!(devices::of_user(tx, mia.id)?.len(), 1);
            assert_eq!(subscriptions::of_user(tx, mia.id)?.len(), 2);
            assert_eq!(license::find(tx, id, "FAULT-1").unwrap().used_by, Some(mia.id));
            let live = sessions::live_of_app(tx, id, NOW, 10)?;
            Ok(live.iter().map(|session| session.id).collect::<Vec<_>>())
        });
        let live = told.wait().unwrap();
        let id = |high, low| SessionId::long_from_random([high, low]);
        // The second token has ended the first.
        assert!(live.len() == 3 && [id(1, 2), id(2, 1), id(3, 1)].iter().all(|id| live.contains(id)), "call {n}");
        store.close();
        fs::remove_file(&path).unwrap();
        if !hit {
            break;
        }
    }
    assert!(n > 20, "only {n} engine calls were seen to fail");
}
