//! Finds the public key of the 1.3 protocol in a client's source: as a hex text, or as the newest C++ library hides it,
//! in lists of masked bytes with a checksum beside them. Pure text work: replaces nothing, reads no file.
//!
//! The library masks the 64 characters of the hex text, not its 32 bytes, and compares the 64-bit FNV-1a of those
//! characters with a constant. A list counts as the key only if what is under the mask is known to be it.

use std::ops::Range;

use super::number::{self, Number, capitals, respelled};

/// The key of KeyAuth's own service, which clients are handed out with.
pub(super) const KEYAUTH: &str = "5586b4bc69c7a4b487e4563a4cd96afd39140f919bd31cea7d1c6a1e8439422b";

/// What the library combines each byte with.
const MASKS: [u8; 2] = [0x5a, 0xa5];

/// A server's public key: 64 lower-case hex characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PublicKey(String);

impl PublicKey {
    /// Reads one.
    pub(super) fn parse(text: &str) -> Result<PublicKey, String> {
        let text = text.trim().to_ascii_lowercase();
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err("a public key is 64 hex characters; your server's is meant".to_owned());
        }
        if text == KEYAUTH {
            return Err("this is KeyAuth's own public key; your server's is meant".to_owned());
        }
        Ok(PublicKey(text))
    }

    /// As text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// In which form a key was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A text of 64 hex characters.
    Text,
    /// A list of masked characters, with this mask.
    Masked(u8),
    /// The checksum of the characters.
    Checksum,
}

/// A place where the key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Where it is, from its first to its last digit.
    pub(super) at: Range<usize>,
    /// In which form.
    pub(super) form: Form,
    /// What must be exchanged; empty if it is the new key already.
    pub(super) edits: Vec<(Range<usize>, Vec<u8>)>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The places, in the order of the text.
    pub(super) found: Vec<Found>,
    /// Lists that look masked, but hold no key that anything vouches for: where they begin.
    pub(super) unknown: Vec<usize>,
}

/// A list whose bytes are hex characters under a mask.
struct Masked {
    numbers: Vec<Number>,
    mask: u8,
    text: String,
}

/// Finds the key in all its forms: KeyAuth's, the new one, and those of the `retired` that our server had before.
pub(super) fn find(source: &[u8], new: &PublicKey, retired: &[PublicKey]) -> Keys {
    let ours = [new].into_iter().chain(retired).map(PublicKey::as_str);
    let known: Vec<&str> = [KEYAUTH].into_iter().chain(ours).collect();
    let mut keys = Keys { found: texts(source, new, &known), unknown: Vec::new() };
    let large = number::large(source);
    let vouched = |text: &str| {
        known.iter().any(|key| text.eq_ignore_ascii_case(key)) || large.iter().any(|number| number.value == fnv1a(text))
    };
    let mut old_texts: Vec<String> = known.iter().map(|key| (*key).to_owned()).collect();
    let (wholes, halves): (Vec<Masked>, Vec<Masked>) = masked(source).into_iter().partition(|m| m.text.len() == 64);
    for whole in wholes {
        if vouched(&whole.text) {
            let text = styled(&whole.text, new);
            keys.found.push(whole.exchanged(source, &text));
            old_texts.push(whole.text);
        } else {
            keys.unknown.push(whole.span().start);
        }
    }
    let mut halves: Vec<Option<Masked>> = halves.into_iter().map(Some).collect();
    for first in 0..halves.len() {
        let joined = |second: usize| match (&halves[first], &halves[second]) {
            (Some(a), Some(b)) if first != second => Some(format!("{}{}", a.text, b.text)),
            _ => None,
        };
        let second = (0..halves.len()).find(|second| joined(*second).is_some_and(|text| vouched(&text)));
        let Some((second, old)) = second.and_then(|second| Some((second, joined(second)?))) else { continue };
        let text = styled(&old, new);
        let (a, b) = text.split_at(32);
        keys.found.extend(halves[first].take().map(|half| half.exchanged(source, a)));
        keys.found.extend(halves[second].take().map(|half| half.exchanged(source, b)));
        old_texts.push(old);
    }
    keys.unknown.extend(halves.iter().flatten().map(|half| half.span().start));
    for number in large {
        if let Some(old) = old_texts.iter().find(|text| fnv1a(text) == number.value) {
            keys.found.push(checksum(source, &number, &styled(old, new)));
        }
    }
    keys.found.sort_by_key(|found| found.at.start);
    keys
}

fn texts(source: &[u8], new: &PublicKey, known: &[&str]) -> Vec<Found> {
    let hex_at = |at: Option<usize>| at.and_then(|at| source.get(at)).is_some_and(u8::is_ascii_hexdigit);
    let mut found = Vec::new();
    for (start, window) in source.windows(64).enumerate() {
        let known = known.iter().any(|key| window.eq_ignore_ascii_case(key.as_bytes()));
        if known && !hex_at(start.checked_sub(1)) && !hex_at(Some(start + 64)) {
            let at = start..start + 64;
            let text = if capitals(window) { new.as_str().to_ascii_uppercase() } else { new.as_str().to_owned() };
            let same = window.eq_ignore_ascii_case(new.as_str().as_bytes());
            let edits = if same { Vec::new() } else { vec![(at.clone(), text.into_bytes())] };
            found.push(Found { at, form: Form::Text, edits });
        }
    }
    found
}

fn masked(source: &[u8]) -> Vec<Masked> {
    let lists = number::lists(source, 64).into_iter().filter(|list| matches!(list.len(), 32 | 64));
    lists
        .filter_map(|numbers| {
            let under = |mask: u8| -> Option<String> {
                let chars = numbers.iter().map(|number| u8::try_from(number.value).ok().map(|byte| byte ^ mask));
                chars.map(|byte| byte.filter(u8::is_ascii_hexdigit).map(char::from)).collect()
            };
            let (mask, text) = MASKS.into_iter().find_map(|mask| Some((mask, under(mask)?)))?;
            Some(Masked { numbers, mask, text })
        })
        .collect()
}

impl Masked {
    fn span(&self) -> Range<usize> {
        let ends = self.numbers.first().zip(self.numbers.last());
        ends.map_or(0..0, |(first, last)| first.digits.start..last.digits.end)
    }

    /// The list with another text under the same mask, in the same spelling.
    fn exchanged(&self, source: &[u8], text: &str) -> Found {
        let digits: Vec<u8> = self.numbers.iter().flat_map(|n| &source[n.digits.clone()]).copied().collect();
        let capitals = capitals(&digits);
        let edits = self.numbers.iter().zip(text.bytes()).filter_map(|(number, byte)| {
            let value = u64::from(byte ^ self.mask);
            let old = &source[number.digits.clone()];
            let spelled = respelled(old, number.hex, capitals, value);
            (value != number.value).then(|| (number.digits.clone(), spelled))
        });
        Found { at: self.span(), form: Form::Masked(self.mask), edits: edits.collect() }
    }
}

fn checksum(source: &[u8], number: &Number, text: &str) -> Found {
    let old = &source[number.digits.clone()];
    let value = fnv1a(text);
    let edits = if value == number.value {
        Vec::new()
    } else {
        vec![(number.digits.clone(), respelled(old, number.hex, capitals(old), value))]
    };
    Found { at: number.digits.clone(), form: Form::Checksum, edits }
}

/// The new key in the letter case of the old one: the checksum is over the characters.
fn styled(old: &str, new: &PublicKey) -> String {
    if capitals(old.as_bytes()) { new.as_str().to_ascii_uppercase() } else { new.as_str().to_owned() }
}

/// The 64-bit FNV-1a checksum.
pub(super) fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_fnv_1a() {
        // The published test values of the algorithm, and the constant in the library for KeyAuth's key.
        assert_eq!(fnv1a(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a("foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(fnv1a(KEYAUTH), 0x7553_f24c_a052_d4b1);
    }

    #[test]
    fn keys_are_64_hex_characters_and_not_keyauths() {
        let upper = "AB".repeat(32);
        assert_eq!(PublicKey::parse(&format!(" {upper}\n")).expect("a key").as_str(), "ab".repeat(32));
        for bad in ["", "ab", &"x".repeat(64), &"ab".repeat(33), KEYAUTH, &KEYAUTH.to_ascii_uppercase()] {
            assert!(PublicKey::parse(bad).is_err(), "{bad}");
        }
    }
}
