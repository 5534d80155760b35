//! From a document's shape to what it means: defaults, limits, names that are taken twice, references to things that
//! are not there. Finds all problems before anything is written. Reads and writes no database, hashes nothing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::{self, Display};

use uuid::Uuid;

use crate::domain::app::{check_name, is_api_key, is_secret, is_sellerkey};
use crate::domain::license::{MAX_KEY, MAX_LEVEL, MAX_NOTE, MAX_REASON};
use crate::domain::target::Targets;
use crate::domain::{app, owner, plan, variable};
use crate::model::ban::{BanTarget, MAX_HWID, parse_network, print_network};
use crate::model::ids::fold;
use crate::model::license::License;
use crate::model::log::LogLine;
use crate::model::settings::Setting;
use crate::model::time::{LIFETIME_SECONDS, MAX_SPAN_SECONDS, Span, Time};
use crate::model::user::{Device, Subscription, User};
use crate::store::bans::Ban;
use crate::store::files::NewFile;
use crate::store::relays::Relay;
use crate::store::tokens::Token;
use crate::store::user_variables::UserVariable;
use crate::store::variables::Variable;

use super::{Document, OrText, Problem};

mod chats;
mod files;
mod licenses;
mod tokens;
mod users;

pub(super) use chats::NewChannel;

/// The most problems that are told at once.
const TOLD: usize = 20;
/// The longest text for which no other limit is known: who made a license, the note of a ban.
const MAX_TEXT: usize = 1_000;
/// Times are within so many seconds of 1970: milliseconds are not taken for seconds.
const MAX_TIME: i64 = 1_000_000_000_000;

/// A document that can be imported, as far as it can be told without the database.
pub struct Checked {
    pub(super) place: Place,
    pub(super) secret: Option<String>,
    pub(super) api_secret: Option<String>,
    pub(super) created_at: Time,
    pub(super) paused_at: Option<Time>,
    pub(super) settings: Vec<(&'static str, String)>,
    pub(super) plans: Vec<(String, String)>,
    pub(super) variables: Vec<Variable>,
    pub(super) bans: Vec<Ban>,
    pub(super) allowed_networks: Vec<String>,
    pub(super) relays: Vec<Relay>,
    /// Each with when it was added.
    pub(super) files: Vec<(NewFile, Time)>,
    pub(super) licenses: Vec<NewLicense>,
    pub(super) users: Vec<NewUser>,
    /// Each with the place of its license in `licenses`.
    pub(super) tokens: Vec<(Token, Option<usize>)>,
    pub(super) chats: Vec<NewChannel>,
    pub(super) logs: Vec<LogLine>,
}

/// What decides where the app goes, and whether it may.
#[derive(Clone)]
pub struct Place {
    pub(super) owner: Option<String>,
    pub(super) ownerid: Option<String>,
    /// Whether the owner's name is the operator's own choice, not the document's.
    pub(super) owner_chosen: bool,
    pub(super) name: String,
    pub(super) sellerkey: Option<String>,
    pub(super) uuid: Option<String>,
    pub(super) api_key: Option<String>,
    /// The host name that it has set for Wacht's clients.
    pub(super) host: Option<String>,
}

impl Checked {
    /// Where the app goes.
    pub fn place(&self) -> Place {
        self.place.clone()
    }
}

/// A license and the place of its user in [`Checked::users`].
pub(super) struct NewLicense {
    pub(super) license: License,
    pub(super) user: Option<usize>,
}

/// A user with all that belongs to it.
pub(super) struct NewUser {
    /// Its UUID is nil if one is to be made.
    pub(super) user: User,
    /// To be hashed; until then the user is locked.
    pub(super) password: Option<String>,
    pub(super) devices: Vec<Device>,
    pub(super) subscriptions: Vec<NewSubscription>,
    pub(super) variables: Vec<UserVariable>,
    pub(super) muted_until: Option<Time>,
    /// The secret of the second factor, to be sealed.
    pub(super) two_factor: Option<Vec<u8>>,
}

/// A subscription and the place of its license in [`Checked::licenses`].
pub(super) struct NewSubscription {
    pub(super) subscription: Subscription,
    pub(super) license: Option<usize>,
}

/// What the operator says instead of the document.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The owner's name.
    pub owner: Option<String>,
    /// The app's name.
    pub name: Option<String>,
}

/// What the server's settings say about what a document may hold.
pub struct Rules {
    /// Where relays and files may lead.
    pub targets: Targets,
    /// The most bytes of a file.
    pub file_limit: usize,
}

/// All that is wrong with a document.
#[derive(Debug)]
pub struct Problems {
    told: Vec<Problem>,
    more: usize,
}

impl Problems {
    /// The first of them.
    pub fn told(&self) -> &[Problem] {
        &self.told
    }
}

impl Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the document does not fit; nothing was written:")?;
        for problem in &self.told {
            write!(f, "\n  {problem}")?;
        }
        if self.more > 0 {
            write!(f, "\n  and {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Collects problems; the texts of those beyond [`TOLD`] are not kept.
#[derive(Default)]
struct Findings {
    told: Vec<Problem>,
    more: usize,
}

impl Findings {
    fn add(&mut self, path: impl Display, text: impl Display) {
        if self.told.len() < TOLD {
            self.told.push(Problem { path: path.to_string(), text: text.to_string() });
        } else {
            self.more += 1;
        }
    }

    fn expect(&mut self, fits: bool, path: impl Display, text: impl Display) {
        if !fits {
            self.add(path, text);
        }
    }

    fn bytes(&mut self, text: &str, least: usize, most: usize, path: impl Display) {
        let fits = (least..=most).contains(&text.len()) && !text.contains('\0');
        self.expect(fits, path, format_args!("takes {least} to {most} bytes, without NUL"));
    }

    fn opt_bytes(&mut self, text: Option<&String>, most: usize, path: impl Display) {
        if let Some(text) = text {
            self.bytes(text, 0, most, path);
        }
    }

    fn level(&mut self, level: &str, path: impl Display) {
        let fits = !level.trim().is_empty() && level.len() <= MAX_LEVEL && !level.contains('\0');
        self.expect(fits, path, format_args!("takes a level of 1 to {MAX_LEVEL} bytes"));
    }

    fn time(&mut self, time: Option<i64>, path: impl Display) -> Option<Time> {
        let fits = time.is_none_or(|t| (-MAX_TIME..=MAX_TIME).contains(&t));
        self.expect(fits, path, "takes seconds since 1970 UTC (this looks like another unit)");
        time.map(Time)
    }

    fn span(&mut self, span: Span, path: impl Display) {
        let fits = matches!(span, Span::Lifetime)
            || matches!(span, Span::Seconds(s) if (-MAX_SPAN_SECONDS..=MAX_SPAN_SECONDS).contains(&s));
        self.expect(fits, path, "takes at most 1,000 years in seconds, or the word lifetime");
    }

    /// The address or network in its printed form.
    fn network(&mut self, text: &str, path: impl Display) -> Option<ipnet::IpNet> {
        let read = parse_network(text).ok();
        self.expect(read.is_some(), path, "takes an address, or a network like 203.0.113.0/24");
        read
    }

    /// Notes where a name that must be unique is; the second place is a problem.
    fn unique(&mut self, seen: &mut HashMap<String, usize>, name: String, at: usize, list: &str, field: &str) {
        match seen.entry(name) {
            Entry::Vacant(free) => {
                free.insert(at);
            }
            Entry::Occupied(taken) => {
                let first = taken.get();
                self.add(format_args!("{list}[{at}]{field}"), format_args!("is the same as {list}[{first}]{field}"));
            }
        }
    }

    fn ban(&mut self, banned: Option<bool>, reason: Option<&String>, path: &str) -> bool {
        self.opt_bytes(reason, MAX_REASON, format_args!("{path}.ban_reason"));
        let contradiction = banned == Some(false) && reason.is_some();
        self.expect(!contradiction, format_args!("{path}.ban_reason"), "belongs to a ban, but banned is false");
        banned.unwrap_or(reason.is_some())
    }
}

/// What lists refer to while they are checked.
struct Context<'a> {
    now: Time,
    paused_at: Option<Time>,
    /// What a license has that does not say.
    level: String,
    duration: Span,
    plans: &'a [(String, String)],
    targets: &'a Targets,
    file_limit: usize,
}

/// Whether the document can be imported, and as what. Times that are left out are `now`.
pub fn check(document: Document, overrides: &Overrides, rules: &Rules, now: Time) -> Result<Checked, Problems> {
    let mut found = Findings::default();

    let owner_chosen = overrides.owner.is_some();
    let owner = overrides.owner.clone().or(document.owner.name);
    let owner_path = if owner_chosen { "--owner" } else { "owner.name" };
    if let Some(Err(error)) = owner.as_deref().map(owner::check_name) {
        found.add(owner_path, error);
    }
    let ownerid = document.owner.ownerid;
    let fits = ownerid.as_deref().is_none_or(owner::is_ownerid);
    found.expect(fits, "owner.ownerid", "takes ten letters or digits; leave it out and one is made");

    let name_path = if overrides.name.is_some() { "--name" } else { "name" };
    let name = overrides.name.clone().or(document.name);
    match name.as_deref().map(check_name) {
        Some(Ok(())) => {}
        Some(Err(error)) => found.add(name_path, error),
        None => found.add("name", "is missing: name the app in the document or with --name"),
    }
    let fits = document.secret.as_deref().is_none_or(is_secret);
    found.expect(fits, "secret", "takes 64 lower-case hex characters; leave it out and one is made");
    let fits = document.sellerkey.as_deref().is_none_or(is_sellerkey);
    found.expect(fits, "sellerkey", "takes 32 lower-case hex characters; leave it out and one is made");
    let uuid = uuid(document.id.as_deref(), "id", &mut found).map(|id| id.to_string());
    let fits = document.api_key.as_deref().is_none_or(is_api_key);
    found.expect(fits, "api_key", "takes 32 lower-case hex characters; leave it out and one is made");
    let fits = document.api_secret.as_deref().is_none_or(is_secret);
    found.expect(fits, "api_secret", "takes 64 lower-case hex characters; leave it out and one is made");
    let created_at = found.time(document.created_at, "created_at").unwrap_or(now);
    let paused_at = found.time(document.paused_at, "paused_at");

    let mut settings = settings(document.settings, &mut found);
    let paused_at = paused(paused_at, &mut settings, now, &mut found);
    let (level, duration) = license_defaults(&settings);
    let plans = plans(document.plans, &level, &mut found);
    let Rules { targets, file_limit } = rules;
    let context = Context { now, paused_at, level, duration, plans: &plans, targets, file_limit: *file_limit };

    let variables = variables(document.variables, &context, &mut found);
    let bans = bans(document.bans, &context, &mut found);
    let allowed_networks = allowed_networks(&document.allowed_networks, &mut found);

    let relays = files::relays(document.relays, &context, &mut found);
    let files = files::files(document.files, &context, &mut found);

    let mut names = HashMap::with_capacity(document.users.len());
    for (i, user) in document.users.iter().enumerate() {
        found.unique(&mut names, fold(&user.name), i, "users", ".name");
    }
    let (licenses, keys) = licenses::check(document.licenses, &context, &names, &mut found);
    let users = users::check(document.users, &context, &licenses, &keys, &mut found);

    let tokens = tokens::check(document.tokens, &context, &keys, &mut found);
    let chats = chats::channels(document.chats, &context, &names, &mut found);
    let logs = chats::logs(document.logs, &context, &mut found);

    if !found.told.is_empty() {
        return Err(Problems { told: found.told, more: found.more });
    }
    let host = settings.iter().find(|(name, value)| *name == "wachtHost" && !value.is_empty());
    Ok(Checked {
        place: Place {
            owner,
            ownerid,
            owner_chosen,
            name: name.unwrap_or_default(),
            sellerkey: document.sellerkey,
            uuid,
            api_key: document.api_key,
            host: host.map(|(_, value)| value.clone()),
        },
        secret: document.secret,
        api_secret: document.api_secret,
        created_at,
        paused_at,
        settings,
        plans,
        variables,
        bans,
        allowed_networks,
        relays,
        files,
        licenses,
        users,
        tokens,
        chats,
        logs,
    })
}

/// An id in its printed form.
fn uuid(given: Option<&str>, path: impl Display, found: &mut Findings) -> Option<Uuid> {
    let given = given?;
    let read = given.parse::<Uuid>().ok().filter(|id| !id.is_nil() && id.to_string() == given);
    let takes = "takes a UUID like 2f1c0a52-6b1e-4c7e-9a43-0c1f6f0f7a11, in lower case; leave it out and one is made";
    found.expect(read.is_some(), path, takes);
    read
}

fn settings(given: Vec<(String, String)>, found: &mut Findings) -> Vec<(&'static str, String)> {
    let mut settings = Vec::with_capacity(given.len());
    for (name, value) in given {
        match Setting::find(&name).and_then(|setting| Ok((setting.name, setting.check(&value)?))) {
            Ok(setting) => settings.push(setting),
            Err(error) => found.add(format_args!("settings.{name}"), error),
        }
    }
    settings
}

/// The setting `paused` and the time `paused_at` say the same; each makes up for the other.
fn paused(
    at: Option<Time>,
    settings: &mut Vec<(&'static str, String)>,
    now: Time,
    found: &mut Findings,
) -> Option<Time> {
    let setting = settings.iter().find(|(name, _)| *name == "paused").map(|(_, value)| value == "1");
    match (at, setting) {
        (Some(_), Some(false)) => found.add("paused_at", "belongs to a paused app, but settings.paused is 0"),
        (Some(_), None) => settings.push(("paused", "1".to_owned())),
        (None, Some(true)) => return Some(now),
        _ => {}
    }
    at
}

/// What the settings say about licenses for which nothing is said.
fn license_defaults(settings: &[(&'static str, String)]) -> (String, Span) {
    let mut typed = crate::model::settings::Settings::default();
    for (name, value) in settings {
        typed.load(name, value);
    }
    let seconds = typed.duration.saturating_mul(typed.unit).min(MAX_SPAN_SECONDS);
    let span = if typed.unit == LIFETIME_SECONDS { Span::Lifetime } else { Span::Seconds(seconds) };
    (typed.level.into_owned(), span)
}

fn plans(given: Option<Vec<OrText<super::Plan>>>, level: &str, found: &mut Findings) -> Vec<(String, String)> {
    let Some(given) = given else {
        let (name, level) = app::DEFAULT_PLAN;
        return vec![(name.to_owned(), level.to_owned())];
    };
    let mut seen = HashMap::new();
    let mut plans = Vec::with_capacity(given.len());
    for (i, OrText(new)) in given.into_iter().enumerate() {
        let level = new.level.unwrap_or_else(|| level.to_owned());
        match plan::check(&new.name, &level) {
            Ok(()) => found.unique(&mut seen, new.name.clone(), i, "plans", ".name"),
            Err(error @ plan::PlanError::Level) => found.add(format_args!("plans[{i}].level"), error),
            Err(error) => found.add(format_args!("plans[{i}].name"), error),
        }
        plans.push((new.name, level));
    }
    plans
}

fn variables(given: Vec<super::Variable>, context: &Context<'_>, found: &mut Findings) -> Vec<Variable> {
    let mut seen = HashMap::new();
    let mut variables = Vec::with_capacity(given.len());
    for (i, super::Variable { name, value, authenticated, updated_at }) in given.into_iter().enumerate() {
        let updated_at = found.time(updated_at, format_args!("variables[{i}].updated_at")).unwrap_or(context.now);
        let new = Variable { name, value, authenticated, updated_at };
        match variable::check(&new) {
            Ok(()) => found.unique(&mut seen, new.name.clone(), i, "variables", ".name"),
            Err(error @ variable::VariableError::Value) => found.add(format_args!("variables[{i}].value"), error),
            Err(error) => found.add(format_args!("variables[{i}].name"), error),
        }
        variables.push(new);
    }
    variables
}

fn bans(given: Vec<super::Ban>, context: &Context<'_>, found: &mut Findings) -> Vec<Ban> {
    let mut seen = HashMap::new();
    let mut bans = Vec::with_capacity(given.len());
    for (i, ban) in given.into_iter().enumerate() {
        let path = format!("bans[{i}]");
        found.opt_bytes(ban.note.as_ref(), MAX_TEXT, format_args!("{path}.note"));
        let created_at = found.time(ban.created_at, format_args!("{path}.created_at")).unwrap_or(context.now);
        let target = match (ban.hwid, ban.ip, ban.network) {
            (Some(hwid), None, None) => {
                found.bytes(&hwid, 1, MAX_HWID, format_args!("{path}.hwid"));
                Some(BanTarget::Hwid(hwid))
            }
            (None, Some(ip), None) => {
                let single = ip.parse::<std::net::IpAddr>().is_ok();
                found.expect(single, format_args!("{path}.ip"), "takes one address; a network goes into network");
                parse_network(&ip).ok().map(BanTarget::Network)
            }
            (None, None, Some(text)) => found.network(&text, format_args!("{path}.network")).map(BanTarget::Network),
            _ => {
                found.add(&path, "takes exactly one of hwid, ip and network");
                None
            }
        };
        if let Some(target) = target {
            let kind = if matches!(target, BanTarget::Hwid(_)) { "hwid" } else { "network" };
            found.unique(&mut seen, format!("{kind} {target}"), i, "bans", "");
            bans.push(Ban { target, note: ban.note, created_at });
        }
    }
    bans
}

fn allowed_networks(given: &[String], found: &mut Findings) -> Vec<String> {
    let mut seen = HashMap::new();
    let mut networks = Vec::with_capacity(given.len());
    for (i, text) in given.iter().enumerate() {
        if let Some(network) = found.network(text, format_args!("allowed_networks[{i}]")) {
            let network = print_network(&network);
            found.unique(&mut seen, network.clone(), i, "allowed_networks", "");
            networks.push(network);
        }
    }
    networks
}
