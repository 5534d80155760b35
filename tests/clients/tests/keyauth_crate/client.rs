//! What all clients of the crate can do, under one spelling. Knows where they differ, and judges nothing.

use keystead_clients::{APP, MEMBERS, Server, Shop};
use serde_json::Value;

/// One client of the crate.
pub(crate) trait Client: Sized {
    const PATH: &'static str;
    /// Whether it verifies answers.
    const VERIFIES: bool;
    /// Whether it enciphers what it sends, so that every character arrives.
    const ENCIPHERS: bool;
    fn new(name: &str, ownerid: &str, secret: &str, version: &str, url: &str) -> Self;
    fn init(&mut self) -> Result<(), String>;
    fn register(&mut self, username: &str, password: &str, key: &str, hwid: Option<&str>) -> Result<(), String>;
    fn login(&mut self, username: &str, password: &str, hwid: Option<&str>) -> Result<(), String>;
    fn license(&mut self, key: &str, hwid: Option<&str>) -> Result<(), String>;
    fn upgrade(&mut self, username: &str, key: &str) -> Result<(), String>;
    fn var(&mut self, name: &str) -> Result<String, String>;
    fn check(&mut self) -> Result<bool, String>;
    fn check_blacklist(&mut self) -> Result<bool, String>;
    /// Whether it was set, and the message.
    fn setvar(&mut self, name: &str, value: &str) -> (bool, String);
    fn getvar(&mut self, name: &str) -> Result<String, String>;
    fn chat_get(&mut self, channel: &str) -> Result<Value, String>;
    fn chat_send(&mut self, channel: &str, message: &str) -> Result<(), String>;
    fn fetch_online(&mut self) -> Result<Value, String>;
    fn file(&mut self, id: &str) -> Result<Vec<u8>, String>;
    fn webhook(&mut self, id: &str, params: &str) -> Result<String, String>;
    fn log(&mut self, message: &str, computer: Option<&str>);
    fn ban(&mut self);
    fn change_username(&mut self, new: &str) -> Result<String, String>;
    fn seen(&self) -> Seen<'_>;

    /// A client of this shop's app, not yet initialised.
    fn of(shop: &Shop, server: &Server) -> Self {
        Self::new(APP, &shop.ownerid, &shop.secret, "1.0", &server.url(Self::PATH))
    }

    /// A client of this shop's app with a session.
    fn opened(shop: &Shop, server: &Server) -> Self {
        let mut client = Self::of(shop, server);
        client.init().expect("init");
        client
    }
}

/// What the crate keeps of an answer, for the program to read.
pub(crate) struct Seen<'a> {
    pub(crate) username: &'a str,
    pub(crate) ip: &'a str,
    pub(crate) subscription: &'a str,
    pub(crate) create_date: &'a str,
    pub(crate) last_login: &'a str,
}

macro_rules! client {
    ($version:ident, $path:literal, verifies: $verifies:literal, enciphers: $enciphers:literal, check: $check:expr) => {
        impl Client for keyauth::$version::KeyauthApi {
            const PATH: &'static str = $path;
            const VERIFIES: bool = $verifies;
            const ENCIPHERS: bool = $enciphers;

            fn new(name: &str, ownerid: &str, secret: &str, version: &str, url: &str) -> Self {
                keyauth::$version::KeyauthApi::new(name, ownerid, secret, version, url)
            }

            fn init(&mut self) -> Result<(), String> {
                self.init(None)
            }

            fn register(
                &mut self,
                username: &str,
                password: &str,
                key: &str,
                hwid: Option<&str>,
            ) -> Result<(), String> {
                self.register(username.into(), password.into(), key.into(), hwid.map(str::to_owned))
            }

            fn login(&mut self, username: &str, password: &str, hwid: Option<&str>) -> Result<(), String> {
                self.login(username.into(), password.into(), hwid.map(str::to_owned))
            }

            fn license(&mut self, key: &str, hwid: Option<&str>) -> Result<(), String> {
                self.license(key.into(), hwid.map(str::to_owned))
            }

            fn upgrade(&mut self, username: &str, key: &str) -> Result<(), String> {
                self.upgrade(username.into(), key.into())
            }

            fn var(&mut self, name: &str) -> Result<String, String> {
                self.var(name.into())
            }

            fn check(&mut self) -> Result<bool, String> {
                $check(self)
            }

            fn check_blacklist(&mut self) -> Result<bool, String> {
                self.checkblacklist().map(|()| self.blacklisted)
            }

            fn setvar(&mut self, name: &str, value: &str) -> (bool, String) {
                self.setvar(name.into(), value.into()).expect("a verified answer");
                (self.success, self.message.clone())
            }

            fn getvar(&mut self, name: &str) -> Result<String, String> {
                self.getvar(name.into())
            }

            fn chat_get(&mut self, channel: &str) -> Result<Value, String> {
                self.get_chat(channel.into())
            }

            fn chat_send(&mut self, channel: &str, message: &str) -> Result<(), String> {
                self.send_chat_message(channel.into(), message.into())
            }

            fn fetch_online(&mut self) -> Result<Value, String> {
                self.fetch_online()
            }

            fn file(&mut self, id: &str) -> Result<Vec<u8>, String> {
                self.file(id.into())
            }

            fn webhook(&mut self, id: &str, params: &str) -> Result<String, String> {
                self.webhook(id.into(), params.into())
            }

            fn log(&mut self, message: &str, computer: Option<&str>) {
                self.log(message.into(), computer.map(str::to_owned));
            }

            fn ban(&mut self) {
                self.ban();
            }

            fn change_username(&mut self, new: &str) -> Result<String, String> {
                self.change_username(new.into())
            }

            fn seen(&self) -> Seen<'_> {
                Seen {
                    username: &self.username,
                    ip: &self.ip,
                    subscription: &self.subscription,
                    create_date: &self.create_date,
                    last_login: &self.last_login,
                }
            }
        }
    };
}

client!(v1_0, "/api/1.0/", verifies: false, enciphers: true, check: check_by_variable);
client!(v1_1, "/api/1.1/", verifies: false, enciphers: false, check: keyauth::v1_1::KeyauthApi::check_session);
client!(v1_2, "/api/1.2/", verifies: true, enciphers: false, check: keyauth::v1_2::KeyauthApi::check_session);

/// The 1.0 client deciphers the answer to `check` with a number that it does not send, so nobody can answer it. Whether
/// somebody is logged in shows in a variable for members, too.
fn check_by_variable(client: &mut keyauth::v1_0::KeyauthApi) -> Result<bool, String> {
    match client.var(MEMBERS.into()) {
        Ok(_) => Ok(true),
        Err(message) if message == "Session is not validated." || message.starts_with("Session not found.") => {
            Ok(false)
        }
        Err(message) => Err(message),
    }
}
