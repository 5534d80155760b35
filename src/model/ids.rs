//! Identifiers and names, parsed once. A value of these types has the right shape; whether it exists is another question.

use std::fmt;
use std::str::FromStr;

macro_rules! row_id {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name(pub i64);
    )*};
}

row_id!(
    /// A row of `owners`.
    OwnerRow,
    /// A row of `apps`.
    AppId,
    /// A row of `plans`.
    PlanId,
    /// A row of `licenses`.
    LicenseId,
    /// A row of `users`.
    UserId,
    /// A row of `subscriptions`.
    SubscriptionId,
    /// A row of `chat_channels`.
    ChannelId,
    /// A row of `tokens`.
    TokenId,
    /// A row of `browsers`.
    BrowserId,
    /// A row of `sign_ins`.
    SignInId
);

/// Names a session to its client: random bits as lower-case hex, 32 characters for KeyAuth's clients, 64 for the others.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId {
    high: u128,
    /// Only of those with 64 characters.
    low: Option<u128>,
}

impl SessionId {
    /// The short id made of these random bits.
    pub fn from_random(bits: u128) -> SessionId {
        SessionId { high: bits, low: None }
    }

    /// The long id made of these random bits.
    pub fn long_from_random(bits: [u128; 2]) -> SessionId {
        SessionId { high: bits[0], low: Some(bits[1]) }
    }

    /// The first eight characters: enough to find a session in a list, useless to an attacker.
    pub fn short(self) -> String {
        let mut text = self.to_string();
        text.truncate(8);
        text
    }
}

impl FromStr for SessionId {
    type Err = ();

    fn from_str(text: &str) -> Result<SessionId, ()> {
        let number = |text: &str| {
            let mut bits = [0; 16];
            let is_hex = hex::decode_to_slice(text, &mut bits).is_ok();
            // `hex` takes capitals too.
            let has_capitals = text.bytes().fold(false, |any, byte| any | byte.is_ascii_uppercase());
            if is_hex && !has_capitals { Ok(u128::from_be_bytes(bits)) } else { Err(()) }
        };
        match text.split_at_checked(32) {
            Some((high, "")) => Ok(SessionId { high: number(high)?, low: None }),
            Some((high, low)) => Ok(SessionId { high: number(high)?, low: Some(number(low)?) }),
            None => Err(()),
        }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.high)?;
        match self.low {
            Some(low) => write!(f, "{low:032x}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({}…)", self.short())
    }
}

/// How names and keys are compared: without regard to ASCII case (contract Appendix D).
pub fn fold(text: &str) -> String {
    text.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_is_exactly_32_or_64_lower_case_hex_characters() {
        let long = SessionId::long_from_random([0xab, 0xcd]);
        assert_eq!(long.to_string(), format!("{:032x}{:032x}", 0xab, 0xcd));
        assert_eq!(long.to_string().parse(), Ok(long));
        let id = SessionId::from_random(0xab);
        assert_eq!(id.to_string(), "000000000000000000000000000000ab");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "",
            "ab",
            "000000000000000000000000000000AB",
            "+00000000000000000000000000000ab",
            &"0".repeat(33),
            &"0".repeat(63),
            &"0".repeat(65),
            &"0".repeat(96),
        ] {
            assert_eq!(bad.parse::<SessionId>(), Err(()), "{bad:?}");
        }
        assert!(!format!("{id:?}").contains("ab"), "Debug shows no whole id");
    }
}
