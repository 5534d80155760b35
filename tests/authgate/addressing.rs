//! Where the endpoints are, and which application asks (contract 1.1).

use keystead::model::exchange::Method;
use keystead::wire::authgate::{BASE, ENDPOINTS};
use serde_json::json;

use crate::client::{Client, assert_denied, assert_usual, without_devices, written};
use crate::support::{Fixture, Server};

const WRONG: &str = "Invalid API credentials";

fn server() -> Server {
    let db = Fixture::new();
    without_devices(&db);
    db.license("KEY-1");
    db.license("KEY-2");
    db.serve(&[])
}

#[test]
fn g1_g2_g6_both_sign_ups_are_there_below_the_base_and_at_the_bare_path() {
    let server = server();
    let client = Client::new(&server);
    let headers = client.headers();
    for (path, body) in [
        ("/api/integration/sign_up", json!({"username": "mia", "password": "secret"})),
        ("/sign_up", json!({"username": "leo", "password": "secret"})),
        ("/api/integration/sign_up_with_license_code", json!({"code": "KEY-1"})),
        ("/sign_up_with_license_code/", json!({"code": "KEY-2"})),
    ] {
        let reply = server.post_json(path, &headers, &body);
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        assert_usual(&reply);
    }
    assert_eq!(written(&server.db)[..2], [4, 2]);
}

#[test]
fn g2_every_endpoint_answers_at_both_of_its_paths_and_to_its_method_only() {
    let server = server();
    for endpoint in ENDPOINTS {
        let path = endpoint.path.replace("{}", "1");
        let right = if endpoint.method == Method::Post { "POST" } else { "GET" };
        for path in [format!("{BASE}{path}"), path] {
            for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
                let reply = server.ask(method, &path, &[], b"");
                if method == right {
                    assert_denied(&reply, 401, WRONG);
                } else {
                    assert_denied(&reply, 405, "Method not allowed");
                    assert!(reply.header("allow").unwrap().contains(right), "{reply:?}");
                }
            }
            let head = server.ask("HEAD", &path, &[], b"");
            assert_eq!(head.status, if right == "GET" { 401 } else { 405 }, "{head:?}");
        }
    }
}

#[test]
fn g7_where_there_is_no_endpoint_the_answer_has_the_usual_shape() {
    let server = server();
    for path in ["nothing", "nothing/", "auth/nothing", "files/download", "files//download", "a/b/c", "sign_up//", ""] {
        for method in ["GET", "POST", "PUT"] {
            let reply = server.ask(method, &format!("{BASE}/{path}"), &[], b"");
            assert_denied(&reply, 404, "Not found");
        }
    }
}

#[test]
fn g3_both_headers_name_one_application_whatever_the_case_of_their_names() {
    let server = server();
    let client = Client::new(&server);
    let [(_, key), (_, secret)] = client.headers()[..] else { panic!("two headers") };
    let body = json!({"username": "mia", "password": "secret"});
    let reply = server.post_json("/sign_up", &[("X-API-Key", key), ("X-Api-SECRET", secret)], &body);
    assert_eq!(reply.status, 200, "{reply:?}");
    // The same name in the other application: it is another one.
    let other = Client::of_other(&server);
    let body = json!({"username": "mia", "password": "secret", "hardware_id": "hw"});
    assert_eq!(other.post("/sign_up", &body).status, 200);
    let apps = "SELECT count(DISTINCT app_id) FROM users WHERE name = 'mia'";
    assert_eq!(server.db.count(apps), 2);
}

#[test]
fn g4_whatever_is_wrong_with_the_credentials_the_answer_is_the_same() {
    let server = server();
    let client = Client::new(&server);
    let [(_, key), (_, secret)] = client.headers()[..] else { panic!("two headers") };
    let other = Client::of_other(&server);
    let others = other.headers()[1].1;
    let shout = secret.to_uppercase();
    let cases: &[&[(&str, &str)]] = &[
        &[],
        &[("x-api-key", key)],
        &[("x-api-secret", secret)],
        &[("x-api-key", ""), ("x-api-secret", "")],
        &[("x-api-key", key), ("x-api-secret", "")],
        &[("x-api-key", key), ("x-api-secret", "wrong")],
        &[("x-api-key", key), ("x-api-secret", &secret[1..])],
        &[("x-api-key", key), ("x-api-secret", others)],
        &[("x-api-key", key), ("x-api-secret", &shout)],
        &[("x-api-key", key), ("x-api-secret", &secret[..63])],
        &[("x-api-key", "0123456789abcdef0123456789abcdef"), ("x-api-secret", secret)],
        &[("x-api-key", "0123456789abcdef0123456789abcdef"), ("x-api-secret", &"-".repeat(64))],
        &[("x-api-key", "demo"), ("x-api-secret", secret)],
        // Twice: another reader takes the other one.
        &[("x-api-key", key), ("x-api-key", key), ("x-api-secret", secret)],
        &[("x-api-key", key), ("x-api-secret", "wrong"), ("x-api-secret", secret)],
    ];
    let before = written(&server.db);
    let mut answers = Vec::new();
    for headers in cases {
        for body in [json!({"username": "mia", "password": "secret"}), json!([]), json!({})] {
            let reply = server.post_json("/sign_up", headers, &body);
            assert_denied(&reply, 401, WRONG);
            answers.push(reply.head.lines().filter(|line| !line.starts_with("date")).collect::<Vec<_>>().join("\n"));
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "not only the body is the same: {answers:?}");
    assert_eq!(written(&server.db), before);
}

#[test]
fn g5_g7_bodies_are_json_objects_and_errors_have_one_text() {
    let server = server();
    let client = Client::new(&server);
    let ok = client.post("/sign_up", &json!({"username": "mia", "password": "secret"}));
    assert_eq!(ok.header("content-type"), Some("application/json"));
    assert!(ok.json().is_object());
    assert_denied(&client.post("/sign_up", &json!({"username": "mia"})), 422, "Field required: password");
    assert_denied(&client.post("/sign_up", &json!("mia")), 422, "Request body must be a JSON object");
    for kind in ["application/json; charset=utf-8", "APPLICATION/JSON"] {
        let body = json!({"username": kind, "password": "secret"}).to_string();
        let reply = client.ask("POST", "/sign_up", &[("content-type", kind)], body.as_bytes());
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    let without = client.ask("POST", "/sign_up", &[], br#"{"username": "leo", "password": "secret"}"#);
    assert_eq!(without.status, 200, "a missing content type says nothing: {without:?}");
}

#[test]
fn a_new_pair_takes_the_place_of_the_old_one() {
    let server = server();
    let client = Client::new(&server);
    assert_eq!(client.sign_up("mia", "secret").status, 200);
    let names = server.change(|db| {
        let app = db.app().clone();
        db.write(move |tx| keystead::domain::app::rotate_api_key(tx, &app, &mut rand::rng()).unwrap())
    });
    assert_denied(&client.sign_up("leo", "secret"), 401, WRONG);
    let headers = [("x-api-key", names.api_key.as_str()), ("x-api-secret", names.api_secret.as_str())];
    let reply = server.post_json("/sign_up", &headers, &json!({"username": "leo", "password": "secret"}));
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[test]
fn an_application_that_is_not_open_says_so_once_it_is_known() {
    let server = server();
    let client = Client::new(&server);
    for (setting, off, on) in
        [("enabled", "0", "1"), ("paused", "1", "0"), ("banned", "1", "0"), ("authgate", "0", "1")]
    {
        server.change(|db| db.setting(setting, off));
        for endpoint in ENDPOINTS {
            let method = if endpoint.method == Method::Post { "POST" } else { "GET" };
            let path = endpoint.path.replace("{}", "1");
            assert_denied(&client.ask(method, &path, &[], b"not json"), 403, "Application is not available");
            assert_denied(&server.ask(method, &path, &[], b""), 401, WRONG);
        }
        server.change(|db| db.setting(setting, on));
    }
    assert_eq!(client.sign_up("mia", "secret").status, 200);
}

#[test]
fn a_server_without_this_format_has_none_of_its_paths() {
    let db = Fixture::new();
    let server = db.serve(&["--formats", "keyauth"]);
    let client = Client::new(&server);
    let headers = client.headers();
    let body = json!({"username": "mia", "password": "secret", "hardware_id": "hw"});
    for path in ["/sign_up", "/api/integration/sign_up"] {
        assert_eq!(server.post_json(path, &headers, &body).status, 404);
    }
    assert_eq!(server.db.users(), 0);
}
