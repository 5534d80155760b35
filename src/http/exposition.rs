//! The text of `/metrics`: every figure under its name, in the OpenMetrics format. Reads and names what others count;
//! counts nothing itself. `docs/operating.md` lists the names, and a test holds that list to this file.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::count::Counts;
use super::{log, process};
use crate::metrics::{Metrics, Ranges, Sendings};
use crate::model::time::Time;
use crate::wire::Ctx;

/// Everything that is shown.
pub(super) struct Scrape {
    pub(super) counts: Arc<Counts>,
    pub(super) metrics: Arc<Metrics>,
    /// None while the server is starting.
    pub(super) ctx: Option<Arc<Ctx>>,
    pub(super) started: Time,
    /// Mails and posts that wait; none if the database did not say in time.
    pub(super) outbox: Option<[(&'static str, i64); 2]>,
}

/// The whole text. May wait for the disk.
pub(super) fn text(scrape: Scrape) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(scrape));
    let mut text = String::with_capacity(16 << 10);
    encode(&mut text, &registry)?;
    Ok(text)
}

/// What the text is.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out(encoder);
        let mut build = out.begin("keystead_build", "What is running", MetricType::Info)?;
        build.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])?;
        self.requests(&mut out)?;
        self.sending(&mut out)?;
        if let Some(ctx) = &self.ctx {
            store(&mut out, ctx)?;
            let hashing = ctx.hashing.figures();
            out.gauge("keystead_hashing_waiting", "Passwords that wait for a thread", ctx.hashing.waiting() as u64)?;
            out.counter("keystead_hashing_done", "Passwords hashed", hashing.done.value())?;
            out.counter("keystead_hashing_refused", "Passwords that found the queue full", hashing.refused.value())?;
        }
        out.counter("keystead_cleaned_rows", "Rows that the clean-up has deleted", self.metrics.cleaned.value())?;
        out.counter("keystead_log_lines_lost", "Log lines that nobody took in time", log::lost())?;
        if let Some(time) = self.metrics.last_backup.value() {
            let help = "When the newest backup was made that is known to be good";
            out.gauge("keystead_last_backup_timestamp_seconds", help, time.0)?;
        }
        out.gauge("process_start_time_seconds", "When the process began to serve", self.started.0)?;
        if let Some(bytes) = process::resident_bytes() {
            out.gauge("process_resident_memory_bytes", "Memory in use", bytes)?;
        }
        if let Some(count) = process::open_files() {
            out.gauge("process_open_fds", "Open files and sockets", count)?;
        }
        Ok(())
    }
}

impl Scrape {
    fn requests(&self, out: &mut Out<'_>) -> fmt::Result {
        let help = "Requests that were answered";
        let mut requests = out.begin("keystead_requests", help, MetricType::Counter)?;
        for (family, call, outcome, count) in self.counts.lines() {
            count_of(&mut requests, &[("family", family), ("call", call), ("outcome", outcome)], count)?;
        }
        let help = "From a request's head to its answer";
        let mut took = out.begin("keystead_request_duration_seconds", help, MetricType::Histogram)?;
        for (family, ranges) in self.counts.took() {
            histogram(took.encode_family(&[("family", family)])?, &ranges, MICROS)?;
        }
        out.gauge("keystead_requests_in_flight", "Requests that are being answered", self.counts.under_way())?;
        let (accepted, ended) = (self.metrics.accepted.value(), self.metrics.ended.value());
        out.gauge("keystead_connections_open", "Open connections", accepted.saturating_sub(ended))?;
        out.counter("keystead_connections", "Connections that were accepted", accepted)?;
        let turned_away = self.metrics.turned_away.value();
        out.counter("keystead_connections_refused", "Connections beyond max-connections", turned_away)
    }

    fn sending(&self, out: &mut Out<'_>) -> fmt::Result {
        let help = "What became of mails and posts that were tried";
        let mut deliveries = out.begin("keystead_deliveries", help, MetricType::Counter)?;
        for (kind, Sendings { sent, put_off, given_up }) in
            [("mail", &self.metrics.mails), ("post", &self.metrics.posts)]
        {
            for (outcome, count) in [("sent", sent), ("put-off", put_off), ("given-up", given_up)] {
                count_of(&mut deliveries, &[("kind", kind), ("outcome", outcome)], count.value())?;
            }
        }
        if let Some(outbox) = self.outbox {
            let help = "Mails and posts that wait to be sent, counted up to 10000";
            let mut waiting = out.begin("keystead_outbox_waiting", help, MetricType::Gauge)?;
            for (kind, count) in outbox {
                waiting.encode_family(&[("kind", kind)])?.encode_gauge(&count)?;
            }
        }
        if let Some(ctx) = &self.ctx {
            let figures = ctx.fetcher.figures();
            let help = "Requests to relays, file hosts and for posts";
            let mut fetches = out.begin("keystead_fetches", help, MetricType::Counter)?;
            count_of(&mut fetches, &[("outcome", "answered")], figures.answered.value())?;
            count_of(&mut fetches, &[("outcome", "failed")], figures.failed.value())?;
        }
        Ok(())
    }
}

fn store(out: &mut Out<'_>, ctx: &Ctx) -> fmt::Result {
    let figures = ctx.store.figures();
    let groups = out.begin("keystead_commit_calls", "Writing calls that one commit carried", MetricType::Histogram)?;
    histogram(groups, &figures.groups.read(), 1.0)?;
    let help = "From the commit to its being on disk";
    let commits = out.begin("keystead_commit_duration_seconds", help, MetricType::Histogram)?;
    histogram(commits, &figures.commits.read(), MICROS)?;
    let lines = ctx.store.lines();
    let mut waiting = out.begin("keystead_queue_waiting", "Calls that wait for the database", MetricType::Gauge)?;
    for line in lines {
        waiting.encode_family(&[("queue", line.to)])?.encode_gauge(&(line.waiting as u64))?;
    }
    let mut refused = out.begin("keystead_queue_refused", "Calls that found the queue full", MetricType::Counter)?;
    for line in lines {
        count_of(&mut refused, &[("queue", line.to)], line.refused)?;
    }
    let kept = ctx.store.cache().kept();
    let mut entries = out.begin("keystead_cache_entries", "What is kept in memory", MetricType::Gauge)?;
    for cache in kept {
        entries.encode_family(&[("cache", cache.what)])?.encode_gauge(&(cache.entries as u64))?;
    }
    let help = "How often something was not in memory and the database was asked";
    let mut loads = out.begin("keystead_cache_loads", help, MetricType::Counter)?;
    for cache in kept {
        count_of(&mut loads, &[("cache", cache.what)], cache.loads)?;
    }
    if let Some(sizes) = ctx.store.sizes() {
        out.gauge("keystead_database_bytes", "The database file", sizes.database)?;
        out.gauge("keystead_wal_bytes", "The log of writes beside it", sizes.log)?;
    }
    Ok(())
}

/// A unit in parts of a second.
const MICROS: f64 = 1e6;

/// Writes single figures.
struct Out<'a>(DescriptorEncoder<'a>);

impl Out<'_> {
    fn begin<'s>(&'s mut self, name: &'s str, help: &str, kind: MetricType) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, kind)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.begin(name, help, MetricType::Counter)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Figure) -> fmt::Result {
        self.begin(name, help, MetricType::Gauge)?.encode_gauge(&value.whole())
    }
}

/// What a gauge can show.
trait Figure {
    fn whole(self) -> i64;
}

impl Figure for i64 {
    fn whole(self) -> i64 {
        self
    }
}

impl Figure for u64 {
    fn whole(self) -> i64 {
        i64::try_from(self).unwrap_or(i64::MAX)
    }
}

fn count_of<const N: usize>(out: &mut MetricEncoder<'_>, labels: &[(&str, &str); N], value: u64) -> fmt::Result
where
    for<'a> [(&'a str, &'a str); N]: EncodeLabelSet,
{
    out.encode_family(labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
}

/// `unit` is how many of the histogram's own are one of what is shown.
fn histogram(mut out: MetricEncoder<'_>, ranges: &Ranges, unit: f64) -> fmt::Result {
    let bounds = ranges.bounds.iter().map(|bound| *bound as f64 / unit).chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(ranges.counts.iter().copied()).collect();
    let count = ranges.counts.iter().sum();
    out.encode_histogram::<NoLabelSet>(ranges.sum as f64 / unit, count, &buckets, None)
}

/// How long the database may take to say what waits.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
