//! What a connection is doing and since when, seen from its bytes; and when that has taken too long. Holds no timer:
//! it is asked. hyper's own header timeout counts idle time too, so it could not tell a slow client from a waiting one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::farewell::{Farewell, instead_of};
use super::lengths::Lengths;

/// How long to go on reading after the last answer, and how much: closing while the client still sends would make
/// its system throw the answer away.
const LINGER: Duration = Duration::from_secs(2);

/// After so long without a request nothing is kept for a connection but its socket: buffers are made again in less than
/// a microsecond, and most clients ask seldom.
const REST: Duration = Duration::from_millis(100);
const LINGER_BYTES: u64 = 8 << 20;

/// So many bytes of an answer a client must take in a second, once it is slower than they come: its answer is kept in
/// memory until then.
const PACE: u64 = 8 << 10;

/// An answer of no more bytes, its head with them, is handed to the system in one piece.
const SMALL: usize = 1 << 10;

/// The times a connection is given.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) header: Duration,
    pub(super) idle: Duration,
    /// Without taking a byte of an answer; and for the whole of it, beside what its length adds ([`PACE`]).
    pub(super) stall: Duration,
}

impl Times {
    /// A timer that is set no further than this ahead never fires too late, whatever the connection does meanwhile.
    fn shortest(&self) -> Duration {
        self.header.min(self.idle).min(self.stall).min(LINGER)
    }

    /// How long a client may say nothing before it has said anything.
    pub(super) fn silence(&self, watch: &Watch) -> Duration {
        let (since, most) = match watch.phase.load(Relaxed) {
            FRESH => (watch.since.load(Relaxed), self.header),
            _ => (watch.since.load(Relaxed), self.idle),
        };
        most.saturating_sub(Duration::from_micros(watch.micros().saturating_sub(since)))
    }
}

/// What is due now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing; ask again after this time.
    Later(Duration),
    /// Nothing has come for a while: keep nothing but the socket until something does.
    Rest,
    /// The head took too long: tell the client and close.
    Late,
    /// Close without a word.
    Close,
}

// The phases. `FRESH`: accepted, nothing read. `HEAD`: reading a request line or headers. `BUSY`: answering.
// `ANSWERED`: the answer is made and on its way. `IDLE`: waiting for the next request. `CLOSING`: lingering.
const FRESH: u8 = 0;
const HEAD: u8 = 1;
const BUSY: u8 = 2;
const ANSWERED: u8 = 3;
const IDLE: u8 = 4;
const CLOSING: u8 = 5;

const FLOWING: u64 = u64::MAX;

/// What one connection is doing. One task at a time changes it; the atomics only let its parts share it.
pub(super) struct Watch {
    start: Instant,
    phase: AtomicU8,
    /// Microseconds from `start` to the beginning of the phase.
    since: AtomicU64,
    /// When the client stopped taking bytes; `FLOWING` if it takes them.
    stalled: AtomicU64,
    /// When it first did during the answer that is on its way; `FLOWING` if there is none, or it never did.
    slow: AtomicU64,
    /// How long that answer is, in bytes.
    length: AtomicU64,
    linger: AtomicBool,
    last: AtomicBool,
    /// How many bytes have come since the head that was read last began.
    begun: AtomicUsize,
    /// What is known of the head that is being read, and of the one that is being answered: one of the `LENGTH`s.
    head: AtomicU8,
    asked: AtomicU8,
}

// How a head says how long its body is: not seen, in one way at most, in two.
const LENGTH_UNSEEN: u8 = 0;
const LENGTH_ONCE: u8 = 1;
const LENGTH_TWICE: u8 = 2;

impl Watch {
    /// A connection accepted now; `start` is any earlier moment.
    pub(super) fn new(start: Instant) -> Watch {
        let watch = Watch {
            start,
            phase: AtomicU8::new(FRESH),
            since: AtomicU64::new(0),
            stalled: AtomicU64::new(FLOWING),
            slow: AtomicU64::new(FLOWING),
            length: AtomicU64::new(0),
            linger: AtomicBool::new(false),
            last: AtomicBool::new(false),
            begun: AtomicUsize::new(0),
            head: AtomicU8::new(LENGTH_UNSEEN),
            asked: AtomicU8::new(LENGTH_UNSEEN),
        };
        watch.enter(FRESH);
        watch
    }

    /// A request is being answered from now on. Returns the time since `start`.
    pub(super) fn busy(&self) -> Duration {
        self.phase.store(BUSY, Relaxed);
        // The rest of a body that nobody read looks like the beginning of a head, and may end it before it begins.
        let seen = if self.linger.load(Relaxed) { LENGTH_UNSEEN } else { self.head.load(Relaxed) };
        self.asked.store(seen, Relaxed);
        self.head.store(LENGTH_UNSEEN, Relaxed);
        self.start.elapsed()
    }

    /// The answer is made. Returns the time since `start`.
    pub(super) fn made(&self) -> Duration {
        let now = self.start.elapsed();
        self.since.store(micros(now), Relaxed);
        now
    }

    /// The bytes of the answer, so many, are on their way.
    pub(super) fn answered(&self, length: u64) {
        self.length.store(length, Relaxed);
        self.phase.store(ANSWERED, Relaxed);
    }

    /// The client may still be sending when the connection closes.
    pub(super) fn linger(&self) {
        self.linger.store(true, Relaxed);
    }

    /// Whether the head of the request that is being answered said only once how long its body is. That is not known of
    /// a head that came together with the request before, nor of one behind a body that nobody read.
    pub(super) fn has_one_length(&self) -> bool {
        self.asked.load(Relaxed) == LENGTH_ONCE
    }

    /// How long the head has been on its way.
    pub(super) fn head_took(&self) -> Duration {
        Duration::from_micros(self.micros().saturating_sub(self.since.load(Relaxed)))
    }

    /// The connection ends with the next answer.
    pub(super) fn set_last(&self) {
        self.last.store(true, Relaxed);
    }

    /// Whether the connection ends with the next answer.
    pub(super) fn is_last(&self) -> bool {
        self.last.load(Relaxed)
    }

    /// Whether nothing has ever arrived.
    pub(super) fn is_fresh(&self) -> bool {
        self.phase.load(Relaxed) == FRESH
    }

    /// Whether no request has begun to arrive.
    pub(super) fn is_quiet(&self) -> bool {
        matches!(self.phase.load(Relaxed), FRESH | IDLE)
    }

    /// Whether part of a request's head has arrived.
    pub(super) fn is_reading_head(&self) -> bool {
        self.phase.load(Relaxed) == HEAD
    }

    /// How many bytes came while the last head was read.
    pub(super) fn head_bytes(&self) -> usize {
        self.begun.load(Relaxed)
    }

    /// How many bytes of a head have come whose end has not; none: no head is half here.
    pub(super) fn half_head(&self) -> Option<usize> {
        self.is_reading_head().then(|| self.begun.load(Relaxed))
    }

    /// What is due now.
    pub(super) fn due(&self, times: &Times) -> Due {
        let now = self.micros();
        let stalled = self.stalled.load(Relaxed);
        let since = self.since.load(Relaxed);
        let slow = self.slow.load(Relaxed);
        let length = Duration::from_secs(self.length.load(Relaxed) / PACE);
        if slow != FLOWING && Duration::from_micros(now.saturating_sub(slow)) >= times.stall + length {
            return Due::Close;
        }
        let (begun, most, due) = match self.phase.load(Relaxed) {
            _ if stalled != FLOWING => (stalled, times.stall, Due::Close),
            // hyper looks for the next request while it sends: a client that takes a long answer is not idle.
            IDLE if slow != FLOWING => return Due::Later(times.shortest()),
            FRESH => (since, times.header, Due::Close),
            HEAD => (since, times.header, Due::Late),
            IDLE => (since, times.idle, Due::Close),
            CLOSING => (since, LINGER, Due::Close),
            _ => return Due::Later(times.shortest()),
        };
        let spent = Duration::from_micros(now.saturating_sub(begun));
        let idle = self.phase.load(Relaxed) == IDLE && stalled == FLOWING;
        match most.saturating_sub(spent) {
            Duration::ZERO => due,
            _ if idle && spent >= REST => Due::Rest,
            left if idle => Due::Later(left.min(REST - spent)),
            left => Due::Later(left.min(times.shortest())),
        }
    }

    fn enter(&self, phase: u8) {
        self.since.store(self.micros(), Relaxed);
        self.phase.store(phase, Relaxed);
    }

    fn micros(&self) -> u64 {
        micros(self.start.elapsed())
    }

    /// Bytes arrived, or (`false`) there are none for now.
    /// Whether they begin a head.
    fn read(&self, some: bool) -> bool {
        match self.phase.load(Relaxed) {
            FRESH | IDLE | ANSWERED if some => {
                self.enter(HEAD);
                return true;
            }
            // Since the answer was made; if the client takes it slowly, since it has it (`sent`).
            ANSWERED => self.phase.store(IDLE, Relaxed),
            _ => {}
        }
        false
    }

    fn wrote(&self, some: bool) {
        match (some, self.stalled.load(Relaxed)) {
            (true, FLOWING) => {}
            (true, _) => self.stalled.store(FLOWING, Relaxed),
            (false, FLOWING) => {
                let now = self.micros();
                self.stalled.store(now, Relaxed);
                let _ = self.slow.compare_exchange(FLOWING, now, Relaxed, Relaxed);
            }
            (false, _) => {}
        }
    }

    /// Everything that was to be sent is with the system.
    fn sent(&self) {
        if self.slow.load(Relaxed) != FLOWING {
            self.slow.store(FLOWING, Relaxed);
            if matches!(self.phase.load(Relaxed), ANSWERED | IDLE) {
                self.since.store(self.micros(), Relaxed);
            }
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX - 1)
}

/// A socket that tells its watch what passes through.
pub(super) struct Watched {
    socket: TcpStream,
    watch: Arc<Watch>,
    lingered: u64,
    /// What was read and belongs to the next request.
    unread: Bytes,
    lengths: Lengths,
    /// What was said instead of hyper's refusal of a head, and how long that had been on its way.
    refused: Option<(&'static Farewell, Duration)>,
}

impl Watched {
    pub(super) fn new(socket: TcpStream, watch: Arc<Watch>) -> Watched {
        Watched { socket, watch, lingered: 0, unread: Bytes::new(), lengths: Lengths::default(), refused: None }
    }

    /// Comes back when there is something to read, or the client is gone.
    pub(super) async fn readable(&self) {
        if self.unread.is_empty() {
            // Looked at, because tokio calls a new socket ready until a look shows that it is not. An error shows again
            // when it is read.
            let _ = self.socket.peek(&mut [0]).await;
        }
    }

    /// Gives back what was read too much.
    pub(super) fn unread(&mut self, bytes: &[u8]) {
        // Copied: these bytes, and were they none, would keep the buffer that they were read into.
        self.unread = Bytes::copy_from_slice(bytes);
    }

    /// What was said instead of hyper's refusal of a head, and how long that had been on its way.
    pub(super) fn refused(&self) -> Option<(&'static Farewell, Duration)> {
        self.refused
    }

    fn pass(&mut self, bytes: &[u8]) {
        if self.watch.read(true) {
            self.lengths = Lengths::default();
            self.watch.begun.store(0, Relaxed);
        }
        if self.watch.is_reading_head() {
            self.lengths.pass(bytes);
            self.watch.begun.fetch_add(bytes.len(), Relaxed);
            let seen = if self.lengths.are_two() { LENGTH_TWICE } else { LENGTH_ONCE };
            self.watch.head.store(seen, Relaxed);
        }
    }

    /// What is written while a head is being read comes from hyper itself: it refuses the head, without a word. A head
    /// that came with the request before is read when that is answered; no answer of ours is empty.
    fn refusal(&mut self, bytes: &[u8]) -> Option<String> {
        if matches!(self.watch.phase.load(Relaxed), HEAD | ANSWERED) {
            self.refused = instead_of(bytes).map(|farewell| (farewell, self.watch.head_took()));
            self.refused.map(|(farewell, _)| farewell.text())
        } else {
            None
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if !self.unread.is_empty() {
            let some = self.unread.len().min(buf.remaining());
            let bytes = self.unread.split_to(some);
            buf.put_slice(&bytes);
            self.pass(&bytes);
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(&mut self.socket).poll_read(cx, buf);
        if polled.is_pending() {
            self.watch.read(false);
        } else if buf.filled().len() > before {
            self.pass(&buf.filled()[before..]);
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(ours) = self.refusal(bytes) {
            // Nothing was answered on this connection that is still on its way, so these few bytes go at once.
            return Pin::new(&mut self.socket).poll_write(cx, ours.as_bytes()).map_ok(|_| bytes.len());
        }
        let polled = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.watch.wrote(polled.is_ready());
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(ours) = parts.first().and_then(|head| self.refusal(head)) {
            let length = parts.iter().map(|part| part.len()).sum();
            return Pin::new(&mut self.socket).poll_write(cx, ours.as_bytes()).map_ok(|_| length);
        }
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let polled = if length <= SMALL {
            // Joined: for the system, one piece is less work than copying it is here.
            let mut joined = [0; SMALL];
            let mut rest = &mut joined[..length];
            for part in parts {
                let (here, after) = rest.split_at_mut(part.len());
                here.copy_from_slice(part);
                rest = after;
            }
            Pin::new(&mut self.socket).poll_write(cx, &joined[..length])
        } else {
            Pin::new(&mut self.socket).poll_write_vectored(cx, parts)
        };
        self.watch.wrote(polled.is_ready());
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes the socket when it has nothing left to write, and only then.
        self.watch.sent();
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let phase = self.watch.phase.load(Relaxed);
        if phase != CLOSING {
            // A head that was read but never answered by us was refused by hyper: its rest may still be coming.
            if phase == HEAD {
                self.watch.linger();
            }
            ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
            self.watch.enter(CLOSING);
        }
        if !self.watch.linger.load(Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let mut space = [0; 4096];
        while self.lingered < LINGER_BYTES {
            let mut buf = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => self.lingered += buf.filled().len() as u64,
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times =
        Times { header: Duration::from_secs(10), idle: Duration::from_secs(75), stall: Duration::from_secs(15) };

    fn after<T>(seconds: u64, steps: impl Fn(&Watch) -> T) -> Due {
        let mut watch = Watch::new(Instant::now());
        steps(&watch);
        watch.start -= Duration::from_secs(seconds);
        watch.due(&TIMES)
    }

    #[test]
    fn each_phase_has_its_own_time() {
        let idle = |w: &Watch| {
            w.read(true);
            w.busy();
            w.made();
            w.answered(100);
            w.wrote(true);
            w.read(false);
        };
        assert_eq!(after(11, |_| {}), Due::Close, "a client that says nothing");
        assert_eq!(after(11, |w| w.read(true)), Due::Late, "a client that does not finish its head");
        assert_eq!(after(60, idle), Due::Rest, "an idle client may wait");
        assert!(matches!(after(0, idle), Due::Later(soon) if soon <= REST), "but its buffers are not kept for long");
        assert_eq!(after(76, idle), Due::Close);
        assert_eq!(after(11, |w| (idle(w), w.read(true)).1), Due::Late, "the clock of the head starts with its bytes");
        let busy = |w: &Watch| {
            w.read(true);
            w.busy();
        };
        assert_eq!(after(100, busy), Due::Later(LINGER), "a long answer is nobody's fault");
        assert_eq!(after(16, |w| (busy(w), w.wrote(false)).1), Due::Close, "a client that does not read");
        let trickle = |w: &Watch| {
            busy(w);
            w.made();
            w.answered(10 * PACE);
            w.wrote(false);
            w.read(false);
            w.wrote(true);
        };
        assert_eq!(after(24, trickle), Due::Later(LINGER), "a slow client may take its answer slowly");
        assert_eq!(after(26, trickle), Due::Close, "but not for ever");
        let taken = after(26, |w| (trickle(w), w.sent()).1);
        assert_eq!(taken, Due::Rest, "and when it has it, it is slow no more");
    }
}
