//! The 1.0 envelope: what was closed opens to the same, what was changed never does, and what was never closed is
//! named or left as it is.

use std::borrow::Cow;

use bytes::Bytes;
use keystead::model::exchange::Method;
use keystead::wire::form::{self, Form};
use keystead::wire::keyauth::fuzzing::Enveloped;

fn read(body: String) -> Form {
    form::read(Method::Post, b"", Some("application/x-www-form-urlencoded"), &Bytes::from(body))
}

fn carrying(sealed: &str) -> Form {
    read(serde_urlencoded::to_string([("key", sealed)]).expect("pairs"))
}

/// Lines: a text, an `init_iv`, which byte to change and how, and a message.
pub(crate) fn envelope(data: &[u8]) {
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (text, iv, change, plain) = (line(), line(), line(), line());
    let (text, iv) = (String::from_utf8_lossy(text), String::from_utf8_lossy(iv));
    let envelope = Enveloped::new(&text, &iv);

    let sealed = envelope.close(plain);
    assert!(sealed.len() == (plain.len() / 16 + 1) * 32, "whole blocks, always with padding");
    let opened = envelope.open(&carrying(&sealed)).expect("its own");
    let plain = String::from_utf8_lossy(plain);
    assert_eq!(opened.raw("key"), Some(&*plain), "what was closed opens to the same");

    // One byte of the ciphertext changed: refused, or another message. Never the same one.
    let mut bytes = hex::decode(&sealed).expect("hex");
    let at = usize::from(change.first().copied().unwrap_or_default()) % bytes.len();
    bytes[at] ^= change.get(1).copied().unwrap_or(1).max(1);
    match envelope.open(&carrying(&hex::encode(bytes))) {
        Ok(opened) => assert_ne!(opened.raw("key"), Some(&*plain), "a change went unnoticed"),
        Err(parameter) => assert_eq!(parameter, "key"),
    }

    // Anything at all, as a form: refused by the name of a parameter that it has, perhaps hidden behind one of its name.
    let any = read(plain.into_owned());
    if let Err(parameter) = envelope.open(&any) {
        let mut named = false;
        any.map(|name, value| {
            named |= name == parameter && !value.is_empty();
            Cow::Borrowed(value)
        });
        assert!(named, "refused by {parameter:?}, which is not there");
    }
}
