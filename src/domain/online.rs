//! Who is logged in, and how many there are of what (contract 4.7, 4.8). Counted when asked for.

use crate::model::app::App;
use crate::model::time::Time;
use crate::store::{Tx, licenses, sessions, users};

use super::{Refusal, Stop};

/// How much of a name strangers see, in characters (contract 4.7).
const SHOWN: usize = 10;

/// What an app has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Users.
    pub users: i64,
    /// Names that are logged in; as many as [`online`] lists.
    pub online: i64,
    /// Licenses, used or not.
    pub licenses: i64,
}

/// The names that are logged in on live sessions, each once, cut to what strangers may see: a license-only user's name
/// is its password.
pub fn online(tx: &mut Tx<'_>, app: &App, now: Time) -> Result<Vec<String>, Stop> {
    let names = sessions::online(tx, app.id, now)?;
    if names.is_empty() {
        Err(Refusal::NobodyOnline.into())
    } else {
        Ok(names.iter().map(|name| masked(name)).collect())
    }
}

/// What an app has, counted now.
pub fn counts(tx: &mut Tx<'_>, app: &App, now: Time) -> Result<Counts, Stop> {
    Ok(Counts {
        users: users::count(tx, app.id)?,
        online: sessions::count_online(tx, app.id, now)?,
        licenses: licenses::count(tx, app.id)?,
    })
}

/// The first ten characters; each further byte becomes a `*`.
pub fn masked(name: &str) -> String {
    let kept = name.char_indices().nth(SHOWN).map_or(name.len(), |(at, _)| at);
    format!("{}{}", &name[..kept], "*".repeat(name.len() - kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_characters_are_kept_and_each_further_byte_is_a_star() {
        for (name, shown) in [
            ("", ""),
            ("mia", "mia"),
            ("0123456789", "0123456789"),
            ("0123456789a", "0123456789*"),
            ("AB12CD-EF3GHIJ", "AB12CD-EF3****"),
            ("éééééééééé", "éééééééééé"),
            ("ééééééééééé€", "éééééééééé*****"),
        ] {
            assert_eq!(masked(name), shown);
        }
    }
}
