//! A server in this process, for the targets that need one: a database with one app of every format, whose user, keys and
//! sessions are known. One for each process; it goes with its folder.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use keystead::clock::Clock;
use keystead::config::{Config, Flags};
use keystead::domain::document::check::{Overrides, Rules, check};
use keystead::domain::document::{import, parse};
use keystead::domain::guesses::Guesses;
use keystead::domain::hashing::Hashing;
use keystead::domain::lists::Lists;
use keystead::domain::target::Targets;
use keystead::http::Server;
use keystead::model::exchange::{Request, Response};
use keystead::outside::fetch::Fetcher;
use keystead::store::{Options, Store, lock};
use keystead::wire::limits::Limits;
use keystead::wire::server_key::Held;
use keystead::wire::{Answer, Ctx, Door};

/// The owner of everything.
pub(crate) const OWNER: &str = "acme";
/// Its ownerid.
pub(crate) const OWNERID: &str = "AbCdEfGh12";

/// The app that is asked. Files and relays lead to networks that nobody is let into.
const APP: &str = r#"{
  "format": "keystead-app", "version": 1,
  "owner": {"name": "acme", "ownerid": "AbCdEfGh12"}, "name": "demo",
  "secret": "df220954669509bed23b28cb56759a7186f90b2242dbf9f4c77a139ff1cd6225",
  "sellerkey": "76543210fedcba9876543210fedcba98",
  "id": "7a2d1b63-6b1e-4c7e-9a43-0c1f6f0f7a11",
  "api_key": "ffeeddccbbaa99887766554433221100",
  "api_secret": "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210",
  "settings": {"wachtDefault": "1", "wachtStaging": "1"},
  "plans": ["default"],
  "variables": [{"name": "motd", "value": "hello", "authenticated": false}],
  "bans": [{"hwid": "banned-device"}, {"ip": "9.9.9.9"}],
  "files": [{"id": "123456", "name": "a.txt", "content_base64": "aGVsbG8="}],
  "licenses": ["KEY-1", "KEY-2", "KEY-3"],
  "users": [{"name": "mia", "password": "secret", "subscriptions": [{"plan": "default", "expires_at": 4000000000}]}],
  "chats": ["lobby"]
}"#;

/// What stands for what the app is known by; as in the test vectors.
const FIXED: [(&str, &str); 5] = [
    ("{api-key}", "ffeeddccbbaa99887766554433221100"),
    ("{api-secret}", "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"),
    ("{app}", "7a2d1b63-6b1e-4c7e-9a43-0c1f6f0f7a11"),
    ("{ownerid}", OWNERID),
    ("{secret}", "df220954669509bed23b28cb56759a7186f90b2242dbf9f4c77a139ff1cd6225"),
];

/// The server of this process.
pub(crate) struct World {
    ctx: Arc<Ctx>,
    folder: tempfile::TempDir,
    address: SocketAddr,
    /// Sessions by the placeholder that stands for them in an input.
    sessions: Vec<(&'static str, String)>,
}

impl World {
    /// The one of this process.
    pub(crate) fn get() -> &'static World {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(World::make)
    }

    fn make() -> World {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("k.db");
        let flags = Flags::of(&[
            ("listen", "127.0.0.1:0"),
            ("rate-limit", "off"),
            ("body-limit", "64KiB"),
            ("header-timeout", "1s"),
            ("body-timeout", "1s"),
        ]);
        let config = Config::load_from(&flags, None, |_| None).expect("settings that fit");
        let server = Server::bind(&config).expect("a port");
        let address = server.address();
        let store = Store::open(&Options::small(path.clone())).expect("a database");
        let document = parse(APP.as_bytes()).unwrap_or_else(|problem| panic!("{problem}"));
        let rules = Rules { targets: Targets::default(), file_limit: config.file_limit };
        let clock = Clock::default();
        let mut checked = check(document, &Overrides::default(), &rules, clock.now()).unwrap_or_else(|p| panic!("{p}"));
        import::hash_passwords(&mut checked, 1, &mut |_| ()).expect("hashes");
        let alone = lock::hold_import(&path).expect("alone");
        import::run(&store, &Arc::default(), &alone, checked, false, clock.now(), &mut |_| ()).expect("goes in");
        drop(alone);
        let ctx = Arc::new(Ctx {
            store,
            hashing: Hashing::start(1, 64).expect("threads"),
            guesses: Guesses::default(),
            own_shares: Default::default(),
            clock,
            lists: Lists::load(None, None).expect("no lists"),
            public_url: "http://x".to_owned(),
            vault: Arc::default(),
            server_key: Held::default(),
            fetcher: Fetcher::new(Targets::default(), Duration::from_millis(50)),
            limits: Limits::new(config.relay_limit, config.file_limit),
            mail: false,
            serves_1_0: true,
            ascii_only: true,
        });
        ctx.server_key.load(&ctx.store, &ctx.vault, ctx.clock.now()).expect("a key pair");
        let serving = Arc::clone(&ctx);
        std::thread::spawn(move || server.run(serving).expect("serves"));
        let mut world = World { ctx, folder, address, sessions: Vec::new() };
        world.begin();
        world
    }

    /// A fresh session and one with a user, for inputs that name them.
    fn begin(&mut self) {
        for (placeholder, then) in [("{fresh}", None), ("{session}", Some("type=login&username=mia&pass=secret"))] {
            let usual = format!("name=demo&ownerid={OWNERID}");
            let said = self.post(&format!("type=init&{usual}"));
            let id = said["sessionid"].as_str().expect("a session").to_owned();
            if let Some(then) = then {
                let said = self.post(&format!("{then}&sessionid={id}&{usual}"));
                assert_eq!(said["success"], true, "{said}");
            }
            self.sessions.push((placeholder, id));
        }
    }

    fn post(&self, body: &str) -> serde_json::Value {
        let text = format!("POST /api/1.2/ HTTP/1.1\ncontent-type: application/x-www-form-urlencoded\n\n{body}");
        let response = super::exchange::ask(self, text.as_bytes()).expect("a door");
        serde_json::from_slice(&response.body).expect("JSON")
    }

    pub(crate) fn store(&self) -> &Store {
        &self.ctx.store
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("k.db")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a door answers.
    pub(crate) fn answer(&self, door: &Door, request: Request) -> Response {
        match (door.answer)(&self.ctx, request) {
            Answer::Now(response) => response,
            Answer::Later(answer) => runtime().block_on(answer),
        }
    }

    pub(crate) fn now(&self) -> keystead::model::time::Time {
        self.ctx.clock.now()
    }

    /// The input with its placeholders replaced.
    pub(crate) fn filled(&self, data: &[u8]) -> Vec<u8> {
        let mut filled = data.to_vec();
        let sessions = self.sessions.iter().map(|(placeholder, id)| (*placeholder, id.as_str()));
        for (placeholder, id) in sessions.chain(FIXED) {
            let placeholder = placeholder.as_bytes();
            while let Some(at) = filled.windows(placeholder.len()).position(|window| window == placeholder) {
                filled.splice(at..at + placeholder.len(), id.bytes());
            }
        }
        filled
    }
}

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"))
}
