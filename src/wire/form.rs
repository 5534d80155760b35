//! The parameters of a request, read leniently: from the query, and from a urlencoded or multipart body. Knows no
//! parameter by name, decides no rule and refuses nothing: what is wrong with a form is a [`FormFault`] beside the
//! parameters that could be read, so that the caller can still find the app and sign its refusal.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;

use bytes::Bytes;
use futures_util::{FutureExt, stream};
use memchr::{memchr, memchr2};
use multer::Multipart;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::model::exchange::Method;

/// More parameters than this are a [`FormFault::TooManyFields`]. KeyAuth's clients send about ten.
pub const MAX_FIELDS: usize = 1_000;

/// How many characters of a parameter's name a fault shows: the name is the client's text, of any length.
const SHOWN_NAME: usize = 32;

/// Room for the texts and the number of the parameters of a usual call, so that reading one allocates once for each.
const USUAL_TEXT: usize = 256;
const USUAL_FIELDS: usize = 16;

/// Reads the parameters of a request. Only `Post` has a body; a body of another type than urlencoded or multipart is not
/// looked at.
pub fn read(method: Method, query: &[u8], content_type: Option<&str>, body: &Bytes) -> Form {
    let mut pairs = urlencoded(query);
    let mut fault = None;
    if method == Method::Post && !body.is_empty() {
        let content_type = content_type.unwrap_or_default();
        let media_type = media_type(content_type);
        if media_type.eq_ignore_ascii_case(URLENCODED) {
            pairs.append(urlencoded(body));
        } else if media_type.eq_ignore_ascii_case(MULTIPART) {
            let mut parts = Pairs::default();
            fault = multipart(content_type, body, &mut parts).err();
            pairs.append(parts);
        }
    }
    if pairs.overflow || pairs.spans.len() > MAX_FIELDS {
        fault = Some(FormFault::TooManyFields);
    }
    let fault = fault.or_else(|| pairs.nul());
    Form { pairs, fault }
}

/// Whether a body of this type is one that [`read`] looks at.
pub fn is_form(content_type: &str) -> bool {
    let media_type = media_type(content_type);
    media_type.eq_ignore_ascii_case(URLENCODED) || media_type.eq_ignore_ascii_case(MULTIPART)
}

const URLENCODED: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";

fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// The parameters of one request. Names are exact. A parameter of the body hides the one of the query, also when it is
/// empty; in each place the last of a name hides the others.
pub struct Form {
    pairs: Pairs,
    fault: Option<FormFault>,
}

/// What is wrong with a form. The texts go to the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormFault {
    /// Over [`MAX_FIELDS`]; each place keeps its first so many.
    #[error("Too many parameters. Send at most {MAX_FIELDS}.")]
    TooManyFields,
    /// The form ends before the part that could not be read.
    #[error(
        "The multipart body could not be read. Send well-formed multipart/form-data, \
         or application/x-www-form-urlencoded instead."
    )]
    Multipart,
    /// Inside a value, not at its ends: there it is trimmed. Hidden and unknown parameters count too.
    #[error("The value of \"{field}\" contains a NUL byte. Send it without.")]
    Nul {
        /// The parameter's name; escaped, and cut if it is long.
        field: String,
    },
}

impl Form {
    /// The value exactly as decoded, if the parameter is present.
    pub fn raw(&self, name: &str) -> Option<&str> {
        // Backwards, because the body comes after the query, and because the last one wins. By bytes, because every call
        // asks for a dozen names.
        let text = self.pairs.text.as_bytes();
        let is_it = |span: &&Span| text[span.name..span.named] == *name.as_bytes();
        self.pairs.spans.iter().rfind(is_it).map(|span| &self.pairs.text[span.value..span.end])
    }

    /// The value without the blanks around it. Empty is missing; `0` is a value.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.raw(name).map(trim).filter(|value| !value.is_empty())
    }

    /// As [`Form::text`], but `0` is missing too: the rule for `ownerid`, `name` and `ver`.
    pub fn text_not_zero(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|value| *value != "0")
    }

    /// The same parameters with other values, for formats that wrap them.
    pub fn map<'a>(&'a self, mut change: impl FnMut(&str, &'a str) -> Cow<'a, str>) -> Form {
        let mut pairs = Pairs::usual();
        for (name, value) in self.pairs.iter() {
            let at = pairs.text.len();
            pairs.text.push_str(name);
            let value_at = pairs.text.len();
            pairs.text.push_str(&change(name, value));
            pairs.push(at, value_at);
        }
        let fault = self.fault.clone().or_else(|| pairs.nul());
        Form { pairs, fault }
    }

    /// Whether one of these parameters is there more than once: another reader may take the other one.
    pub fn repeats(&self, mut names: impl Iterator<Item = &'static str>) -> bool {
        names.any(|name| self.pairs.iter().filter(|(given, _)| *given == name).nth(1).is_some())
    }

    /// What is wrong with the form, if anything is. What could be read is there all the same.
    pub fn fault(&self) -> Option<FormFault> {
        self.fault.clone()
    }
}

impl fmt::Debug for Form {
    // Not the names either: a body in a wrong encoding may be one long name, with the password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = self.fault.as_ref().map(|fault| match fault {
            FormFault::TooManyFields => "TooManyFields",
            FormFault::Multipart => "Multipart",
            FormFault::Nul { .. } => "Nul",
        });
        f.debug_struct("Form").field("fields", &self.pairs.spans.len()).field("fault", &fault).finish_non_exhaustive()
    }
}

/// Space, TAB, LF, CR, NUL and vertical TAB; nothing else, so not `str::trim`.
pub(super) fn trim(value: &str) -> &str {
    value.trim_matches([' ', '\t', '\n', '\r', '\0', '\x0B'])
}

/// Names and values in the order of arrival, their texts in one buffer.
#[derive(Default)]
struct Pairs {
    text: String,
    spans: Vec<Span>,
    /// There were more than [`MAX_FIELDS`]; the rest was not read.
    overflow: bool,
}

/// Where one pair is in the buffer.
struct Span {
    name: usize,
    /// Where the name ends.
    named: usize,
    value: usize,
    end: usize,
}

impl Pairs {
    fn usual() -> Pairs {
        Pairs { text: String::with_capacity(USUAL_TEXT), spans: Vec::with_capacity(USUAL_FIELDS), overflow: false }
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        self.spans.iter().map(|span| (&self.text[span.name..span.named], &self.text[span.value..span.end]))
    }

    /// The pair that ends the buffer: the value follows its name.
    fn push(&mut self, name: usize, value: usize) {
        self.spans.push(Span { name, named: value, value, end: self.text.len() });
    }

    fn append(&mut self, later: Pairs) {
        if self.spans.is_empty() {
            *self = later;
            return;
        }
        let by = self.text.len();
        self.text.push_str(&later.text);
        self.spans.extend(later.spans.iter().map(|span| Span {
            name: span.name + by,
            named: span.named + by,
            value: span.value + by,
            end: span.end + by,
        }));
        self.overflow |= later.overflow;
    }

    fn nul(&self) -> Option<FormFault> {
        if !self.text.as_bytes().contains(&0) {
            return None;
        }
        let (name, _) = self.iter().find(|(_, value)| trim(value).contains('\0'))?;
        Some(FormFault::Nul { field: name.chars().take(SHOWN_NAME).flat_map(char::escape_debug).collect() })
    }
}

fn urlencoded(input: &[u8]) -> Pairs {
    // No query is the usual case, and should not allocate.
    if input.is_empty() {
        return Pairs::default();
    }
    // Every input is a form; nothing here can fail.
    plain(input).unwrap_or_else(|| serde_urlencoded::from_bytes(input).unwrap_or_default())
}

/// What the decoder would make of an input in which nothing is encoded, as most are; none if something is.
fn plain(input: &[u8]) -> Option<Pairs> {
    if !input.is_ascii() || memchr2(b'%', b'+', input).is_some() {
        return None;
    }
    // As it is: the pairs are where they are in the input.
    let text = std::str::from_utf8(input).ok()?.to_owned();
    let mut pairs = Pairs { text, spans: Vec::with_capacity(USUAL_FIELDS), overflow: false };
    let mut name = 0;
    while name < input.len() {
        let end = memchr(b'&', &input[name..]).map_or(input.len(), |length| name + length);
        if name < end {
            if pairs.spans.len() == MAX_FIELDS {
                pairs.overflow = true;
                break;
            }
            let equals = memchr(b'=', &input[name..end]).map(|length| name + length);
            let (named, value) = equals.map_or((end, end), |at| (at, at + 1));
            pairs.spans.push(Span { name, named, value, end });
        }
        name = end + 1;
    }
    Some(pairs)
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pairs, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names with values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        let mut pairs = Pairs::usual();
        while pairs.spans.len() < MAX_FIELDS {
            let name = pairs.text.len();
            if map.next_key_seed(Append(&mut pairs.text))?.is_none() {
                return Ok(pairs);
            }
            let value = pairs.text.len();
            map.next_value_seed(Append(&mut pairs.text))?;
            pairs.push(name, value);
        }
        pairs.overflow = map.next_key::<IgnoredAny>()?.is_some();
        Ok(pairs)
    }
}

/// Appends a decoded text to the buffer, whether the decoder lends it or had to make it.
struct Append<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for Append<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Append<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.push_str(text);
        Ok(())
    }
}

fn multipart(content_type: &str, body: &Bytes, pairs: &mut Pairs) -> Result<(), FormFault> {
    let boundary = boundary(content_type).ok_or(FormFault::Multipart)?;
    let parts = Multipart::new(stream::iter([Ok::<_, Infallible>(body.clone())]), boundary);
    // The whole body is there, so nothing ever waits. A reader that wants to wait for more cannot read it.
    multipart_parts(parts, pairs).now_or_never().unwrap_or(Err(FormFault::Multipart))
}

/// The `boundary` of a content type. Not multer's reader, which wants the quotes that the standard asks for around
/// characters that clients send without. No boundary may contain `;` or `"`.
fn boundary(content_type: &str) -> Option<&str> {
    let mut parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (_, boundary) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    // An empty one would end the form at any `--`, and make it seem to have no parameters.
    Some(boundary.trim().trim_matches('"')).filter(|boundary| !boundary.is_empty())
}

async fn multipart_parts(mut parts: Multipart<'_>, pairs: &mut Pairs) -> Result<(), FormFault> {
    while let Some(part) = parts.next_field().await.map_err(|_| FormFault::Multipart)? {
        if pairs.spans.len() == MAX_FIELDS {
            pairs.overflow = true;
            return Ok(());
        }
        let name = pairs.text.len();
        pairs.text.push_str(part.name().unwrap_or_default());
        let value = pairs.text.len();
        // A file is a value like others; its declared charset is not looked at, as with urlencoded bodies.
        let bytes = part.bytes().await.map_err(|_| FormFault::Multipart)?;
        pairs.text.push_str(&String::from_utf8_lossy(&bytes));
        pairs.push(name, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_not_encoded_reads_as_the_decoder_reads_it(input in "[a-c=&\u{0} ]{0,40}", many in 0..MAX_FIELDS + 2) {
            for input in [input.clone(), input.repeat(many)] {
                let plain = plain(input.as_bytes()).expect("nothing is encoded");
                let decoded: Pairs = serde_urlencoded::from_bytes(input.as_bytes()).expect("a form");
                prop_assert!(plain.iter().eq(decoded.iter()) && plain.overflow == decoded.overflow, "{:?}", input);
            }
        }
    }

    #[test]
    fn what_is_encoded_is_left_to_the_decoder() {
        for input in ["a=%41", "a=b+c", "a=ü"] {
            assert!(plain(input.as_bytes()).is_none(), "{input}");
        }
    }
}
