//! Variables of the environment that look like settings and are none: probably misspelled, and without a word the setting
//! would keep its default. Looks at names only, never at a value.

use super::{Setting, TABLE, near};

/// What begins the name of every setting's variable.
const PREFIX: &str = "KEYSTEAD_";

/// What else has such a name: the options of commands, the file of `--config`, and what this project's scripts and tests
/// are told by.
const OTHERS: &[&str] = &["CONFIG", "APP", "SECRET", "SELLERKEY", "BIN", "RENEW_DOCS", "DERIVE_VECTORS"];

/// Kubernetes tells of a service `keystead` (or `keystead-web`) by `KEYSTEAD_SERVICE_HOST` and others, which begin so.
const SERVICE_HOST: &str = "_SERVICE_HOST";
const OF_SERVICES: [&str; 2] = ["_SERVICE_", "_PORT"];

/// A variable that is no setting.
#[derive(Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Its name.
    pub name: String,
    /// The variables that may have been meant, as a clause; empty if none is near.
    pub nearest: String,
}

/// Those of this process.
pub fn strangers() -> Vec<Stranger> {
    among(std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()))
}

fn among(names: impl Iterator<Item = String>) -> Vec<Stranger> {
    let names: Vec<String> = names.filter(|name| name.starts_with(PREFIX)).collect();
    let services: Vec<&str> = names.iter().filter_map(|name| name.strip_suffix(SERVICE_HOST)).collect();
    let of_service = |name: &str| {
        let mut endings = services.iter().filter_map(|service| name.strip_prefix(service));
        endings.any(|ending| OF_SERVICES.iter().any(|begin| ending.starts_with(begin)))
    };
    let is_known = |name: &str| {
        OTHERS.contains(&&name[PREFIX.len()..]) || of_service(name) || TABLE.iter().any(|setting| setting.env() == name)
    };
    let strange = names.iter().filter(|name| !is_known(name));
    let mut found: Vec<Stranger> = strange
        .map(|name| Stranger { name: name.clone(), nearest: near(&name[PREFIX.len()..], Setting::env) })
        .collect();
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_setting_is_found_and_what_it_may_mean() {
        let names = [
            "KEYSTEAD_REDERS",
            "KEYSTEAD_LISTEN_ADDRESS_OF_MINE",
            "KEYSTEAD_metrics-listen",
            "KEYSTEAD_",
            "PATH",
            "MY_KEYSTEAD_LISTN",
            "KEYSTEADY_LISTEN",
            "KEYSTEAD_PORT",
            "KEYSTEAD_WEB_SERVICE_HOST",
            "KEYSTEAD_WEB_SERVICE_PORT_HTTP",
            "KEYSTEAD_WEB_PORT",
            "KEYSTEAD_WEB_PORT_8080_TCP_ADDR",
        ];
        let others = OTHERS.iter().map(|other| format!("{PREFIX}{other}"));
        let settings = TABLE.iter().map(Setting::env);
        let found = among(names.into_iter().map(str::to_owned).chain(others).chain(settings));
        let found: Vec<(&str, &str)> = found.iter().map(|one| (&*one.name, &*one.nearest)).collect();
        assert_eq!(
            found,
            [
                ("KEYSTEAD_", ""),
                ("KEYSTEAD_LISTEN_ADDRESS_OF_MINE", ""),
                ("KEYSTEAD_PORT", ""),
                ("KEYSTEAD_REDERS", " (did you mean KEYSTEAD_READERS?)"),
                ("KEYSTEAD_metrics-listen", " (did you mean KEYSTEAD_METRICS_LISTEN?)"),
            ]
        );
    }
}
