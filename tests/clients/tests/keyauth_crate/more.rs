//! What a program does once somebody is in: the log, a new name, and the ban of its own user.

use keystead_clients::{Server, Shop};

use crate::client::Client;
use crate::refused;

const NOT_LOGGED_IN: &str = "Session is not validated.";

cases! {
    log
    ban_of_the_own_user
    change_username
}

/// A session of a user made for it.
fn entered<C: Client>(shop: &Shop, server: &Server, username: &str) -> C {
    let mut client = C::opened(shop, server);
    client.register(username, "s3cret", &shop.key(), Some("machine-1")).expect("register");
    client
}

// ---- log

fn log<C: Client>() {
    let shop = Shop::open();
    let server = shop.serve();
    let mut client: C = entered(&shop, &server, "mia");
    client.log("started / \"fast\"", Some("laptop"));
    let lines = shop.operator(&["log", "list", "--json"]);
    for part in ["started / \\\"fast\\\"", "laptop", "mia"] {
        assert!(lines.contains(part), "{part}: {lines}");
    }
}

// ---- ban, changeUsername

fn ban_of_the_own_user<C: Client>() {
    let shop = Shop::open();
    let server = shop.serve();
    let mut mia: C = entered(&shop, &server, "mia");
    let mut elsewhere = C::opened(&shop, &server);
    elsewhere.login("mia", "s3cret", Some("machine-1")).expect("login");
    mia.ban();
    assert_eq!((mia.check(), elsewhere.check()), (Ok(false), Ok(false)));
    let mut later = C::opened(&shop, &server);
    assert_eq!(refused(later.login("mia", "s3cret", Some("machine-1"))), "The user is banned");
    assert_eq!(later.check_blacklist(), Ok(true), "and its address");
}

fn change_username<C: Client>() {
    let shop = Shop::open();
    let server = shop.serve();
    let mut client = C::opened(&shop, &server);
    assert_eq!(refused(client.change_username("lea")), NOT_LOGGED_IN);
    let _noa: C = entered(&shop, &server, "noa");
    client.register("mia", "s3cret", &shop.key(), Some("machine-1")).expect("register");
    assert_eq!(refused(client.change_username("Noa")), "Username already used!");
    assert_eq!(client.change_username("lea").as_deref(), Ok("Successfully changed username, user logged out."));
    assert_eq!(client.check(), Ok(false));
    let mut later = C::opened(&shop, &server);
    assert_eq!(refused(later.login("mia", "s3cret", Some("machine-1"))), "Username not found.");
    assert_eq!(later.login("lea", "s3cret", Some("machine-1")), Ok(()));
}
