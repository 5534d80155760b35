//! `init`: opens a session (contract 4.1).

use crate::domain::secret::new_session_id;
use crate::domain::session::{self, HashKind, Opening};
use crate::domain::{Refusal, Stop};
use crate::store::Tx;
use crate::wire::keyauth::versions::V1_0;
use crate::wire::reply::Json;

use super::{Call, Field, Reply, Req, Run, anything, app_info};

pub(super) const CALL: Call = Call {
    name: "init",
    help: "opens a session, which all other calls need",
    aliases: &[],
    fields: &[
        Field { name: "ver", help: "the program's version; not checked if missing, which 1.0 does not allow" },
        Field { name: "hash", help: "MD5 of the program file, 32 hex characters; for the setting hashcheck" },
        Field {
            name: "enckey",
            help: "1.2: random text of at most 36 bytes, part of the key that signs later answers; 1.0: what later \
                   calls and answers are enciphered with, at most 128 bytes",
        },
        Field { name: "token", help: "1.2 and 1.3: what stands in the token file; for the setting tokensystem" },
        Field { name: "thash", help: "1.2 and 1.3: SHA-256 of the token file, in hex" },
    ],
    refuses: &[
        Refusal::EnckeyTooLong,
        Refusal::EncryptionRequired,
        Refusal::VpnBlocked,
        Refusal::AppDisabled,
        Refusal::AppPaused,
        Refusal::TokenMissing,
        Refusal::TokenHashMissing,
        Refusal::TokenNotFound,
        Refusal::TokenBanned(None),
        Refusal::TokenHashMismatch,
        Refusal::VersionMismatch,
        Refusal::HashMismatch,
    ],
    settings: &[
        "forceEncryption",
        "vpnblock",
        "enabled",
        "paused",
        "tokensystem",
        "ver",
        "download",
        "hashcheck",
        "hash",
        "session",
    ],
    since: &V1_0,
    first: anything,
    run: Run::Open(run),
};

/// Kept as it is: some clients read a number here as the length of a list.
const COUNTER: &str = "N/A - Use fetchStats() function in latest example";

fn run(req: &Req<'_>, tx: &mut Tx<'_>) -> Result<Reply, Stop> {
    let id = new_session_id(tx.near(), &mut rand::rng());
    let opening = Opening {
        id,
        enckey: req.enckey,
        token_file: req.token_file,
        version: req.form.text_not_zero("ver"),
        hash: req.form.text("hash"),
        hash_kind: HashKind::Md5,
        ip: req.ip,
        now: req.now,
    };
    session::open(tx, req.app, req.lists, &opening)?;
    let info = app_info::object(req, [COUNTER.into(), COUNTER.into(), COUNTER.into()]);
    let fields = vec![("sessionid", id.to_string().into()), ("appinfo", info), ("newSession", Json::Bool(true))];
    Ok(Reply::with("Initialized", fields))
}
