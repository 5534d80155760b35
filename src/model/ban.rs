//! What an app bans: devices, addresses and networks.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// The longest hwid that a device or a ban may hold, in bytes.
pub const MAX_HWID: usize = 2_000;

/// What a ban is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BanTarget {
    /// A device; exact.
    Hwid(String),
    /// An address or a network. A network's host bits are zero.
    Network(IpNet),
}

/// Reads an address or a network in CIDR form; `203.0.113.7` is `203.0.113.7/32`. IPv4 inside IPv6 is IPv4.
pub fn parse_network(text: &str) -> Result<IpNet, ipnet::AddrParseError> {
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(IpNet::from(address.to_canonical())),
        Err(_) => IpNet::from_str(text).map(|network| network.trunc()),
    }
}

/// Prints an address without the length of its own mask, a network with it.
pub fn print_network(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() { network.addr().to_string() } else { network.to_string() }
}

impl fmt::Display for BanTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BanTarget::Hwid(hwid) => f.write_str(hwid),
            BanTarget::Network(network) => f.write_str(&print_network(network)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_read_and_print() {
        for (text, printed) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7/24", "203.0.113.0/24"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("2001:db8::1", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8::/32"),
        ] {
            assert_eq!(print_network(&parse_network(text).expect(text)), printed);
        }
        assert!(parse_network("203.0.113").is_err());
    }
}
