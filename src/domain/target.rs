//! Which addresses the server may talk to on a client's or an app's behalf: public ones, and the private networks that
//! the operator opened. Pure: resolves no name and opens no connection; who connects asks here with the very address
//! it connects to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// Who may be talked to.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    allowed: Vec<IpNet>,
}

/// Why nobody is asked there. Never holds more of the address than its host: paths and queries are secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It does not read as an address.
    #[error("this is no URL ({0}); one looks like https://example.com/path")]
    NoUrl(url::ParseError),
    /// Another protocol than HTTP.
    #[error("the URL must start with https:// or http://")]
    Scheme,
    /// It holds a user or a password.
    #[error("the URL must not hold a user or a password before its host; put a secret into its path or query")]
    User,
    /// The host is an address that may not be talked to, or a name with no other addresses.
    #[error("{host} is not a public address; to allow it, start the server with --allow-target {network}")]
    NotPublic {
        /// The host as it was given.
        host: String,
        /// What would allow it.
        network: IpNet,
    },
}

impl Targets {
    /// Public addresses, and these networks.
    pub fn new(allowed: Vec<IpNet>) -> Targets {
        Targets { allowed }
    }

    /// Whether this address may be talked to.
    pub fn permits(&self, ip: IpAddr) -> bool {
        let reached = reached(ip);
        is_public(reached) || self.allowed.iter().any(|network| network.contains(&ip) || network.contains(&reached))
    }

    /// Reads the address of a relay, a file or a webhook, and refuses what can be seen to be out of bounds without
    /// resolving its name. What the name resolves to is judged when it is asked.
    pub fn check_url(&self, text: &str) -> Result<Url, TargetError> {
        let url = Url::parse(text).map_err(TargetError::NoUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(TargetError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::User);
        }
        match url.host() {
            // An HTTP URL without a host is refused by the parser.
            None => return Err(TargetError::NoUrl(url::ParseError::EmptyHost)),
            Some(Host::Ipv4(ip)) => self.check(ip.into(), &ip.to_string())?,
            Some(Host::Ipv6(ip)) => self.check(ip.into(), &ip.to_string())?,
            Some(Host::Domain(name)) if names_this_machine(name) => {
                let here = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
                if !here.into_iter().any(|ip| self.permits(ip)) {
                    self.check(here[0], name)?;
                }
            }
            Some(Host::Domain(_)) => {}
        }
        Ok(url)
    }

    /// Refuses this address, called `host` in the refusal, if it may not be talked to.
    pub fn check(&self, ip: IpAddr, host: &str) -> Result<(), TargetError> {
        if self.permits(ip) {
            return Ok(());
        }
        Err(TargetError::NotPublic { host: host.to_owned(), network: IpNet::from(reached(ip)) })
    }
}

/// `localhost` and everything below it, by whatever a resolver would say (RFC 6761).
fn names_this_machine(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// Where a packet to this address arrives: an IPv4 address written as an IPv6 address is that IPv4 address, and so is
/// one behind the well-known NAT64 prefix.
fn reached(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    if NAT64.contains(&v6) {
        let [.., a, b, c, d] = v6.octets();
        return Ipv4Addr::new(a, b, c, d).into();
    }
    v6.to_canonical()
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => !CLOSED_V4.iter().any(|network| network.contains(&v4)),
        IpAddr::V6(v6) => GLOBAL_V6.contains(&v6) && !CLOSED_V6.iter().any(|network| network.contains(&v6)),
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6(a: u16, b: u16, c: u16, bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), bits)
}

/// What is not public of IPv4 (the registry of RFC 6890, kept by IANA), and one more.
const CLOSED_V4: &[Ipv4Net] = &[
    v4(0, 0, 0, 0, 8),        // this network; on many systems 0.0.0.0 is this machine
    v4(10, 0, 0, 0, 8),       // private
    v4(100, 64, 0, 0, 10),    // shared by a provider's customers
    v4(127, 0, 0, 0, 8),      // this machine
    v4(168, 63, 129, 16, 32), // one cloud's services for its virtual machines, on an address that looks public
    v4(169, 254, 0, 0, 16),   // link-local; the clouds' metadata is here
    v4(172, 16, 0, 0, 12),    // private
    v4(192, 0, 0, 0, 24),     // protocol assignments
    v4(192, 0, 2, 0, 24),     // documentation
    v4(192, 88, 99, 0, 24),   // relays from IPv6, abandoned
    v4(192, 168, 0, 0, 16),   // private
    v4(198, 18, 0, 0, 15),    // benchmarks
    v4(198, 51, 100, 0, 24),  // documentation
    v4(203, 0, 113, 0, 24),   // documentation
    v4(224, 0, 0, 0, 4),      // multicast
    v4(240, 0, 0, 0, 4),      // reserved, and broadcast
];

/// All that is handed out of IPv6 lies in here. Outside are this machine, private (fc00::/7), link-local (fe80::/10),
/// site-local (fec0::/10) and multicast (ff00::/8) addresses, the black hole (100::/64), private NAT64 (64:ff9b:1::/48)
/// and IPv4 in its oldest IPv6 spelling (::/96).
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 3);

/// What is not public of that.
const CLOSED_V6: &[Ipv6Net] = &[
    v6(0x2001, 0, 0, 23), // protocol assignments: Teredo tunnels, benchmarks, hashes that look like addresses
    v6(0x2001, 0xdb8, 0, 32), // documentation
    v6(0x2002, 0, 0, 16), // 6to4: an IPv4 address behind a tunnel
    v6(0x3fff, 0, 0, 20), // documentation
];

const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 96);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    fn targets(allowed: &[&str]) -> Targets {
        Targets::new(allowed.iter().map(|text| text.parse().expect(text)).collect())
    }

    const CLOSED: &str = "\
        0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 127.1.2.3 \
        168.63.129.16 169.254.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 \
        192.88.99.1 192.168.0.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 \
        240.0.0.1 255.255.255.255 :: ::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 2001:db8::1 3fff::1 \
        100::1 5f00::1 2001:2::1 2001:10::1 2001::1 2001:0:7f00:1:: 2002:7f00:1::1 2002:808:808::1 \
        ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 ::8.8.8.8 64:ff9b::127.0.0.1 \
        64:ff9b::10.0.0.1 64:ff9b::169.254.169.254 64:ff9b:1::8.8.8.8 64:ff9b:1::10.0.0.1";

    const OPEN: &str = "\
        1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.255.255.255 168.63.129.15 \
        169.253.255.255 172.15.255.255 172.32.0.1 192.0.1.1 192.167.255.255 198.17.255.255 198.20.0.1 \
        223.255.255.255 2606:4700:4700::1111 2a00:1450:4001:80b::200e 2001:4860:4860::8888 ::ffff:8.8.8.8 \
        64:ff9b::8.8.8.8";

    #[test]
    fn public_addresses_and_no_others() {
        let none = Targets::default();
        for text in CLOSED.split_whitespace() {
            assert!(!none.permits(ip(text)), "{text} is not public");
        }
        for text in OPEN.split_whitespace() {
            assert!(none.permits(ip(text)), "{text} is public");
        }
    }

    #[test]
    fn opened_networks_count_in_every_spelling() {
        let opened = targets(&["10.1.0.0/16", "127.0.0.1/32", "fd00::/8"]);
        for text in ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "127.0.0.1", "fd00:ec2::254"] {
            assert!(opened.permits(ip(text)), "{text}");
        }
        for text in ["10.2.0.1", "::ffff:10.2.0.1", "127.0.0.2", "::1", "fe80::1"] {
            assert!(!opened.permits(ip(text)), "{text}");
        }
        assert!(targets(&["2002::/16"]).permits(ip("2002:7f00:1::1")), "a tunnel can be opened by its own name");
    }

    #[test]
    fn urls() {
        let none = Targets::default();
        for url in [
            "https://example.com/hook?key=1",
            "http://example.com:8080",
            "https://8.8.8.8/x",
            "http://[2606:4700::1]/",
            "https://bücher.example/",
            "https://localhost.example.com/",
            "https://notlocalhost/",
        ] {
            assert!(none.check_url(url).is_ok(), "{url}");
        }
        let bad = |url: &str| none.check_url(url).expect_err(url);
        for url in ["", "example.com/x", "//example.com", "/x", "http://", "https:///", "http://[::1", "http://a b/"] {
            assert!(matches!(bad(url), TargetError::NoUrl(_)), "{url}");
        }
        for url in ["ftp://example.com/", "file:///etc/passwd", "gopher://x", "data:,x", "unix:/run/x", "javascript:1"]
        {
            assert_eq!(bad(url), TargetError::Scheme, "{url}");
        }
        for url in ["http://mia@example.com/", "http://mia:x@example.com/", "http://:x@example.com/"] {
            assert_eq!(bad(url), TargetError::User, "{url}");
        }
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://0/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]:8080/",
            "http://169.254.169.254/latest",
            "http://①②⑦.0.0.1/",
            "http://127.0.0.1./",
            "http://%31%32%37.0.0.1/",
            "http://localhost/",
            "http://LOCALHOST:80/",
            "http://localhost./",
            "http://a.b.localhost/",
            "https://10.0.0.1/",
            "https:10.0.0.1",
            "http:\\\\10.0.0.1\\x",
        ] {
            assert!(matches!(bad(url), TargetError::NotPublic { .. }), "{url}: {}", bad(url));
        }
    }

    #[test]
    fn a_refusal_says_what_would_allow_it_and_hides_the_rest() {
        let refused = Targets::default().check_url("http://10.1.2.3/hook/SECRET?key=SECRET").expect_err("private");
        let text = refused.to_string();
        assert!(text.starts_with("10.1.2.3 is not a public") && text.ends_with("--allow-target 10.1.2.3/32"), "{text}");
        assert!(!text.contains("SECRET"), "{text}");
        let refused = Targets::default().check_url("http://localhost:9/").expect_err("private").to_string();
        assert!(refused.starts_with("localhost ") && refused.ends_with("--allow-target 127.0.0.1/32"), "{refused}");
        let opened = targets(&["127.0.0.1/32"]);
        for url in ["http://localhost:9/", "http://127.0.0.1:9/", "http://[::ffff:127.0.0.1]/"] {
            assert!(opened.check_url(url).is_ok(), "{url}");
        }
        assert!(targets(&["::1/128"]).check_url("http://localhost/").is_ok());
    }

    /// By the standard library's words where it has one, and by arithmetic: not by the tables above.
    fn is_special(ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                v4.is_private()
                    || v4.is_loopback()
                    || v4.is_link_local()
                    || v4.is_multicast()
                    || v4.is_broadcast()
                    || v4.is_documentation()
                    || a == 0
                    || a >= 240
                    || (a == 100 && b & 0xc0 == 64)
                    || (a == 198 && b & 0xfe == 18)
                    || (a, b, c) == (192, 0, 0)
            }
            IpAddr::V6(v6) => {
                let [a, b, c, .., g, h] = v6.segments();
                let embedded = |high: u16, low: u16| {
                    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
                    is_special(Ipv4Addr::new(a, b, c, d).into())
                };
                let nat64 = v6.octets()[..12] == [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];
                v6.is_loopback()
                    || v6.is_unspecified()
                    || v6.is_multicast()
                    || v6.is_unique_local()
                    || v6.is_unicast_link_local()
                    || a & 0xffc0 == 0xfec0
                    || (a == 0x2001 && (b == 0 || b == 0xdb8))
                    || (a == 0x2002 && embedded(b, c))
                    || (a == 0x3fff && b < 0x1000)
                    || (a == 0x100 && [b, c] == [0, 0])
                    || (nat64 && embedded(g, h))
                    || (a == 0x64 && b == 0xff9b && c == 1)
                    || v6.to_ipv4().is_some_and(|v4| is_special(v4.into()))
            }
        }
    }

    fn any_address() -> impl Strategy<Value = IpAddr> {
        let near =
            prop::sample::select([CLOSED, OPEN].map(|list| list.split_whitespace().collect::<Vec<_>>()).concat());
        prop_oneof![
            any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
            any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
            // In the neighbourhood of what counts: some low bits of a listed address are others.
            (near, any::<u128>(), 0..120u32).prop_map(|(text, noise, bits)| match ip(text) {
                IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() ^ (noise as u32 & ((1 << (bits % 32)) - 1))).into(),
                IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() ^ (noise & ((1 << bits) - 1))).into(),
            }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn nothing_special_passes(ip in any_address()) {
            prop_assert!(!(is_special(ip) && Targets::default().permits(ip)), "{} passes", ip);
        }

        #[test]
        fn a_url_is_judged_by_its_address(ip in any_address()) {
            let url = match ip {
                IpAddr::V4(v4) => format!("http://{}/", v4.to_bits()),
                IpAddr::V6(v6) => format!("http://[{v6}]/"),
            };
            prop_assert_eq!(Targets::default().check_url(&url).is_ok(), Targets::default().permits(ip));
        }
    }
}
