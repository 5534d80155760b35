//! The app document: everything that an app holds as one JSON text, to move it, keep it or write it by hand. This file
//! is its shape, `fields.rs` how single values are read and written; `docs/app-json.md` describes both for people.
//! Holds secrets: nothing here implements `Debug`.
//!
//! The way in: [`parse`] (shape), [`check`] (limits, names, references; nothing is written yet), [`import`] (hashing,
//! then writing in chunks). The way out: [`export`].
//!
//! One set of types serves both ways. The way out fills every field that says something; the way in lets nearly all be
//! left out. Fields that only make writing by hand easier are never written out.

use serde::{Deserialize, Serialize};

pub mod check;
pub mod export;
mod fields;
pub mod import;

use fields::{Duration, OrText};

/// What `format` says.
pub const FORMAT: &str = "keystead-app";
/// The newest `version`, and the only one so far.
pub const VERSION: i64 = 1;

/// A whole document.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Document {
    #[serde(rename = "format", deserialize_with = "fields::format")]
    _format: (),
    #[serde(rename = "version", deserialize_with = "fields::version")]
    _version: (),
    owner: Owner,
    name: Option<String>,
    secret: Option<String>,
    sellerkey: Option<String>,
    id: Option<String>,
    api_key: Option<String>,
    api_secret: Option<String>,
    #[serde(deserialize_with = "fields::time")]
    created_at: Option<i64>,
    #[serde(deserialize_with = "fields::time")]
    paused_at: Option<i64>,
    #[serde(deserialize_with = "fields::settings")]
    settings: Vec<(String, String)>,
    plans: Option<Vec<OrText<Plan>>>,
    variables: Vec<Variable>,
    bans: Vec<Ban>,
    allowed_networks: Vec<String>,
    relays: Vec<Relay>,
    files: Vec<File>,
    licenses: Vec<OrText<License>>,
    users: Vec<User>,
    tokens: Vec<OrText<Token>>,
    chats: Vec<OrText<Channel>>,
    logs: Vec<Log>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "an object")]
struct Owner {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ownerid: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "an object")]
struct Plan {
    name: String,
    #[serde(deserialize_with = "fields::level")]
    level: Option<String>,
}

impl From<String> for Plan {
    fn from(name: String) -> Plan {
        Plan { name, ..Plan::default() }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Variable {
    name: String,
    value: String,
    #[serde(default = "fields::yes")]
    authenticated: bool,
    #[serde(default, deserialize_with = "fields::time")]
    updated_at: Option<i64>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "an object")]
struct Ban {
    #[serde(skip_serializing_if = "Option::is_none")]
    hwid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(deserialize_with = "fields::time")]
    created_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Relay {
    id: String,
    url: String,
    #[serde(default = "fields::user_agent")]
    user_agent: String,
    #[serde(default = "fields::yes")]
    authenticated: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct File {
    id: String,
    name: String,
    #[serde(default = "fields::yes")]
    authenticated: bool,
    #[serde(default, deserialize_with = "fields::time")]
    created_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_base64: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "an object")]
struct Token {
    token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(deserialize_with = "fields::time")]
    created_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    banned: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ban_reason: Option<String>,
}

impl From<String> for Token {
    fn from(token: String) -> Token {
        Token { token, ..Token::default() }
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "an object")]
struct Channel {
    name: String,
    #[serde(deserialize_with = "fields::duration")]
    delay: Option<Duration>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<Message>,
}

impl From<String> for Channel {
    fn from(name: String) -> Channel {
        Channel { name, ..Channel::default() }
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "an object")]
struct Message {
    /// Whose it is; left out where that user is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// As it is shown; the user's name unless it says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    text: String,
    #[serde(deserialize_with = "fields::time")]
    sent_at: Option<i64>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "an object")]
struct Log {
    #[serde(deserialize_with = "fields::time")]
    logged_at: Option<i64>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pc_user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "an object")]
struct License {
    key: String,
    #[serde(deserialize_with = "fields::level")]
    level: Option<String>,
    #[serde(deserialize_with = "fields::duration")]
    duration: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    #[serde(deserialize_with = "fields::time")]
    created_at: Option<i64>,
    /// Read only: KeyAuth's word for the state.
    #[serde(skip_serializing)]
    status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "fields::time")]
    used_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    used_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    banned: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ban_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "fields::time")]
    expires_at: Option<i64>,
}

impl From<String> for License {
    fn from(key: String) -> License {
        License { key, ..License::default() }
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "an object")]
struct User {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Read only: in plain text.
    #[serde(skip_serializing)]
    password: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// Written only where the text is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    email_sha1: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_claimed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_country_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_limit: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_limit: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    #[serde(deserialize_with = "fields::time")]
    created_at: Option<i64>,
    #[serde(deserialize_with = "fields::time")]
    last_login_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    banned: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ban_reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    devices: Vec<OrText<Device>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions: Vec<OrText<Subscription>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    variables: Vec<UserVariable>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "fields::time")]
    muted_until: Option<i64>,
    /// The secret of the second factor, in base32.
    #[serde(skip_serializing_if = "Option::is_none")]
    two_factor: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct UserVariable {
    name: String,
    value: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    read_only: bool,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "an object")]
struct Device {
    hwid: String,
    #[serde(deserialize_with = "fields::time")]
    bound_at: Option<i64>,
}

impl From<String> for Device {
    fn from(hwid: String) -> Device {
        Device { hwid, ..Device::default() }
    }
}

/// In `level` the outer `Option` is "was left out": then the plan's own level counts.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "an object")]
struct Subscription {
    plan: Option<String>,
    #[serde(deserialize_with = "fields::nullable_level")]
    level: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(deserialize_with = "fields::time")]
    granted_at: Option<i64>,
    #[serde(deserialize_with = "fields::time")]
    expires_at: Option<i64>,
    /// Read only: what is left, instead of the end.
    #[serde(skip_serializing, alias = "timeleft", deserialize_with = "fields::duration")]
    expires_in: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "fields::time")]
    paused_at: Option<i64>,
}

impl From<String> for Subscription {
    fn from(plan: String) -> Subscription {
        Subscription { plan: Some(plan), ..Subscription::default() }
    }
}

/// What is wrong with a document, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {text}")]
pub struct Problem {
    /// The place: `licenses[3].level`.
    pub path: String,
    /// What the place takes, or why it does not fit. Quotes no value: it may be a secret.
    pub text: String,
}

/// Reads the text of a document. Only its shape is looked at; the first thing that does not fit ends the reading.
pub fn parse(text: &[u8]) -> Result<Document, Problem> {
    // Editors on Windows put a byte order mark in front.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    // A list would be read too, field by field: nobody means that.
    if text.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem { path: "document".to_owned(), text: "takes one JSON object".to_owned() });
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let document = serde_path_to_error::deserialize(&mut reader).map_err(|e| problem(&e))?;
    reader.end().map_err(|e| Problem {
        path: "document".to_owned(),
        text: format!("one JSON object, and nothing after it ({e})"),
    })?;
    Ok(document)
}

fn problem(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let path = match error.path().to_string() {
        path if path == "." || path == "?" => "document".to_owned(),
        path => path,
    };
    let said = error.inner().to_string();
    // "invalid type: VALUE, expected WHAT at line …": the value may be a secret.
    let text = match (said.starts_with("invalid "), said.rfind(", expected ")) {
        (true, Some(at)) => format!("takes {}", &said[at + ", expected ".len()..]),
        _ => said,
    };
    Problem { path, text }
}
