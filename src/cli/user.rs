//! `keystead user`: an app's users. What they print is in `user_show.rs`. No password stands among the arguments, and
//! no hash is printed.

use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use crate::domain::secret::{Hasher, new_uuid};
use crate::domain::user::{self, MAX_LIMIT, NewUser, check_password};
use crate::domain::{ban, subscription};
use crate::model::app::App;
use crate::model::time::Span;
use crate::model::user::{Credential, User};
use crate::store::{Tx, devices, two_factor, users};

use super::options::{AppOption, Length, Page};
use super::{Db, Exit, Global, input, login_token, now, say, user_show};

/// Options.
#[derive(Args)]
#[command(after_help = "Examples:
  keystead user create mia --password-stdin --plan default --days 30 < password.txt
  keystead user create mia --claimable    # the first login sets the password
  keystead user create leo --email leo@example.com
  keystead user list --limit 1000
  keystead user show mia                  # devices, subscriptions, licenses
  keystead user ban mia --reason 'chargeback'
  keystead user unban mia
  keystead user reset-device mia          # the next device is bound
  keystead user set-password mia          # asks for it, or reads stdin
  # logs mia in once, in place of the password
  keystead user login-token mia --for 10m
  # or --none
  keystead user set-email mia mia@example.com
  # three devices for mia, whatever the app's deviceLimit says
  keystead user set-limits mia --devices 3 --sessions default
  # a lost second factor: no code is asked for any more
  keystead user reset-2fa mia
  keystead user pause mia --plan default  # its time stands still
  keystead user resume mia
  keystead user extend mia --days 7
  keystead user delete mia")]
pub(super) struct Arguments {
    #[command(flatten)]
    app: AppOption,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a user without a license; nothing opens it until it has a password
    Create(Create),
    /// List an app's users, oldest first
    List(Page),
    /// Show a user: devices, subscriptions, the licenses that gave them
    Show(Name),
    /// Ban a user; its sessions are logged out
    Ban {
        #[command(flatten)]
        name: Name,
        /// Why, at most 99 bytes; the user reads it where the setting userbanned says {reason}
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Lift a ban
    Unban(Name),
    /// Free a user's devices: the next one that logs in is bound
    ResetDevice(Name),
    /// Set a user's password, asked for or read from stdin; its sessions are logged out
    SetPassword {
        #[command(flatten)]
        name: Name,
        /// Set none: the next login does
        #[arg(long)]
        claimable: bool,
    },
    /// Print a token that logs a user in once, for a web loader; an older one is no good any more
    LoginToken {
        #[command(flatten)]
        name: Name,
        /// How long it is good: at most a day
        #[arg(long = "for", value_name = "SPAN", default_value = "5m")]
        life: Span,
    },
    /// Set a user's e-mail address, for logins by it and for forgot
    SetEmail {
        #[command(flatten)]
        name: Name,
        /// The address
        #[arg(required_unless_present = "none", conflicts_with = "none")]
        address: Option<String>,
        /// Take the address away
        #[arg(long)]
        none: bool,
    },
    /// Say how many devices and session tokens a user may have
    #[command(group(ArgGroup::new("limits").args(["devices", "sessions"]).required(true).multiple(true)))]
    SetLimits {
        #[command(flatten)]
        name: Name,
        /// So many devices, or `default`: as many as the app's setting deviceLimit says
        #[arg(long, value_name = "N|default", value_parser = limit)]
        devices: Option<Limit>,
        /// So many session tokens at one time, or `default`: as many as the app's setting sessionLimit says
        #[arg(long, value_name = "N|default", value_parser = limit)]
        sessions: Option<Limit>,
    },
    /// Take a lost second factor off: no code is asked for any more
    #[command(name = "reset-2fa")]
    ResetTwoFactor(Name),
    /// Let what a user holds stand still
    Pause {
        #[command(flatten)]
        name: Name,
        /// Only this plan
        #[arg(long, value_name = "NAME")]
        plan: Option<String>,
    },
    /// Let it run again; what was left is left
    Resume {
        #[command(flatten)]
        name: Name,
        /// Only this plan
        #[arg(long, value_name = "NAME")]
        plan: Option<String>,
    },
    /// Give a user more time
    ///
    /// What has time left ends so much later; if nothing has, what ended last runs again from now on. With --plan only
    /// that plan counts, and a user who does not hold it gets it.
    Extend {
        #[command(flatten)]
        name: Name,
        /// Only this plan; given if the user does not hold it
        #[arg(long, value_name = "NAME")]
        plan: Option<String>,
        #[command(flatten)]
        by: Length,
    },
    /// Delete a user with its devices and subscriptions; its licenses stay used
    Delete(Name),
}

#[derive(Args)]
struct Create {
    #[command(flatten)]
    name: Name,
    /// Read its password from stdin
    #[arg(long, conflicts_with = "claimable")]
    password_stdin: bool,
    /// Set no password: the first login does
    #[arg(long)]
    claimable: bool,
    /// Its e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// What it is to hold; may be left out if the app has a single plan
    #[arg(long, value_name = "NAME")]
    plan: Option<String>,
    #[command(flatten)]
    length: Length,
}

/// How many of something a user may have.
#[derive(Clone, Copy)]
enum Limit {
    /// As many as the app says.
    Default,
    /// So many.
    Own(i64),
}

impl Limit {
    fn own(self) -> Option<i64> {
        match self {
            Limit::Default => None,
            Limit::Own(count) => Some(count),
        }
    }
}

fn limit(text: &str) -> Result<Limit, String> {
    match text.parse() {
        Ok(count) if (1..=MAX_LIMIT).contains(&count) => Ok(Limit::Own(count)),
        _ if text == "default" => Ok(Limit::Default),
        _ => Err(format!("a limit is 1 to {MAX_LIMIT}, or default")),
    }
}

/// Which user.
#[derive(Args)]
struct Name {
    /// The username, in any case
    name: String,
}

pub(super) fn run(global: &Global, arguments: Arguments) -> Result<(), Exit> {
    let mut db = Db::existing(global)?;
    let app = db.app(arguments.app.name())?;
    match arguments.command {
        Command::Create(new) => create(global, &mut db, &app, new),
        Command::List(page) => user_show::list(global, &db, &app, page),
        Command::Show(Name { name }) => user_show::show(global, &db, &app, name),
        Command::Ban { name, reason } => change(global, &mut db, &app, name, move |tx, _, user| {
            user::ban_user(tx, user.id, ban::reason(reason.as_deref())?)?;
            Ok(format!("banned {}", user.name))
        }),
        Command::Unban(name) => change(global, &mut db, &app, name, |tx, _, user| match users::unban(tx, user.id)? {
            true => Ok(format!("{} is not banned any more", user.name)),
            false => Err(Exit::failure(format!("{} is not banned", user.name))),
        }),
        Command::ResetDevice(name) => change(global, &mut db, &app, name, |tx, _, user| {
            let freed = devices::delete_of_user(tx, user.id)?;
            Ok(format!("freed {freed} devices of {}: the next one that logs in is bound", user.name))
        }),
        Command::SetPassword { name, claimable } => set_password(global, &mut db, &app, name, claimable),
        Command::LoginToken { name: Name { name }, life } => login_token::run(global, &mut db, &app, name, life),
        Command::SetEmail { name, address, none: _ } => change(global, &mut db, &app, name, move |tx, _, user| {
            user::set_email(tx, user.id, address.as_deref())?;
            Ok(match address {
                Some(_) => format!("set the e-mail address of {}", user.name),
                None => format!("{} has no e-mail address any more", user.name),
            })
        }),
        Command::SetLimits { name, devices, sessions } => change(global, &mut db, &app, name, move |tx, app, user| {
            let new_devices = devices.map_or(user.device_limit, Limit::own);
            let new_sessions = sessions.map_or(user.session_limit, Limit::own);
            user::set_limits(tx, user.id, new_devices, new_sessions)?;
            let devices = new_devices.unwrap_or(app.settings.device_limit);
            let sessions = new_sessions.unwrap_or(app.settings.session_limit);
            Ok(format!("{}: devices at most {devices}, session tokens at most {sessions}", user.name))
        }),
        Command::ResetTwoFactor(name) => {
            change(global, &mut db, &app, name, |tx, _, user| match two_factor::switch_off(tx, user.id)? {
                true => Ok(format!("{} needs no code any more; its program can switch a new one on", user.name)),
                false => Err(Exit::failure(format!("{} has no second factor", user.name))),
            })
        }
        Command::Pause { name, plan } => change(global, &mut db, &app, name, move |tx, app, user| {
            let count = subscription::pause(tx, app, user.id, plan.as_deref(), now())?;
            some(count, "that runs").map(|count| format!("{count} of {} stand still", user.name))
        }),
        Command::Resume { name, plan } => change(global, &mut db, &app, name, move |tx, app, user| {
            let count = subscription::resume(tx, app, user.id, plan.as_deref(), now())?;
            some(count, "that is paused").map(|count| format!("{count} of {} run again", user.name))
        }),
        Command::Extend { name, plan, by } => {
            let by = by.span().ok_or_else(|| Exit::usage("say how long, with --days or --duration"))?;
            change(global, &mut db, &app, name, move |tx, app, user| {
                let count = subscription::extend(tx, app, user.id, plan.as_deref(), by, now())?;
                let more = if by == Span::Lifetime { "without end".to_owned() } else { format!("{by} longer") };
                some(count, "").map(|count| format!("{count} of {} last {more}", user.name))
            })
        }
        Command::Delete(Name { name }) => {
            let document = json!({ "deleted": name });
            let sentence = format!("deleted user {name} of {}", app.name);
            db.write(move |tx| {
                let user = user::find(tx, &app, Some(&name))?;
                Ok::<_, Exit>(user::delete(tx, user.id)?)
            })?;
            say(global, &document, &sentence)
        }
    }
}

fn create(global: &Global, db: &mut Db, app: &App, new: Create) -> Result<(), Exit> {
    if new.plan.is_some() && new.length.span().is_none() {
        return Err(Exit::usage("say how long the plan is given, with --days or --duration (lifetime is one)"));
    }
    let credential = match (new.password_stdin, new.claimable) {
        (true, _) => hashed(&input::password_from_stdin()?)?,
        (false, true) => Credential::Claimable,
        (false, false) => Credential::Locked,
    };
    let advice = match credential {
        Credential::Locked => "; nothing opens it until `keystead user set-password`",
        Credential::Claimable => "; its first login sets its password",
        _ => "",
    };
    let holds = new.length.span().map(|span| (new.plan, span));
    let email = new.email;
    let new = NewUser { uuid: new_uuid(&mut rand::rng()), name: new.name.name, credential, holds };
    let name = Name { name: new.name.clone() };
    let found = app.clone();
    db.write(move |tx| {
        let id = user::create(tx, &found, &new, now())?;
        email.as_deref().map_or(Ok(()), |email| user::set_email(tx, id, Some(email)))
    })?;
    change(global, db, app, name, move |_, _, user| Ok(format!("made user {}{advice}", user.name)))
}

fn hashed(password: &str) -> Result<Credential, Exit> {
    check_password(password)?;
    Ok(Credential::Password(Hasher::default().hash(password, &mut rand::rng())))
}

fn set_password(global: &Global, db: &mut Db, app: &App, name: Name, claimable: bool) -> Result<(), Exit> {
    // A name that is wrong is told before anybody types a password twice.
    let (found, wanted) = (app.clone(), name.name.clone());
    db.read(move |tx| user::find(tx, &found, Some(&wanted)))?;
    let credential = if claimable { Credential::Claimable } else { hashed(&input::password()?)? };
    change(global, db, app, name, move |tx, _, user| {
        user::set_credential(tx, user.id, &credential)?;
        Ok(match credential {
            Credential::Claimable => format!("the next login of {} sets its password", user.name),
            _ => format!("set the password of {}", user.name),
        })
    })
}

/// So many subscriptions in words; none is a failure.
fn some(count: u64, which: &str) -> Result<String, Exit> {
    match count {
        0 => Err(Exit::failure(format!("this user holds nothing {which}; see `keystead user show`"))),
        1 => Ok("1 subscription".to_owned()),
        count => Ok(format!("{count} subscriptions")),
    }
}

/// Changes one user; says what was done, or shows to programs what the user is then.
fn change(
    global: &Global,
    db: &mut Db,
    app: &App,
    name: Name,
    mut work: impl FnMut(&mut Tx<'_>, &App, &User) -> Result<String, Exit> + Send + 'static,
) -> Result<(), Exit> {
    let (found, name) = (app.clone(), name.name);
    let (document, sentence) = db.write(move |tx| {
        let app = super::app::fresh(tx, &found)?;
        let user = user::find(tx, &app, Some(&name))?;
        let sentence = work(tx, &app, &user)?;
        Ok::<_, Exit>((user_show::Shown::load(tx, &app, &name)?.document(), sentence))
    })?;
    say(global, &document, &sentence)
}
