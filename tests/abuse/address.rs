//! Nobody chooses the address it is counted by: what a header says counts only as far as trusted machines wrote it.

use crate::support::{Fixture, Server};
use crate::{OWNERID, init_from};

/// The address that the server sees, as it tells it after a login.
#[track_caller]
fn seen(server: &Server, headers: &[(&str, &str)]) -> String {
    let session = init_from(server, "198.51.100.1");
    let pairs =
        [("type", "license"), ("name", "demo"), ("ownerid", OWNERID), ("sessionid", &session), ("key", "KEY-1")];
    let reply = server.post_form("/api/1.2/", headers, &pairs);
    reply.json()["info"]["ip"].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned()
}

fn server(flags: &[&str]) -> Server {
    let db = Fixture::new();
    db.license("KEY-1");
    db.serve(flags)
}

#[test]
fn the_right_most_hop_that_is_not_trusted_counts() {
    let server = server(&["--trusted-proxy", "127.0.0.0/8,10.0.0.0/8", "--trusted-proxy", "fd00::/8"]);
    let long = "6.6.6.6, ".repeat(500) + "203.0.113.7";
    for (lines, want) in [
        (&[][..], "127.0.0.1"),
        (&[""], "127.0.0.1"),
        (&["203.0.113.7"], "203.0.113.7"),
        // What the client itself has sent stands to the left of what the proxy added.
        (&["6.6.6.6, 203.0.113.7"], "203.0.113.7"),
        (&["127.0.0.1, 10.0.0.1, 203.0.113.7"], "203.0.113.7"),
        (&["6.6.6.6", "203.0.113.7"], "203.0.113.7"),
        (&["6.6.6.6, 203.0.113.7", "10.0.0.1", "10.9.9.9, fd00::1"], "203.0.113.7"),
        (&[&long], "203.0.113.7"),
        // The same address in other spellings.
        (&["6.6.6.6, ::ffff:203.0.113.7"], "203.0.113.7"),
        (&["6.6.6.6, [::ffff:cb00:7107]:443"], "203.0.113.7"),
        (&["203.0.113.7:5678"], "203.0.113.7"),
        (&["6.6.6.6, 203.0.113.7, ::ffff:10.0.0.1"], "203.0.113.7"),
        (&["[2001:db8::7]"], "2001:db8::7"),
        // A hop that cannot be read ends what is believed: the machine that wrote it counts.
        (&["6.6.6.6, unknown"], "127.0.0.1"),
        (&["6.6.6.6, _hidden, 10.0.0.1"], "10.0.0.1"),
        (&["6.6.6.6,"], "127.0.0.1"),
        (&["6.6.6.6, 203.0.113.007"], "127.0.0.1"),
        (&["6.6.6.6, 203.0.113.7 10.0.0.1"], "127.0.0.1"),
        (&["6.6.6.6, fe80::1%eth0"], "127.0.0.1"),
        (&["6.6.6.6, \u{e9}"], "127.0.0.1"),
    ] {
        let headers: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
        assert_eq!(seen(&server, &headers), want, "{lines:?}");
    }
}

#[test]
fn no_other_header_says_who_somebody_is() {
    for flags in [&["--trusted-proxy", "127.0.0.1"][..], &[]] {
        let server = server(flags);
        for name in ["forwarded", "x-real-ip", "cf-connecting-ip", "true-client-ip", "x-client-ip"] {
            let text = if name == "forwarded" { "for=6.6.6.6" } else { "6.6.6.6" };
            assert_eq!(seen(&server, &[(name, text)]), "127.0.0.1", "{name}");
        }
    }
}

#[test]
fn who_is_no_proxy_is_not_believed() {
    for flags in [&[][..], &["--trusted-proxy", "10.0.0.0/8"]] {
        assert_eq!(seen(&server(flags), &[("x-forwarded-for", "6.6.6.6")]), "127.0.0.1");
    }
}

#[test]
fn networks_may_be_spelled_as_ipv6() {
    for network in ["::ffff:127.0.0.1", "::ffff:127.0.0.0/104"] {
        let server = server(&["--trusted-proxy", network]);
        assert_eq!(seen(&server, &[("x-forwarded-for", "6.6.6.6, 203.0.113.7")]), "203.0.113.7", "{network}");
    }
}
