//! What programs in other languages read in an answer, and how they ask (contract section 7): by the 1.3 API, which most
//! of them speak today, and by the ways of older ones.

use serde_json::json;

use crate::program::{Program, WAYS, Way, assert_info};
use crate::support::web::{Web, answer};
use crate::support::{Fixture, OWNERID, Server, now, post_bytes, totp};

fn server() -> Server {
    let db = Fixture::new();
    for key in ["KEY-1", "KEY-2", "KEY-3"] {
        db.license(key);
    }
    db.variable("motd", "and/or \"more\"", true);
    db.serve(&[])
}

#[test]
fn a_visit_in_every_way_that_programs_ask() {
    for way in WAYS {
        let server = server();
        let mut program = Program::new(&server, way);
        let init = program.ask("init", &[("ver", "1.0")]);
        assert!(init["newSession"].is_boolean(), "Go and C++ end without it");
        for counter in ["numUsers", "numOnlineUsers", "numKeys", "version", "customerPanelLink"] {
            assert!(init["appinfo"][counter].is_string(), "{counter}: {init}");
        }
        assert!(init["appinfo"]["numOnlineUsers"].as_str().unwrap().parse::<u64>().is_err(), "C++ would index a list");
        program.sessionid = init["sessionid"].as_str().unwrap().to_owned();

        assert_eq!(program.ask("check", &[])["error"], "SESSION_NOT_VALIDATED", "{way:?}");
        let entered =
            program.ask("register", &[("username", "mia"), ("pass", "a+b&c %"), ("key", "KEY-1"), ("hwid", "m-1\n")]);
        assert_info(&entered, "mia", Some("m-1"));
        assert_eq!(program.ask("check", &[])["role"], "not_checked");
        assert_eq!(program.ask("check", &[("check_paid", "1")])["role"], "seller");
        assert_eq!(program.ask("var", &[("varid", "motd")])["message"], "and/or \"more\"");
        assert_eq!(program.ask("var", &[("varid", "none")])["error"], "VARIABLE_NOT_FOUND");
        assert_eq!(program.ask("upgrade", &[("username", "mia"), ("key", "KEY-2")])["success"], true);
        for call in ["checkblacklist", "checkBlack"] {
            assert_eq!(program.ask(call, &[("hwid", "m-1")])["error"], "NOT_BANNED", "{call}");
        }
        assert_eq!(program.ask("logout", &[])["success"], true);
        assert_eq!(program.ask("check", &[])["error"], "SESSION_NOT_FOUND");

        let program = Program::opened(&server, way);
        let (name, hwid) = (("username", "mia"), ("hwid", "m-1"));
        assert_eq!(program.ask("login", &[name, ("pass", "wrong"), hwid])["error"], "INVALID_PASSWORD");
        assert_info(&program.ask("login", &[name, ("pass", "a+b&c %"), hwid]), "mia", Some("m-1"));
        assert_info(&program.ask("license", &[("key", "KEY-3"), ("hwid", "m-2")]), "KEY-3", Some("m-2"));
        assert_eq!(program.ask("nonsense", &[])["error"], "UNKNOWN_TYPE");
    }
}

#[test]
fn an_outdated_program_gets_a_link_that_is_a_text() {
    let server = server();
    for link in ["", "https://example.com/new"] {
        server.change(|db| db.setting("download", link));
        let answer = Program::new(&server, Way::Form).ask("init", &[("ver", "0.9")]);
        assert_eq!((&answer["message"], &answer["download"]), (&"invalidver".into(), &link.into()), "never null");
    }
}

#[test]
fn an_unknown_app_is_the_bare_text_and_signed() {
    let server = server();
    let program = Program::new(&server, Way::Form);
    let before = now().0;
    let reply = program.send(&[("type", "init"), ("name", "none"), ("ownerid", OWNERID)]);
    assert_eq!(reply.text(), "KeyAuth_Invalid");
    program.verify(&reply, before);
}

/// C++ puts a part of its question behind the path of a POST.
#[test]
fn cpp_asks_for_its_role_in_the_query_of_a_post() {
    let server = server();
    let program = Program::opened(&server, Way::Form);
    program.ask("license", &[("key", "KEY-1")]);
    for (query, role) in [("?check_paid=1", "seller"), ("?check_paid=0", "not_checked"), ("", "not_checked")] {
        let form = serde_urlencoded::to_string(program.common("check")).unwrap();
        let bytes = post_bytes(&format!("/api/1.3/{query}"), "application/x-www-form-urlencoded", form.as_bytes());
        let before = now().0;
        let answer = program.believe("check", &server.raw(&bytes), before);
        assert_eq!(answer["role"], role, "{query}");
    }
}

/// C# and C++ send what they have not as empty.
#[test]
fn empty_parameters_are_missing_ones() {
    let server = server();
    let program = Program::opened(&server, Way::Form);
    let empty = [("email", ""), ("code", ""), ("token", ""), ("thash", ""), ("reason", ""), ("hash", ""), ("hwid", "")];
    assert_eq!(program.ask("init", &[&[("ver", "1.0")], &empty[..]].concat())["success"], true);
    let register = [("username", "mia"), ("pass", "secret"), ("key", "KEY-1")];
    assert_info(&program.ask("register", &[&register, &empty[..]].concat()), "mia", None);
    let login = [("username", "mia"), ("pass", "secret")];
    assert_info(&program.ask("login", &[&login, &empty[..]].concat()), "mia", None);
    assert_info(&program.ask("license", &[&[("key", "KEY-2")], &empty[..]].concat()), "KEY-2", None);
}

/// PHP, React, Roblox and FiveM never say which machine it is.
#[test]
fn programs_without_a_hwid_enter_and_come_back() {
    for way in [Way::Multipart, Way::Form, Way::Get, Way::PostQuery] {
        let server = server();
        for _ in ["first", "second"] {
            assert_info(&Program::opened(&server, way).ask("license", &[("key", "KEY-1")]), "KEY-1", None);
        }
        let user = [("username", "mia"), ("pass", "secret")];
        assert_info(
            &Program::opened(&server, way).ask("register", &[&user[..], &[("key", "KEY-2")]].concat()),
            "mia",
            None,
        );
        assert_info(&Program::opened(&server, way).ask("login", &user), "mia", None);
    }
}

/// What a JavaScript program sends for what it does not know; the server cannot tell it from a value.
#[test]
fn undefined_and_null_are_values() {
    let server = server();
    let program = Program::new(&server, Way::Form);
    assert_eq!(program.ask("init", &[("ver", "1.0"), ("hash", "undefined")])["success"], true);
    assert_eq!(program.ask("init", &[("version", "9.9"), ("ver", "1.0")])["success"], true, "another name is ignored");
    let program = Program::opened(&server, Way::Form);
    assert_info(&program.ask("license", &[("key", "KEY-1"), ("hwid", "null")]), "KEY-1", Some("null"));
}

/// A page in a browser asks for leave first, and may read the headers.
#[test]
fn a_browser_may_ask() {
    let server = server();
    let preflight = "OPTIONS /api/1.3/ HTTP/1.1\r\nhost: x\r\norigin: https://shop.example\r\n\
                     access-control-request-method: POST\r\naccess-control-request-headers: content-type\r\n\r\n";
    let reply = server.raw(preflight.as_bytes());
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (204, Some("*")));
    assert_eq!(reply.header("access-control-allow-headers"), Some("*"));
    let exposed = Program::new(&server, Way::Form).send(&[]);
    let names = exposed.header("access-control-expose-headers").expect("exposed headers");
    for name in ["x-signature-ed25519", "x-signature-timestamp", "signature"] {
        assert!(names.split(", ").any(|exposed| exposed == name), "{name} in {names}");
    }
    let program = Program::opened(&server, Way::Form);
    assert_eq!(program.ask("logout", &[])["success"], true);
    assert_eq!(Program::opened(&server, Way::Form).ask("check", &[])["error"], "SESSION_NOT_VALIDATED");
}

#[test]
fn head_carries_the_headers_of_a_get() {
    let server = server();
    let query = format!("type=init&name=demo&ownerid={OWNERID}");
    let reply = server.raw(format!("HEAD /api/1.3/?{query} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
    reply.assert_usual();
    assert!(reply.body.is_empty());
    assert!(reply.header("content-length").is_some_and(|length| length.parse::<usize>().unwrap() > 32));
    assert!(reply.header("x-signature-ed25519").is_some() && reply.header("x-signature-timestamp").is_some());
}

/// A JavaScript package of 2023: GET by 1.2, the vendor's name as its host, no enckey, and `var` for `varid`.
#[test]
fn a_get_client_with_a_forged_host() {
    let server = server();
    let ask = |name: &str, sessionid: &str, pairs: &[(&str, &str)]| {
        let common = [("type", name), ("name", "demo"), ("ownerid", OWNERID), ("sessionid", sessionid)];
        let query = serde_urlencoded::to_string([&common, pairs].concat()).unwrap();
        let head = format!("GET /api/1.2/?{query} HTTP/1.1\r\nHost: keyauth.win\r\nAccept: application/json\r\n\r\n");
        let reply = server.raw(head.as_bytes());
        reply.assert_usual();
        reply
    };
    let gone = ask("check", "0123456789abcdef0123456789abcdef", &[]);
    assert!(gone.message().starts_with("Session not found."), "it opens a new one then: {gone:?}");
    let id = ask("init", "", &[("ver", "1.0")]).json()["sessionid"].as_str().expect("a session id").to_owned();
    assert_eq!(ask("var", &id, &[("var", "motd")]).error(), "SESSION_NOT_VALIDATED");
    assert!(ask("license", &id, &[("key", "KEY-1")]).success());
    let value = ask("var", &id, &[("var", "motd")]);
    assert_eq!(value.message(), "and/or \"more\"");
    assert_eq!(value.header("signature"), Some("No encryption key supplied"));
    assert_eq!(ask("var", &id, &[("varid", "motd"), ("var", "none")]).message(), "and/or \"more\"", "varid counts");
}

/// Go of 2024 and Python of June 2023 verify the answer to `log`, too; C++ finds the header by its spelling.
#[test]
fn log_is_signed_and_long_enough_in_1_2() {
    let server = server();
    let session = server.init();
    for pairs in [&[("message", "started")][..], &[], &[("message", &"x".repeat(276))]] {
        let reply = session.call("log", pairs);
        assert!(reply.body.len() >= 32 && reply.json()["message"].is_string(), "{reply:?}");
    }
}

/// Go of 2024 reads `hwid` as a text, also on the login that binds it.
#[test]
fn the_login_that_binds_a_hwid_says_so_in_1_2() {
    let db = Fixture::new();
    db.user("mia");
    let server = db.serve(&[]);
    let login = [("username", "mia"), ("pass", "secret"), ("hwid", "m-1")];
    assert_eq!(server.init().call("login", &login).json()["info"]["hwid"], "m-1");
}

/// What a program does once somebody is in. Go verifies every one of these answers, C# wants its ownerid in them.
#[test]
fn the_rest_of_a_visit_in_every_way() {
    for way in WAYS {
        let upstream = Web::start(|_| answer(200, &[], b"yes"));
        let db = Fixture::new();
        db.license("KEY-1");
        db.license("KEY-2");
        db.relay("hook", &upstream.url("/hook"), true);
        db.kept_file("123456", b"content", true);
        db.sql("INSERT INTO chat_channels (app_id, name) SELECT id, 'general' FROM apps WHERE name = 'demo'");
        let server = db.serve(&["--allow-target", "127.0.0.0/8"]);
        let program = Program::opened(&server, way);

        assert_eq!(program.ask("fetchOnline", &[])["message"], "No online users found!", "{way:?}");
        let inside: &[(&str, &[(&str, &str)])] = &[
            ("setvar", &[("var", "theme"), ("data", "dark")]),
            ("getvar", &[("var", "theme")]),
            ("chatget", &[("channel", "general")]),
            ("chatsend", &[("channel", "general"), ("message", "hello")]),
            ("webhook", &[("webid", "hook")]),
            ("file", &[("fileid", "123456")]),
            ("ban", &[]),
            ("changeUsername", &[("newUsername", "lea")]),
            ("2faenable", &[]),
            ("2fadisable", &[("code", "123456")]),
        ];
        for (call, pairs) in inside {
            assert_eq!(program.ask(call, pairs)["error"], "SESSION_NOT_VALIDATED", "{way:?} {call}");
        }
        program.ask(
            "register",
            &[("username", "mia"), ("pass", "secret"), ("key", "KEY-1"), ("email", "mia@example.com")],
        );

        assert_eq!(program.ask("setvar", &[("var", "theme"), ("data", "a/b")])["success"], true);
        assert_eq!(program.ask("getvar", &[("var", "theme")])["response"], "a/b");
        assert_eq!(program.ask("getvar", &[("var", "none")])["success"], false);
        assert_eq!(program.ask("chatget", &[("channel", "none")])["messages"], json!([]), "never null");
        assert_eq!(
            program.ask("chatsend", &[("channel", "none"), ("message", "x")])["message"],
            "Chat channel not found"
        );
        assert_eq!(program.ask("chatsend", &[("channel", "general"), ("message", "hello")])["success"], true);
        let said = &program.ask("chatget", &[("channel", "general")])["messages"][0];
        assert_eq!((&said["author"], &said["message"]), (&json!("mia"), &json!("hello")));
        assert!(said["timestamp"].is_i64(), "C++ throws on a text: {said}");
        assert_eq!(program.ask("fetchOnline", &[])["users"], json!([{"credential": "mia"}]));
        let stats = &program.ask("fetchStats", &[])["appinfo"];
        for (field, value) in [("numUsers", "1"), ("numOnlineUsers", "1"), ("numKeys", "2"), ("version", "1.0")] {
            assert_eq!(stats[field], value, "{field} as a text");
        }
        assert!(stats["customerPanelLink"].is_string());
        let relayed = program.ask("webhook", &[("webid", "hook"), ("params", "?a=b"), ("body", ""), ("conttype", "")]);
        assert_eq!(relayed["response"], "yes");
        assert_eq!(relayed["message"], "Webhook request successful", "what Python and Go hand on");
        assert_eq!(program.ask("webhook", &[("webid", "none")])["success"], false);
        assert_eq!(program.ask("file", &[("fileid", "123456")])["contents"], hex::encode("content"));
        assert_eq!(program.ask("file", &[("fileid", "000000")])["message"], "File not Found");
        assert_eq!(program.ask("log", &[("message", "started"), ("pcuser", "laptop")])["success"], true);
        program.ask("log", &[]);
        program.ask("forgot", &[("username", "mia"), ("email", "mia@example.com")]);
        let two_factor = &program.ask("2faenable", &[])["2fa"];
        assert_eq!(two_factor["secret_code"].as_str().map(str::len), Some(40));
        assert!(two_factor["QRCode"].as_str().is_some_and(|uri| uri.starts_with("otpauth://totp/mia?secret=")));
        assert_eq!(program.ask("2faenable", &[("code", "x")])["success"], false);
        assert_eq!(program.ask("2fadisable", &[])["success"], false);
        let entered = program.ask("loginEmail", &[("email", "Mia@Example.com"), ("pass", "secret"), ("code", "")]);
        assert_info(&entered, "mia", None);
        assert_eq!(program.ask("loginEmail", &[("email", "noa@example.com"), ("pass", "secret")])["success"], false);
        assert_eq!(program.ask("changeUsername", &[("newUsername", "lea")])["success"], true);
        assert_eq!(program.ask("check", &[])["error"], "SESSION_NOT_FOUND");

        let program = Program::opened(&server, way);
        program.ask("login", &[("username", "lea"), ("pass", "secret")]);
        assert_eq!(program.ask("ban", &[("reason", "")])["message"], "Successfully Banned User");
        assert_eq!(program.ask("check", &[])["success"], false);
        assert_eq!(program.ask("checkBlack", &[])["success"], true, "PHP sends no hwid: the address");
    }
}

/// Programs look for `2FA` or, without regard to case, `2fa` in the message, and ask for the code then.
#[test]
fn a_missing_second_factor_is_asked_for_in_words_that_programs_know() {
    let server = server();
    let program = Program::opened(&server, Way::Multipart);
    let user = [("username", "mia"), ("pass", "secret")];
    program.ask("register", &[&user[..], &[("key", "KEY-1"), ("email", "mia@example.com")]].concat());
    let secret = program.ask("2faenable", &[])["2fa"]["secret_code"].as_str().expect("a secret").to_owned();
    assert_eq!(program.ask("2faenable", &[("code", &totp::code(&secret, 0))])["success"], true);
    let email = [("email", "mia@example.com"), ("pass", "secret")];
    for (call, pairs) in [("login", &user), ("loginEmail", &email)] {
        let program = Program::opened(&server, Way::Multipart);
        assert_eq!(program.ask(call, pairs)["message"], "2FA code required.", "{call}");
        assert_eq!(program.ask(call, &[&pairs[..], &[("code", "")]].concat())["message"], "2FA code required.");
        let wrong = program.ask(call, &[&pairs[..], &[("code", "x")]].concat());
        assert!(wrong["message"].as_str().unwrap().contains("2FA"), "{wrong}");
        assert_eq!(
            program.ask(call, &[&pairs[..], &[("code", &totp::code(&secret, 0))]].concat())["success"],
            true,
            "{call}"
        );
    }
}
