//! `keystead license create`: making keys, in steps if there are many. What is acceptable is decided in
//! `domain/license.rs`.

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use crate::domain::license::{self, Alphabet, Batch, MAX_BATCH};
use crate::model::app::App;
use crate::model::time::Time;
use crate::store::plans;

use super::options::{Length, moment};
use super::{Db, Exit, Global, note, now, print_json, print_lines, print_time};

/// Options.
#[derive(Args)]
pub(super) struct Options {
    /// How many; up to 10,000 are made all or none, more in steps of 10,000
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: Option<u32>,
    #[command(flatten)]
    length: Length,
    /// From when on they cannot be redeemed; what they give ends then at the latest. A day or a second (UTC), or seconds
    /// since 1970
    #[arg(long, value_name = "DATE", value_parser = moment)]
    expires: Option<Time>,
    /// Which plans they give: those of this level
    #[arg(long, value_name = "LEVEL")]
    level: Option<String>,
    /// How the keys look: each * becomes a random character
    #[arg(long, value_name = "MASK")]
    mask: Option<String>,
    /// Your own words on them: at most 69 bytes
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// What the * become
    #[arg(long, default_value = "mixed")]
    alphabet: Characters,
}

#[derive(Clone, Copy, ValueEnum)]
enum Characters {
    /// Digits and letters of both cases
    Mixed,
    /// Digits and upper-case letters
    Upper,
    /// Digits and lower-case letters
    Lower,
}

/// Fewer random characters than this can be guessed.
const FEW_WILDCARDS: usize = 12;

pub(super) fn run(global: &Global, db: &mut Db, app: &App, new: Options) -> Result<(), Exit> {
    let default = Batch::of_settings(&app.settings);
    let batch = Batch {
        expires_at: new.expires,
        count: new.count.unwrap_or(default.count),
        mask: new.mask.unwrap_or(default.mask),
        alphabet: match new.alphabet {
            Characters::Mixed => Alphabet::Mixed,
            Characters::Upper => Alphabet::Upper,
            Characters::Lower => Alphabet::Lower,
        },
        duration: new.length.span().unwrap_or(default.duration),
        level: new.level.unwrap_or(default.level),
        note: new.note.or(default.note).filter(|note| !note.is_empty()),
        created_by: Some(app.owner.to_string()),
    };
    warn(db, app, &batch)?;
    let (keys, failed) = make(db, app, &batch);
    // What was made is told even when not all could be: nobody else knows these keys.
    if global.json && (failed.is_none() || !keys.is_empty()) {
        print_json(&keys)?;
    } else {
        print_lines(keys.iter().map(String::as_str))?;
    }
    match failed {
        None => {
            let (made, duration, level) = (keys.len(), batch.duration, &batch.level);
            let end =
                batch.expires_at.map(|end| format!(", until {} at the latest", print_time(end))).unwrap_or_default();
            let licenses = if made == 1 { "license" } else { "licenses" };
            note(&format!("made {made} {licenses} of {}: level {level}, {duration} from redemption{end}", app.name));
            Ok(())
        }
        Some(exit) if keys.is_empty() => Err(exit),
        Some(exit) => Err(Exit::failure(format!("made only {} of {}: {exit}", keys.len(), batch.count))),
    }
}

fn warn(db: &Db, app: &App, batch: &Batch) -> Result<(), Exit> {
    let wildcards = batch.wildcards();
    if wildcards < FEW_WILDCARDS {
        note(&format!(
            "warning: this mask has {wildcards} random characters; keys with fewer than {FEW_WILDCARDS} can be guessed"
        ));
    }
    let (id, level) = (app.id, batch.level.clone());
    if db.read(move |tx| plans::of_level(tx, id, &level))?.is_empty() {
        let level = &batch.level;
        note(&format!(
            "warning: no plan has level {level}, so nobody can redeem these; make one with \
             `keystead plan create NAME --level {level}`"
        ));
    }
    Ok(())
}

/// Makes them in steps; answers what was made, and what stopped it.
fn make(db: &mut Db, app: &App, batch: &Batch) -> (Vec<String>, Option<Exit>) {
    let mut keys: Vec<String> = Vec::new();
    let mut told = Instant::now();
    while keys.len() < batch.count as usize {
        let left = batch.count - keys.len() as u32;
        // A mask without * fits one license: all of them are asked for at once, and refused.
        let step = Batch { count: left.min(MAX_BATCH), ..batch.clone() };
        let id = app.id;
        match db.write(move |tx| license::create(tx, id, &step, now(), &mut rand::rng())) {
            Ok(made) => keys.extend(made),
            Err(exit) => return (keys, Some(exit)),
        }
        if told.elapsed() > Duration::from_secs(1) {
            note(&format!("made {} of {}", keys.len(), batch.count));
            told = Instant::now();
        }
    }
    (keys, None)
}
