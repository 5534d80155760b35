//! Reading forms: the contract's cases, and properties over arbitrary input. Tests `wire::form` alone; starts no server.

use std::collections::HashMap;

use bytes::Bytes;
use keystead::model::exchange::Method;
use keystead::wire::form::{self, Form, FormFault, MAX_FIELDS};
use proptest::collection::vec;
use proptest::prelude::*;

const URLENCODED: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=----AaB03x";

fn post(query: &str, content_type: &str, body: impl AsRef<[u8]>) -> Form {
    form::read(Method::Post, query.as_bytes(), Some(content_type), &Bytes::copy_from_slice(body.as_ref()))
}

fn query(query: impl AsRef<[u8]>) -> Form {
    form::read(Method::Get, query.as_ref(), None, &Bytes::new())
}

fn part(name: &str, value: &[u8]) -> Vec<u8> {
    let head = format!("------AaB03x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
    [head.as_bytes(), value, b"\r\n"].concat()
}

fn encode(parts: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut body = parts.iter().flat_map(|(name, value)| part(name, value)).collect::<Vec<_>>();
    body.extend_from_slice(b"------AaB03x--\r\n");
    body
}

/// What a form of these pairs must give: the last of each name.
fn last<V>(pairs: &[(String, V)]) -> HashMap<&str, &V> {
    pairs.iter().map(|(name, value)| (name.as_str(), value)).collect()
}

#[test]
fn decoding_is_lenient() {
    for (sent, read) in [
        ("a+b", "a b"),
        ("a%20b", "a b"),
        ("a%2Bb", "a+b"),
        ("a%2526b", "a%26b"),
        ("100%", "100%"),
        ("%zz", "%zz"),
        ("%4", "%4"),
        ("%c3%bc", "ü"),
        ("%C3%BC", "ü"),
        ("ü", "ü"),
        ("%ff", "\u{FFFD}"),
        ("a b/c\r\nd?e=f", "a b/c\r\nd?e=f"),
        ("undefined", "undefined"),
        ("", ""),
    ] {
        for form in [query(format!("x=1&v={sent}&y=2")), post("", URLENCODED, format!("x=1&v={sent}&y=2"))] {
            assert_eq!(form.raw("v"), Some(read), "{sent}");
            assert_eq!((form.raw("x"), form.raw("y")), (Some("1"), Some("2")), "{sent}");
            assert_eq!(form.fault(), None, "{sent}");
        }
    }
    assert_eq!(query(b"v=J\xFCrgen").raw("v"), Some("J\u{FFFD}rgen"), "ANSI, as C++ sends it");
}

#[test]
fn odd_shapes() {
    let form = query("&&a&=b&sessionid[]=x&c=d=e&");
    assert_eq!(form.raw("a"), Some(""));
    assert_eq!(form.raw(""), Some("b"));
    assert_eq!(form.raw("c"), Some("d=e"));
    assert_eq!(form.raw("sessionid[]"), Some("x"));
    assert_eq!(form.raw("sessionid"), None);
    assert_eq!(form.raw("A"), None, "names are exact");
}

#[test]
fn the_body_wins_even_when_empty_and_the_last_of_a_name_wins() {
    let form = post("a=1&b=2&c=3&c=4&d=5", URLENCODED, "b=&a=6&a=7");
    assert_eq!(["a", "b", "c", "d"].map(|name| form.raw(name)), [Some("7"), Some(""), Some("4"), Some("5")]);
    let form = post("a=1&b=2", MULTIPART, encode(&[("b".into(), vec![]), ("a".into(), b"7".to_vec())]));
    assert_eq!((form.raw("a"), form.raw("b"), form.fault()), (Some("7"), Some(""), None));
}

#[test]
fn which_bodies_are_read() {
    let body = Bytes::from("a=body");
    for (method, content_type, value) in [
        (Method::Post, Some(URLENCODED), "body"),
        (Method::Post, Some("Application/X-WWW-Form-UrlEncoded ; Charset=UTF-8"), "body"),
        (Method::Post, Some("application/json"), "query"),
        (Method::Post, Some("text/plain"), "query"),
        (Method::Post, Some("application/x-www-form-urlencodedx"), "query"),
        (Method::Post, Some(""), "query"),
        (Method::Post, None, "query"),
        (Method::Get, Some(URLENCODED), "query"),
        (Method::Head, Some(URLENCODED), "query"),
        (Method::Options, Some(URLENCODED), "query"),
        (Method::Other, Some(URLENCODED), "query"),
    ] {
        let form = form::read(method, b"a=query", content_type, &body);
        assert_eq!((form.raw("a"), form.fault()), (Some(value), None), "{method:?} {content_type:?}");
    }
}

#[test]
fn values_are_trimmed_and_empty_is_missing() {
    let form = query("id=%09+%0D%0Aabc+d%0B%00%0A&blank=+%00&zero=0&padded=+0%0A&nbsp=%C2%A0&formfeed=%0C");
    assert_eq!(form.text("id"), Some("abc d"));
    assert_eq!(form.raw("id"), Some("\t \r\nabc d\x0B\0\n"));
    assert_eq!((form.text("blank"), form.text_not_zero("blank")), (None, None));
    assert_eq!((form.text("zero"), form.text_not_zero("zero")), (Some("0"), None));
    assert_eq!((form.text("padded"), form.text_not_zero("padded")), (Some("0"), None));
    assert_eq!((form.text("absent"), form.text_not_zero("id")), (None, Some("abc d")));
    assert_eq!((form.text("nbsp"), form.text("formfeed")), (Some("\u{A0}"), Some("\x0C")), "not trimmed in KeyAuth");
    assert_eq!(form.fault(), None, "a NUL at the end is no fault");
}

#[test]
fn a_nul_inside_a_value_is_a_fault_that_names_it() {
    let form = post("ownerid=abc", URLENCODED, "pass=a%00b&name=n");
    assert_eq!(form.fault(), Some(FormFault::Nul { field: "pass".into() }));
    assert_eq!((form.text("ownerid"), form.text("name")), (Some("abc"), Some("n")), "the app can still be found");
    assert_eq!(
        form.fault().map(|fault| fault.to_string()).as_deref(),
        Some("The value of \"pass\" contains a NUL byte. Send it without.")
    );
    let long = query(format!("%0A{}=a%00b", "x".repeat(1_000))).fault();
    assert_eq!(long, Some(FormFault::Nul { field: format!("\\n{}", "x".repeat(31)) }));
}

#[test]
fn too_many_parameters_are_a_fault_that_keeps_the_first() {
    let fields = |count: usize| (1..=count).map(|n| format!("n{n}={n}&")).collect::<String>();
    assert_eq!(query(fields(MAX_FIELDS)).fault(), None);
    let too_many = [
        query(fields(MAX_FIELDS + 1)),
        post("", URLENCODED, fields(MAX_FIELDS + 1)),
        post("n1000=1000", URLENCODED, fields(MAX_FIELDS)),
        post("n1000=1000", MULTIPART, vec![part("n1", b"1"); MAX_FIELDS + 1].concat()),
    ];
    for form in too_many {
        assert_eq!(form.fault(), Some(FormFault::TooManyFields));
        assert_eq!((form.raw("n1"), form.raw("n1000"), form.raw("n1001")), (Some("1"), Some("1000"), None));
    }
}

#[test]
fn multipart_as_clients_send_it() {
    let body = "preamble\r\n------AaB03x\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\ninit\r\n\
                ------AaB03x \r\ncontent-disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\
                Content-Type: text/plain; charset=iso-8859-1\r\n\r\nü\r\n+%20\r\n\
                ------AaB03x\r\nContent-Disposition: form-data\r\n\r\nnameless\r\n------AaB03x--";
    for content_type in [
        MULTIPART,
        "Multipart/Form-Data; Boundary=----AaB03x",
        "multipart/form-data; boundary=\"----AaB03x\"",
        "multipart/form-data;charset=utf-8;boundary=----AaB03x",
        "multipart/form-data ; boundary = ----AaB03x ; charset=utf-8;",
    ] {
        let form = post("", content_type, body);
        assert_eq!(form.fault(), None, "{content_type}");
        assert_eq!((form.raw("type"), form.raw("f")), (Some("init"), Some("ü\r\n+%20")), "{content_type}");
    }
    let unquoted = post(
        "",
        "multipart/form-data; boundary====1===",
        "--===1===\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--===1===--",
    );
    assert_eq!((unquoted.raw("a"), unquoted.fault()), (Some("b"), None));
    assert_eq!(post("a=b", MULTIPART, "").fault(), None, "nothing to read is nothing wrong");
}

#[test]
fn broken_multipart_keeps_what_came_before() {
    let whole = encode(&[("name".into(), b"n".to_vec()), ("pass".into(), b"p".to_vec())]);
    for cut in 1..whole.len() - "--\r\n".len() {
        let form = post("ownerid=abc", MULTIPART, &whole[..cut]);
        assert_eq!((form.fault(), form.raw("ownerid")), (Some(FormFault::Multipart), Some("abc")), "{cut}");
        assert!(form.raw("pass").is_none_or(|pass| pass == "p") && form.raw("name").is_none_or(|name| name == "n"));
        assert_eq!(form.raw("name").is_some(), cut >= part("name", b"n").len() + "------AaB03x".len(), "{cut}");
    }
    for content_type in
        ["multipart/form-data", "multipart/form-data; boundary=other", "multipart/form-data; boundary=\"\""]
    {
        assert_eq!(post("", content_type, &whole).fault(), Some(FormFault::Multipart), "{content_type}");
    }
}

#[test]
fn debug_shows_no_value() {
    let form = post("q=hidden1", URLENCODED, "pass=hidden2&{\"hidden3\"&hidden4=a%00b");
    assert_eq!(format!("{form:?}"), "Form { fields: 4, fault: Some(\"Nul\"), .. }");
}

fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    vec((any::<String>(), any::<String>()), 0..20)
}

/// Bytes that often look like multipart.
fn almost_multipart() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just(b"------AaB03x".to_vec()),
        Just(b"--".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\r\n\r\n".to_vec()),
        Just(b"Content-Disposition: form-data; name=\"a".to_vec()),
        Just(b"\"; filename=\"".to_vec()),
        Just(b"\\\"\0:;= \t".to_vec()),
        vec(any::<u8>(), 0..20),
    ];
    vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

fn any_method() -> impl Strategy<Value = Method> {
    prop::sample::select(vec![Method::Get, Method::Head, Method::Post, Method::Options, Method::Other])
}

fn any_content_type() -> impl Strategy<Value = Option<String>> {
    prop::option::of(prop_oneof![
        Just(URLENCODED.to_owned()),
        Just(MULTIPART.to_owned()),
        any::<String>().prop_map(|rest| format!("multipart/form-data; boundary={rest}")),
        any::<String>(),
    ])
}

proptest! {
    /// For formats that wrap values: nothing is lost, added or reordered by unwrapping them.
    #[test]
    fn map_changes_values_and_nothing_else(
        in_query in vec(("[a-d]?", any::<String>()), 0..8),
        in_body in vec(("[a-d]?", any::<String>()), 0..8),
    ) {
        let written = |pairs: &[(String, String)]| serde_urlencoded::to_string(pairs).unwrap();
        let form = post(&written(&in_query), URLENCODED, written(&in_body));
        let mut seen = Vec::new();
        let changed = form.map(|name, value| {
            seen.push((name.to_owned(), value.to_owned()));
            format!("<{value}>").into()
        });
        prop_assert_eq!(seen, [in_query, in_body].concat());
        let same = form.map(|_, value| value.into());
        for name in ["", "a", "b", "c", "d", "e"] {
            let wrapped = form.raw(name).map(|value| format!("<{value}>"));
            prop_assert_eq!(changed.raw(name), wrapped.as_deref());
            prop_assert_eq!(same.text(name), form.text(name));
        }
        prop_assert_eq!(same.fault(), form.fault());
    }

    #[test]
    fn no_input_panics(
        method in any_method(),
        query in vec(any::<u8>(), 0..200),
        content_type in any_content_type(),
        body in prop_oneof![vec(any::<u8>(), 0..400), almost_multipart()],
    ) {
        let form = form::read(method, &query, content_type.as_deref(), &Bytes::from(body));
        let values = (form.raw("a"), form.text("a"), form.text_not_zero("a"));
        prop_assert!(values.1.is_none_or(|text| !text.is_empty()) && values.2.is_none_or(|text| text != "0"));
        let _ = format!("{form:?} {:?}", form.fault().map(|fault| fault.to_string()));
    }

    #[test]
    fn broken_multipart_never_hangs(body in almost_multipart()) {
        post("", MULTIPART, body);
    }

    #[test]
    fn urlencoded_comes_back(pairs in pairs()) {
        let encoded = serde_urlencoded::to_string(&pairs)?;
        for form in [query(&encoded), post("", URLENCODED, &encoded)] {
            for (name, value) in last(&pairs) {
                prop_assert_eq!(form.raw(name), Some(value.as_str()));
            }
        }
    }

    #[test]
    fn the_body_beats_the_query(in_query in pairs(), in_body in pairs(), name in any::<String>(), both in any::<[String; 2]>()) {
        let with = |mut pairs: Vec<(String, String)>, value: &str| {
            pairs.push((name.clone(), value.to_owned()));
            pairs
        };
        let (in_query, in_body) = (with(in_query, &both[0]), with(in_body, &both[1]));
        let form = post(&serde_urlencoded::to_string(&in_query)?, URLENCODED, serde_urlencoded::to_string(&in_body)?);
        let mut expected = last(&in_query);
        expected.extend(last(&in_body));
        for (name, value) in expected {
            prop_assert_eq!(form.raw(name), Some(value.as_str()));
        }
    }

    #[test]
    fn multipart_comes_back(parts in vec(("[ -!#-\\[\\]-~ü€]{0,12}", vec(any::<u8>(), 0..60)), 1..12)) {
        prop_assume!(parts.iter().all(|(_, value)| !value.windows(12).any(|bytes| bytes == b"------AaB03x")));
        let form = post("", MULTIPART, encode(&parts));
        for (name, value) in last(&parts) {
            prop_assert_eq!(form.raw(name), Some(&*String::from_utf8_lossy(value)));
        }
    }
}
