//! Pages elsewhere that may call with the cookie (`wachtOrigins`), and no others.

use crate::{Browser, demo};

#[test]
fn only_listed_origins_read_the_answers() {
    let server = demo(|db| db.setting("wachtOrigins", "https://shop.example.com https://www.example.com/"));
    for (origin, is_listed) in [
        ("https://shop.example.com", true),
        ("https://www.example.com", true),
        ("https://evil.example.com", false),
        ("http://shop.example.com", false),
        ("https://shop.example.com:8443", false),
        ("https://shop.example.com.evil.net", false),
        ("null", false),
        ("", false),
        ("*", false),
    ] {
        let cases: [(&str, &str); 3] = [("GET", "/session"), ("POST", "/auth/signup"), ("PUT", "/session")];
        for (method, target) in cases {
            let reply = Browser::new(&server).ask(method, target, &[("origin", origin)], b"");
            let header = |name: &str| reply.header(name).map(str::to_owned);
            let wanted = is_listed.then_some(origin.to_owned());
            assert_eq!(header("access-control-allow-origin"), wanted, "{reply:?}");
            let credentials = header("access-control-allow-credentials");
            assert_eq!(credentials.as_deref(), is_listed.then_some("true"), "{reply:?}");
            assert_eq!(header("vary").as_deref(), is_listed.then_some("origin"), "{reply:?}");
            assert_eq!(header("access-control-expose-headers"), None);
        }
    }
    let two = [("origin", "https://shop.example.com"), ("origin", "https://evil.example.com")];
    let reply = Browser::new(&server).ask("GET", "/session", &two, b"");
    assert_eq!(reply.header("access-control-allow-origin"), None);
    server.change(|db| db.setting("wachtStaging", "1"));
    let reply = Browser::new(&server).ask("GET", "/session", &two[..1], b"");
    assert_eq!(reply.header("access-control-expose-headers"), Some("x-development-session"));
}
