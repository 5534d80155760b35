//! A customer's program, started again and again: what all formats share of it. Where it comes from, which keys it has,
//! and what counts as an answer. Knows no format's calls.

use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::client::{Answer, Client, Result};
use super::super::fill;
use super::keyauth::How;
use super::{Found, Shared, authgate, authly, keyauth, wacht};

/// One of the formats that are spoken.
pub(super) struct Format {
    pub(super) name: &'static str,
    /// How many programs speak it.
    pub(super) programs: u64,
    speak: fn(Customer<'_>) -> Result<()>,
}

/// All of them. Neighbours in this order have different addresses.
pub(super) const FORMATS: [Format; 8] = [
    Format { name: "KeyAuth 1.2", programs: 10, speak: |c| keyauth::speak(c, "1.2", How::Posted) },
    Format { name: "KeyAuth 1.2 by GET", programs: 2, speak: |c| keyauth::speak(c, "1.2", How::Gotten) },
    Format { name: "KeyAuth 1.3", programs: 2, speak: |c| keyauth::speak(c, "1.3", How::Posted) },
    Format { name: "KeyAuth 1.1", programs: 2, speak: |c| keyauth::speak(c, "1.1", How::Posted) },
    Format { name: "KeyAuth 1.0", programs: 2, speak: |c| keyauth::speak(c, "1.0", How::Enveloped) },
    Format { name: "Authgate", programs: 2, speak: authgate::speak },
    Format { name: "Authly", programs: 2, speak: authly::speak },
    Format { name: "Wacht", programs: 2, speak: wacht::speak },
];

/// Programs of customers at work at the same time.
pub(super) const CUSTOMERS: u64 = {
    let (mut sum, mut n) = (0, 0);
    while n < FORMATS.len() {
        sum += FORMATS[n].programs;
        n += 1;
    }
    sum
};

/// Addresses that they share, from 127.0.0.2 on.
pub(super) const ADDRESSES: u64 = 8;

/// One round takes at least so long: about a thousand requests a second together, and 120 from each address, which may
/// ask 200.
const ROUND: Duration = Duration::from_millis(300);

/// Rounds between two users of one program who sign up without a license: an address may have one every 30 seconds.
pub(super) const SIGN_UPS: u64 = 130;

/// Rounds between two logins by password: about four hashes a second together.
pub(super) const LOGINS: u64 = 40;

/// Everybody's.
pub(super) const PASSWORD: &str = "correct-horse";

/// A license, and the device of who has it.
pub(super) struct License {
    pub(super) key: String,
    pub(super) device: String,
}

/// One program at its address.
pub(super) struct Customer<'a> {
    pub(super) shared: &'a Shared<'a>,
    pub(super) n: u64,
    pub(super) client: Client,
    format: usize,
    /// The next license that nobody has redeemed.
    unused: u64,
}

impl<'a> Customer<'a> {
    /// Speaks its format until all is over.
    pub(super) fn visit(shared: &'a Shared<'a>, n: u64) -> Result<()> {
        let of_one = |(number, format): (usize, &Format)| std::iter::repeat_n(number, format.programs as usize);
        let format = FORMATS.iter().enumerate().flat_map(of_one).nth(n as usize).ok_or("no such customer")?;
        let from = Ipv4Addr::new(127, 0, 0, 2 + (n % ADDRESSES) as u8);
        let client = Client::between(from, shared.server.address)?;
        (FORMATS[format].speak)(Customer { shared, n, client, format, unused: n })
    }

    /// Round after round, with its number.
    pub(super) fn rounds(&mut self, mut round: impl FnMut(&mut Customer<'a>, u64) -> Result<()>) -> Result<()> {
        for number in 0.. {
            let since = Instant::now();
            if self.shared.is_over() {
                break;
            }
            round(self, number)?;
            thread::sleep(ROUND.saturating_sub(since.elapsed()));
        }
        Ok(())
    }

    /// A key that nobody has redeemed, for this program's own device.
    pub(super) fn new_license(&mut self) -> Result<License> {
        while fill::is_redeemed(self.unused) {
            self.unused += CUSTOMERS;
        }
        if self.unused >= self.shared.data.rows {
            return Err("no keys left: soak.rs makes too few for so long a run".into());
        }
        let key = fill::key(self.unused);
        self.unused += CUSTOMERS;
        Ok(License { key, device: self.device() })
    }

    /// A key that was redeemed long ago. Whoever redeemed it keeps it: each program has its own.
    pub(super) fn old_license(&self, round: u64) -> License {
        let old = (round % 50 * CUSTOMERS + self.n) * fill::LICENSES_OF_A_USER;
        License { key: fill::key(old), device: fill::hwid(old) }
    }

    /// This program's device.
    pub(super) fn device(&self) -> String {
        format!("soak-{}", self.n)
    }

    /// This user has a password now, and was here.
    pub(super) fn known(&self, name: &str) -> Result<()> {
        self.shared.names.lock().map_err(|_| "a client broke down")?[self.n as usize] = Some(name.to_owned());
        Ok(())
    }

    /// A request; the answer, whatever it says.
    pub(super) fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer> {
        self.shared.requests[self.format].fetch_add(1, Ordering::Relaxed);
        self.client.send(method, target, headers, body)
    }

    /// The answer's JSON if all is well, which the format knows; else what ends the run.
    pub(super) fn expect(&self, well: bool, asked: &str, answer: &Answer) -> Result<Value> {
        if well {
            return Ok(answer.json());
        }
        let said = String::from_utf8_lossy(&answer.body);
        let name = FORMATS[self.format].name;
        Err(format!("{name}: {asked}\n  was answered {} {said}", answer.status).into())
    }

    /// Notes how long a call took.
    pub(super) fn took(&self, since: Instant, kind: impl FnOnce(&mut Found) -> &mut Vec<f64>) -> Result<()> {
        let took = since.elapsed().as_secs_f64() * 1000.0;
        kind(&mut *self.shared.found.lock().map_err(|_| "a client broke down")?).push(took);
        Ok(())
    }
}
