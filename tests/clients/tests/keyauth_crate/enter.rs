//! The ways in: `register`, `login`, `license`, `upgrade`.

use keystead_clients::Shop;

use crate::client::Client;
use crate::refused;

cases! {
    register_then_login
    register_refusals_spend_no_key
    register_refuses_a_banned_machine
    login_refusals
    login_refuses_a_banned_user
    login_from_another_machine
    machine_id_of_this_machine
    license_first_and_second_use
    license_refusals
    license_refuses_a_banned_machine
    upgrade_adds_a_plan
    upgrade_refusals_spend_no_key
}

// ---- register

fn register_then_login<C: Client>() {
    let shop = Shop::open();
    let key = shop.key();
    let server = shop.serve();
    let mut client = C::opened(&shop, &server);
    assert_eq!(client.register("mia", "s3cret", &key, Some("machine-1")), Ok(()));
    let registered = client.seen();
    assert_eq!((registered.username, registered.ip, registered.subscription), ("mia", "127.0.0.1", "default"));
    let created: u64 = registered.create_date.parse().expect("whole seconds");
    assert_eq!(client.check(), Ok(true));

    let mut later = C::opened(&shop, &server);
    assert_eq!(later.login("mia", "s3cret", Some("machine-1")), Ok(()));
    let seen = later.seen();
    assert_eq!((seen.username, seen.ip, seen.subscription), ("mia", "127.0.0.1", "default"));
    assert_eq!(seen.create_date.parse(), Ok(created));
    assert!(seen.last_login.parse::<u64>().expect("whole seconds") >= created);
}

fn register_refusals_spend_no_key<C: Client>() {
    let shop = Shop::open();
    let [first, second, banned] = <[String; 3]>::try_from(shop.keys(3, "1")).expect("three keys");
    let planless = shop.keys(1, "7").remove(0);
    shop.operator(&["license", "ban", &banned, "--reason", "charged back"]);
    let server = shop.serve();
    let mut client = C::opened(&shop, &server);
    let machine = Some("machine-1");
    client.register("mia", "s3cret", &first, machine).expect("register");

    let mut client = C::opened(&shop, &server);
    let long = "x".repeat(71);
    assert_eq!(refused(client.register("mia", "other", &second, machine)), "Username Already Exists.");
    assert_eq!(refused(client.register("MIA", "other", &second, machine)), "Username Already Exists.");
    assert_eq!(refused(client.register("noa", "other", "no-such-key", machine)), "Key Not Found.");
    assert_eq!(refused(client.register("noa", "other", &first, machine)), "Key Already Used.");
    assert_eq!(refused(client.register("noa", "other", &banned, machine)), "Your license is banned.");
    assert_eq!(
        refused(client.register("noa", "other", &planless, machine)),
        "There is no subscription created for your key level. Contact appplicaton developer."
    );
    assert_eq!(
        refused(client.register(&long, "other", &second, machine)),
        "Username must be shorter than 70 characters"
    );
    assert_eq!(refused(client.register("noa", "other", &long, machine)), "Key must be shorter than 70 characters");
    refused(client.register("noa", "", &second, machine));
    assert_eq!(client.check(), Ok(false), "a refused registration logged in");
    assert_eq!(client.register("noa", "other", &second, machine), Ok(()), "a refusal spent the key or took the name");
}

fn register_refuses_a_banned_machine<C: Client>() {
    let shop = Shop::open();
    let key = shop.key();
    shop.operator(&["ban", "add", "--hwid", "machine-9"]);
    let server = shop.serve();
    let mut client = C::opened(&shop, &server);
    let text = refused(client.register("mia", "s3cret", &key, Some("machine-9")));
    assert_eq!(text, "You've been blacklisted from our application");
    assert_eq!(client.register("mia", "s3cret", &key, Some("machine-1")), Ok(()), "the refusal spent the key");
}

// ---- login

fn login_refusals<C: Client>() {
    let shop = Shop::open();
    let key = shop.key();
    let server = shop.serve();
    let machine = Some("machine-1");
    C::opened(&shop, &server).register("mia", "s3cret", &key, machine).expect("register");

    let mut client = C::opened(&shop, &server);
    assert_eq!(refused(client.login("noa", "s3cret", machine)), "Username not found.");
    assert_eq!(refused(client.login("mia", "S3cret", machine)), "Password does not match.");
    assert_eq!(refused(client.login("mia", "", machine)), "Password does not match.");
    assert_eq!(client.check(), Ok(false));
    assert_eq!(client.login("Mia", "s3cret", machine), Ok(()), "user names have no case");
    assert_eq!(refused(client.login("mia", "wrong", machine)), "Password does not match.");
    assert_eq!(client.check(), Ok(true), "a failed login ends no session");
}

fn login_refuses_a_banned_user<C: Client>() {
    let shop = Shop::open();
    let keys = shop.keys(2, "1");
    let server = shop.serve();
    let machine = Some("machine-1");
    C::opened(&shop, &server).register("mia", "s3cret", &keys[0], machine).expect("register");
    C::opened(&shop, &server).register("noa", "s3cret", &keys[1], machine).expect("register");
    shop.operator(&["user", "ban", "mia", "--reason", "shared her password"]);
    let mut client = C::opened(&shop, &server);
    assert_eq!(refused(client.login("mia", "s3cret", machine)), "The user is banned");
    assert_eq!(client.check(), Ok(false));
    assert_eq!(client.login("noa", "s3cret", machine), Ok(()), "another user was banned too");
}

fn login_from_another_machine<C: Client>() {
    let shop = Shop::open();
    let key = shop.key();
    let server = shop.serve();
    // The end of line is what this crate, Python and Go send: /etc/machine-id as it is.
    C::opened(&shop, &server).register("mia", "s3cret", &key, Some("machine-1\n")).expect("register");
    let mut client = C::opened(&shop, &server);
    assert_eq!(refused(client.login("mia", "s3cret", Some("machine-2"))), "HWID doesn't match. Ask for a HWID reset");
    // A part of the bound one is not the bound one.
    assert_eq!(refused(client.login("mia", "s3cret", Some("machine"))), "HWID doesn't match. Ask for a HWID reset");
    assert_eq!(refused(client.login("mia", "s3cret", Some(""))), "HWID doesn't match. Ask for a HWID reset");
    assert_eq!(client.check(), Ok(false));
    assert_eq!(client.login("mia", "s3cret", Some("machine-1")), Ok(()));
}

/// `None` makes the crate read the machine's id itself. It is empty where there is none, and then nothing is bound.
fn machine_id_of_this_machine<C: Client>() {
    let shop = Shop::open();
    let key = shop.key();
    let server = shop.serve();
    C::opened(&shop, &server).register("mia", "s3cret", &key, None).expect("register");
    assert_eq!(C::opened(&shop, &server).login("mia", "s3cret", None), Ok(()));
}

// ---- license

fn license_first_and_second_use<C: Client>() {
    let shop = Shop::open();
    let key = shop.key();
    let server = shop.serve();
    let machine = Some("machine-1");
    for turn in ["first", "second"] {
        let mut client = C::opened(&shop, &server);
        assert_eq!(client.license(&key, machine), Ok(()), "{turn}");
        let seen = client.seen();
        assert_eq!((seen.username, seen.ip, seen.subscription), (key.as_str(), "127.0.0.1", "default"), "{turn}");
        assert_eq!(client.check(), Ok(true), "{turn}");
    }
    let mut elsewhere = C::opened(&shop, &server);
    assert_eq!(refused(elsewhere.license(&key, Some("machine-2"))), "HWID doesn't match. Ask for a HWID reset");
    assert_eq!(elsewhere.check(), Ok(false));
}

fn license_refusals<C: Client>() {
    let shop = Shop::open();
    let [used, banned] = <[String; 2]>::try_from(shop.keys(2, "1")).expect("two keys");
    let planless = shop.keys(1, "7").remove(0);
    shop.operator(&["license", "ban", &banned, "--reason", "charged back"]);
    let server = shop.serve();
    let machine = Some("machine-1");
    C::opened(&shop, &server).register("mia", "s3cret", &used, machine).expect("register");

    let mut client = C::opened(&shop, &server);
    assert_eq!(refused(client.license("no-such-key", machine)), "Key Not Found.");
    assert_eq!(refused(client.license(&used, machine)), "Key Already Used.");
    assert_eq!(refused(client.license(&banned, machine)), "Your license is banned.");
    assert_eq!(
        refused(client.license(&planless, machine)),
        "There is no subscription created for your key level. Contact appplicaton developer."
    );
    assert_eq!(refused(client.license(&"x".repeat(71), machine)), "Key must be shorter than 70 characters");
    assert_eq!(client.check(), Ok(false));
}

fn license_refuses_a_banned_machine<C: Client>() {
    let shop = Shop::open();
    let key = shop.key();
    shop.operator(&["ban", "add", "--hwid", "machine-9"]);
    let server = shop.serve();
    let mut client = C::opened(&shop, &server);
    let text = refused(client.license(&key, Some("machine-9")));
    assert_eq!(text, "You've been blacklisted from our application");
    assert_eq!(client.license(&key, Some("machine-1")), Ok(()), "the refusal spent the key");
}

// ---- upgrade

fn upgrade_adds_a_plan<C: Client>() {
    let shop = Shop::open();
    shop.operator(&["plan", "create", "gold", "--level", "2"]);
    let key = shop.key();
    let gold = shop.keys(1, "2").remove(0);
    let server = shop.serve();
    C::opened(&shop, &server).register("mia", "s3cret", &key, Some("machine-1")).expect("register");
    let mut client = C::opened(&shop, &server);
    assert_eq!(client.upgrade("mia", &gold), Ok(()));
    // It takes no password, so it must not count as a login.
    assert_eq!(client.check(), Ok(false));
    assert_eq!(client.login("mia", "s3cret", Some("machine-1")), Ok(()));
    assert!(["default", "gold"].contains(&client.seen().subscription), "{}", client.seen().subscription);
    assert_eq!(refused(client.upgrade("mia", &gold)), "Key Already Used.");
}

fn upgrade_refusals_spend_no_key<C: Client>() {
    let shop = Shop::open();
    let [first, second, banned] = <[String; 3]>::try_from(shop.keys(3, "1")).expect("three keys");
    let planless = shop.keys(1, "7").remove(0);
    shop.operator(&["license", "ban", &banned, "--reason", "charged back"]);
    let server = shop.serve();
    C::opened(&shop, &server).register("mia", "s3cret", &first, Some("machine-1")).expect("register");

    let mut client = C::opened(&shop, &server);
    assert_eq!(refused(client.upgrade("mia", "no-such-key")), "Key Not Found.");
    assert_eq!(refused(client.upgrade("mia", &first)), "Key Already Used.");
    assert_eq!(refused(client.upgrade("mia", &banned)), "Your license is banned.");
    assert_eq!(
        refused(client.upgrade("mia", &planless)),
        "There is no subscription created for your key level. Contact appplicaton developer."
    );
    assert_eq!(refused(client.upgrade("noa", &second)), "Username not found.");
    // To the server that clients come from, this name means everybody.
    assert_eq!(refused(client.upgrade("all", &second)), "Username not found.");
    assert_eq!(client.upgrade("mia", &second), Ok(()), "a refusal spent the key");
}
