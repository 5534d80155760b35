//! What a program does once somebody is in: own variables, the chat, files, relays, the log, the list of who is online, a
//! new name, and the ban of its own user.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use keystead_clients::{Server, Shop};

use crate::client::Client;
use crate::refused;

const NOT_LOGGED_IN: &str = "Session is not validated.";

cases! {
    own_variables
    own_variables_belong_to_one_user
    a_read_only_variable
    chat
    chat_delay_and_mute
    who_is_online
    files
    relays
    log
    ban_of_the_own_user
    change_username
}

cases_of_1_1_and_1_2! {
    variables_have_a_longest_length
}

/// A session of a user made for it.
fn entered<C: Client>(shop: &Shop, server: &Server, username: &str) -> C {
    let mut client = C::opened(shop, server);
    client.register(username, "s3cret", &shop.key(), Some("machine-1")).expect("register");
    client
}

// ---- setvar, getvar

fn own_variables<C: Client>() {
    let shop = Shop::open();
    let server = shop.serve();
    let mut client = C::opened(&shop, &server);
    assert_eq!(client.setvar("theme", "dark"), (false, NOT_LOGGED_IN.to_owned()));
    assert_eq!(refused(client.getvar("theme")), NOT_LOGGED_IN);
    client.register("mia", "s3cret", &shop.key(), Some("machine-1")).expect("register");
    assert_eq!(refused(client.getvar("theme")), "Variable not found for user");
    for value in ["dark", "Größe 12 / \"more\"", "0"] {
        assert_eq!(client.setvar("theme", value), (true, "Successfully set variable".to_owned()));
        assert_eq!(client.getvar("theme").as_deref(), Ok(value));
    }
    assert_eq!(client.setvar("", "dark"), (false, "No variable name provided".to_owned()));
    assert_eq!(client.setvar("theme", ""), (false, "No variable data provided".to_owned()));
    let mut later = C::opened(&shop, &server);
    later.login("mia", "s3cret", Some("machine-1")).expect("login");
    assert_eq!(later.getvar("theme").as_deref(), Ok("0"));
}

fn own_variables_belong_to_one_user<C: Client>() {
    let shop = Shop::open();
    let server = shop.serve();
    let mut mia: C = entered(&shop, &server, "b:c");
    let mut noa: C = entered(&shop, &server, "c");
    assert!(mia.setvar("a", "mia's").0);
    // Where the two names are joined to one, they must not meet.
    assert_eq!(refused(noa.getvar("a:b")), "Variable not found for user");
    assert_eq!(refused(noa.getvar("a")), "Variable not found for user");
}

fn a_read_only_variable<C: Client>() {
    let shop = Shop::open();
    let server = shop.serve();
    let mut client: C = entered(&shop, &server, "mia");
    shop.operator(&["var", "set", "rank", "gold", "--user", "mia", "--read-only"]);
    assert_eq!(client.getvar("rank").as_deref(), Ok("gold"));
    assert_eq!(client.setvar("rank", "platinum"), (false, "Variable is read only".to_owned()));
    assert_eq!(client.getvar("rank").as_deref(), Ok("gold"));
}

/// The 1.0 client holds 127 bytes at most and panics above.
fn variables_have_a_longest_length<C: Client>() {
    let shop = Shop::open();
    let server = shop.serve();
    let mut client: C = entered(&shop, &server, "mia");
    let text = "Variable data must be 500 characters or less";
    assert_eq!(client.setvar("long", &"x".repeat(501)), (false, text.to_owned()));
    assert!(client.setvar("long", &"x".repeat(500)).0);
    assert_eq!(client.getvar("long"), Ok("x".repeat(500)));
}

// ---- chatget, chatsend

fn chat<C: Client>() {
    let shop = Shop::open();
    shop.operator(&["chat", "create", "general"]);
    let server = shop.serve();
    let mut client = C::opened(&shop, &server);
    assert_eq!(refused(client.chat_get("general")), NOT_LOGGED_IN);
    assert_eq!(refused(client.chat_send("general", "hello")), NOT_LOGGED_IN);
    client.register("mia", "s3cret", &shop.key(), Some("machine-1")).expect("register");
    assert_eq!(client.chat_get("general").expect("chatget"), serde_json::json!([]));
    assert_eq!(client.chat_get("none").expect("chatget"), serde_json::json!([]), "an unknown one is an empty one");
    assert_eq!(refused(client.chat_send("none", "hello")), "Chat channel not found");
    assert_eq!(refused(client.chat_send("general", "")), "Message can't be blank");
    assert_eq!(client.chat_send("general", "hello"), Ok(()));
    assert_eq!(client.chat_send("general", "Grüße / \"all\""), Ok(()));
    let said = client.chat_get("general").expect("chatget");
    let said = said.as_array().expect("an array");
    assert_eq!(said.len(), 2);
    for (message, text) in said.iter().zip(["hello", "Grüße / \"all\""]) {
        assert_eq!((&message["author"], &message["message"]), (&"mia".into(), &text.into()));
        assert!(message["timestamp"].is_u64(), "C++ wants a number: {message}");
    }
}

fn chat_delay_and_mute<C: Client>() {
    let shop = Shop::open();
    shop.operator(&["chat", "create", "slow", "--delay", "1h"]);
    shop.operator(&["chat", "create", "general"]);
    let server = shop.serve();
    let mut client: C = entered(&shop, &server, "mia");
    assert_eq!(client.chat_send("slow", "first"), Ok(()));
    assert_eq!(refused(client.chat_send("slow", "second")), "Chat slower, you've hit the delay limit");
    assert_eq!(client.chat_send("general", "elsewhere"), Ok(()));
    shop.operator(&["chat", "mute", "mia", "--for", "1h"]);
    let text = refused(client.chat_send("general", "again"));
    assert!(text.starts_with("You're muted from chat until "), "{text}");
}

// ---- fetchOnline

fn who_is_online<C: Client>() {
    let shop = Shop::open();
    let key = shop.key();
    let server = shop.serve();
    let mut client = C::opened(&shop, &server);
    assert_eq!(refused(client.fetch_online()), "No online users found!");
    let _mia: C = entered(&shop, &server, "mia");
    client.license(&key, Some("machine-1")).expect("license");
    let users = client.fetch_online().expect("fetchOnline");
    let mut names: Vec<_> =
        users.as_array().expect("an array").iter().map(|user| user["credential"].as_str().expect("a text")).collect();
    names.sort_unstable();
    // A key is its user's password: ten characters of it, and as many stars as are left.
    let masked = format!("{}{}", &key[..10], "*".repeat(key.len() - 10));
    let mut want = [masked.as_str(), "mia"];
    want.sort_unstable();
    assert_eq!(names, want);
}

// ---- file

fn files<C: Client>() {
    let content: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let shop = Shop::open();
    let path = shop.file("tool.bin", &content);
    shop.operator(&["file", "add", &path, "--id", "123456"]);
    shop.operator(&["file", "add", &path, "--id", "654321", "--public"]);
    let server = shop.serve();
    let mut client = C::opened(&shop, &server);
    assert_eq!(refused(client.file("000000")), "File not Found");
    assert_eq!(refused(client.file("123456")), NOT_LOGGED_IN);
    assert!(client.file("654321").expect("a public file") == content);
    client.register("mia", "s3cret", &shop.key(), Some("machine-1")).expect("register");
    assert!(client.file("123456").expect("a file") == content);
}

// ---- webhook

fn relays<C: Client>() {
    let (address, asked) = upstream();
    let shop = Shop::open();
    shop.operator(&["relay", "add", "hook", &format!("http://{address}/hook"), "--allow-target", "127.0.0.0/8"]);
    let server = shop.serve();
    let mut client = C::opened(&shop, &server);
    assert_eq!(refused(client.webhook("none", "/a")), "Webhook Not Found.");
    assert_eq!(refused(client.webhook("hook", "/a")), NOT_LOGGED_IN);
    client.register("mia", "s3cret", &shop.key(), Some("machine-1")).expect("register");
    // The crate hands its caller the message, not what the target said.
    assert_eq!(client.webhook("hook", "/a?b=c").as_deref(), Ok("Webhook request successful"));
    assert_eq!(asked.recv_timeout(Duration::from_secs(30)).as_deref(), Ok("GET /hook/a?b=c HTTP/1.1"));
    assert!(asked.try_recv().is_err(), "the refused ones were not sent");
}

/// A web server that says yes to everybody; its address and the first line of each request it gets.
fn upstream() -> (std::net::SocketAddr, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (tell, asked) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let line = socket.and_then(|mut socket| {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    socket.read_exact(&mut byte)?;
                    request.push(byte[0]);
                }
                socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nyes")?;
                Ok(String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_owned())
            });
            if line.is_ok_and(|line| tell.send(line).is_err()) {
                return;
            }
        }
    });
    (address, asked)
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

// ---- the browser that logs a program in

/// The client listens on a port that its author chose; nobody else may use it meanwhile.
#[test]
fn web_login() {
    let shop = Shop::open();
    let server = shop.serve();
    let _mia: keyauth::v1_2::KeyauthApi = entered(&shop, &server, "mia");
    let mut client: keyauth::v1_2::KeyauthApi = Client::opened(&shop, &server);
    let token = shop.operator(&["user", "login-token", "mia"]).trim().to_owned();
    let browser = thread::spawn(move || {
        let start = Instant::now();
        let mut socket = loop {
            match TcpStream::connect("127.0.0.1:1337") {
                Ok(socket) => break socket,
                Err(_) if start.elapsed() < Duration::from_secs(30) => thread::sleep(Duration::from_millis(20)),
                Err(error) => panic!("the client does not listen: {error}"),
            }
        };
        // In one piece: the client reads once.
        let request = format!("GET /handshake?user=mia&token={token} HTTP/1.1\r\nHost: localhost:1337\r\n\r\n");
        socket.write_all(request.as_bytes()).expect("asks");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        answer
    });
    client.hwid = "machine-1".into();
    assert_eq!(client.web_login(None), Ok(()));
    let answer = browser.join().expect("the browser");
    assert!(answer.starts_with("HTTP/1.1 420 "), "the panel's page waits for this: {answer}");
    assert_eq!(client.check(), Ok(true));
    assert_eq!(client.username, "mia");
}
