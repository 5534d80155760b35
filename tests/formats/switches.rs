//! Each format can be switched off, for one app or for the whole server; the others go on.

use serde_json::json;

use crate::doors::{DEVICE, Door, Doors, is_success};
use crate::support::{Fixture, OWNERID, Reply, Server};

/// Something that the format answers with a success to whoever comes.
fn knock(doors: &Doors, door: Door) -> Reply {
    match door {
        Door::KeyAuth => doors.server.post("1.2", &[("type", "init"), ("name", "demo"), ("ownerid", OWNERID)]),
        Door::Authgate => {
            let body = json!({"credentials": {"username": "mia", "password": "secret"}, "hardware_id": DEVICE});
            doors.authgate("/auth/login", &body)
        }
        Door::Authly => doors.authly_init(),
        Door::Wacht => doors.server.ask("GET", &format!("/wacht/{}/session", doors.app), &[], b""),
    }
}

#[test]
fn an_app_without_a_format_refuses_it_and_keeps_the_others() {
    for off in Door::ALL {
        let db = Fixture::new();
        db.user("mia");
        let doors = Doors::open(db);
        for door in Door::ALL {
            assert!(is_success(&knock(&doors, door)), "{door:?} is on");
        }
        doors.operate(&["app", "set", "demo", &format!("{}=0", off.name())]);
        for door in Door::ALL {
            let reply = knock(&doors, door);
            if door != off {
                assert!(is_success(&reply), "{door:?} without {off:?}: {reply:?}");
                continue;
            }
            match off {
                Door::KeyAuth => assert_eq!(reply.error(), "FORMAT_OFF"),
                Door::Authgate => assert_eq!(off.says(&reply), "403 Application is not available"),
                Door::Authly => assert_eq!(off.says(&reply), "403 APP_DISABLED"),
                // As for an app that is not there (W5).
                Door::Wacht => {
                    assert_eq!((reply.status, reply.text()), (404, r#"{"message":"Deployment not found"}"#.to_owned()));
                }
            }
        }
        doors.operate(&["app", "set", "demo", &format!("{}=1", off.name())]);
        assert!(is_success(&knock(&doors, off)), "{off:?} is on again");
    }
}

#[test]
fn what_was_opened_before_a_format_was_switched_off_is_closed_with_it() {
    let db = Fixture::new();
    db.user("mia");
    let doors = Doors::open(db);
    let bearer = doors.log_in(Door::Authgate, "mia", "secret", DEVICE).expect("enters");
    let session = doors.log_in(Door::Authly, "mia", "secret", DEVICE).expect("enters");
    assert!(doors.is_in(&bearer) && doors.is_in(&session));
    doors.operate(&["app", "set", "demo", "authgate=0", "authly=0"]);
    assert!(!doors.is_in(&bearer) && !doors.is_in(&session));
}

/// The doors of a server that serves these formats.
fn serving(formats: &str) -> Doors {
    let db = Fixture::new();
    db.user("mia");
    Doors::open_with(db, &["--formats", formats])
}

#[test]
fn a_server_without_a_format_has_none_of_its_paths() {
    for off in [Door::Authgate, Door::Authly, Door::Wacht] {
        let names: Vec<&str> = Door::ALL.into_iter().filter(|door| *door != off).map(Door::name).collect();
        let doors = serving(&names.join(","));
        for door in Door::ALL {
            let reply = knock(&doors, door);
            assert_eq!(is_success(&reply), door != off, "{door:?} without {off:?}: {reply:?}");
        }
        let server: &Server = &doors.server;
        for path in paths(off) {
            let reply = server.post_json(&path, &[], &json!({}));
            assert_eq!(reply.status, 404, "{path}: {reply:?}");
            assert!(reply.message().starts_with("There is nothing at this path"), "{path}: {reply:?}");
        }
    }
}

#[test]
fn a_server_without_keyauth_serves_the_others() {
    let doors = serving("authgate,authly,wacht");
    assert_eq!(knock(&doors, Door::KeyAuth).status, 404);
    for door in [Door::Authgate, Door::Authly, Door::Wacht] {
        let reply = knock(&doors, door);
        assert!(is_success(&reply), "{door:?}: {reply:?}");
    }
}

/// All paths of a format, with something at their places.
fn paths(door: Door) -> Vec<String> {
    let family = keystead::wire::FAMILIES.iter().find(|family| family.name == door.name()).expect("a family");
    assert!(!family.paths.is_empty(), "{door:?} has paths");
    family.paths.iter().map(|(path, _)| path.replace("{}", "x").replace("{*}", "nothing/there")).collect()
}
