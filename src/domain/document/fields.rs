//! How single values of the document are read and written: times, levels, durations, the short forms of list entries.
//! Texts after "takes" in a problem come from the `expecting` functions here. Checks no limits.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::time::Span;

use super::{FORMAT, VERSION};

/// The default of flags that are on.
pub(super) fn yes() -> bool {
    true
}

/// The default of a relay's user agent.
pub(super) fn user_agent() -> String {
    crate::domain::relay::USER_AGENT.to_owned()
}

/// A list entry that may be a single text: the one field that it cannot do without.
pub(super) struct OrText<T>(pub(super) T);

impl<T: Serialize> Serialize for OrText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de> + From<String>> Deserialize<'de> for OrText<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OrText<T>, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de> + From<String>> Visitor<'de> for Either<T> {
            type Value = OrText<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object, or a text for the short form")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<OrText<T>, E> {
                Ok(OrText(T::from(text.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OrText<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(OrText)
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}

/// A length of time: seconds, a number with a unit, or `lifetime`. Written as seconds or `lifetime`.
#[derive(Clone, Copy)]
pub(super) struct Duration(pub(super) Span);

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Span::Seconds(seconds) => serializer.serialize_i64(seconds),
            Span::Lifetime => serializer.serialize_str("lifetime"),
        }
    }
}

/// What a plain JSON value is. Each field reads what it can use of them.
enum Scalar {
    Null,
    Flag(bool),
    Int(i64),
    Text(String),
}

/// Reads a scalar; the text says what the field takes.
struct ScalarOf(&'static str);

impl Visitor<'_> for ScalarOf {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Scalar, E> {
        Ok(Scalar::Flag(flag))
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<Scalar, E> {
        Ok(Scalar::Int(n))
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<Scalar, E> {
        i64::try_from(n).map(Scalar::Int).map_err(|_| E::invalid_value(Unexpected::Unsigned(n), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }
}

/// What a field that takes something else says.
fn unfit<E: Error>(takes: &'static str) -> E {
    E::invalid_type(Unexpected::Other("something else"), &takes)
}

pub(super) fn format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    let found = Option::<String>::deserialize(deserializer)?;
    if found.is_none_or(|found| found == FORMAT) {
        Ok(())
    } else {
        Err(D::Error::custom(format_args!("this is no document of an app; one says {FORMAT:?} here, or nothing")))
    }
}

pub(super) fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    match Option::<i64>::deserialize(deserializer)? {
        None | Some(VERSION) => Ok(()),
        Some(newer) if newer > VERSION => Err(D::Error::custom(format_args!(
            "the document was written by a newer Keystead; this one reads version {VERSION}: import it with that version"
        ))),
        Some(_) => Err(D::Error::custom(format_args!("there is no such version; the first is {VERSION}"))),
    }
}

pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    const TAKES: &str = "a whole number of seconds since 1970 UTC";
    match deserializer.deserialize_any(ScalarOf(TAKES))? {
        Scalar::Null => Ok(None),
        Scalar::Int(seconds) => Ok(Some(seconds)),
        Scalar::Flag(_) | Scalar::Text(_) => Err(unfit(TAKES)),
    }
}

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    const TAKES: &str = "a whole number of seconds, a number and a unit like 30d, 12h or 1y, or the word lifetime";
    match deserializer.deserialize_any(ScalarOf(TAKES))? {
        Scalar::Null => Ok(None),
        Scalar::Int(seconds) => Ok(Some(Duration(Span::Seconds(seconds)))),
        Scalar::Text(text) => text.parse().map(|span| Some(Duration(span))).map_err(|_| unfit(TAKES)),
        Scalar::Flag(_) => Err(unfit(TAKES)),
    }
}

pub(super) fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    const TAKES: &str = "a level: a text or a whole number";
    match deserializer.deserialize_any(ScalarOf(TAKES))? {
        Scalar::Null => Ok(None),
        Scalar::Int(n) => Ok(Some(n.to_string())),
        Scalar::Text(text) => Ok(Some(text)),
        Scalar::Flag(_) => Err(unfit(TAKES)),
    }
}

pub(super) fn nullable_level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    level(deserializer).map(Some)
}

/// Settings by name, in their order. A name given twice is refused: one of the values would be lost.
pub(super) fn settings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    struct Settings;

    impl<'de> Visitor<'de> for Settings {
        type Value = Vec<(String, String)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of settings by their names")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut all: Vec<(String, String)> = Vec::new();
            while let Some(name) = map.next_key::<String>()? {
                let SettingValue(value) = map.next_value()?;
                if all.iter().any(|(known, _)| *known == name) {
                    return Err(A::Error::custom(format_args!("setting {name:?} is there twice")));
                }
                all.push((name, value));
            }
            Ok(all)
        }
    }

    deserializer.deserialize_map(Settings)
}

/// A setting's value: a text as the store has it, or the number or flag that it means.
struct SettingValue(String);

impl<'de> Deserialize<'de> for SettingValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SettingValue, D::Error> {
        const TAKES: &str = "a text, a whole number, true or false";
        match deserializer.deserialize_any(ScalarOf(TAKES))? {
            Scalar::Null => Err(unfit(TAKES)),
            Scalar::Flag(flag) => Ok(SettingValue(if flag { "1" } else { "0" }.to_owned())),
            Scalar::Int(n) => Ok(SettingValue(n.to_string())),
            Scalar::Text(text) => Ok(SettingValue(text)),
        }
    }
}
