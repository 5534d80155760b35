//! Whole numbers as programming languages spell them, and lists of bytes made of them: found in a source text, and
//! spelled anew the way the old ones were. Pure text work; knows no key.

use std::ops::Range;

/// The longest list of bytes that is looked at, in bytes of source text.
const LONGEST_LIST: usize = 8 * 1024;

/// A whole number in a source text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number {
    /// Where its digits are, without `0x` and without a suffix.
    pub(super) digits: Range<usize>,
    /// Whether they are hex digits.
    pub(super) hex: bool,
    /// What it is.
    pub(super) value: u64,
}

/// Every number above 32 bits. Smaller ones are no 64-bit checksum.
pub(super) fn large(source: &[u8]) -> Vec<Number> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < source.len() {
        let inside_a_word = at > 0 && (source[at - 1].is_ascii_alphanumeric() || b"_.".contains(&source[at - 1]));
        match if inside_a_word { None } else { number_at(source, at) } {
            Some(number) => {
                at = number.digits.end;
                found.extend((number.value > u64::from(u32::MAX)).then_some(number));
            }
            None => at += 1,
        }
    }
    found
}

/// Every list in braces or brackets that holds nothing but `most` bytes at most.
pub(super) fn lists(source: &[u8], most: usize) -> Vec<Vec<Number>> {
    let opening = (0..source.len()).filter(|at| b"{[".contains(&source[*at]));
    opening.filter_map(|at| list_at(source, at, most)).collect()
}

fn list_at(source: &[u8], open: usize, most: usize) -> Option<Vec<Number>> {
    let close = if source[open] == b'{' { b'}' } else { b']' };
    let window = &source[..source.len().min(open + LONGEST_LIST)];
    let mut numbers = Vec::new();
    let mut at = blank(window, open + 1)?;
    while *window.get(at)? != close {
        let number = number_at(window, at).filter(|number| number.value <= 0xff && numbers.len() < most)?;
        at = number.digits.end;
        at += window[at..].iter().take_while(|b| b.is_ascii_alphanumeric()).count();
        at = blank(window, at)?;
        numbers.push(number);
        match *window.get(at)? {
            b',' => at = blank(window, at + 1)?,
            b if b == close => {}
            _ => return None,
        }
    }
    Some(numbers)
}

/// The first place from here on that is neither blank nor comment.
fn blank(source: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let rest = source.get(at..)?;
        if rest.first()?.is_ascii_whitespace() {
            at += 1;
        } else if rest.starts_with(b"//") {
            at += rest.iter().position(|b| *b == b'\n')?;
        } else if rest.starts_with(b"/*") {
            at += rest.windows(2).skip(2).position(|pair| pair == b"*/")? + 4;
        } else {
            return Some(at);
        }
    }
}

fn number_at(source: &[u8], at: usize) -> Option<Number> {
    source.get(at).filter(|b| b.is_ascii_digit())?;
    let prefix = source.get(at..at + 2).is_some_and(|p| p.eq_ignore_ascii_case(b"0x"));
    let hex = prefix && source.get(at + 2).is_some_and(u8::is_ascii_hexdigit);
    let radix = if hex { 16 } else { 10 };
    let digit = |b: u8| char::from(b).to_digit(radix);
    let start = if hex { at + 2 } else { at };
    let (mut end, mut value) = (start, 0u64);
    while let Some(byte) = source.get(end) {
        if let Some(digit) = digit(*byte) {
            value = value.checked_mul(u64::from(radix))?.checked_add(u64::from(digit))?;
        } else if !b"'_".contains(byte) || source.get(end + 1).is_none_or(|next| digit(*next).is_none()) {
            break;
        }
        end += 1;
    }
    Some(Number { digits: start..end, hex, value })
}

/// Whether these digits are written in capitals.
pub(super) fn capitals(digits: &[u8]) -> bool {
    digits.iter().any(u8::is_ascii_uppercase) && !digits.iter().any(u8::is_ascii_lowercase)
}

/// Spells a number as the old digits were spelled: base, width, and separators counted from the right.
pub(super) fn respelled(old: &[u8], hex: bool, capitals: bool, value: u64) -> Vec<u8> {
    let width = old.iter().filter(|b| b.is_ascii_alphanumeric()).count();
    let plain = match (hex, capitals) {
        (true, true) => format!("{value:0width$X}"),
        (true, false) => format!("{value:0width$x}"),
        (false, _) => value.to_string(),
    };
    let Some(last) = old.iter().rposition(|b| b"'_".contains(b)) else { return plain.into_bytes() };
    let group = old.len() - last - 1;
    let mut spelled = Vec::new();
    for (index, byte) in plain.bytes().enumerate() {
        if index > 0 && (plain.len() - index).is_multiple_of(group) {
            spelled.push(old[last]);
        }
        spelled.push(byte);
    }
    spelled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(source: &str) -> Vec<u64> {
        large(source.as_bytes()).into_iter().map(|n| n.value).collect()
    }

    #[test]
    fn numbers_in_every_spelling() {
        let want = 0x7553_f24c_a052_d4b1;
        for source in [
            "0x7553f24ca052d4b1ULL",
            "0X7553F24CA052D4B1",
            "0x7553'f24c'a052'd4b1ull",
            "0x7553_f24c_a052_d4b1_u64",
            "= 8454367336425772209;",
            "(8'454'367'336'425'772'209u)",
            "8_454_367_336_425_772_209u64",
        ] {
            assert_eq!(values(source), [want], "{source}");
        }
        let none = values("x7553 99999999999999999999999 a8454367336425772209 12.8454367336425772209 0xff 7");
        assert!(none.is_empty(), "{none:?}");
        assert_eq!(values("'8454367336425772209'"), [want]);
    }

    #[test]
    fn lists_of_bytes_in_every_layout() {
        for source in [
            "{1,2,255}",
            "[ 0x01, 0x02 , 0xFFu ]",
            "{\r\n  0x1, // one\r\n  2, /* two, {3} */\r\n  255,\r\n}",
            "a[3] = {{ 1, 2, 255 }};",
        ] {
            let found = lists(source.as_bytes(), 3);
            let found: Vec<Vec<u64>> = found.into_iter().map(|l| l.into_iter().map(|n| n.value).collect()).collect();
            assert!(found.contains(&vec![1, 2, 255]), "{source}: {found:?}");
        }
        for source in ["{1,2,256}", "{1,2,3,4}", "{1 2}", "{1,2", "{a,b}", "{1,2]", "{1,2,/*}", "{1,2 //}"] {
            assert!(lists(source.as_bytes(), 3).is_empty(), "{source}");
        }
    }

    #[test]
    fn numbers_keep_their_spelling() {
        let respell = |old: &str, hex, value| {
            let spelled = respelled(old.as_bytes(), hex, capitals(old.as_bytes()), value);
            String::from_utf8(spelled).expect("ASCII")
        };
        assert_eq!(respell("7553f24ca052d4b1", true, 0xab), "00000000000000ab");
        assert_eq!(respell("7553F24CA052D4B1", true, 0xab), "00000000000000AB");
        assert_eq!(respell("7553'f24c'a052'd4b1", true, u64::MAX), "ffff'ffff'ffff'ffff");
        assert_eq!(respell("8_454_367", false, 12_345_678), "12_345_678");
        assert_eq!(respell("845", false, 7), "7");
        assert_eq!(respell("6", true, 0x6f), "6f");
    }
}
