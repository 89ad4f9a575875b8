//! `rolling`: every process is stopped and started again in turn under load, as an upgrade does it.
//!
//! ```text
//! control ──► compactor ──► readers ──► storage nodes ──► gateways, each once the one before is ready
//! ```
//!
//! The order is that of an upgrade: who answers comes before who asks. Clients must hear of nothing:
//! their own retries are all that they have. Beside the load, whose every record is accounted for, a
//! Java and a librdkafka witness with default settings produce and consume. With an [`Upgrade`] each
//! process comes back as another release, and between the rounds a cluster is of both.

mod upgrade;

use std::path::Path;
use std::thread::sleep;

use anyhow::Result;
use serde_json::json;
use tokio::time::Instant;

pub use self::upgrade::Upgrade;
use super::{CALM, Outcome};
use crate::chaos::checker::check;
use crate::chaos::load::Load;
use crate::clients::Client;
use crate::cluster::{Cluster, FrontKind, Spec};
use crate::witness::{self, Duties, Testimony, is_of_connections};

const TOPIC: &str = "rolling";
const PARTITIONS: u32 = 12;
/// Records a second of each witness.
const WITNESS_RATE: u32 = 50;

/// Restarts everybody; `rate` is what producers send, in bytes per second.
pub fn rolling(dir: &Path, front: FrontKind, rate: u64, upgrade: &Upgrade) -> Result<Outcome> {
    let (compactor, program) = (Some(String::new()), upgrade.before());
    let spec = Spec { front, compactor, program, ..Spec::default() };
    let mut cluster = Cluster::start(dir, &spec)?;
    let bootstrap = cluster.bootstrap();
    Client::Python.create_topic(&bootstrap, TOPIC, PARTITIONS)?;
    let duties =
        Duties { bootstrap: &bootstrap, partitions: PARTITIONS, rate: WITNESS_RATE, beside: None };
    let witnesses = witness::both(dir, duties)?;
    let load = Load::start(dir, &bootstrap, TOPIC, PARTITIONS, rate)?;
    sleep(CALM);
    let started = Instant::now();
    let restarted = upgrade.roll(&mut cluster)?;
    let took = started.elapsed();
    let testimonies = witness::testimonies(witnesses)?;
    let history = load.finish()?;
    let findings = check(&history);
    let scrub = cluster.scrub_findings()?;
    let mut wrong: Vec<String> = findings
        .counts()
        .iter()
        .filter(|(_, count)| *count != 0)
        .map(|(class, count)| format!("{count} {class}"))
        .collect();
    if history.unanswered != 0 || !history.failed.is_empty() {
        let failed = history.failed.len();
        wrong.push(format!("{} batches without an answer, {failed} failed", history.unanswered));
    }
    // A gateway that is restarted has ended its connections, and a client that has not come back to
    // the first one when the second goes has none left for a moment.
    let told = history.errors.keys().filter(|error| !is_of_connections(error));
    wrong.extend(told.map(|error| format!("clients were told of {error}")));
    wrong.extend(testimonies.iter().flat_map(Testimony::complaints));
    wrong.extend(upgrade.returns_too_late(&mut cluster)?);
    wrong.extend(scrub.iter().map(|finding| format!("scrub: {finding}")));
    let json = json!({
        "front": front.name(),
        "seconds": took.as_secs_f64(),
        "restarted": restarted,
        "acknowledged": history.acks.len(),
        "client_errors": history.errors,
        "witnesses": witness::json(&testimonies),
        "scrub_findings": scrub.len(),
        "wrong": wrong,
    });
    Ok(Outcome { json, wrong })
}
