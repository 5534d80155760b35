//! The four formats as clients speak them: where a call goes, how it names its app, how a customer comes in. Judges no
//! answer but whether it let somebody in.

use serde_json::{Value, json};

use crate::support::{Fixture, OWNERID, Reply, SECRET, Server, program};

/// A device that is long enough for every format.
pub(crate) const DEVICE: &str = "S-1-5-21-1-2-3";

/// One format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    KeyAuth,
    Authgate,
    Authly,
    Wacht,
}

impl Door {
    /// All of them.
    pub(crate) const ALL: [Door; 4] = [Door::KeyAuth, Door::Authgate, Door::Authly, Door::Wacht];
    /// Those that know licenses and devices.
    pub(crate) const LICENSED: [Door; 3] = [Door::KeyAuth, Door::Authgate, Door::Authly];

    /// What it is called in settings and in `--formats`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Door::KeyAuth => "keyauth",
            Door::Authgate => "authgate",
            Door::Authly => "authly",
            Door::Wacht => "wacht",
        }
    }

    /// What a refusal says that programs may rely on: the code, and where a format has none, status and text.
    pub(crate) fn says(self, reply: &Reply) -> String {
        let json = reply.json();
        let code = match self {
            Door::KeyAuth => return reply.error(),
            Door::Authgate => &json["detail"],
            Door::Authly => &json["code"],
            Door::Wacht => &json["errors"][0]["code"],
        };
        format!("{} {}", reply.status, code.as_str().unwrap_or_else(|| panic!("no words: {reply:?}")))
    }
}

/// A server, and by what the clients of each format name its app "demo".
pub(crate) struct Doors {
    pub(crate) server: Server,
    /// The app's UUID.
    pub(crate) app: String,
    pub(crate) api_key: String,
    pub(crate) api_secret: String,
}

/// What somebody holds who was let in.
#[derive(Debug)]
pub(crate) struct Ticket {
    door: Door,
    /// A session id, a session token, or the value of a cookie.
    pub(crate) held: String,
}

impl Doors {
    /// Starts a server on this database.
    pub(crate) fn open(db: Fixture) -> Doors {
        Doors::open_with(db, &[])
    }

    /// The same with flags.
    pub(crate) fn open_with(db: Fixture, flags: &[&str]) -> Doors {
        let named = |column: &str| {
            db.sql_text(&format!(
                "SELECT n.{column} FROM app_names n JOIN apps a ON a.id = n.app_id WHERE a.name = 'demo'"
            ))
        };
        let (app, api_key, api_secret) = (named("uuid"), named("api_key"), named("api_secret"));
        Doors { server: db.serve(flags), app, api_key, api_secret }
    }

    /// Its database.
    pub(crate) fn db(&self) -> &Fixture {
        &self.server.db
    }

    /// A command of the operator's, beside the running server; it must go well.
    pub(crate) fn operate(&self, arguments: &[&str]) -> String {
        let ran = program(self.db().folder()).args(arguments).output().expect("starts");
        assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).expect("UTF-8")
    }

    /// A call of KeyAuth's 1.2 on a session of its own.
    #[track_caller]
    pub(crate) fn keyauth(&self, call: &str, pairs: &[(&str, &str)]) -> Reply {
        self.server.init().call(call, pairs)
    }

    /// The headers that prove Authgate's app.
    pub(crate) fn credentials(&self) -> [(&str, &str); 2] {
        [("x-api-key", &self.api_key), ("x-api-secret", &self.api_secret)]
    }

    /// A POST of Authgate's.
    pub(crate) fn authgate(&self, call: &str, body: &Value) -> Reply {
        self.server.post_json(&format!("/api/integration{call}"), &self.credentials(), body)
    }

    /// What Authgate tells whoever brings these headers.
    pub(crate) fn app_context(&self, headers: &[(&str, &str)]) -> Reply {
        self.server.ask("GET", "/api/integration/app_context", &[&self.credentials(), headers].concat(), b"")
    }

    /// Authly's `init`.
    pub(crate) fn authly_init(&self) -> Reply {
        let body = json!({"owner_id": OWNERID, "app_name": "demo", "secret": SECRET, "version": "1.0"});
        self.server.post_json("/api/v2/init", &[], &body)
    }

    /// A session of Authly's `init`.
    #[track_caller]
    pub(crate) fn authly_session(&self) -> String {
        let reply = self.authly_init();
        reply.json()["session_id"].as_str().unwrap_or_else(|| panic!("no session: {reply:?}")).to_owned()
    }

    /// A POST of Authly's on this session.
    pub(crate) fn authly_on(&self, session: &str, call: &str, body: &Value) -> Reply {
        let mut body = body.clone();
        body["session_id"] = session.into();
        self.server.post_json(&format!("/api/v2{call}"), &[], &body)
    }

    /// The same on a session of its own.
    #[track_caller]
    pub(crate) fn authly(&self, call: &str, body: &Value) -> Reply {
        self.authly_on(&self.authly_session(), call, body)
    }

    /// A form of Wacht's, from a browser that has no cookie yet.
    pub(crate) fn wacht(&self, call: &str, pairs: &[(&str, &str)]) -> Reply {
        self.server.post_form(&format!("/wacht/{}{call}", self.app), &[], pairs)
    }

    /// Signs up at Wacht.
    pub(crate) fn wacht_sign_up(&self, name: &str, email: &str, password: &str) -> Reply {
        self.wacht("/auth/signup", &[("username", name), ("email", email), ("password", password)])
    }

    /// Logs in by name and password, with a device where the format has one.
    #[track_caller]
    pub(crate) fn log_in(&self, door: Door, name: &str, password: &str, device: &str) -> Result<Ticket, Reply> {
        self.log_in_with(door, name, password, device, None)
    }

    /// The same, perhaps with the code of the second factor.
    #[track_caller]
    pub(crate) fn log_in_with(
        &self,
        door: Door,
        name: &str,
        password: &str,
        device: &str,
        code: Option<&str>,
    ) -> Result<Ticket, Reply> {
        match door {
            Door::KeyAuth => {
                let session = self.server.init();
                let mut pairs = vec![("username", name), ("pass", password), ("hwid", device)];
                pairs.extend(code.map(|code| ("code", code)));
                ticket(door, session.call("login", &pairs), |_| session.id.clone())
            }
            Door::Authgate => {
                let body = json!({
                    "credentials": {"username": name, "password": password}, "hardware_id": device,
                    "two_factor_code": code,
                });
                ticket(door, self.authgate("/auth/login", &body), |json| text(json, "session_token"))
            }
            Door::Authly => {
                let body = json!({"username": name, "password": password, "sid": device, "two_factor_code": code});
                ticket(door, self.authly("/login", &body), |json| text(json, "session_id"))
            }
            Door::Wacht => {
                let mut pairs = vec![("strategy", "plain_username"), ("username", name), ("password", password)];
                pairs.extend(code.map(|code| ("two_factor_code", code)));
                let reply = self.wacht("/auth/signin", &pairs);
                let held = cookie(&reply);
                ticket(door, reply, |_| held.expect("a cookie"))
            }
        }
    }

    /// Comes in with nothing but a license. Wacht knows none.
    #[track_caller]
    pub(crate) fn enter(&self, door: Door, key: &str, device: &str, code: Option<&str>) -> Result<Ticket, Reply> {
        match door {
            Door::KeyAuth => {
                let session = self.server.init();
                let mut pairs = vec![("key", key), ("hwid", device)];
                pairs.extend(code.map(|code| ("code", code)));
                ticket(door, session.call("license", &pairs), |_| session.id.clone())
            }
            Door::Authgate => {
                let body = json!({"credentials": {"code": key}, "hardware_id": device, "two_factor_code": code});
                ticket(door, self.authgate("/auth/login", &body), |json| text(json, "session_token"))
            }
            Door::Authly => {
                let body = json!({"license_key": key, "sid": device, "two_factor_code": code});
                ticket(door, self.authly("/licenses", &body), |json| text(json, "session_id"))
            }
            Door::Wacht => panic!("Wacht knows no licenses"),
        }
    }

    /// Redeems a license for a user of this name and password that exists. Wacht knows none.
    #[track_caller]
    pub(crate) fn redeem(&self, door: Door, name: &str, password: &str, key: &str) -> Reply {
        match door {
            Door::KeyAuth => self.keyauth("upgrade", &[("username", name), ("key", key)]),
            Door::Authgate => {
                self.authgate("/activate_license", &json!({"code": key, "username": name, "password": password}))
            }
            Door::Authly => self.authly("/extend", &json!({"username": name, "license_key": key, "sid": DEVICE})),
            Door::Wacht => panic!("Wacht knows no licenses"),
        }
    }

    /// Makes a user of this name, with this license where the format asks for one.
    #[track_caller]
    pub(crate) fn sign_up(&self, door: Door, name: &str, password: &str, key: &str) -> Reply {
        match door {
            Door::KeyAuth => {
                self.keyauth("register", &[("username", name), ("pass", password), ("key", key), ("hwid", DEVICE)])
            }
            Door::Authgate => {
                self.authgate("/sign_up", &json!({"username": name, "password": password, "hardware_id": DEVICE}))
            }
            Door::Authly => {
                let body = json!({"username": name, "password": password, "key": key, "sid": DEVICE});
                self.authly("/register", &body)
            }
            Door::Wacht => self.wacht_sign_up(name, &format!("{name}@example.com"), password),
        }
    }

    /// Whether the holder is still logged in, asked in the ticket's own format.
    #[track_caller]
    pub(crate) fn is_in(&self, ticket: &Ticket) -> bool {
        match ticket.door {
            Door::KeyAuth => self.server.call("check", &[("sessionid", &ticket.held)]).success(),
            Door::Authgate => {
                let bearer = format!("Bearer {}", ticket.held);
                let reply = self.app_context(&[("authorization", &bearer)]);
                reply.status == 200 && !reply.json()["user"].is_null()
            }
            // A session outlives who was logged in on it; what asks for the user tells.
            Door::Authly => {
                let body = json!({"old_password": "not the old one", "new_password": "another one"});
                let code = &self.authly_on(&ticket.held, "/change-password", &body).json()["code"];
                // A user that is a license has none to change.
                *code == "INVALID_PASSWORD" || *code == "PASSWORD_CHANGE_UNAVAILABLE"
            }
            Door::Wacht => {
                let cookie = format!("__session={}", ticket.held);
                let reply =
                    self.server.ask("GET", &format!("/wacht/{}/session", self.app), &[("cookie", &cookie)], b"");
                assert_eq!(reply.status, 200, "{reply:?}");
                reply.json()["data"]["signins"].as_array().is_some_and(|signed_in| !signed_in.is_empty())
            }
        }
    }
}

/// Whether a call went well, in any format.
pub(crate) fn is_success(reply: &Reply) -> bool {
    let json = reply.json();
    reply.status == 200 && (json.get("success").is_none() || json["success"] == true)
}

/// The session's cookie that an answer sets.
pub(crate) fn cookie(reply: &Reply) -> Option<String> {
    let value = reply.header("set-cookie")?.strip_prefix("__session=")?;
    value.split(';').next().map(str::to_owned)
}

fn ticket(door: Door, reply: Reply, held: impl FnOnce(&Value) -> String) -> Result<Ticket, Reply> {
    if is_success(&reply) { Ok(Ticket { door, held: held(&reply.json()) }) } else { Err(reply) }
}

fn text(json: &Value, name: &str) -> String {
    json[name].as_str().unwrap_or_else(|| panic!("no {name}: {json}")).to_owned()
}
