//! Everything at one moment: a key is redeemed once and a name is taken once, whoever asks by whatever call in whatever
//! version; every loser is told exactly why and has lost nothing. Black box against the real binary; what is left behind
//! is read from the file.
#![cfg(unix)]

#[path = "support/torture.rs"]
mod torture;
#[path = "support/totp.rs"]
mod totp;

use keystead::domain::vault::{Purpose, Vault};
use keystead::model::license::LicenseState;
use keystead::model::user::Credential;
use torture::{Answer, Call, Client, DAY, PLANS, Server, Shop, V1_1, V1_2, all_at_once, init};
use totp_rs::Secret;

/// How many ask at the same moment, and how often each race is run; one for which 64 passwords are hashed, less often.
const CLIENTS: usize = 64;
const ROUNDS: usize = 3;
const HASHING_ROUNDS: usize = 2;

const BOTH: &[&str] = &[V1_2, V1_1];

const USED: (&str, &str) = ("Key Already Used.", "LICENSE_IN_USE");
const TAKEN: (&str, &str) = ("Username Already Exists.", "USERNAME_TAKEN");

fn shop() -> (Shop, Server) {
    let shop = Shop::open();
    let server = shop.serve(&[]);
    (shop, server)
}

/// Afterwards the file is sound, and the server ends as it should.
fn close(shop: &Shop, server: Server) {
    shop.assert_sound();
    server.stop();
    shop.assert_sound();
}

/// The one that won; all others were refused in exactly these words.
fn only_winner(answers: &[Answer], refused: (&str, &str)) -> usize {
    let winners: Vec<usize> = (0..answers.len()).filter(|i| answers[*i].is_success()).collect();
    assert_eq!(winners.len(), 1, "one winner: {answers:?}");
    for (i, answer) in answers.iter().enumerate() {
        if i == winners[0] {
            answer.assert_success();
        } else {
            answer.assert_refused(refused.0, refused.1);
        }
    }
    winners[0]
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{prefix}{i}")).collect()
}

#[test]
fn one_key_makes_one_user() {
    let (shop, server) = shop();
    for round in 0..HASHING_ROUNDS {
        let key = format!("ONE-KEY-{round}");
        shop.add_keys(std::slice::from_ref(&key));
        let before = shop.user_names().len();
        let wanted = names(&format!("user{round}-"), CLIENTS);
        let calls: Vec<_> = wanted
            .iter()
            .map(|name| {
                vec![("type", "register"), ("username", name), ("pass", "secret"), ("key", &key), ("hwid", name)]
            })
            .collect();
        let winner = only_winner(&all_at_once(&shop, &server, &calls, BOTH), USED);
        assert_eq!(shop.user_names()[before..], [wanted[winner].clone()]);
        let held = shop.user(&wanted[winner]).unwrap();
        held.assert_made_by(&shop.license(&key), &wanted[winner]);
    }
    close(&shop, server);
}

#[test]
fn one_name_takes_one_key() {
    let (shop, server) = shop();
    for round in 0..HASHING_ROUNDS {
        let keys = names(&format!("KEY-{round}-"), CLIENTS);
        shop.add_keys(&keys);
        // Names are compared without regard to case.
        let spellings = [format!("mia{round}"), format!("MIA{round}")];
        let calls: Vec<_> = keys
            .iter()
            .enumerate()
            .map(|(i, key)| {
                let name = spellings[i % 2].as_str();
                vec![("type", "register"), ("username", name), ("pass", "secret"), ("key", key), ("hwid", key)]
            })
            .collect();
        let winner = only_winner(&all_at_once(&shop, &server, &calls, BOTH), TAKEN);
        assert_eq!(shop.user_names().len(), round + 1);
        let held = shop.user(&spellings[0]).unwrap();
        assert_eq!(held.user.name, spellings[winner % 2], "stored as the winner wrote it");
        held.assert_made_by(&shop.license(&keys[winner]), &keys[winner]);
        for (i, license) in shop.licenses(&keys).into_iter().enumerate() {
            let state = if i == winner { LicenseState::Used } else { LicenseState::Unused };
            assert_eq!(license.state(), state, "{}", license.key);
        }
    }
    close(&shop, server);
}

#[test]
fn a_license_used_by_all_of_its_clients_at_once_makes_one_user() {
    let (shop, server) = shop();
    for round in 0..ROUNDS {
        let key = format!("FRESH-{round}");
        shop.add_keys(std::slice::from_ref(&key));
        let call = vec![("type", "license"), ("key", key.as_str()), ("hwid", "one device")];
        for answer in all_at_once(&shop, &server, &vec![call; CLIENTS], BOTH) {
            answer.assert_success();
            let info = &answer.json["info"];
            assert_eq!(info["username"], key.as_str());
            assert_eq!(info["subscriptions"].as_array().map(Vec::len), Some(PLANS.len()), "{answer:?}");
        }
        assert_eq!(shop.user_names().len(), round + 1);
        let held = shop.user(&key).unwrap();
        assert_eq!(held.user.credential, Credential::License);
        held.assert_made_by(&shop.license(&key), "one device");
    }
    close(&shop, server);
}

#[test]
fn a_license_is_bound_to_the_first_of_many_devices() {
    let (shop, server) = shop();
    for round in 0..ROUNDS {
        let key = format!("DEVICES-{round}");
        shop.add_keys(std::slice::from_ref(&key));
        let hwids = names("device", CLIENTS);
        let calls: Vec<_> =
            hwids.iter().map(|hwid| vec![("type", "license"), ("key", key.as_str()), ("hwid", hwid)]).collect();
        let answers = all_at_once(&shop, &server, &calls, BOTH);
        let winner = only_winner(&answers, ("HWID doesn't match. Ask for a HWID reset", "HWID_MISMATCH"));
        shop.user(&key).unwrap().assert_made_by(&shop.license(&key), &hwids[winner]);
    }
    close(&shop, server);
}

#[test]
fn one_key_upgrades_once() {
    let (shop, server) = shop();
    shop.add_user("mia");
    for round in 0..ROUNDS {
        let key = format!("UPGRADE-{round}");
        shop.add_keys(std::slice::from_ref(&key));
        let call = vec![("type", "upgrade"), ("username", "mia"), ("key", key.as_str())];
        only_winner(&all_at_once(&shop, &server, &vec![call; CLIENTS], BOTH), USED);
        let mia = shop.user("mia").unwrap();
        assert_eq!(shop.license(&key).used_by, Some(mia.user.id));
        let [held] = mia.subscriptions.as_slice() else { panic!("one subscription: {:?}", mia.subscriptions) };
        assert_eq!(held.expires_at.unwrap() - held.granted_at, (round as i64 + 1) * DAY, "prolonged once for each key");
    }
    close(&shop, server);
}

/// Sessions on which the users of these keys are logged in, each by its license.
fn logged_in(shop: &Shop, server: &Server, keys: &[String]) -> Vec<String> {
    let mut client = Client::connect(server);
    let enter = |key: &String| {
        let session = init(shop, &mut client);
        client.call(&Call::new(shop, &[("type", "license"), ("sessionid", &session), ("key", key)])).assert_success();
        session
    };
    keys.iter().map(enter).collect()
}

#[test]
fn one_new_name_is_taken_once() {
    let (shop, server) = shop();
    for round in 0..ROUNDS {
        let keys = names(&format!("RENAME-{round}-"), CLIENTS);
        shop.add_keys(&keys);
        let sessions = logged_in(&shop, &server, &keys);
        let spellings = [format!("ann{round}"), format!("ANN{round}")];
        let calls: Vec<_> = sessions
            .iter()
            .enumerate()
            .map(|(i, id)| vec![("type", "changeUsername"), ("sessionid", id), ("newUsername", &spellings[i % 2])])
            .collect();
        let answers = all_at_once(&shop, &server, &calls, BOTH);
        let winner = only_winner(&answers, ("Username already used!", "USERNAME_TAKEN"));
        let ann = shop.user(&spellings[0]).unwrap();
        assert_eq!(ann.user.name, spellings[winner % 2], "as the winner wrote it");
        assert_eq!(shop.license(&keys[winner]).used_by, Some(ann.user.id));
        for (i, key) in keys.iter().enumerate() {
            assert_eq!(shop.user(key).is_some(), i != winner, "{key}: the others kept theirs");
        }
    }
    close(&shop, server);
}

#[test]
fn one_second_factor_is_switched_on_once() {
    let (shop, server) = shop();
    for round in 0..ROUNDS {
        let key = format!("2FA-{round}");
        shop.add_keys(std::slice::from_ref(&key));
        let sessions = logged_in(&shop, &server, &vec![key.clone(); CLIENTS]);
        let begin: Vec<_> = sessions.iter().map(|id| vec![("type", "2faenable"), ("sessionid", id.as_str())]).collect();
        let begun = all_at_once(&shop, &server, &begin, &[V1_2]);
        let waiting = shop.read({
            let key = key.clone();
            move |tx, app| {
                let user = keystead::store::users::by_name(tx, app.id, &key).unwrap().unwrap();
                let stored = keystead::store::two_factor::of_user(tx, user.id).unwrap().unwrap();
                let secret = Vault::default().open(Purpose::TwoFactor, &stored.pending.unwrap()).unwrap();
                Secret::from(secret).to_base32()
            }
        });
        let secrets: Vec<_> = begun.iter().map(|answer| answer.json["2fa"]["secret_code"].as_str().unwrap()).collect();
        assert_eq!(secrets.iter().filter(|secret| **secret == waiting).count(), 1, "one of them waits");

        let code = totp::code(&waiting, 0);
        let finish: Vec<Vec<(&str, &str)>> =
            sessions.iter().map(|id| vec![("type", "2faenable"), ("sessionid", id), ("code", &code)]).collect();
        let answers = all_at_once(&shop, &server, &finish, &[V1_2]);
        only_winner(&answers, ("2fa is already enabled on this account", "2FA_ALREADY_ENABLED"));
    }
    close(&shop, server);
}

/// Every way to redeem, on one key: `register` under many names, `register` with the key as name and password (which
/// hashes nothing and so is as quick as the others), `license`, `upgrade`. One of the last three may be all it takes,
/// so each gets a round in which it is sent first.
#[test]
fn one_key_is_redeemed_by_one_of_all_calls() {
    let (shop, server) = shop();
    shop.add_user("mia");
    let mut days = 0;
    let mut winners = Vec::new();
    for round in 0..2 * ROUNDS {
        let key = format!("MIX-{round}");
        shop.add_keys(std::slice::from_ref(&key));
        let before = shop.user_names().len();
        let wanted = names(&format!("mix{round}-"), CLIENTS);
        let calls: Vec<Vec<(&str, &str)>> = (0..CLIENTS)
            .map(|i| match (i + round) % 4 {
                0 => vec![("type", "upgrade"), ("username", "mia"), ("key", &key)],
                1 => vec![("type", "register"), ("username", &key), ("pass", &key), ("key", &key), ("hwid", "one")],
                2 => vec![("type", "license"), ("key", &key), ("hwid", "one")],
                _ => vec![
                    ("type", "register"),
                    ("username", &wanted[i]),
                    ("pass", "secret"),
                    ("key", &key),
                    ("hwid", &wanted[i]),
                ],
            })
            .collect();
        // Two calls of each kind by one version, two by the other.
        let answers = all_at_once(&shop, &server, &calls, &[V1_2, V1_2, V1_2, V1_2, V1_1, V1_1, V1_1, V1_1]);

        let license = shop.license(&key);
        let winner = shop.read(move |tx, app| {
            let id = license.used_by.expect("somebody redeemed it");
            keystead::store::users::by_id(tx, app.id, id).unwrap().unwrap().name
        });
        let new_users = shop.user_names().split_off(before);
        let license = shop.license(&key);
        if winner == "mia" {
            days += 1;
            assert_eq!(new_users, Vec::<String>::new());
        } else {
            assert_eq!(new_users, std::slice::from_ref(&winner));
            shop.user(&winner).unwrap().assert_made_by(&license, if winner == key { "one" } else { &winner });
        }
        let by_license = winner == key;
        let mut successes = 0;
        for (call, answer) in calls.iter().zip(&answers) {
            match (call[0].1, call[1].1) {
                // Its user exists, or it made it.
                ("license", _) if by_license => answer.assert_success(),
                ("register", name) if by_license && name == key => {
                    if !answer.is_success() {
                        answer.assert_refused(TAKEN.0, TAKEN.1);
                    }
                }
                _ if answer.is_success() => {}
                _ => answer.assert_refused(USED.0, USED.1),
            }
            // Logging in with a license is not redeeming it again.
            successes += usize::from(answer.is_success() && !(by_license && call[0].1 == "license"));
        }
        if by_license {
            assert!(successes <= 1, "at most one register made the user");
        } else {
            assert_eq!(successes, 1, "{answers:?}");
        }
        winners.push(winner);
    }
    let mia = shop.user("mia").unwrap();
    let granted: i64 = mia.subscriptions.iter().map(|s| s.expires_at.unwrap() - s.granted_at).sum();
    assert_eq!(granted, days * DAY, "one day for each key that mia won: {winners:?}");
    close(&shop, server);
}
