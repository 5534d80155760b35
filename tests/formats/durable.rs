//! What a format has acknowledged is on disk: the server is killed at the moment of the answer, and the next one on the same
//! file knows the user, its session and its license.

use crate::doors::{DEVICE, Door, Doors, is_success};
use crate::support::Fixture;

const PASSWORD: &str = "a good password";
const ROUNDS: usize = 6;

#[test]
fn who_was_answered_is_there_after_a_kill() {
    let mut doors = Doors::open(Fixture::new());
    for round in 0..ROUNDS {
        for door in Door::ALL {
            let (name, key) = (format!("{}-{round}", door.name()), format!("KEY-{}-{round}", door.name()));
            doors.server.change(|db| db.license(&key));
            let reply = doors.sign_up(door, &name, PASSWORD, &key);
            doors.server.kill();
            assert!(is_success(&reply), "{door:?}: {reply:?}");
            doors.server.start_again(&[]);

            // Any door will do; a page asks for no subscription.
            let ticket = doors.log_in(Door::Wacht, &name, PASSWORD, DEVICE);
            doors.server.kill();
            let ticket = ticket.unwrap_or_else(|reply| panic!("{name} is gone: {reply:?}"));
            doors.server.start_again(&[]);
            assert!(doors.is_in(&ticket), "{name}: the sign-in is gone");
            if matches!(door, Door::KeyAuth | Door::Authly) {
                assert!(doors.db().license_now(&key).used_at.is_some(), "{name}: its license is unused again");
            }
        }
    }
}
