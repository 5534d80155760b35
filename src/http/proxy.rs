//! The client's address when trusted proxies stand before the server. Believes only `X-Forwarded-For`, and only hops
//! that a trusted machine wrote; every other header can be sent by anyone.

use std::net::{IpAddr, SocketAddr};

use hyper::header::HeaderMap;
use ipnet::IpNet;

/// The right-most hop that is not one of our proxies; without trusted proxies, the socket's address.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let mut last = peer;
    for line in headers.get_all("x-forwarded-for").iter().rev() {
        let Ok(line) = line.to_str() else { return last };
        for hop in line.rsplit(',') {
            // What stands left of a hop that is no address was written by nobody we know.
            let Some(hop) = address(hop.trim()) else { return last };
            last = hop;
            if !is_trusted(hop, trusted) {
                return last;
            }
        }
    }
    last
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// A hop as proxies write it: an address, some with a port, some in brackets.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    let address = bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()))?;
    Some(IpAddr::to_canonical(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_most_untrusted_hop_counts() {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].iter().map(|n| n.parse().expect("network")).collect();
        for (peer, lines, want) in [
            ("8.8.8.8", &["1.1.1.1"][..], "8.8.8.8"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["1.1.1.1"], "1.1.1.1"),
            ("10.0.0.1", &["6.6.6.6, 1.1.1.1"], "1.1.1.1"),
            ("10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.2.3.4"], "1.1.1.1"),
            ("10.0.0.1", &["6.6.6.6", "1.1.1.1 ,10.9.9.9"], "1.1.1.1"),
            ("10.0.0.1", &["1.1.1.1", "10.9.9.9"], "1.1.1.1"),
            ("10.0.0.1", &["1.1.1.1, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["1.1.1.1, nonsense, 10.5.5.5"], "10.5.5.5"),
            ("10.0.0.1", &["1.1.1.1,"], "10.0.0.1"),
            ("10.0.0.1", &["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
            ("10.0.0.1", &["1.2.3.4:5678"], "1.2.3.4"),
            ("10.0.0.1", &["::ffff:1.2.3.4"], "1.2.3.4"),
            ("fd00::1", &["[2001:db8::1]"], "2001:db8::1"),
            ("fd00::1", &["[2001:db8::1]:443"], "2001:db8::1"),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().expect("value"));
            }
            headers.insert("cf-connecting-ip", "9.9.9.9".parse().expect("value"));
            assert_eq!(client(peer.parse().expect("peer"), &headers, &trusted).to_string(), want, "{peer} {lines:?}");
        }
    }
}
