//! The operator's own lists: networks of VPNs and hosting companies, and passwords known from breaches. Files on this
//! machine; nothing is asked of anybody outside.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};

use crate::model::ban::parse_network;

/// The longest line of a leaked password list: 40 hex characters, a colon, a count, a line end.
const LONGEST_LINE: u64 = 64;

/// The lists of one server.
#[derive(Debug, Default)]
pub struct Lists {
    /// First and last address of each network, IPv4 as IPv4-mapped IPv6; in order, without overlap.
    vpn: Vec<(u128, u128)>,
    leaked: Option<PathBuf>,
}

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The file cannot be read.
    #[error("{0}: cannot read the list {1}: {2}")]
    File(&'static str, PathBuf, std::io::Error),
    /// A line is no network.
    #[error("vpn-list: {0}, line {1}: expected an address or a network like 203.0.113.0/24")]
    Network(PathBuf, usize),
    /// The file does not begin with a SHA-1 hash.
    #[error(
        "leaked-passwords: {0}: expected one SHA-1 hash in hex per line, in order, each with or without :count after it"
    )]
    Hashes(PathBuf),
}

impl Lists {
    /// Reads the VPN list (one network per line; empty lines and what follows `#` are left aside) and looks at the
    /// head of the leaked password list, which is searched where it lies: it may have gigabytes.
    pub fn load(vpn: Option<&Path>, leaked: Option<&Path>) -> Result<Lists, ListError> {
        let vpn = vpn.map(read_networks).transpose()?.unwrap_or_default();
        if let Some(path) = leaked {
            let mut head = [0; 40];
            match File::open(path).and_then(|mut file| file.read_exact(&mut head)) {
                Ok(()) if head.iter().all(u8::is_ascii_hexdigit) => {}
                Err(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => {
                    return Err(ListError::File("leaked-passwords", path.to_owned(), e));
                }
                Ok(()) | Err(_) => return Err(ListError::Hashes(path.to_owned())),
            }
        }
        Ok(Lists { vpn, leaked: leaked.map(Path::to_owned) })
    }

    /// Whether an address is on the VPN list.
    pub fn is_vpn(&self, ip: IpAddr) -> bool {
        let at = number(ip);
        let after = self.vpn.partition_point(|(first, _)| *first <= at);
        after > 0 && self.vpn[after - 1].1 >= at
    }

    /// Whether there is a list of leaked passwords.
    pub fn has_leaked(&self) -> bool {
        self.leaked.is_some()
    }

    /// Whether a password is on the list of leaked ones. A list that has become unreadable blocks nobody.
    pub fn is_leaked(&self, password: &str) -> bool {
        let Some(path) = &self.leaked else { return false };
        let wanted = hex::encode(Sha1::digest(password.as_bytes()));
        search(path, wanted.as_bytes()).unwrap_or_else(|e| {
            tracing::error!(list = %path.display(), error = %e, "the leaked password list cannot be read");
            false
        })
    }
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn read_networks(path: &Path) -> Result<Vec<(u128, u128)>, ListError> {
    let text = std::fs::read_to_string(path).map_err(|e| ListError::File("vpn-list", path.to_owned(), e))?;
    let mut ranges = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            let network = parse_network(line).map_err(|_| ListError::Network(path.to_owned(), i + 1))?;
            ranges.push((number(network.network()), number(network.broadcast())));
        }
    }
    ranges.sort_unstable();
    let mut merged: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match merged.last_mut() {
            Some(previous) if first <= previous.1 => previous.1 = previous.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    Ok(merged)
}

/// Halves the file until the line is found. Lines are in the order of their hashes.
fn search(path: &Path, wanted: &[u8]) -> std::io::Result<bool> {
    let mut file = BufReader::with_capacity(256, File::open(path)?);
    // The wanted line, if there is one, begins in low..high.
    let (mut low, mut high) = (0, file.get_ref().metadata()?.len());
    let mut line = Vec::with_capacity(LONGEST_LINE as usize);
    while low < high {
        let middle = low + (high - low) / 2;
        let start = line_after(&mut file, middle, low)?;
        if start >= high {
            high = middle;
            continue;
        }
        file.seek(SeekFrom::Start(start))?;
        line.clear();
        file.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        let hash: Vec<u8> = line.iter().take(40).map(u8::to_ascii_lowercase).collect();
        match hash.as_slice().cmp(wanted) {
            std::cmp::Ordering::Equal => return Ok(true),
            std::cmp::Ordering::Less => low = start + line.len() as u64,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    Ok(false)
}

/// Where the first line begins at or after `at`; a line begins at `floor`.
fn line_after(file: &mut BufReader<File>, at: u64, floor: u64) -> std::io::Result<u64> {
    if at == floor {
        return Ok(at);
    }
    file.seek(SeekFrom::Start(at - 1))?;
    let mut skipped = Vec::new();
    let skipped = file.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut skipped)? as u64;
    Ok(at - 1 + skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vpn_networks_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vpn.txt");
        std::fs::write(&path, "# test\n203.0.113.0/24\n203.0.113.128/25 # inside\n\n2001:db8::/32\n198.51.100.7\n")
            .unwrap();
        let lists = Lists::load(Some(&path), None).unwrap();
        for (ip, listed) in [
            ("203.0.113.0", true),
            ("203.0.113.255", true),
            ("203.0.114.0", false),
            ("203.0.112.255", false),
            ("198.51.100.7", true),
            ("198.51.100.8", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
        ] {
            assert_eq!(lists.is_vpn(ip.parse().unwrap()), listed, "{ip}");
        }
        std::fs::write(&path, "203.0.113.0/24\nnonsense\n").unwrap();
        assert!(matches!(Lists::load(Some(&path), None), Err(ListError::Network(_, 2))));
    }

    #[test]
    fn leaked_passwords_are_found_wherever_they_stand() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("leaked.txt");
        for count in [1, 2, 3, 50, 777] {
            let mut hashes: Vec<_> =
                (0..count).map(|i| hex::encode_upper(Sha1::digest(format!("password{i}").as_bytes()))).collect();
            hashes.sort();
            for separator in [":3\n", "\r\n", "\n"] {
                let text: String = hashes.iter().flat_map(|h| [h.as_str(), separator]).collect();
                std::fs::write(&path, text).unwrap();
                let lists = Lists::load(None, Some(&path)).unwrap();
                for i in 0..count {
                    assert!(lists.is_leaked(&format!("password{i}")), "{i} of {count} with {separator:?}");
                }
                for other in ["", "correct horse", "password-1", "password777"] {
                    assert!(!lists.is_leaked(other), "{other:?} of {count}");
                }
            }
        }
    }
}
