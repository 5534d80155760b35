//! Everything at one moment (L16): one key makes one user, one name is taken once, and the losers have lost nothing.

use keystead::model::license::LicenseState;
use serde_json::json;

use super::support::{Fixture, at_once};
use super::{Client, post, refused, with};

const CALLERS: usize = 8;
const ROUNDS: usize = 3;

#[test]
fn l16_one_key_many_callers_one_winner() {
    let db = Fixture::new();
    for round in 0..ROUNDS {
        db.license(&format!("KEY-{round}"));
    }
    let server = db.serve(&[]);
    let sessions: Vec<_> = (0..CALLERS).map(|_| Client::open(&server).session).collect();
    for round in 0..ROUNDS {
        let replies = at_once(CALLERS, |i| {
            let body = json!({
                "session_id": sessions[i], "username": format!("user-{round}-{i}"), "password": "s3cret-pw",
                "key": format!("KEY-{round}"), "sid": format!("device-{i}"),
            });
            post(&server, "register", &body)
        });
        let winners: Vec<_> = (0..CALLERS).filter(|i| replies[*i].success()).collect();
        let [winner] = winners[..] else { panic!("one winner: {replies:?}") };
        for (i, reply) in replies.iter().enumerate().filter(|(i, _)| *i != winner) {
            refused(reply, 403, "LICENSE_IN_USE", "This license key is already in use");
            assert!(server.db.user_now(&format!("user-{round}-{i}")).is_none());
        }
        let user = server.db.user_now(&format!("user-{round}-{winner}")).expect("the winner");
        assert_eq!(server.db.license_now(&format!("KEY-{round}")).used_by, Some(user.id));
        assert_eq!(server.db.devices_of(user.id), [format!("device-{winner}")]);
        assert_eq!(server.db.users(), round + 1);
    }
}

#[test]
fn l16_one_username_many_keys_one_winner_and_the_other_keys_stay_unused() {
    let db = Fixture::new();
    for (round, i) in (0..ROUNDS).flat_map(|round| (0..CALLERS).map(move |i| (round, i))) {
        db.license(&format!("KEY-{round}-{i}"));
    }
    let server = db.serve(&[]);
    let sessions: Vec<_> = (0..CALLERS).map(|_| Client::open(&server).session).collect();
    for round in 0..ROUNDS {
        let replies = at_once(CALLERS, |i| {
            // Names are compared without regard to case.
            let name = if i % 2 == 0 { format!("mia{round}") } else { format!("MIA{round}") };
            let body = json!({"username": name, "password": "s3cret-pw", "key": format!("KEY-{round}-{i}")});
            post(&server, "register", &with(body, &json!({"session_id": sessions[i]})))
        });
        let winners: Vec<_> = (0..CALLERS).filter(|i| replies[*i].success()).collect();
        let [winner] = winners[..] else { panic!("one winner: {replies:?}") };
        for (i, reply) in replies.iter().enumerate() {
            let state = server.db.license_now(&format!("KEY-{round}-{i}")).state();
            if i == winner {
                assert_eq!(state, LicenseState::Used);
            } else {
                refused(reply, 409, "USERNAME_TAKEN", "Username is already taken");
                assert_eq!(state, LicenseState::Unused, "key {i}");
            }
        }
        assert_eq!(server.db.users(), round + 1);
    }
}
