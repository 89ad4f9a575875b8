//! The trace of a run: everything that happened, in order, as one hash.
//!
//! Two runs of one seed must give the same hash, else nothing that the simulation finds can be
//! found again. What goes in: every request to the simulated stores with its outcome, every fault,
//! every operation of the workload, and every log line of the product from INFO on, each with
//! its simulated time. What stays out: bytes of random secrets, which no simulation seeds.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Lines kept for the report of a failure.
const LINES_KEPT: usize = 400;

/// The trace of this run. Cheap to clone, all clones are one.
#[derive(Clone, Default)]
pub struct Trace(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    hash: DefaultHasher,
    count: u64,
    kept: VecDeque<String>,
    echo: bool,
    claims: Vec<Claim>,
}

// === impl Trace ===

impl Trace {
    /// Also writes each line to the standard error stream.
    pub fn echo(&self) {
        self.0.lock().echo = true;
    }

    /// Adds a line.
    pub fn line(&self, line: impl fmt::Display) {
        let now = turmoil::sim_elapsed().unwrap_or(Duration::ZERO);
        self.line_at(now, line);
    }

    /// Adds a line that belongs to no host.
    pub fn line_at(&self, at: Duration, line: impl fmt::Display) {
        let line = format!("{:>9.3} {line}", at.as_secs_f64());
        let mut lines = self.0.lock();
        line.hash(&mut lines.hash);
        lines.count += 1;
        if lines.echo {
            eprintln!("{line}");
        }
        if lines.kept.len() == LINES_KEPT {
            lines.kept.pop_front();
        }
        lines.kept.push_back(line);
    }

    /// The hash over all lines, and how many there were.
    pub fn digest(&self) -> (u64, u64) {
        let lines = self.0.lock();
        (lines.hash.finish(), lines.count)
    }

    /// Which log claimed which partition in which epoch, as the nodes logged it.
    pub fn claims(&self) -> Vec<Claim> {
        self.0.lock().claims.clone()
    }

    /// The last lines.
    pub fn tail(&self) -> Vec<String> {
        self.0.lock().kept.iter().cloned().collect()
    }
}

/// Puts the product's own log lines into the trace.
pub struct TraceLayer(pub Trace);

/// The simulated host that a span of turmoil's is about.
struct HostName(String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for TraceLayer {
    /// What is below costs time with every step and is not looked at.
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().name() == "node" {
            let mut fields = Text::default();
            attributes.record(&mut fields);
            if let Some(span) = context.span(id) {
                span.extensions_mut().insert(HostName(fields.0));
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let foreign = metadata.target().starts_with("turmoil");
        if *metadata.level() > Level::INFO || foreign {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        let scope = context.event_scope(event);
        let host = scope.and_then(|mut scope| {
            scope.find_map(|span| span.extensions().get::<HostName>().map(|name| name.0.clone()))
        });
        let host = host.unwrap_or_default();
        if let Some(claim) = text.claim() {
            self.0.0.lock().claims.push(claim);
        }
        self.0.line(format_args!("{host} {} {}{}", metadata.level(), metadata.target(), text.0));
    }
}

/// A log's claim on a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The partition, as nodes show it.
    pub partition: String,
    /// The epoch.
    pub epoch: i64,
    /// The log.
    pub log: String,
}

/// The fields of an event, in words.
#[derive(Default)]
struct Text(String);

impl Text {
    /// The claim that the event announces, if it announces one.
    fn claim(&self) -> Option<Claim> {
        let field = |name: &str| {
            let (_, rest) = self.0.split_once(&format!(" {name}="))?;
            rest.split(' ').next().map(str::to_owned)
        };
        self.0.contains("message=partition claimed").then_some(())?;
        Some(Claim {
            partition: field("partition")?,
            epoch: field("epoch")?.parse().ok()?,
            log: field("log")?,
        })
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).expect("a string takes everything");
    }
}
