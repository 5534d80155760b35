//! The model: everything that was asked, what was answered and when, and what the database may hold after that. Asks
//! nobody.
//!
//! A *fact* is one thing that an export shows ("license K", "user N", "ban X"), with its state as a text. An *asking* sets
//! some facts together: wholly or not at all. What was answered must be there, what was not may be, what was never asked
//! must not.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::doors::Ticket;

/// Authgate's tokens live for five minutes; a busy machine has its own idea of when that is over.
const TOKENS_LAST: Duration = Duration::from_secs(200);

/// What there is: facts with their states.
pub type State = BTreeMap<String, String>;

/// Some facts as they are afterwards; `None`: it is not there.
pub type Change = Vec<(String, Option<String>)>;

/// One asking.
#[derive(Clone, Debug)]
pub struct Asking {
    /// The clock of the history before it was sent.
    pub sent: u64,
    /// The clock when it was answered well, and which of the ways that was.
    pub done: Option<(u64, usize)>,
    /// An answer has told that one of the ways was gone.
    pub one_of: bool,
    /// The answer was "not now": as long as that server runs, it has not been done.
    pub told_no: bool,
    /// What it may have done: one of these, or nothing.
    pub ways: Vec<Change>,
}

/// Somebody was let in by this asking, and put out by that one.
#[derive(Clone, Debug)]
pub struct Stay {
    pub ticket: Ticket,
    pub user: String,
    pub begin: usize,
    pub end: Option<usize>,
    /// Nothing is said about it from then on: it may have ended by itself.
    pub fades: Option<Instant>,
}

/// Everything since a known state.
#[derive(Default)]
pub struct History {
    inner: Mutex<Inner>,
}

/// What a history is made of.
#[derive(Clone, Default)]
pub struct Inner {
    pub start: State,
    pub askings: Vec<Asking>,
    pub stays: Vec<Stay>,
}

/// A number of one asking.
pub type Number = usize;

impl Inner {
    /// The same for the server that gave the answers: what it said it could not do, it has not done.
    pub fn without_told_no(mut self) -> Inner {
        self.askings.iter_mut().filter(|asking| asking.told_no).for_each(|asking| asking.ways.clear());
        self
    }
}

impl History {
    /// It begins with this, and who is in already.
    pub fn since(start: State, stays: Vec<Stay>) -> History {
        History { inner: Mutex::new(Inner { start, askings: Vec::new(), stays }) }
    }

    /// Notes that something is about to be asked.
    pub fn ask(&self, clock: u64, ways: Vec<Change>) -> Number {
        let mut inner = self.lock();
        inner.askings.push(Asking { sent: clock, done: None, one_of: false, told_no: false, ways });
        inner.askings.len() - 1
    }

    /// It was answered well.
    pub fn done(&self, number: Number, clock: u64, way: usize) {
        self.lock().askings[number].done = Some((clock, way));
    }

    /// Somebody was told that another was first.
    pub fn one_of(&self, number: Number) {
        self.lock().askings[number].one_of = true;
    }

    /// The answer was "not now".
    pub fn told_no(&self, number: Number) {
        self.lock().askings[number].told_no = true;
    }

    /// Whoever is in for minutes only is asked for no more: how long depends on what the clock showed at the beginning.
    pub fn forget_what_fades(&self) {
        self.lock().stays.retain(|stay| stay.fades.is_none());
    }

    /// Somebody was let in.
    pub fn let_in(&self, number: Number, user: &str, ticket: Ticket) {
        let fades = matches!(ticket, Ticket::Token(_)).then(|| Instant::now() + TOKENS_LAST);
        self.lock().stays.push(Stay { ticket, user: user.to_owned(), begin: number, end: None, fades });
    }

    /// This asking ends these stays.
    pub fn put_out(&self, number: Number, which: impl Fn(&Stay) -> bool) {
        let mut inner = self.lock();
        inner
            .stays
            .iter_mut()
            .filter(|stay| stay.end.is_none() && which(stay))
            .for_each(|stay| stay.end = Some(number));
    }

    /// What it holds now.
    pub fn inner(&self) -> Inner {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no panic inside")
    }
}

/// How a database compares with what it must hold.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Answered before that moment.
    pub acknowledged: usize,
    /// Asked, and not answered.
    pub unknown: usize,
    /// Those of them that were done.
    pub unknown_done: usize,
    /// What is wrong.
    pub wrong: Vec<String>,
}

/// What may be at that clock, given what there is: of askings that were not answered, those are taken for done that
/// show.
pub fn judge(history: &Inner, at: u64, found: &State) -> Verdict {
    let mut verdict = Verdict::default();
    let mut wanted = history.start.clone();
    for (number, asking) in history.askings.iter().enumerate().filter(|(_, asking)| asking.sent < at) {
        match asking.done {
            Some((clock, way)) if clock <= at => {
                verdict.acknowledged += 1;
                make(&mut wanted, &asking.ways[way]);
            }
            _ => {
                let shows = |change: &Change| change.iter().all(|(fact, state)| found.get(fact) == state.as_ref());
                let new = |change: &&Change| change.iter().any(|(fact, state)| wanted.get(fact) != state.as_ref());
                let way = asking.ways.iter().filter(new).find(|change| shows(change));
                verdict.unknown += usize::from(!asking.ways.is_empty());
                verdict.unknown_done += usize::from(way.is_some());
                match way {
                    Some(change) => make(&mut wanted, change),
                    None if asking.one_of && at == u64::MAX => {
                        verdict
                            .wrong
                            .push(format!("asking {number}: somebody was told that it was done, and it is not"));
                    }
                    None => {}
                }
            }
        }
    }
    for (fact, state) in &wanted {
        match found.get(fact) {
            Some(other) if other == state => {}
            other => verdict.wrong.push(format!("{fact}: {other:?}, and should be {state:?}")),
        }
    }
    for (fact, state) in found.iter().filter(|(fact, _)| !wanted.contains_key(*fact)) {
        verdict.wrong.push(format!("{fact}: {state:?}, and should not be there"));
    }
    verdict
}

fn make(state: &mut State, change: &Change) {
    for (fact, new) in change {
        match new {
            Some(new) => state.insert(fact.clone(), new.clone()),
            None => state.remove(fact),
        };
    }
}

/// Who must be in at that clock, and who must not.
pub fn stays(history: &Inner, at: u64) -> (Vec<&Stay>, Vec<&Stay>) {
    let done = |number: usize| history.askings.get(number).is_none_or(|a| a.done.is_some_and(|(clock, _)| clock <= at));
    let sent = |number: usize| history.askings.get(number).is_none_or(|a| a.sent < at);
    let counts = |stay: &&Stay| stay.fades.is_none_or(|fades| Instant::now() < fades);
    let begun = || history.stays.iter().filter(counts).filter(|stay| stay.begin == usize::MAX || done(stay.begin));
    let inside = begun().filter(|stay| stay.end.is_none_or(|end| !sent(end))).collect();
    let outside = begun().filter(|stay| stay.end.is_some_and(done)).collect();
    (inside, outside)
}

/// The next history after this one: it starts with what was found, and who is certainly in stays so.
pub fn next(history: &Inner, at: u64, found: State) -> History {
    let (inside, _) = stays(history, at);
    let stays = inside.into_iter().map(|stay| Stay { begin: usize::MAX, end: None, ..stay.clone() }).collect();
    History::since(found, stays)
}

/// The first few of what is wrong, for people.
pub fn tell(wrong: &[String]) -> String {
    let mut text = String::new();
    for line in wrong.iter().take(12) {
        let _ = writeln!(text, "  {line}");
    }
    if wrong.len() > 12 {
        let _ = writeln!(text, "  and {} more", wrong.len() - 12);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(name: &str, state: &str) -> (String, Option<String>) {
        (name.to_owned(), Some(state.to_owned()))
    }

    fn state(facts: &[(&str, &str)]) -> State {
        facts.iter().map(|(name, state)| ((*name).to_owned(), (*state).to_owned())).collect()
    }

    #[test]
    fn what_was_answered_must_be_there_and_what_was_not_is_whole_or_nothing() {
        let history = History::since(state(&[("license A", "unused"), ("license B", "unused")]), Vec::new());
        let first = history.ask(0, vec![vec![fact("license A", "used by mia"), fact("user mia", "1")]]);
        history.done(first, 10, 0);
        history.ask(20, vec![vec![fact("license B", "used by tom"), fact("user tom", "1")]]);
        let inner = history.inner();
        let right = |at, facts: &[(&str, &str)]| judge(&inner, at, &state(facts)).wrong.is_empty();
        let a = [("license A", "used by mia"), ("user mia", "1")];
        let (b, not_b) = ([("license B", "used by tom"), ("user tom", "1")], [("license B", "unused")]);
        assert!(right(30, &[&a[..], &not_b].concat()) && right(30, &[&a[..], &b].concat()));
        assert!(!right(30, &[("license A", "unused"), ("license B", "unused")]), "lost");
        assert!(right(5, &[("license A", "unused"), ("license B", "unused")]), "not answered then");
        assert!(!right(30, &[&a[..], &b[..1]].concat()), "half");
        assert!(!right(10, &[&a[..], &b].concat()), "done before it was asked");
        assert!(!right(30, &[&a[..], &not_b, &[("user nobody", "1")]].concat()), "invented");
    }
}
