//! What guessing costs, and whom it costs nothing, with a clock of the test's own. The figures of docs/threat-model.md
//! are counted here.

use super::*;

const APP: AppId = AppId(1);
const MIA: Whom<'_> = Whom::User(UserId(1));
const DAY: i64 = 86_400;

/// As `guess-limit` and `app-guess-limit` are when nobody sets them.
fn defaults() -> Guesses {
    let address = Some(Allowance { interval: Duration::from_secs(5), burst: 200 });
    let app = Some(Allowance { interval: Duration::from_millis(100), burst: 6_000 });
    Guesses::new(Some(Limits { address, app, sign_ups: None }))
}

fn ip(n: u32) -> IpAddr {
    IpAddr::V4(n.into())
}

/// A request of its own.
fn ask<T>(guesses: &Guesses, from: u32, now: i64, work: impl FnOnce(Guess<'_>) -> T) -> T {
    work(guesses.guess(&AtomicBool::new(false), ip(from), Duration::from_secs(now.unsigned_abs())))
}

fn code(guesses: &Guesses, user: UserId, now: i64, right: bool) -> Result<(), Missed> {
    ask(guesses, 1, now, |guess| guess.judge(user, || right.then_some(())))
}

fn blocked(n: u64) -> Result<(), Missed> {
    Err(Missed::Blocked(Duration::from_secs(n)))
}

#[test]
fn waits_for_codes_grow_up_to_a_quarter_of_an_hour() {
    let guesses = Guesses::default();
    let mia = UserId(1);
    let mut now = 1_000;
    for _ in 0..4 {
        assert_eq!(code(&guesses, mia, now, false), Err(Missed::Wrong));
    }
    for wait in [30, 60, 120, 240, 480, 900, 900, 900] {
        assert_eq!(code(&guesses, mia, now, false), Err(Missed::Wrong), "{wait}");
        assert_eq!(code(&guesses, mia, now, true), blocked(wait), "not even a right one");
        now += wait as i64;
        assert_eq!(code(&guesses, mia, now - 1, true), blocked(1));
    }
}

#[test]
fn a_right_code_clears_and_users_do_not_disturb_each_other() {
    let guesses = Guesses::default();
    let mia = UserId(1);
    for _ in 0..3 {
        for _ in 0..4 {
            assert_eq!(code(&guesses, mia, 0, false), Err(Missed::Wrong));
        }
        assert_eq!(code(&guesses, mia, 0, true), Ok(()));
    }
    for _ in 0..5 {
        assert_eq!(code(&guesses, mia, 0, false), Err(Missed::Wrong));
    }
    assert_eq!(code(&guesses, mia, 0, true), blocked(30));
    assert_eq!(code(&guesses, UserId(2), 0, true), Ok(()));
}

#[test]
fn one_request_counts_once_however_often_it_runs() {
    let guesses = defaults();
    for n in 0..5 {
        // The fifth wrong code blocks: run again it is still wrong, not blocked.
        let counted = AtomicBool::new(false);
        for _ in 0..9 {
            let guess = guesses.guess(&counted, ip(1), Duration::ZERO);
            assert_eq!(guess.judge(UserId(1), || None::<()>), Err(Missed::Wrong), "{n}");
        }
    }
    assert_eq!(code(&guesses, UserId(1), 0, true), blocked(30));
    for n in 0..10 {
        let counted = AtomicBool::new(false);
        for _ in 0..9 {
            let guess = guesses.guess(&counted, ip(1), Duration::ZERO);
            assert!(guess.password_wait(APP, MIA, None).is_none(), "{n}");
            guess.wrong(APP, MIA, Source::Elsewhere);
        }
    }
    assert_eq!(password(&guesses, 1, MIA, Source::Elsewhere, 0), Err(30));
}

/// A wrong password, or for how long it is not looked at.
fn password(guesses: &Guesses, from: u32, whom: Whom<'_>, source: Source<'_>, now: i64) -> Result<(), u64> {
    let hwid = match source {
        Source::Device(hwid) | Source::DeviceAtHome(hwid) => Some(hwid),
        Source::Home | Source::Elsewhere => None,
    };
    ask(guesses, from, now, |guess| match guess.password_wait(APP, whom, hwid).of(source) {
        Some(wait) => Err(wait.as_millis().div_ceil(1_000) as u64),
        None => {
            guess.wrong(APP, whom, source);
            Ok(())
        }
    })
}

#[test]
fn who_is_attacked_gets_in_from_its_device_and_from_its_address() {
    let guesses = defaults();
    let (attackers, home, device) = (1_000..1_200, 7, Source::Device("laptop"));
    for attacker in attackers {
        while password(&guesses, attacker, MIA, Source::Elsewhere, 0).is_ok() {}
    }
    assert!(password(&guesses, 2_000, MIA, Source::Elsewhere, 0).is_err(), "no stranger is looked at any more");
    assert_eq!(password(&guesses, home, MIA, Source::Home, 0), Ok(()));
    assert_eq!(password(&guesses, 2_000, MIA, device, 0), Ok(()));
    // Somebody at its own address: only its device still gets in.
    while password(&guesses, home, MIA, Source::Home, 0).is_ok() {}
    assert_eq!(password(&guesses, home, MIA, Source::Home, 0), Err(30));
    assert_eq!(password(&guesses, home, MIA, device, 0), Ok(()));
    // Even a device has its own limit; and other users have nothing to do with any of it.
    while password(&guesses, 2_000, MIA, device, 0).is_ok() {}
    assert_eq!(password(&guesses, 2_000, MIA, device, 0), Err(30));
    assert_eq!(password(&guesses, home, Whom::User(UserId(2)), Source::Elsewhere, 0), Ok(()));
}

#[test]
fn who_knows_the_name_of_a_device_does_not_keep_it_out_at_home() {
    let guesses = defaults();
    let (home, here, elsewhere) = (7, Source::DeviceAtHome("laptop"), Source::Device("laptop"));
    for attacker in 1_000..1_200 {
        while password(&guesses, attacker, MIA, elsewhere, 0).is_ok() {}
    }
    assert_eq!(password(&guesses, 2_000, MIA, elsewhere, 0), Err(30));
    assert_eq!(password(&guesses, home, MIA, here, 0), Ok(()));
    assert_eq!(password(&guesses, home, MIA, Source::Home, 0), Ok(()), "with another device, or without one");
    // What was mistyped at home is forgiven by the right one; what was guessed elsewhere is not.
    ask(&guesses, home, 0, |guess| guess.right(MIA, here));
    assert_eq!(password(&guesses, 2_000, MIA, elsewhere, 0), Err(30));
}

#[test]
fn a_right_password_clears_what_was_mistyped_there() {
    let guesses = defaults();
    for _ in 0..3 {
        for _ in 0..9 {
            assert_eq!(password(&guesses, 1, MIA, Source::Home, 0), Ok(()));
        }
        ask(&guesses, 1, 0, |guess| guess.right(MIA, Source::Home));
    }
    for _ in 0..10 {
        assert_eq!(password(&guesses, 1, MIA, Source::Home, 0), Ok(()));
    }
    assert_eq!(password(&guesses, 1, MIA, Source::Home, 0), Err(30));
    ask(&guesses, 2, 0, |guess| guess.right(MIA, Source::Device("laptop")));
    assert_eq!(password(&guesses, 1, MIA, Source::Home, 0), Err(30), "not what was mistyped elsewhere");
}

#[test]
fn who_is_not_there_is_waited_for_like_who_is() {
    let (there, not_there) = (defaults(), defaults());
    for attacker in 0..40 {
        for now in [0, 0, 0, 3, 30, 60, 60, 600] {
            assert_eq!(
                password(&there, attacker, MIA, Source::Elsewhere, now),
                password(&not_there, attacker, Whom::Nobody(APP, "mia"), Source::Elsewhere, now)
            );
        }
    }
}

/// Asks for a license that there is not; or for how long none is looked at.
fn license(guesses: &Guesses, from: u32, key: &str, now: i64) -> Result<(), u64> {
    ask(guesses, from, now, |guess| match guess.stranger_wait(APP, key) {
        Some(wait) => Err(wait.as_millis().div_ceil(1_000) as u64),
        None => {
            guess.unknown(APP, key);
            Ok(())
        }
    })
}

#[test]
fn different_licenses_count_and_the_same_again_does_not() {
    let guesses = defaults();
    for _ in 0..1_000 {
        assert_eq!(license(&guesses, 1, "KEY-GONE", 0), Ok(()));
    }
    for n in 1..200 {
        assert_eq!(license(&guesses, 1, &format!("K{n}"), 0), Ok(()));
    }
    assert_eq!(license(&guesses, 1, "K200", 0), Err(5));
    assert_eq!(license(&guesses, 1, "key-gone", 0), Ok(()), "told the same as before");
    assert_eq!(license(&guesses, 2, "K200", 0), Ok(()), "another address");
    assert_eq!(license(&guesses, 1, "K200", 5), Ok(()));
    assert_eq!(license(&guesses, 1, "K201", 5), Err(5));
}

#[test]
fn an_app_under_attack_lets_in_who_came_from_an_address_that_is_known() {
    let guesses = defaults();
    ask(&guesses, 7, 0, |guess| guess.welcome(APP, UserId(1)));
    let mut n = 0;
    for attacker in 1_000..1_100 {
        while license(&guesses, attacker, &format!("K{n}"), 0).is_ok() {
            n += 1;
        }
    }
    assert_eq!(n, 6_000);
    assert!(license(&guesses, 8, "KEY-1", 0).is_err(), "a stranger waits");
    assert_eq!(license(&guesses, 7, "KEY-1", 0), Ok(()));
    // Whoever sits there may mistype a little; coming in again forgives none of it, here and elsewhere.
    for n in 1..5 {
        assert_eq!(license(&guesses, 7, &format!("MISTYPED-{n}"), 0), Ok(()));
    }
    for address in [7, 9, 10, 11] {
        ask(&guesses, address, 0, |guess| guess.welcome(APP, UserId(1)));
        assert!(license(&guesses, address, "KEY-2", 0).is_err());
    }
    assert_eq!(license(&guesses, 11, "KEY-2", 720), Ok(()));
    // Somebody else may come in from there; and an address of long ago is welcome no more.
    ask(&guesses, 7, 0, |guess| guess.welcome(APP, UserId(2)));
    assert_eq!(license(&guesses, 7, "KEY-3", 0), Ok(()));
    for address in 20..23 {
        ask(&guesses, address, 0, |guess| guess.welcome(APP, UserId(2)));
    }
    assert!(license(&guesses, 7, "KEY-4", 0).is_err());
    assert_eq!(license(&guesses, 20, "KEY-4", 0), Ok(()));
    let other = ask(&guesses, 8, 0, |guess| guess.stranger_wait(AppId(2), "KEY-1"));
    assert_eq!(other, None, "another app");
}

#[test]
fn who_is_logged_in_guesses_for_itself() {
    let guesses = defaults();
    let own = |user: i64| {
        ask(&guesses, 1, 0, |guess| match guess.own_wait(UserId(user)) {
            Some(wait) => Err(wait),
            None => {
                guess.own_unknown(UserId(user));
                Ok(())
            }
        })
    };
    assert_eq!((0..99).take_while(|_| own(1).is_ok()).count(), 10);
    assert!(own(2).is_ok());
    assert_eq!(license(&guesses, 1, "KEY-1", 0), Ok(()));
}

#[test]
fn without_limits_only_codes_are_counted() {
    let guesses = Guesses::new(None);
    for n in 0..9_999 {
        assert_eq!(license(&guesses, 1, &n.to_string(), 0), Ok(()));
        assert_eq!(password(&guesses, 1, MIA, Source::Elsewhere, 0), Ok(()));
    }
    assert!((0..99).any(|_| code(&guesses, UserId(1), 0, false) == blocked(30)));
}

/// How many of these get through in the first hour, and in the last one of a day, if they are tried every second.
fn through(mut tried: impl FnMut(i64) -> u32) -> (u32, u32) {
    let mut hours = [0; 24];
    for second in 0..DAY {
        hours[(second / 3_600) as usize] += tried(second);
    }
    (hours[0], hours[23])
}

/// The table of docs/threat-model.md.
#[test]
fn so_many_guesses_get_through() {
    let all = |mut one: Box<dyn FnMut() -> bool + '_>| (0..10_000).take_while(|_| one()).count() as u32;

    let guesses = defaults();
    let one_user = through(|now| all(Box::new(|| password(&guesses, 1, MIA, Source::Elsewhere, now).is_ok())));
    assert_eq!(one_user, (17, 4), "passwords of one user from one address");

    let guesses = defaults();
    let device = through(|now| all(Box::new(|| password(&guesses, 1, MIA, Source::Device("stolen"), now).is_ok())));
    assert_eq!(device, (17, 4), "passwords of one user by one who knows its device");

    let guesses = defaults();
    let mut address = 0;
    let many_addresses = through(|now| {
        all(Box::new(|| {
            address += 1;
            password(&guesses, address, MIA, Source::Elsewhere, now).is_ok()
        }))
    });
    assert_eq!(many_addresses, (59, 30), "passwords of one user from as many addresses as one likes");

    let guesses = defaults();
    let mut user = 0;
    let many_users = through(|now| {
        all(Box::new(|| {
            user += 1;
            password(&guesses, 1, Whom::User(UserId(user)), Source::Elsewhere, now).is_ok()
        }))
    });
    assert_eq!(many_users, (919, 720), "passwords of many users from one address");

    let guesses = defaults();
    let mut n = 0;
    let licenses = through(|now| {
        all(Box::new(|| {
            n += 1;
            license(&guesses, 1, &n.to_string(), now).is_ok()
        }))
    });
    assert_eq!(licenses, (919, 720), "licenses from one address");

    let guesses = defaults();
    let (mut n, mut address) = (0, 0);
    let one_app = through(|now| {
        all(Box::new(|| {
            (n, address) = (n + 1, address + 1);
            license(&guesses, address, &n.to_string(), now).is_ok()
        }))
    });
    assert_eq!(one_app, (41_990, 36_000), "licenses of one app from as many addresses as one likes");

    // What somebody else's attack leaves: nothing, but for who has a license, and comes in from each of its addresses
    // before it guesses there.
    let few = Allowance { interval: Duration::from_secs(100), burst: 60 };
    let guesses = Guesses::new(Some(Limits { address: None, app: Some(few), sign_ups: None }));
    let (mut n, mut address) = (0, 0);
    let customer = through(|now| {
        while license(&guesses, 1 << 31 | address, &format!("other {address}"), now).is_ok() {
            address += 1;
        }
        all(Box::new(|| {
            n += 1;
            ask(&guesses, n % 10_000, now, |guess| guess.welcome(APP, UserId(1)));
            license(&guesses, n % 10_000, &n.to_string(), now).is_ok()
        }))
    });
    assert_eq!(customer, (9, 5), "licenses of an app under attack, by a customer");
}

#[test]
fn memory_is_bounded() {
    let guesses = defaults();
    for n in 0..3 * REMEMBERED as u32 {
        let _ = code(&guesses, UserId(n.into()), 0, false);
        let _ = password(&guesses, n, Whom::User(UserId(n.into())), Source::Elsewhere, i64::from(n));
        let _ = license(&guesses, n, &n.to_string(), i64::from(n));
        ask(&guesses, n, 0, |guess| guess.welcome(APP, UserId(n.into())));
    }
    assert!(guesses.codes.lock().unwrap().len() <= REMEMBERED);
    let Secrets { wrong, strangers, addresses, apps, counted, welcome, hosts } = &*guesses.secrets();
    for kept in
        [wrong.len(), strangers.len(), addresses.len(), apps.len(), counted.len() / 2, welcome.len(), hosts.len()]
    {
        assert!(kept <= REMEMBERED, "{kept}");
    }
}
