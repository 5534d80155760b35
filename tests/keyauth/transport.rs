//! Paths, methods, where parameters may be, headers (contract 1.1 to 1.7), and the order of the first checks (section 2).

use crate::support::{Fixture, OWNERID, Reply, Seal, Server, post_bytes};

const FORM: &str = "application/x-www-form-urlencoded";
const UNKNOWN: &str = "The value inputted for type paramater was not found";
/// A call that shows which value of `type` counted: unknown types are refused, this one works without a session.
const INIT: &str = "type=init&name=demo&ownerid=AbCdEfGh12";

fn server() -> Server {
    Fixture::new().serve(&[])
}

fn post(server: &Server, target: &str, content_type: &str, body: &str) -> Reply {
    server.raw(&post_bytes(target, content_type, body.as_bytes()))
}

#[track_caller]
fn assert_init(reply: &Reply) {
    reply.assert_usual();
    assert_eq!(reply.message(), "Initialized", "{reply:?}");
}

#[test]
fn paths_with_and_without_the_slash_and_under_the_root() {
    let server = server();
    for version in ["1.3", "1.2", "1.1"] {
        for path in
            [format!("/api/{version}/"), format!("/api/{version}"), format!("/{version}/"), format!("/{version}")]
        {
            assert_init(&server.get(&format!("{path}?{INIT}")));
            assert_init(&post(&server, &path, FORM, INIT));
            let signed = server.get(&format!("{path}?{INIT}")).header("signature").is_some();
            assert_eq!(signed, version == "1.2", "{path}");
        }
    }
    for path in ["/api/1.4/", "/api/1.2//", "/API/1.2/", "/api", "/api/1.20"] {
        let reply = server.get(&format!("{path}?{INIT}"));
        assert_eq!((reply.status, reply.header("location")), (404, None), "{path}: nothing is there, and no redirect");
    }
}

#[test]
fn post_with_everything_in_the_query() {
    let server = server();
    let length_zero = format!("POST /api/1.2?{INIT} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
    assert_init(&server.raw(length_zero.as_bytes()));
    let no_length = format!("POST /api/1.2?{INIT} HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_init(&server.raw(no_length.as_bytes()));
}

#[test]
fn a_parameter_of_the_body_beats_the_query_even_when_empty() {
    let server = server();
    assert_init(&post(&server, "/api/1.2/?type=nonsense&name=demo", FORM, "type=init&ownerid=AbCdEfGh12"));
    assert_init(&post(&server, "/api/1.2/?type=init", FORM, "name=demo&ownerid=AbCdEfGh12"));
    let reply = post(&server, &format!("/api/1.2/?{INIT}"), FORM, "type=");
    assert_eq!(reply.message(), UNKNOWN, "present, though empty");
    let reply = post(&server, &format!("/api/1.2/?{INIT}"), FORM, "ownerid=");
    assert_eq!(reply.error(), "OWNERID_MISSING");
    let reply = post(&server, &format!("/api/1.2/?{INIT}"), FORM, "name");
    assert_eq!(reply.error(), "APP_NAME_MISSING", "a name without = is an empty value");
}

#[test]
fn the_same_name_twice_the_last_one_counts() {
    let server = server();
    assert_init(&server.get(&format!("/api/1.2/?type=a&{INIT}")));
    assert_eq!(server.get(&format!("/api/1.2/?{INIT}&type=a")).message(), UNKNOWN);
    assert_init(&post(&server, "/api/1.2/", FORM, &format!("type=a&{INIT}")));
    assert_eq!(post(&server, "/api/1.2/", FORM, &format!("{INIT}&type=a")).message(), UNKNOWN);
}

#[test]
fn unknown_parameters_and_their_order_do_not_matter() {
    let server = server();
    let body = "x=1&ownerid=AbCdEfGh12&&=&name=demo&sessionid[]=2&version=9.9&type=init";
    assert_init(&post(&server, "/api/1.2/", FORM, body));
}

#[test]
fn the_content_type_counts_in_any_case_and_with_a_charset() {
    let server = server();
    for content_type in [
        "application/x-www-form-urlencoded; charset=utf-8",
        "application/x-www-form-urlencoded;charset=UTF-8",
        "Application/X-WWW-Form-URLEncoded",
        " application/x-www-form-urlencoded ;",
    ] {
        assert_init(&post(&server, "/api/1.2/", content_type, INIT));
    }
}

#[test]
fn a_body_of_another_type_is_not_read() {
    let server = server();
    let json = format!(r#"{{"type":"init","name":"demo","ownerid":"{OWNERID}"}}"#);
    for (content_type, body) in [("application/json", json.as_str()), ("text/plain", INIT), ("", INIT)] {
        let reply = post(&server, "/api/1.2/", content_type, body);
        reply.assert_usual();
        assert_eq!(reply.message(), "No OwnerID specified. Select app & copy code snippet", "{content_type}");
        assert_init(&post(&server, &format!("/api/1.2/?{INIT}"), content_type, body));
    }
    let length = INIT.len();
    let untyped = format!("POST /api/1.2/ HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{INIT}");
    assert_eq!(server.raw(untyped.as_bytes()).error(), "OWNERID_MISSING", "no content type at all");
}

#[test]
fn multipart_as_php_sends_it() {
    let server = server();
    let part = |name: &str, value: &str| {
        format!(
            "--------------------------d74496d66958873e\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        )
    };
    let end = "--------------------------d74496d66958873e--\r\n";
    let content_type = "multipart/form-data; boundary=------------------------d74496d66958873e";
    let parts = [part("type", "init"), part("ver", "1.0"), part("name", "demo"), part("ownerid", OWNERID)].concat();
    assert_init(&post(&server, "/api/1.2/", content_type, &format!("{parts}{end}")));
    let reply = post(&server, "/api/1.2/", content_type, &format!("{parts}{}{end}", part("ver", "9.9")));
    assert_eq!(reply.message(), "invalidver", "the last one wins here, too");
    let reply = post(&server, &format!("/api/1.2/?{INIT}"), content_type, &format!("{}{end}", part("type", "")));
    assert_eq!(reply.message(), UNKNOWN, "and beats the query when empty");
    let literal = post(&server, "/api/1.2/", content_type, &format!("{parts}{}{end}", part("ver", "1%2E0")));
    assert_eq!(literal.message(), "invalidver", "nothing is decoded in multipart");
    // curl announces a body like this one before it sends it.
    let body = format!("{parts}{end}");
    let length = body.len();
    let expecting = format!(
        "POST /api/1.2/ HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: {content_type}\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    let reply = server.raw(expecting.as_bytes());
    assert_init(&reply);
}

#[test]
fn a_broken_multipart_body_is_refused_and_signed() {
    let server = server();
    let reply = post(&server, "/api/1.2/?name=demo&ownerid=AbCdEfGh12&type=init", "multipart/form-data", "nonsense");
    reply.assert_usual();
    assert_eq!((reply.error().as_str(), reply.success()), ("INVALID_REQUEST", false));
    reply.assert_sealed(&Seal::Literal);
}

#[test]
fn head_is_get_without_its_body() {
    let server = server();
    let head = server.raw(format!("HEAD /api/1.2/?{INIT}&ver=0 HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
    head.assert_usual();
    let get = server.get(&format!("/api/1.2/?{INIT}"));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    assert!(head.body.is_empty() && head.header("signature").is_some());
}

#[test]
fn options_says_that_browsers_may_call() {
    let server = server();
    for path in ["/api/1.3/", "/api/1.2/", "/api/1.1", "/1.2/?type=init"] {
        let reply = server.raw(
            format!("OPTIONS {path} HTTP/1.1\r\nhost: x\r\norigin: https://a.example\r\naccess-control-request-method: POST\r\n\r\n")
                .as_bytes(),
        );
        assert_eq!((reply.status, reply.body.len()), (204, 0));
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        assert_eq!(reply.header("access-control-allow-methods"), Some("GET, POST"));
        assert_eq!(reply.header("access-control-allow-headers"), Some("*"));
    }
}

#[test]
fn any_other_method_sees_only_the_query() {
    let server = server();
    let ask = |method: &str, query: &str| {
        let length = INIT.len();
        let head =
            format!("{method} /api/1.2/?{query} HTTP/1.1\r\nhost: x\r\ncontent-type: {FORM}\r\ncontent-length: ");
        server.raw(format!("{head}{length}\r\n\r\n{INIT}").as_bytes())
    };
    for method in ["PUT", "PATCH", "DELETE", "FOO"] {
        assert_eq!(ask(method, "").error(), "OWNERID_MISSING", "{method}");
        assert_init(&ask(method, INIT));
    }
    assert_eq!(ask("GET", "").error(), "OWNERID_MISSING", "a body of a GET is not read either");
}

#[test]
fn every_answer_carries_type_and_cors_headers_in_lower_case_with_one_space() {
    let server = server();
    for form in ["", "type=init", INIT, "type=x&name=demo&ownerid=AbCdEfGh12", "type=init&name=none&ownerid=AbCdEfGh12"]
    {
        let reply = post(&server, "/api/1.2/", FORM, form);
        reply.assert_usual();
        assert_eq!(
            reply.header("access-control-expose-headers"),
            Some("signature, x-signature-ed25519, x-signature-timestamp")
        );
        for line in reply.head.split("\r\n").skip(1) {
            let (name, value) = line.split_once(": ").expect("one space");
            assert_eq!(name, name.to_ascii_lowercase());
            assert_eq!(value, value.trim());
        }
        assert_eq!(reply.header("content-encoding"), None, "what is signed is what is sent");
    }
    let signed = post(&server, "/api/1.2/", FORM, &format!("{INIT}&enckey=k"));
    let (_, after) = signed.head.split_once("signature: ").expect("as some clients look for it");
    assert!(after[..64].bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "the next 64 characters");
    assert!(after[64..].starts_with("\r\n"));
}

#[test]
fn the_host_header_is_not_looked_at() {
    let server = server();
    for host in ["keyauth.win", "", "a b", "127.0.0.1:1"] {
        let text = format!("GET /api/1.2/?{INIT} HTTP/1.1\r\nhost: {host}\r\n\r\n");
        let reply = server.raw(text.as_bytes());
        assert_init(&reply);
        let link = format!("http://{}/panel/acme/demo/", server.address);
        assert_eq!(reply.json()["appinfo"]["customerPanelLink"], link, "not from the header");
    }
    assert_init(&server.raw(format!("GET /api/1.2/?{INIT} HTTP/1.0\r\n\r\n").as_bytes()));
}

#[test]
fn the_address_is_the_sockets_unless_a_trusted_proxy_says_otherwise() {
    let ip = |flags: &[&str]| {
        let db = Fixture::new();
        db.license("KEY-1");
        let server = db.serve(flags);
        let session = server.init();
        let target = format!("/api/1.2/?type=license&key=KEY-1&name=demo&ownerid=AbCdEfGh12&sessionid={}", session.id);
        let forged = "cf-connecting-ip: 9.9.9.9\r\nx-forwarded-for: 6.6.6.6, 203.0.113.7\r\n";
        let reply = server.raw(format!("GET {target} HTTP/1.1\r\nhost: x\r\n{forged}\r\n").as_bytes());
        reply.json()["info"]["ip"].as_str().expect("an address").to_owned()
    };
    assert_eq!(ip(&[]), "127.0.0.1", "headers can be sent by anyone");
    assert_eq!(ip(&["--trusted-proxy", "127.0.0.0/8"]), "203.0.113.7", "the right-most hop that is not ours");
}

#[test]
fn the_first_checks_are_made_in_their_order() {
    let db = Fixture::new();
    db.setting("banned", "1");
    let server = db.serve(&[]);
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    let mut code = |name: &'static str, value: &'static str| {
        pairs.retain(|(n, _)| *n != name);
        pairs.push((name, value));
        let reply = server.post("1.2", &pairs);
        reply.assert_usual();
        if reply.text() == "KeyAuth_Invalid" { reply.text() } else { reply.error() }
    };
    assert_eq!(code("type", "nonsense"), "OWNERID_MISSING");
    assert_eq!(code("ownerid", "0"), "OWNERID_MISSING", "0 is missing");
    assert_eq!(code("ownerid", "short"), "APP_NAME_MISSING", "a missing name before a wrong ownerid");
    assert_eq!(code("name", "0"), "APP_NAME_MISSING");
    assert_eq!(code("name", "demo2"), "OWNERID_LENGTH");
    assert_eq!(code("ownerid", "ÄÖÜäö"), "KeyAuth_Invalid", "ten bytes, five letters");
    assert_eq!(code("ownerid", OWNERID), "KeyAuth_Invalid");
    assert_eq!(code("name", "Demo"), "KeyAuth_Invalid", "names of apps are exact");
    assert_eq!(code("name", "demo"), "APP_BANNED");
    server.change(|db| db.setting("banned", "0"));
    assert_eq!(code("name", "demo"), "UNKNOWN_TYPE");
    assert_eq!(code("type", "check"), "SESSION_NOT_FOUND");
}

#[test]
fn a_type_is_exact() {
    let server = server();
    for name in ["Init", "INIT", " init", "init ", "init\n", "0", "initx", "fetchonline"] {
        let reply = server.call(name, &[]);
        reply.assert_refused("UNKNOWN_TYPE", UNKNOWN);
    }
    let reply = server.post("1.2", &[("name", "demo"), ("ownerid", OWNERID)]);
    reply.assert_refused("UNKNOWN_TYPE", UNKNOWN);
}

#[test]
fn an_app_that_was_just_made_is_there_at_once() {
    let server = server();
    assert_eq!(server.get("/api/1.2/?type=init&name=fresh&ownerid=AbCdEfGh12").text(), "KeyAuth_Invalid");
    server.db.sql(
        "INSERT INTO apps (owner_id, name, secret, sellerkey, created_at) \
         SELECT owner_id, 'fresh', secret, 'another', created_at FROM apps WHERE name = 'demo'; \
         INSERT INTO app_names (app_id, uuid, api_key, api_secret) SELECT id, 'u', 'k', 's' FROM apps WHERE name = 'fresh'",
    );
    assert_init(&server.get("/api/1.2/?type=init&name=fresh&ownerid=AbCdEfGh12"));
}
