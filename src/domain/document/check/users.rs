//! The users of a document: how they log in, their devices, what they hold.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::domain::secret::{self, MAX_EMAIL, MAX_PASSWORD};
use crate::domain::two_factor;
use crate::domain::user::{MAX_LIMIT, MAX_NAME_PART, MAX_PHONE, MAX_USERNAME};
use crate::domain::user_variable::{self, MAX_COUNT, UserVariableError};
use crate::model::ids::{SubscriptionId, fold};
use crate::model::time::{MAX_SPAN_SECONDS, Span};
use crate::model::user::{Credential, Device, Profile, Subscription, User};
use crate::store::user_variables::UserVariable;

use super::super::{OrText, Subscription as GivenSubscription, User as Given, UserVariable as GivenVariable};
use super::{Context, Findings, MAX_HWID, NewLicense, NewSubscription, NewUser, plan};

/// What subscriptions and credentials are checked against.
struct Licenses<'a> {
    all: &'a [NewLicense],
    by_key: &'a HashMap<String, usize>,
}

impl Licenses<'_> {
    fn find(&self, key: &str) -> Option<usize> {
        self.by_key.get(&fold(key)).copied()
    }
}

pub(super) fn check(
    given: Vec<Given>,
    context: &Context<'_>,
    licenses: &[NewLicense],
    keys: &HashMap<String, usize>,
    found: &mut Findings,
) -> Vec<NewUser> {
    let licenses = Licenses { all: licenses, by_key: keys };
    let users: Vec<NewUser> =
        given.into_iter().enumerate().map(|(i, given)| user(given, i, context, &licenses, found)).collect();
    unique(&users, found);
    users
}

/// What no two users have: an id, an address that both claim, a phone number.
fn unique(users: &[NewUser], found: &mut Findings) {
    let (mut ids, mut addresses, mut phones) = (HashMap::new(), HashMap::new(), HashMap::new());
    for (i, NewUser { user, .. }) in users.iter().enumerate() {
        if !user.uuid.is_nil() {
            found.unique(&mut ids, user.uuid.to_string(), i, "users", ".id");
        }
        if let (true, Some(sha1)) = (user.email_claimed, &user.email_sha1) {
            found.unique(&mut addresses, sha1.clone(), i, "users", ".email_claimed");
        }
        if let Some(phone) = &user.profile.phone {
            found.unique(&mut phones, phone.clone(), i, "users", ".phone");
        }
    }
}

fn user(given: Given, at: usize, context: &Context<'_>, licenses: &Licenses<'_>, found: &mut Findings) -> NewUser {
    let path = format!("users[{at}]");
    found.bytes(&given.name, 1, MAX_USERNAME, format_args!("{path}.name"));
    let created_at = found.time(given.created_at, format_args!("{path}.created_at")).unwrap_or(context.now);
    let last_login_at = found.time(given.last_login_at, format_args!("{path}.last_login_at")).unwrap_or(created_at);
    let banned = found.ban(given.banned, given.ban_reason.as_ref(), &path);
    let fits = given.ip.as_ref().is_none_or(|ip| ip.parse::<IpAddr>().is_ok());
    found.expect(fits, format_args!("{path}.ip"), "takes an IPv4 or IPv6 address");

    let (credential, password) = credential(&given, at, &path, licenses, found);
    let email_sha1 = email(given.email.as_deref(), given.email_sha1, &path, found);
    let email_claimed = given.email_claimed.unwrap_or_default();
    let has_address = !email_claimed || email_sha1.is_some();
    found.expect(has_address, format_args!("{path}.email_claimed"), "belongs to an address; give email, too");
    let profile = Profile {
        first_name: given.first_name,
        last_name: given.last_name,
        phone: given.phone,
        phone_country_code: given.phone_country_code,
    };
    self::profile(&profile, &path, found);
    for (field, limit) in [("device_limit", given.device_limit), ("session_limit", given.session_limit)] {
        let fits = limit.is_none_or(|limit| (1..=MAX_LIMIT).contains(&limit));
        found.expect(fits, format_args!("{path}.{field}"), format_args!("takes 1 to {MAX_LIMIT}"));
    }
    let devices = devices(given.devices, &path, context, found);
    let subscriptions = given.subscriptions.into_iter().enumerate().map(|(i, OrText(given))| {
        let path = format!("{path}.subscriptions[{i}]");
        subscription(given, &path, context, licenses, found)
    });
    let subscriptions = subscriptions.collect();
    let variables = variables(given.variables, &path, found);
    let muted_until = found.time(given.muted_until, format_args!("{path}.muted_until"));
    let two_factor = given.two_factor.and_then(|text| {
        let secret = two_factor::secret_of_text(&text);
        found.expect(
            secret.is_some(),
            format_args!("{path}.two_factor"),
            "takes the secret in base32, 16 to 128 characters",
        );
        secret
    });
    let uuid = super::uuid(given.id.as_deref(), format_args!("{path}.id"), found).unwrap_or_default();
    let user = User {
        email: given.email,
        email_sha1,
        email_claimed,
        profile,
        device_limit: given.device_limit,
        session_limit: given.session_limit,
        ip: given.ip,
        last_login_at,
        banned,
        ban_reason: given.ban_reason,
        ..User::new(uuid, given.name, credential, created_at)
    };
    NewUser { user, password, devices, subscriptions, variables, muted_until, two_factor }
}

/// How the user proves who it is, and the password that is still to be hashed.
fn credential(
    given: &Given,
    at: usize,
    path: &str,
    licenses: &Licenses<'_>,
    found: &mut Findings,
) -> (Credential, Option<String>) {
    // Whether it used a license of its own name: then its password is that license (the rule of `user::register`).
    let own_license = licenses.find(&given.name).is_some_and(|license| licenses.all[license].user == Some(at));
    match (&given.password, &given.password_hash, given.login.as_deref()) {
        (None, None, None) if own_license => (Credential::License, None),
        (None, None, None | Some("locked")) => (Credential::Locked, None),
        (None, None, Some("license")) => (Credential::License, None),
        (None, None, Some("claimable")) => (Credential::Claimable, None),
        (None, None, Some(_)) => {
            let text = "takes license, claimable or locked; for a password give password or password_hash instead";
            found.add(format_args!("{path}.login"), text);
            (Credential::Locked, None)
        }
        (Some(password), None, None) => {
            found.bytes(password, 1, MAX_PASSWORD, format_args!("{path}.password"));
            if own_license && fold(password) == fold(&given.name) {
                return (Credential::License, None);
            }
            (Credential::Locked, Some(password.clone()))
        }
        (None, Some(hash), None) => {
            let fits = secret::is_readable_hash(hash);
            let text = "takes an argon2 hash as PHC text ($argon2id$v=19$…) or a bcrypt hash ($2b$…), of bearable cost";
            found.expect(fits, format_args!("{path}.password_hash"), text);
            (Credential::Password(hash.clone()), None)
        }
        _ => {
            found.add(path, "takes only one of password, password_hash and login");
            (Credential::Locked, None)
        }
    }
}

fn profile(profile: &Profile, path: &str, found: &mut Findings) {
    let Profile { first_name, last_name, phone, phone_country_code } = profile;
    for (field, text, most) in [
        ("first_name", first_name, MAX_NAME_PART),
        ("last_name", last_name, MAX_NAME_PART),
        ("phone", phone, MAX_PHONE),
        ("phone_country_code", phone_country_code, MAX_PHONE),
    ] {
        let fits = |text: &String| text.len() <= most && !text.chars().any(char::is_control);
        let takes = format_args!("takes at most {most} bytes, without control characters");
        found.expect(text.as_ref().is_none_or(fits), format_args!("{path}.{field}"), takes);
    }
}

/// The SHA-1 of the address, which may be given as text, as SHA-1, or both.
fn email(plain: Option<&str>, sha1: Option<String>, path: &str, found: &mut Findings) -> Option<String> {
    match (plain, sha1) {
        (Some(email), sha1) => {
            found.bytes(email, 1, MAX_EMAIL, format_args!("{path}.email"));
            let of_text = secret::email_sha1(email);
            let agree = sha1.is_none_or(|sha1| sha1 == of_text);
            found.expect(agree, format_args!("{path}.email_sha1"), "is not that of email; leave it out");
            Some(of_text)
        }
        (None, Some(sha1)) => {
            let fits = sha1.len() == 40 && sha1.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            let text = "takes the SHA-1 of the lower-cased address, in 40 lower-case hex characters";
            found.expect(fits, format_args!("{path}.email_sha1"), text);
            Some(sha1)
        }
        (None, None) => None,
    }
}

fn devices(
    given: Vec<OrText<super::super::Device>>,
    path: &str,
    context: &Context<'_>,
    found: &mut Findings,
) -> Vec<Device> {
    let list = format!("{path}.devices");
    let mut seen = HashMap::new();
    let mut devices = Vec::with_capacity(given.len());
    for (i, OrText(given)) in given.into_iter().enumerate() {
        found.bytes(&given.hwid, 1, MAX_HWID, format_args!("{list}[{i}].hwid"));
        found.unique(&mut seen, given.hwid.clone(), i, &list, ".hwid");
        let bound_at = found.time(given.bound_at, format_args!("{list}[{i}].bound_at")).unwrap_or(context.now);
        devices.push(Device { hwid: given.hwid, bound_at });
    }
    devices
}

fn variables(given: Vec<GivenVariable>, path: &str, found: &mut Findings) -> Vec<UserVariable> {
    let list = format!("{path}.variables");
    let fits = given.len() <= MAX_COUNT as usize;
    found.expect(fits, &list, format_args!("takes at most {MAX_COUNT} variables"));
    let mut seen = HashMap::new();
    let mut variables = Vec::with_capacity(given.len());
    for (i, GivenVariable { name, value, read_only }) in given.into_iter().enumerate() {
        let new = UserVariable { name, value, read_only };
        match user_variable::check(&new) {
            Ok(()) => found.unique(&mut seen, new.name.clone(), i, &list, ".name"),
            Err(error @ UserVariableError::Value) => found.add(format_args!("{list}[{i}].value"), error),
            Err(error) => found.add(format_args!("{list}[{i}].name"), error),
        }
        variables.push(new);
    }
    variables
}

fn subscription(
    given: GivenSubscription,
    path: &str,
    context: &Context<'_>,
    licenses: &Licenses<'_>,
    found: &mut Findings,
) -> NewSubscription {
    let license = given.key.as_deref().and_then(|key| licenses.find(key));
    match (&given.key, license) {
        (Some(_), None) => {
            let text = "names a license that the document does not have; leave it out if the license was deleted";
            found.add(format_args!("{path}.key"), text);
        }
        (Some(_), Some(at)) if licenses.all[at].license.used_at.is_none() => {
            let text = format_args!("names a license that is not used; give licenses[{at}] a used_by");
            found.add(format_args!("{path}.key"), text);
        }
        _ => {}
    }

    let given_level = given.level.iter().flatten().next();
    let named = match &given.plan {
        Some(name) => context.plans.iter().find(|(plan, _)| plan == name),
        // One plan, or one of that level: no doubt which is meant.
        None => {
            let mut fitting = context.plans.iter().filter(|(_, l)| given_level.is_none_or(|wanted| wanted == l));
            fitting.next().filter(|_| fitting.next().is_none())
        }
    };
    let level = match &given.level {
        Some(said) => said.clone(),
        None => named.map(|(_, level)| level.clone()),
    };
    if let Some(level) = &level {
        found.level(level, format_args!("{path}.level"));
    }
    let plan = given.plan.or_else(|| named.map(|(name, _)| name.clone()));
    match plan.as_deref().map(|plan| plan::check(plan, "1")) {
        Some(Ok(())) => {}
        Some(Err(error)) => found.add(format_args!("{path}.plan"), error),
        None => found.add(format_args!("{path}.plan"), "is missing, and it is not clear which plan is meant"),
    }
    let plan = plan.unwrap_or_default();

    let granted_at = found.time(given.granted_at, format_args!("{path}.granted_at")).unwrap_or(context.now);
    let paused_at = found.time(given.paused_at, format_args!("{path}.paused_at"));
    let end = found.time(given.expires_at, format_args!("{path}.expires_at"));
    let expires_at = match given.expires_in.map(|left| left.0) {
        None => end,
        Some(_) if end.is_some() => {
            found.add(format_args!("{path}.expires_in"), "takes the place of expires_at; leave one of them out");
            end
        }
        Some(Span::Lifetime) => None,
        Some(Span::Seconds(left)) => {
            found.span(Span::Seconds(left), format_args!("{path}.expires_in"));
            // What stands still has so much left from when it stopped.
            let stopped_at = paused_at.or(context.paused_at.map(|at| at.max(granted_at)));
            Some(stopped_at.unwrap_or(context.now) + left.clamp(-MAX_SPAN_SECONDS, MAX_SPAN_SECONDS))
        }
    };
    let subscription = Subscription {
        id: SubscriptionId(0),
        plan,
        level,
        license: None,
        key: None,
        granted_at,
        expires_at,
        paused_at,
    };
    NewSubscription { subscription, license }
}
