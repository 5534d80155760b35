//! Chat channels, mutes, and variables of users.

use super::*;

#[test]
fn channels_are_made_changed_emptied_and_deleted() {
    let keystead = Keystead::with_app();
    assert_eq!(keystead.json(&["chat", "create", "lobby", "--delay", "5s"]), json!({ "name": "lobby", "delay": 5 }));
    keystead.ok(&["chat", "create", "trade", "--app", "demo"]);
    keystead.fails(&["chat", "create", "lobby"], 1, "a channel of this name already");
    keystead.fails(&["chat", "create", &"n".repeat(51)], 1, "1 to 50 bytes");
    keystead.fails(&["chat", "create", " n"], 1, "no blanks around it");
    keystead.fails(&["chat", "create", "slow", "--delay", "2d"], 1, "at most a day");
    keystead.fails(&["chat", "create", "slow", "--delay", "lifetime"], 1, "at most a day");
    assert_eq!(keystead.json(&["chat", "set-delay", "lobby", "1m"])["delay"], 60);
    keystead.fails(&["chat", "set-delay", "none", "1m"], 1, "there is no such channel");
    write(&keystead, "lobby", "Hello\u{1b}[2J");
    write(&keystead, "lobby", "again");
    assert_eq!(
        keystead.json(&["chat", "list"]),
        json!([{ "name": "lobby", "delay": 60, "messages": 2 }, { "name": "trade", "delay": 0, "messages": 0 }])
    );
    let shown = list(&keystead, &["chat", "show", "lobby"]);
    assert_eq!(keys(&shown[0]), ["author", "message", "sent_at"]);
    assert_eq!((&shown[0]["author"], &shown[1]["message"]), (&json!("mia"), &json!("again")));
    let table = keystead.ok(&["chat", "show", "lobby"]);
    assert!(table.contains("Hello\\u{1b}[2J"), "clients do not steer the terminal: {table}");
    keystead.fails(&["chat", "show", "none"], 1, "there is no such channel");
    assert_eq!(keystead.json(&["chat", "clear", "lobby"]), json!({ "cleared": "lobby", "messages": 2 }));
    assert_eq!(list(&keystead, &["chat", "show", "lobby"]), Vec::<Value>::new());
    keystead.ok(&["chat", "delete", "trade"]);
    keystead.fails(&["chat", "delete", "trade"], 1, "there is no such channel");
    assert!(keystead.ok(&["chat", "list"]).contains("lobby  1m     0"));
}

fn write(keystead: &Keystead, channel: &str, text: &str) {
    use keystead::store::chats::{self, Message};
    let (channel, text) = (channel.to_owned(), text.to_owned());
    if keystead.run(&["user", "show", "mia"]).code != 0 {
        keystead.ok(&["user", "create", "mia"]);
    }
    in_store(keystead, move |tx| {
        let app = apps::all(tx)?.remove(0);
        let user = users::by_name(tx, app.id, "mia")?.expect("the user");
        let channel = chats::channel(tx, app.id, &channel)?.expect("the channel");
        let message = Message { author: "mia".to_owned(), text: text.clone(), sent_at: Clock::System.now() };
        chats::send(tx, channel.id, Some(user.id), &message)
    });
}

#[test]
fn users_are_muted_for_a_time() {
    let keystead = Keystead::with_app();
    keystead.ok(&["user", "create", "mia"]);
    keystead.ok(&["user", "create", "bob"]);
    keystead.fails(&["chat", "mute", "mia"], 2, "--for");
    keystead.fails(&["chat", "mute", "mia", "--for", "0s"], 2, "longer than nothing");
    keystead.fails(&["chat", "mute", "ann", "--for", "1h"], 1, "there is no such user");
    let muted = keystead.json(&["chat", "mute", "MIA", "--for", "1h"]);
    assert!(muted["user"] == "mia" && about(&muted["muted_until"], now() + 3_600), "{muted}");
    assert!(about(&keystead.json(&["chat", "mute", "mia", "--for", "2h"])["muted_until"], now() + 7_200), "anew");
    keystead.ok(&["chat", "mute", "bob", "--for", "lifetime"]);
    let all = list(&keystead, &["chat", "mutes"]);
    assert_eq!((all.len(), &all[0]["user"], &all[1]["user"]), (2, &json!("mia"), &json!("bob")));
    keystead.ok(&["chat", "unmute", "mia"]);
    keystead.fails(&["chat", "unmute", "mia"], 1, "is not muted");
    assert!(keystead.ok(&["chat", "mutes"]).contains("bob"));
}

#[test]
fn users_have_variables_of_their_own() {
    let keystead = Keystead::with_app();
    keystead.ok(&["user", "create", "mia"]);
    let set = keystead.json(&["var", "set", "rank", "gold", "--user", "MIA", "--read-only"]);
    assert_eq!(set, json!({ "name": "rank", "value": "gold", "read_only": true }));
    keystead.ok(&["var", "set", "color", "red", "--user", "mia"]);
    keystead.ok(&["var", "set", "motd", "hello"]);
    assert_eq!(
        keystead.json(&["var", "list", "--user", "mia"]),
        json!([{ "name": "color", "value": "red", "read_only": false }, set])
    );
    assert_eq!(list(&keystead, &["var", "list"]).len(), 1, "the app's are others");
    let table = keystead.ok(&["var", "list", "--user", "mia"]);
    assert!(table.contains("rank   operator    gold") && table.contains("color  client      red"), "{table}");
    keystead.fails(&["var", "set", &"n".repeat(100), "x", "--user", "mia"], 1, "1 to 99 bytes");
    keystead.fails(&["var", "set", "n", &"x".repeat(501), "--user", "mia"], 1, "1 to 500 bytes");
    keystead.fails(&["var", "set", "n", "x", "--user", "bob"], 1, "there is no such user");
    keystead.fails(&["var", "list", "--user", "bob"], 1, "there is no such user");
    keystead.fails(&["var", "set", "n", "x", "--read-only"], 2, "--user");
    keystead.fails(&["var", "set", "n", "x", "--user", "mia", "--public"], 2, "cannot be used with");
    keystead.fails(&["var", "delete", "motd", "--user", "mia"], 1, "there is no such variable");
    keystead.ok(&["var", "delete", "rank", "--user", "mia"]);
    assert_eq!(list(&keystead, &["var", "list", "--user", "mia"]).len(), 1);
}
