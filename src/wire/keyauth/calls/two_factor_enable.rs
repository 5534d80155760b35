//! `2faenable`: a new secret for the user's second factor, and with its first code the factor itself (contract 4.22).

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::domain::secret::Proof;
use crate::domain::two_factor::{self, Begun};
use crate::domain::{Refusal, Stop};
use crate::model::session::Session;
use crate::store::Tx;
use crate::wire::keyauth::versions::V1_2;
use crate::wire::reply::Json;

use super::{Call, Field, Reply, Req, Run, anything, entered};

pub(super) const CALL: Call = Call {
    name: "2faenable",
    help: "switches the second factor on: without a code it answers a new secret, with the secret's first code it is on",
    aliases: &[],
    fields: &[Field { name: "code", help: "six digits; the secret waits five minutes for them" }],
    refuses: &[
        Refusal::SessionNotValidated,
        Refusal::TwoFactorOn,
        Refusal::TwoFactorExpired,
        Refusal::TwoFactorSetupWrong,
        Refusal::TwoFactorBlocked(Duration::ZERO),
    ],
    settings: &[],
    since: &V1_2,
    first: anything,
    run: Run::Write(run),
};

/// What an authenticator shows above the code, and what a label may hold unescaped.
const ISSUER: &str = "KeyAuth";
const LABEL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn run(req: &Req<'_>, session: &Session, tx: &mut Tx<'_>, _: Option<&Proof>) -> Result<Reply, Stop> {
    match two_factor::switch_on(tx, req.app, session, &entered::factor(req), &mut rand::rng())? {
        None => Ok(Reply::message("2fa successfully activated")),
        Some(begun) => Ok(secret(begun)),
    }
}

fn secret(Begun { secret, username }: Begun) -> Reply {
    let uri = format!("otpauth://totp/{}?secret={secret}&issuer={ISSUER}", utf8_percent_encode(&username, LABEL));
    let mut reply = Reply::message("Scan the QR code with an authenticator app, then send the code that it shows");
    reply.tail.push(("2fa", Json::Object(vec![("secret_code", secret.into()), ("QRCode", uri.into())])));
    reply
}
