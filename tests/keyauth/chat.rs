//! Chats: what a channel keeps, who may write, and in which order it is refused (contract 4.13, 4.14).

use keystead::model::user::Credential;

use crate::support::{Fixture, Reply, Server, Session, at_once, now};

const SLOWER: &str = "Chat slower, you've hit the delay limit";

fn logged_in<'a>(server: &'a Server, name: &str) -> Session<'a> {
    let session = server.init();
    let reply = session.call("login", &[("username", name), ("pass", "secret")]);
    assert!(reply.success(), "{reply:?}");
    session
}

fn send(session: &Session<'_>, channel: &str, message: &str) -> Reply {
    session.call("chatsend", &[("channel", channel), ("message", message)])
}

/// The texts of a channel, and that their times are numbers of about now.
fn texts(session: &Session<'_>, channel: &str) -> Vec<String> {
    let reply = session.call("chatget", &[("channel", channel)]).json();
    let messages = reply["messages"].as_array().expect("a list").clone();
    assert!(messages.iter().all(|m| m["timestamp"].as_i64().is_some_and(|at| (now().0 - at).abs() < 120)), "{reply}");
    messages.iter().map(|m| m["message"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn a_channel_keeps_its_newest_fifty_oldest_first() {
    let db = Fixture::new();
    db.user("mia");
    db.channel("lobby", 0);
    db.channel("quiet", 0);
    let server = db.serve(&[]);
    let session = logged_in(&server, "mia");
    assert!(send(&session, "quiet", "alone").success());
    for i in 1..=53 {
        assert!(send(&session, "lobby", &format!("message {i}")).success());
    }
    let expected: Vec<_> = (4..=53).map(|i| format!("message {i}")).collect();
    assert_eq!(texts(&session, "lobby"), expected);
    assert_eq!(texts(&session, "quiet"), ["alone"], "a channel of its own");
    for channel in ["Lobby", "none", ""] {
        assert_eq!(texts(&session, channel), Vec::<String>::new(), "{channel:?}");
    }
}

#[test]
fn a_message_comes_back_as_it_was_sent() {
    let db = Fixture::new();
    db.user("Mia");
    db.channel("a b", 0);
    let server = db.serve(&[]);
    let session = logged_in(&server, "mIA");
    assert!(send(&session, "a b", " <b>ü €😀\"\\ ").success());
    let reply = session.call("chatget", &[("channel", "a b")]).json();
    assert_eq!(
        (&reply["messages"][0]["author"], &reply["messages"][0]["message"]),
        (&"mIA".into(), &"<b>ü €😀\"\\".into())
    );
    let longest = "é".repeat(1_000);
    assert!(send(&session, "a b", &longest).success());
    send(&session, "a b", &format!("{longest}x")).assert_refused("MESSAGE_TOO_LONG", "Message too long!");
    assert_eq!(texts(&session, "a b").len(), 2, "a refused message is not kept");
}

#[test]
fn checks_are_made_in_their_order() {
    let db = Fixture::new();
    db.user("mia");
    db.setting("chatHitDelay", "Slowly");
    let server = db.serve(&[]);
    let stranger = server.init();
    stranger.call("chatsend", &[]).assert_refused("SESSION_NOT_VALIDATED", "Session is not validated.");
    stranger.call("chatget", &[]).assert_refused("SESSION_NOT_VALIDATED", "Session is not validated.");
    let session = logged_in(&server, "mia");
    send(&session, "lobby", "").assert_refused("CHANNEL_NOT_FOUND", "Chat channel not found");
    server.change(|db| {
        db.channel("lobby", 3_600);
        db.mute("mia", now() + 3_600);
    });
    server.db.message("lobby", "mia", "before", now() + -3_500);
    send(&session, "lobby", "").assert_refused("CHAT_TOO_FAST", "Slowly");
    server.db.sql("UPDATE chat_messages SET sent_at = sent_at - 200");
    assert_eq!(send(&session, "lobby", "").error(), "CHAT_MUTED", "the delay is over");
    server.db.mute("mia", now());
    send(&session, "lobby", " ").assert_refused("MESSAGE_BLANK", "Message can't be blank");
    send(&session, "lobby", &"x".repeat(2_001)).assert_refused("MESSAGE_TOO_LONG", "Message too long!");
    assert!(send(&session, "lobby", "now").success(), "a mute that is over mutes nobody");
    assert_eq!(send(&session, "lobby", "again").error(), "CHAT_TOO_FAST");
}

#[test]
fn the_delay_is_for_each_user_and_each_channel() {
    let db = Fixture::new();
    db.user("mia");
    db.user("bob");
    db.channel("lobby", 3_600);
    db.channel("trade", 3_600);
    db.channel("free", 0);
    let server = db.serve(&[]);
    let (mia, bob) = (logged_in(&server, "mia"), logged_in(&server, "bob"));
    assert!(send(&mia, "lobby", "one").success());
    assert!(send(&bob, "lobby", "two").success(), "another user");
    assert!(send(&mia, "trade", "three").success(), "another channel");
    send(&mia, "lobby", "four").assert_refused("CHAT_TOO_FAST", SLOWER);
    send(&logged_in(&server, "MIA"), "lobby", "five").assert_refused("CHAT_TOO_FAST", SLOWER);
    assert!(send(&mia, "free", "six").success() && send(&mia, "free", "seven").success());
    assert_eq!(texts(&bob, "lobby"), ["one", "two"]);
}

#[test]
fn of_many_messages_at_one_moment_the_delay_lets_one_through() {
    let db = Fixture::new();
    db.user("mia");
    db.channel("lobby", 3_600);
    let server = db.serve(&[]);
    let sessions: Vec<_> = (0..16).map(|_| logged_in(&server, "mia")).collect();
    let replies = at_once(sessions.len(), |i| send(&sessions[i], "lobby", &format!("message {i}")));
    let sent: Vec<_> = (0..sessions.len()).filter(|i| replies[*i].success()).collect();
    assert_eq!(sent.len(), 1, "{replies:?}");
    for (i, reply) in replies.iter().enumerate().filter(|(i, _)| *i != sent[0]) {
        assert_eq!(reply.error(), "CHAT_TOO_FAST", "{i}");
    }
    assert_eq!(texts(&sessions[0], "lobby"), [format!("message {}", sent[0])]);
}

#[test]
fn nobody_reads_the_license_of_who_wrote() {
    let db = Fixture::new();
    let made = db.bare_user("AB12CD-EF34GH-IJ56KL", Credential::License, |_| {});
    db.subscription(made, |_| {});
    db.user("a name as long as a key");
    db.channel("lobby", 0);
    let server = db.serve(&[]);
    let by_key = server.init();
    assert!(by_key.call("license", &[("key", "ab12cd-EF34GH-IJ56KL")]).success());
    assert!(send(&by_key, "lobby", "mine").success());
    assert!(send(&logged_in(&server, "a name as long as a key"), "lobby", "hers").success());
    let messages = by_key.call("chatget", &[("channel", "lobby")]).json()["messages"].clone();
    let authors: Vec<_> = (0..2).map(|i| messages[i]["author"].as_str().unwrap().to_owned()).collect();
    assert_eq!(authors, ["ab12cd-EF3**********", "a name as long as a key"]);
}

#[test]
fn a_channel_of_another_app_is_none() {
    let db = Fixture::new();
    db.user("mia");
    db.sql("INSERT INTO chat_channels (app_id, name) SELECT id, 'lobby' FROM apps WHERE name = 'other'");
    let server = db.serve(&[]);
    let session = logged_in(&server, "mia");
    assert_eq!(send(&session, "lobby", "hello").error(), "CHANNEL_NOT_FOUND");
    assert_eq!(texts(&session, "lobby"), Vec::<String>::new());
    server.change(|db| db.channel("lobby", 0));
    assert!(send(&session, "lobby", "hello").success(), "a new channel is there at once");
}

#[test]
fn what_a_deleted_user_wrote_stays() {
    let db = Fixture::new();
    db.user("mia");
    db.user("bob");
    db.channel("lobby", 0);
    let server = db.serve(&[]);
    assert!(send(&logged_in(&server, "mia"), "lobby", "bye").success());
    server.change(|db| db.sql("PRAGMA foreign_keys = 1; DELETE FROM users WHERE name = 'mia'"));
    assert_eq!(texts(&logged_in(&server, "bob"), "lobby"), ["bye"]);
}
