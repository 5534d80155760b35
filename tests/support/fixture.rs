//! A database in any state, made through the library: before a server runs on it, or beside it as another process.
//! Asks no server.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use keystead::clock::Clock;
use keystead::domain::app::{self, Credentials};
use keystead::domain::secret::{Hasher, token_hash};
use keystead::domain::vault::{Purpose, Vault};
use keystead::domain::{chat, owner, plan, relay, user_variable, variable};
use keystead::model::app::App;
use keystead::model::ban::{BanTarget, parse_network};
use keystead::model::ids::{LicenseId, SubscriptionId, UserId};
use keystead::model::license::License;
use keystead::model::session::Session;
use keystead::model::time::{Span, Time};
use keystead::model::user::{Credential, Device, Subscription, User};
use keystead::store::files::{NewFile, Source};
use keystead::store::one_time_secrets::{self, Kind};
use keystead::store::relays::Relay;
use keystead::store::tokens::{self, Token};
use keystead::store::user_variables::{self, UserVariable};
use keystead::store::variables::Variable;
use keystead::store::{
    self, Options, Store, Tx, apps, bans, chats, devices, files, licenses, relays, server_keys, sessions,
    subscriptions, users,
};

use super::Server;

/// The owner's name.
pub const OWNER: &str = "acme";
/// Its ownerid.
pub const OWNERID: &str = "AbCdEfGh12";
/// The secret of the app "demo".
pub const SECRET: &str = "df220954669509bed23b28cb56759a7186f90b2242dbf9f4c77a139ff1cd6225";
/// The secret of the app "other", whose sessions are no good for "demo".
pub const OTHER_SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The public key that signs 1.3: that of 32 bytes of 0x01.
pub const PUBLIC_KEY: &str = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";

/// Seconds since 1970.
pub fn now() -> Time {
    Clock::System.now()
}

/// An argon2id hash of the password. That of "secret" is made once.
pub fn password_hash(password: &str) -> String {
    static SECRET: OnceLock<String> = OnceLock::new();
    let make = || Hasher::default().hash(password, &mut rand::rng());
    if password == "secret" { SECRET.get_or_init(make).clone() } else { make() }
}

/// A database file of its own with the owner "acme", the app "demo" (plan "default" at level 1), the app "other", and
/// a server key that is the same in every run.
/// What is added without further words belongs to "demo".
pub struct Fixture {
    dir: tempfile::TempDir,
    store: Store,
    app: App,
}

impl Fixture {
    /// A new one.
    pub fn new() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Options::small(dir.path().join("keystead.db"))).unwrap();
        let app = store
            .write(|tx| -> Result<App, store::Error> {
                let rng = &mut rand::rng();
                let owner = owner::create(tx, OWNER, Some(OWNERID), now(), rng).unwrap();
                let secret = |secret: &str| Credentials { secret: Some(secret.into()), sellerkey: None };
                app::create(tx, &owner, "other", &secret(OTHER_SECRET), now(), rng).unwrap();
                let seed = Vault::default().seal(Purpose::ServerKey, &[1; 32], rng);
                server_keys::replace(tx, &seed, PUBLIC_KEY, now()).unwrap();
                Ok(app::create(tx, &owner, "demo", &secret(SECRET), now(), rng).unwrap())
            })
            .wait()
            .unwrap();
        Fixture { dir, store, app }
    }

    /// A server on it.
    pub fn serve(self, flags: &[&str]) -> Server {
        Server::start(self, flags)
    }

    /// The database file.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("keystead.db")
    }

    /// The folder it is in.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// The app "demo" as it was made.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Writes a file beside the database; its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs this in a transaction.
    pub fn write<T: Send + 'static>(&self, mut work: impl FnMut(&mut Tx<'_>) -> T + Send + 'static) -> T {
        self.store.write(move |tx| Ok::<_, store::Error>(work(tx))).wait().unwrap()
    }

    /// The same on another connection, in SQL: for states that no function makes.
    pub fn sql(&self, sql: &str) {
        let db = rusqlite::Connection::open(self.path()).unwrap();
        db.busy_timeout(super::PATIENCE).unwrap();
        db.execute_batch(sql).unwrap();
    }

    /// The first value that a query finds, as text.
    pub fn sql_text(&self, sql: &str) -> String {
        let db = rusqlite::Connection::open(self.path()).unwrap();
        db.busy_timeout(super::PATIENCE).unwrap();
        let value: rusqlite::types::Value = db.query_row(sql, [], |row| row.get(0)).unwrap();
        match value {
            rusqlite::types::Value::Text(text) => text,
            rusqlite::types::Value::Integer(number) => number.to_string(),
            other => format!("{other:?}"),
        }
    }

    /// A number, asked in SQL on another connection.
    pub fn count(&self, sql: &str) -> i64 {
        let db = rusqlite::Connection::open(self.path()).unwrap();
        db.busy_timeout(super::PATIENCE).unwrap();
        db.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Sets a setting by its KeyAuth name.
    pub fn setting(&self, name: &str, value: &str) {
        let (app, name, value) = (self.app.clone(), name.to_owned(), value.to_owned());
        self.write(move |tx| {
            let app = apps::find(tx, &app.ownerid, &app.name).unwrap().unwrap();
            app::set(tx, &app, &name, &value, now()).unwrap();
        });
    }

    /// The stored value of a setting; none if it was never set.
    pub fn stored_setting(&self, name: &str) -> Option<String> {
        let app = self.app.id;
        let all = self.write(move |tx| apps::settings(tx, app).unwrap());
        all.into_iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    /// Lets a network through the VPN block.
    pub fn allow_network(&self, network: &'static str) {
        let app = self.app.id;
        self.write(move |tx| apps::allow_network(tx, app, network).unwrap());
    }

    /// Adds a plan.
    pub fn plan(&self, name: &str, level: &str) {
        let (app, name, level) = (self.app.id, name.to_owned(), level.to_owned());
        self.write(move |tx| plan::create(tx, app, &name, &level).unwrap());
    }

    /// Adds an unused license of level 1 and one day.
    pub fn license(&self, key: &str) -> LicenseId {
        self.license_with(key, |_| {})
    }

    /// Adds a license, changed at will.
    pub fn license_with(&self, key: &str, change: impl FnOnce(&mut License)) -> LicenseId {
        let mut license = License {
            id: LicenseId(0),
            key: key.to_owned(),
            level: "1".to_owned(),
            duration: Span::Seconds(86_400),
            note: None,
            created_by: None,
            created_at: now(),
            used_at: None,
            used_by: None,
            banned: false,
            ban_reason: None,
            paused: false,
            expires_at: None,
        };
        change(&mut license);
        let app = self.app.id;
        self.write(move |tx| licenses::insert(tx, app, &license).unwrap().expect("a new key"))
    }

    /// Adds a user with the password "secret" that holds "default" for one day.
    pub fn user(&self, name: &str) -> UserId {
        let id = self.bare_user(name, Credential::Password(password_hash("secret")), |_| {});
        self.subscription(id, |_| {});
        id
    }

    /// Adds a user that holds nothing, changed at will.
    pub fn bare_user(&self, name: &str, credential: Credential, change: impl FnOnce(&mut User)) -> UserId {
        let before = now() + -1_000;
        let mut user =
            User::new(keystead::domain::secret::new_uuid(&mut rand::rng()), name.to_owned(), credential, before);
        change(&mut user);
        let app = self.app.id;
        self.write(move |tx| users::insert(tx, app, &user).unwrap().expect("a new name"))
    }

    /// Gives a user "default" for one day from now, changed at will.
    pub fn subscription(&self, user: UserId, change: impl FnOnce(&mut Subscription)) {
        let mut new = Subscription {
            id: SubscriptionId(0),
            plan: "default".to_owned(),
            level: Some("1".to_owned()),
            license: None,
            key: None,
            granted_at: now(),
            expires_at: Some(now() + 86_400),
            paused_at: None,
        };
        change(&mut new);
        self.write(move |tx| subscriptions::insert(tx, user, &new).unwrap());
    }

    /// Binds a device to a user.
    pub fn device(&self, user: UserId, hwid: &'static str) {
        self.write(move |tx| devices::insert(tx, user, hwid, now()).unwrap());
    }

    /// Adds an app variable.
    pub fn variable(&self, name: &str, value: &str, authenticated: bool) {
        let app = self.app.id;
        let variable = Variable { name: name.to_owned(), value: value.to_owned(), authenticated, updated_at: now() };
        self.write(move |tx| variable::set(tx, app, &variable).unwrap());
    }

    /// The row of a user of an earlier line.
    fn user_id(&self, name: &str) -> UserId {
        self.user_now(name).expect("a user that was made before").id
    }

    /// Sets a variable of a user.
    pub fn user_variable(&self, user: &str, name: &str, value: &str, read_only: bool) {
        let (user, new) =
            (self.user_id(user), UserVariable { name: name.to_owned(), value: value.to_owned(), read_only });
        self.write(move |tx| user_variable::set(tx, user, &new).unwrap());
    }

    /// The value of a user's variable, as it is now.
    pub fn user_variable_now(&self, user: &str, name: &str) -> Option<String> {
        let (user, name) = (self.user_id(user), name.to_owned());
        self.write(move |tx| user_variables::find(tx, user, &name).unwrap()).map(|variable| variable.value)
    }

    /// Gives a user so many variables.
    pub fn fill_user_variables(&self, user: &str, count: u32) {
        let user = self.user_id(user).0;
        self.sql(&format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
             INSERT INTO user_variables (user_id, name, value) SELECT {user}, 'v' || i, 'x' FROM n"
        ));
    }

    /// Adds a chat channel.
    pub fn channel(&self, name: &str, delay: i64) {
        let (app, name) = (self.app.id, name.to_owned());
        self.write(move |tx| chat::create(tx, app, &name, Span::Seconds(delay)).unwrap());
    }

    /// Adds a message of a user to a channel.
    pub fn message(&self, channel: &str, user: &str, text: &str, sent_at: Time) {
        let (app, id, channel) = (self.app.id, self.user_id(user), channel.to_owned());
        let message = chats::Message { author: user.to_owned(), text: text.to_owned(), sent_at };
        self.write(move |tx| {
            let channel = chats::channel(tx, app, &channel).unwrap().expect("a channel that was made before");
            chats::send(tx, channel.id, Some(id), &message).unwrap();
        });
    }

    /// Mutes a user.
    pub fn mute(&self, user: &str, until: Time) {
        let user = self.user_id(user);
        self.write(move |tx| chats::mute(tx, user, until).unwrap());
    }

    /// Adds a token of the token system, changed at will.
    pub fn token(&self, text: &str, change: impl FnOnce(&mut Token)) {
        let (app, text) = (self.app.id, text.to_owned());
        let made = {
            let text = text.clone();
            self.write(move |tx| {
                tokens::insert(tx, app, &text, None, None, now()).unwrap();
                tokens::find(tx, app, &text).unwrap().expect("just made")
            })
        };
        let mut token = made;
        change(&mut token);
        self.write(move |tx| {
            if let Some(hash) = &token.file_hash {
                assert!(tokens::bind(tx, token.id, hash).unwrap());
            }
            if token.banned {
                tokens::ban(tx, token.id, token.ban_reason.as_deref()).unwrap();
            }
        });
    }

    /// The token, as it is now.
    pub fn token_now(&self, text: &str) -> Token {
        let (app, text) = (self.app.id, text.to_owned());
        self.write(move |tx| tokens::find(tx, app, &text).unwrap()).expect("a token")
    }

    /// Gives a user this token to log in with, once.
    pub fn login_token(&self, user: &str, token: &str, expires_at: Time) {
        let (user, hash) = (self.user_id(user), token_hash(token));
        self.write(move |tx| one_time_secrets::replace(tx, user, Kind::Login, &hash, now(), expires_at).unwrap());
    }

    /// Adds a relay, wherever it leads.
    pub fn relay(&self, id: &str, url: &str, authenticated: bool) {
        let user_agent = relay::USER_AGENT.to_owned();
        let (app, new) = (self.app.id, Relay { id: id.to_owned(), url: url.to_owned(), user_agent, authenticated });
        self.write(move |tx| assert!(relays::insert(tx, app, &new).unwrap()));
    }

    /// Adds a file that is kept in the database.
    pub fn kept_file(&self, id: &str, content: &[u8], authenticated: bool) {
        self.new_file(id, Source::Bytes(content.to_vec().into()), authenticated);
    }

    /// Adds a file that is kept at a URL, wherever that leads.
    pub fn file_at(&self, id: &str, url: &str, authenticated: bool) {
        self.new_file(id, Source::Url(url.to_owned()), authenticated);
    }

    fn new_file(&self, id: &str, source: Source, authenticated: bool) {
        let app = self.app.id;
        let new = NewFile { id: id.to_owned(), name: "data.bin".to_owned(), authenticated, source };
        self.write(move |tx| assert!(files::insert(tx, app, &new, now()).unwrap()));
    }

    /// Bans a device.
    pub fn ban_hwid(&self, hwid: &str) {
        self.ban(BanTarget::Hwid(hwid.to_owned()));
    }

    /// Bans an address or a network.
    pub fn ban_network(&self, network: &str) {
        self.ban(BanTarget::Network(parse_network(network).unwrap()));
    }

    fn ban(&self, target: BanTarget) {
        let (app, new) = (self.app.id, bans::Ban { target, note: None, created_at: now() });
        self.write(move |tx| bans::insert(tx, app, &new).unwrap());
    }

    /// The license with this key, as it is now.
    pub fn license_now(&self, key: &str) -> License {
        let (app, key) = (self.app.id, key.to_owned());
        self.write(move |tx| licenses::by_key(tx, app, &key).unwrap()).expect("a license")
    }

    /// The user of this name, as it is now.
    pub fn user_now(&self, name: &str) -> Option<User> {
        let (app, name) = (self.app.id, name.to_owned());
        self.write(move |tx| users::by_name(tx, app, &name).unwrap())
    }

    /// What this user holds, oldest first.
    pub fn held_by(&self, user: UserId) -> Vec<Subscription> {
        self.write(move |tx| subscriptions::of_user(tx, user).unwrap())
    }

    /// The devices of this user.
    pub fn devices_of(&self, user: UserId) -> Vec<String> {
        let all: Vec<Device> = self.write(move |tx| devices::of_user(tx, user).unwrap());
        all.into_iter().map(|device| device.hwid).collect()
    }

    /// A session as it is stored.
    pub fn session_now(&self, id: &str) -> Option<Session> {
        let id = id.parse().expect("a session id");
        self.write(move |tx| sessions::by_id(tx, id).unwrap())
    }

    /// Lets a session's time be over.
    pub fn expire_session(&self, id: &str) {
        self.sql(&format!("UPDATE sessions SET expires_at = {} WHERE id = '{id}'", now().0 - 1));
    }

    /// How many users the app has.
    pub fn users(&self) -> usize {
        let app = self.app.id;
        self.write(move |tx| users::after(tx, app, UserId(0), 1_000).unwrap()).len()
    }
}
