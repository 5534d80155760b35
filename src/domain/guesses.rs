//! How often a code of a second factor may be guessed: five wrong ones in a row, then one now and then. Per user, not
//! per address: guesses come from everywhere. Kept in the memory of the process, because what is refused writes
//! nothing to the database; a restart forgives. Knows no clock and no code.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use quick_cache::unsync::Cache;

use crate::model::ids::UserId;
use crate::model::time::Time;

/// So many wrong codes in a row cost no wait.
const FREE: u32 = 5;

/// The first wait and the longest one, in seconds; each wrong code after a wait doubles it.
const FIRST_WAIT: i64 = 30;
const LONGEST_WAIT: i64 = 900;

/// For so many users wrong codes are remembered; beyond that, for those who erred last.
const REMEMBERED: usize = 50_000;

/// The wrong codes of all users. One for the whole server.
pub struct Guesses(Mutex<Cache<UserId, Wrong>>);

/// One user's wrong codes since the last right one.
#[derive(Clone, Copy, Default)]
struct Wrong {
    count: u32,
    /// Until then nothing is looked at.
    blocked_until: Option<Time>,
}

/// One request's guess. A call may run more than once for one request: its guess counts once.
#[derive(Clone, Copy)]
pub struct Guess<'a> {
    guesses: &'a Guesses,
    counted: &'a AtomicBool,
}

/// Why a guess was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// It is wrong.
    Wrong,
    /// It was not looked at; the next one may come after this time.
    Blocked(Duration),
}

impl Default for Guesses {
    fn default() -> Guesses {
        Guesses(Mutex::new(Cache::new(REMEMBERED)))
    }
}

impl Guesses {
    /// The guess of one request; `counted` is the request's own, false at its start.
    pub fn guess<'a>(&'a self, counted: &'a AtomicBool) -> Guess<'a> {
        Guess { guesses: self, counted }
    }
}

impl Guess<'_> {
    /// What `check` finds, if it may be asked now: none is a wrong guess, anything else clears the user's record.
    pub fn judge<T>(&self, user: UserId, now: Time, check: impl FnOnce() -> Option<T>) -> Result<T, Missed> {
        // Held while the code is looked at: of many guesses at one moment each must know of the one before.
        let mut all = self.guesses.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wrong = all.get(&user).copied().unwrap_or_default();
        if !self.counted.load(Ordering::Relaxed)
            && let Some(until) = wrong.blocked_until.filter(|until| now < *until)
        {
            return Err(Missed::Blocked(Duration::from_secs((until - now).unsigned_abs())));
        }
        if let Some(right) = check() {
            all.remove(&user);
            return Ok(right);
        }
        if !self.counted.swap(true, Ordering::Relaxed) {
            wrong.count = wrong.count.saturating_add(1);
            wrong.blocked_until = wrong.count.checked_sub(FREE).map(|more| now + wait(more));
            all.insert(user, wrong);
        }
        Err(Missed::Wrong)
    }
}

/// The wait after so many wrong codes more than are free.
fn wait(more: u32) -> i64 {
    FIRST_WAIT.saturating_mul(1_i64.checked_shl(more).unwrap_or(i64::MAX)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIA: UserId = UserId(1);

    fn guess(guesses: &Guesses, user: UserId, now: i64, right: bool) -> Result<(), Missed> {
        guesses.guess(&AtomicBool::new(false)).judge(user, Time(now), || right.then_some(()))
    }

    fn seconds(n: u64) -> Result<(), Missed> {
        Err(Missed::Blocked(Duration::from_secs(n)))
    }

    #[test]
    fn waits_grow_up_to_a_quarter_of_an_hour() {
        let guesses = Guesses::default();
        let mut now = 1_000;
        for _ in 0..4 {
            assert_eq!(guess(&guesses, MIA, now, false), Err(Missed::Wrong));
        }
        for wait in [30, 60, 120, 240, 480, 900, 900, 900] {
            assert_eq!(guess(&guesses, MIA, now, false), Err(Missed::Wrong), "{wait}");
            assert_eq!(guess(&guesses, MIA, now, true), seconds(wait), "not even a right one");
            now += wait as i64;
            assert_eq!(guess(&guesses, MIA, now - 1, true), seconds(1));
        }
        assert_eq!(wait(u32::MAX), LONGEST_WAIT);
    }

    #[test]
    fn a_right_code_clears_and_users_do_not_disturb_each_other() {
        let guesses = Guesses::default();
        for _ in 0..3 {
            for _ in 0..4 {
                assert_eq!(guess(&guesses, MIA, 0, false), Err(Missed::Wrong));
            }
            assert_eq!(guess(&guesses, MIA, 0, true), Ok(()));
        }
        for _ in 0..5 {
            assert_eq!(guess(&guesses, MIA, 0, false), Err(Missed::Wrong));
        }
        assert_eq!(guess(&guesses, MIA, 0, true), seconds(30));
        assert_eq!(guess(&guesses, UserId(2), 0, true), Ok(()));
    }

    #[test]
    fn one_request_counts_once_however_often_it_runs() {
        let guesses = Guesses::default();
        for _ in 0..4 {
            let counted = AtomicBool::new(false);
            for _ in 0..9 {
                assert_eq!(guesses.guess(&counted).judge(MIA, Time(0), || None::<()>), Err(Missed::Wrong));
            }
        }
        // The fifth, which blocks: run again it is still wrong, not blocked.
        let counted = AtomicBool::new(false);
        for _ in 0..9 {
            assert_eq!(guesses.guess(&counted).judge(MIA, Time(0), || None::<()>), Err(Missed::Wrong));
        }
        assert_eq!(guess(&guesses, MIA, 0, true), seconds(30));
    }

    #[test]
    fn memory_is_bounded() {
        let guesses = Guesses::default();
        for user in 0..3 * REMEMBERED as i64 {
            let _ = guess(&guesses, UserId(user), 0, false);
        }
        assert!(guesses.0.lock().unwrap().len() <= REMEMBERED);
    }
}
