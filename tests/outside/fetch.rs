//! Fetching: who may be asked, what comes back, and what does not.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use keystead::domain::target::{TargetError, Targets};
use keystead::outside::fetch::{Ask, FetchError, Fetched, Fetcher, Method};

use super::support::PATIENCE;
use super::support::tls::Certificate;
use super::support::web::{Answered, Web, answer, nobody, silent, was_asked};

fn fetcher(allowed: &[&str], timeout: Duration) -> Fetcher {
    Fetcher::new(Targets::new(allowed.iter().map(|network| network.parse().unwrap()).collect()), timeout)
}

/// May ask this machine.
fn local() -> Fetcher {
    fetcher(&["127.0.0.0/8", "::1/128"], PATIENCE)
}

fn get(url: &str) -> Ask {
    Ask {
        url: url.to_owned(),
        method: Method::Get,
        body: Vec::new(),
        content_type: None,
        user_agent: "KeyAuth".to_owned(),
        limit: 1000,
    }
}

fn post(url: &str, body: &str) -> Ask {
    Ask { method: Method::Post, body: body.into(), content_type: Some("text/plain".to_owned()), ..get(url) }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn fetch(fetcher: &Fetcher, ask: Ask) -> Result<Fetched, FetchError> {
    run(fetcher.fetch(ask))
}

#[test]
fn what_was_asked_and_what_came_back() {
    let web = Web::start(|asked| match asked.line() {
        "GET /bytes?key=1" => answer(200, &[("content-encoding", "gzip")], b"\x1f\x8b\0not gzip"),
        "POST /post" => answer(201, &[], &asked.body),
        _ => answer(429, &[("retry-after", "1.5")], b"slow down"),
    });
    let fetcher = local();
    let got = fetch(&fetcher, get(&web.url("/bytes?key=1"))).expect("an answer");
    assert_eq!((got.status, &got.body[..], got.retry_after), (200, &b"\x1f\x8b\0not gzip"[..], None), "as it came");
    let got = fetch(&fetcher, post(&web.url("/post"), "a body")).expect("an answer");
    assert_eq!((got.status, &got.body[..]), (201, &b"a body"[..]));
    let got = fetch(&fetcher, get(&web.url("/limited"))).expect("an answer");
    assert_eq!((got.status, got.retry_after), (429, Some(Duration::from_millis(1500))));
    let asked = web.asked();
    assert_eq!(asked[0].header("user-agent"), Some("KeyAuth"));
    assert_eq!(asked[0].header("content-type"), None);
    for name in ["accept-encoding", "referer", "cookie", "authorization"] {
        assert!(asked.iter().all(|asked| asked.header(name).is_none()), "{name}");
    }
    assert_eq!(asked[1].header("content-type"), Some("text/plain"));
    assert_eq!(asked[1].header("content-length"), Some("6"));
}

#[test]
fn this_machine_is_asked_only_if_it_was_allowed() {
    let web = Web::start(|_| answer(200, &[], b"secret"));
    let port = web.address.port();
    let closed = fetcher(&["10.0.0.0/8"], PATIENCE);
    for host in ["127.0.0.1", "localhost", "a.localhost", "2130706433", "[::ffff:127.0.0.1]", "0x7f.1", "0.0.0.0"] {
        let refused = fetch(&closed, get(&format!("http://{host}:{port}/"))).expect_err(host);
        assert!(matches!(refused, FetchError::Target(TargetError::NotPublic { .. })), "{host}: {refused}");
        assert!(refused.to_string().contains("--allow-target "), "{refused}");
    }
    assert!(web.asked().is_empty(), "nobody was asked");
    for host in ["127.0.0.1", "localhost", "2130706433"] {
        assert_eq!(fetch(&local(), get(&format!("http://{host}:{port}/"))).expect(host).body, "secret");
    }
}

#[test]
fn an_address_of_a_name_that_is_not_allowed_is_not_tried() {
    // The name is let through, because one of this machine's addresses is allowed; 127.0.0.1 is not that one.
    let (listener, address) = silent();
    let other = fetcher(&["127.9.9.9/32", "::1/128"], PATIENCE);
    fetch(&other, get(&format!("http://localhost:{}/", address.port()))).expect_err("refused");
    assert!(!was_asked(&listener));
}

#[test]
fn a_redirect_is_followed_on_the_same_host_only() {
    let (listener, elsewhere) = silent();
    let web = Web::start(move |asked| {
        let location = |to: &str| answer(302, &[("location", to)], b"");
        match asked.line() {
            "GET /1" => location("/2"),
            "GET /2" => location("3?x=y"),
            "GET /3?x=y" => location("/4"),
            "GET /other-port" => location(&format!("http://{elsewhere}/")),
            "GET /other-name" => location(&format!("http://localhost:{}/", elsewhere.port())),
            "GET /other-scheme" => location(&format!("https://{}/", asked.header("host").unwrap())),
            "GET /metadata" => location("http://169.254.169.254/latest/meta-data"),
            "GET /file" => location("file:///etc/passwd"),
            "GET /around" => location("/around"),
            "GET /four" => location("/1"),
            "POST /kept" => answer(307, &[("location", "/post")], b""),
            line => answer(200, &[], line.as_bytes()),
        }
    });
    let body = |ask| fetch(&local(), ask).map(|got| String::from_utf8(got.body.to_vec()).unwrap());
    assert_eq!(body(get(&web.url("/1"))).as_deref(), Ok("GET /4"), "three times");
    assert_eq!(body(post(&web.url("/kept"), "a body")).as_deref(), Ok("POST /post"));
    assert_eq!(web.asked().last().unwrap().body, b"a body");
    for path in ["/other-port", "/other-name", "/other-scheme", "/metadata", "/around", "/four"] {
        assert_eq!(body(get(&web.url(path))), Err(FetchError::Redirect), "{path}");
    }
    // What is no HTTP at all is not followed either; the redirect itself is the answer.
    assert_eq!(body(get(&web.url("/file"))).as_deref(), Ok(""));
    assert!(!was_asked(&listener));
}

#[test]
fn a_long_answer_is_no_answer() {
    let web = Web::start(|asked| match asked.line() {
        "GET /exact" => answer(200, &[], &[b'x'; 1000]),
        "GET /announced" => answer(200, &[], &[b'x'; 1001]),
        // Announces more than anybody would wait for.
        "GET /endless" => Answered::ThenSilence(b"HTTP/1.1 200 x\r\ncontent-length: 99999999999\r\n\r\nx".to_vec()),
        _ => {
            let chunk = [&b"1f5\r\n"[..], &[b'x'; 501], b"\r\n"].concat();
            let head = b"HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            Answered::ThenSilence([head, chunk.clone(), chunk].concat())
        }
    });
    assert_eq!(fetch(&local(), get(&web.url("/exact"))).expect("fits").body.len(), 1000);
    for path in ["/announced", "/endless", "/chunked"] {
        assert_eq!(fetch(&local(), get(&web.url(path))).expect_err(path), FetchError::TooLarge(1000), "{path}");
    }
}

#[test]
fn who_is_slow_is_given_up_on() {
    let hasty = fetcher(&["127.0.0.0/8"], Duration::from_millis(200));
    let (_listener, address) = silent();
    let got = fetch(&hasty, get(&format!("http://{address}/")));
    assert_eq!(got.expect_err("no answer"), FetchError::Timeout);
    let web = Web::start(|_| Answered::ThenSilence(b"HTTP/1.1 200 x\r\ncontent-length: 9\r\n\r\nhalf".to_vec()));
    assert_eq!(fetch(&hasty, get(&web.url("/"))).expect_err("half an answer"), FetchError::Timeout);
}

#[test]
fn what_is_broken_says_so_without_the_url() {
    let web = Web::start(|asked| match asked.line() {
        "GET /SECRET" => Answered::With(b"this is no HTTP\r\n\r\n".to_vec()),
        _ => Answered::With(b"HTTP/1.1 200 x\r\ncontent-length: 9\r\n\r\nhalf".to_vec()),
    });
    for url in [web.url("/SECRET"), web.url("/half?SECRET"), format!("http://{}/SECRET", nobody())] {
        let error = fetch(&local(), get(&url)).expect_err(&url);
        assert!(matches!(error, FetchError::Broken(_)), "{url}: {error}");
        assert!(!error.to_string().contains("SECRET"), "{error}");
    }
    // Longer than a name can be, so nobody has to be asked for it.
    let name = "x".repeat(300);
    let unknown = fetch(&local(), get(&format!("http://{name}/SECRET"))).expect_err("no such name");
    assert_eq!(unknown, FetchError::Unknown(name));
}

#[test]
fn headers_cannot_be_smuggled() {
    let web = Web::start(|_| answer(200, &[], b"ok"));
    for bad in ["a\r\nx-injected: 1", "a\nb", "a\0b", "a\u{7f}b"] {
        let ask = Ask { content_type: Some(bad.to_owned()), ..post(&web.url("/"), "") };
        assert_eq!(fetch(&local(), ask).expect_err(bad), FetchError::Header("content type"));
        let ask = Ask { user_agent: bad.to_owned(), ..get(&web.url("/")) };
        assert_eq!(fetch(&local(), ask).expect_err(bad), FetchError::Header("user agent"));
    }
    assert!(web.asked().is_empty());
    let ask = Ask { user_agent: "Schlüssel/1".to_owned(), ..get(&web.url("/")) };
    assert_eq!(fetch(&local(), ask).expect("other letters are allowed").body, "ok");
    assert_eq!(web.asked()[0].header("user-agent"), Some("Schlüssel/1"));
}

#[test]
fn too_many_at_once_are_told_so() {
    let (_listener, address) = silent();
    let fetcher = local();
    run(async {
        let url = format!("http://{address}/");
        let asked: Vec<_> = (0..256).map(|_| tokio::spawn(fetcher.fetch(get(&url)))).collect();
        // Each of them has begun before this one does: tasks of one thread run in order.
        let one_more = tokio::spawn(fetcher.fetch(get(&url))).await.unwrap();
        assert_eq!(one_more.expect_err("no place is left"), FetchError::Busy);
        asked.iter().for_each(tokio::task::JoinHandle::abort);
        for task in asked {
            let _ = task.await;
        }
        let web = Web::start(|_| answer(200, &[], b"ok"));
        assert_eq!(fetcher.fetch(get(&web.url("/"))).await.expect("there are places again").body, "ok");
    });
}

/// The certificates that a process trusts come from its environment, so these run in processes of their own: this test
/// again, with a URL to fetch.
const TO_FETCH: &str = "OUTSIDE_TEST_FETCH";

#[test]
fn https_and_no_proxy() {
    if let Ok(url) = std::env::var(TO_FETCH) {
        match fetch(&local(), get(&url)) {
            Ok(got) => println!("fetched {}", String::from_utf8_lossy(&got.body)),
            Err(error) => println!("failed {error}"),
        }
        return;
    }
    let certificate = Certificate::new();
    let plain = Web::start(|_| answer(200, &[], b"in the clear"));
    let web = Web::start_with(Some(certificate.clone()), |_| answer(200, &[], b"over TLS"));
    let dir = tempfile::tempdir().unwrap();
    let trusted = dir.path().join("trusted.pem");
    std::fs::write(&trusted, &certificate.pem).unwrap();
    let other = dir.path().join("other.pem");
    std::fs::write(&other, Certificate::new().pem).unwrap();
    let fetched_in = |trusted: &Path, url: &str| {
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["fetch::https_and_no_proxy", "--exact", "--nocapture"]).env(TO_FETCH, url);
        again.env("SSL_CERT_FILE", trusted).env_remove("SSL_CERT_DIR");
        let proxy = format!("http://{}", nobody());
        for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            again.env(name, &proxy);
        }
        String::from_utf8(again.output().unwrap().stdout).unwrap()
    };
    let url = format!("https://localhost:{}/", web.address.port());
    let told = fetched_in(&trusted, &url);
    assert!(told.contains("fetched over TLS"), "{told}");
    let told = fetched_in(&other, &url);
    assert!(told.contains("failed invalid peer certificate"), "{told}");
    // Without any certificate to trust, the rest still works.
    let none = dir.path().join("none.pem");
    let told = fetched_in(&none, &url);
    assert!(told.contains("failed invalid peer certificate"), "{told}");
    let told = fetched_in(&none, &plain.url("/"));
    assert!(told.contains("fetched in the clear"), "{told}");
}
