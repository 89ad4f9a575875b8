//! `thermocline standby status`, `promote` and `demote`: the sites on one bucket change places.
//!
//! All three work on the metadata store and the bucket themselves, with the file of the site's own
//! control: on the day they are needed, nothing else may be up.

mod dns;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use control::{AtRisk, Ender, PromoteError, Promoted, Promotion, Prospect, Step};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use metadata::MetadataStore;
use metadata::keys::Key;
use metadata::model::{ClusterRecord, Record as _, StandbyRecord};
use segment::{LogId, Store};
use serde::Deserialize;
use serde_json::{Value, json};
use tenant_keys::EncryptionConfig;

use self::dns::Plan;
use crate::config;
use crate::files::Metadata;
use crate::startup::{open_metadata, open_store};

/// Where the site's configuration is.
#[derive(Debug, Args)]
pub(crate) struct SiteArguments {
    /// The TOML file of this site's control, with `[control.standby]`.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// JSON instead of lines for people.
    #[arg(long)]
    json: bool,
}

/// How to promote.
#[derive(Debug, Args)]
pub(crate) struct PromoteArguments {
    #[command(flatten)]
    site: SiteArguments,
    /// Give up what is on disks of the other site and not in the bucket, and say what that is. Without
    /// this nothing is lost, or nothing is done.
    #[arg(long)]
    accept_loss: bool,
    /// Only say what would be found and whether anything would be lost.
    #[arg(long)]
    dry_run: bool,
    /// Leave the clients' name where it is, and say what to run.
    #[arg(long)]
    keep_dns: bool,
    /// How long the gateways of this site may take to serve, before the name is left where it is.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    dns_patience: u64,
}

/// How to demote.
#[derive(Debug, Args)]
pub(crate) struct DemoteArguments {
    #[command(flatten)]
    site: SiteArguments,
    /// How long the processes of this site may take to leave.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    patience: u64,
}

/// What to ask about a standby.
#[derive(Debug, Subcommand)]
pub(crate) enum StandbyCommand {
    /// Which site serves, how far this one follows, what a promotion would lose.
    Status(SiteArguments),
}

/// The tables that are read; the others are control's own matter.
#[derive(Debug, Deserialize)]
struct SiteFile {
    metadata: Metadata,
    store: segment::StoreConfig,
    #[serde(default)]
    encryption: EncryptionConfig,
    control: control::Config,
}

/// One site, from outside.
struct Site {
    name: String,
    control: control::Config,
    metadata: Arc<dyn MetadataStore>,
    store: Store,
}

/// Ends logs as a storage node does.
pub(crate) struct Bucket(pub(crate) Store);

impl Ender for Bucket {
    fn end(&self, log: LogId) -> BoxFuture<'_, Result<(), String>> {
        let ended = storage_node::end_for_takeover(&self.0, log);
        ended.map(|ended| ended.map_err(|error| error.to_string())).boxed()
    }
}

impl Site {
    async fn open(arguments: &SiteArguments) -> Result<Self> {
        let file: SiteFile = config::load(&arguments.config)?;
        let standby = file.control.standby.clone().context(
            "control.standby.site is not set: a takeover is recorded under the name of its site",
        )?;
        let store = open_store(&file.store, "standby").await?;
        // Logs of the other site may hold sealed records, which are sealed anew where they are put.
        // Without their key those logs are not ended, and the promotion says which key it lacks.
        let keys = control::wrapped_keys(&store).await?;
        tenant_keys::load_of(&keys, &*file.encryption.wrapper(), store.keyring()).await;
        let metadata = open_metadata(&file.metadata).await?;
        Ok(Self { name: standby.site, control: file.control, metadata, store })
    }

    fn promotion(&self, accept_loss: bool) -> Promotion {
        Promotion {
            metadata: Arc::clone(&self.metadata),
            store: self.store.clone(),
            site: self.name.clone(),
            ender: Arc::new(Bucket(self.store.clone())),
            accept_loss,
        }
    }

    async fn cluster(&self) -> Result<Option<ClusterRecord>> {
        let entry = self.metadata.get(&Key::Cluster.to_string()).await?;
        Ok(entry.map(|entry| ClusterRecord::decode(&entry.value)).transpose()?)
    }

    async fn standby(&self) -> Result<Option<StandbyRecord>> {
        let entry = self.metadata.get(&Key::Standby.to_string()).await?;
        Ok(entry.map(|entry| StandbyRecord::decode(&entry.value)).transpose()?)
    }
}

/// `thermocline standby`.
pub(crate) async fn run(command: StandbyCommand) -> Result<()> {
    let StandbyCommand::Status(arguments) = command;
    let site = Site::open(&arguments).await?;
    let prospect = site.promotion(false).look().await?;
    let state = match (site.cluster().await?, site.standby().await?) {
        (Some(record), _) if record.generation >= prospect.generation => "serves".to_owned(),
        (Some(_), _) => "taken over; `thermocline demote` is next".to_owned(),
        (None, Some(standby)) => {
            let behind = prospect.slots.saturating_sub(standby.next_slot);
            format!("stands by, {behind} records of the metadata log behind")
        }
        (None, None) => "does not stand by: no control process runs here".to_owned(),
    };
    let plan = Plan::of(&site.control, &arguments.config, false);
    report(&arguments, &site, &prospect, &plan, &state);
    Ok(())
}

/// `thermocline promote`.
pub(crate) async fn promote(arguments: PromoteArguments) -> Result<()> {
    let site = Site::open(&arguments.site).await?;
    let promotion = site.promotion(arguments.accept_loss);
    let plan = Plan::of(&site.control, &arguments.site.config, arguments.keep_dns);
    if arguments.dry_run {
        let prospect = promotion.look().await?;
        let state = match prospect.at_risk.is_empty() {
            true => "can be promoted, and nothing would be lost",
            false => "would not be promoted: records would be lost",
        };
        report(&arguments.site, &site, &prospect, &plan, state);
        return Ok(());
    }
    match promotion.run(|step| progress(&step)).await {
        Ok(promoted) => send_clients(&arguments, &promoted, &plan).await,
        Err(PromoteError::AtRisk(logs)) => {
            for line in logs.iter().flat_map(|log| risk_lines("at risk", log)) {
                say(&line);
            }
            bail!(PromoteError::AtRisk(logs));
        }
        Err(error) => Err(error.into()),
    }
}

/// DNS, which comes last, and the summary of it all.
async fn send_clients(
    arguments: &PromoteArguments,
    promoted: &Promoted,
    plan: &Plan,
) -> Result<()> {
    let (name, set) = match plan {
        Plan::Switch { name, set, .. } => (name, set),
        Plan::ByHand(what) => {
            promoted_line(&arguments.site, promoted, &plan.json(), &format!("next: {what}"));
            return Ok(());
        }
    };
    let patience = Duration::from_secs(arguments.dns_patience);
    match dns::switch(&arguments.site.config, set, patience, say).await {
        Ok(generation) => {
            let json = json!({"name": name, "set": set, "generation": generation});
            let line = format!("{name} leads to gateway set `{set}`, generation {generation}");
            promoted_line(&arguments.site, promoted, &json, &line);
            Ok(())
        }
        Err(error) => {
            let json = json!({"name": name, "set": set, "problem": error.to_string()});
            promoted_line(&arguments.site, promoted, &json, "DNS was not changed");
            Err(error)
        }
    }
}

/// `thermocline demote`.
#[expect(clippy::print_stdout, reason = "the summary is this command's output")]
pub(crate) async fn demote(arguments: DemoteArguments) -> Result<()> {
    let site = Site::open(&arguments.site).await?;
    let patience = Duration::from_secs(arguments.patience);
    let control::Demoted { generation, by, keys } =
        control::demote(&site.metadata, &site.store, patience).await?;
    match arguments.site.json {
        true => println!("{}", json!({"generation": generation, "by": by, "keys": keys})),
        false => println!(
            "site {} served until generation {generation}, the bucket is in {by}: {keys} keys \
             deleted; its control stands by when it is started",
            site.name
        ),
    }
    Ok(())
}

fn progress(step: &Step) {
    say(&match step {
        Step::GivenUp(log) => risk_lines("lost", log).join("\n"),
        Step::TakenOver { generation } => {
            format!("taken over, generation {generation}: the other control commits nothing more")
        }
        Step::Fenced => "fenced: no node of the other site begins again".to_owned(),
        Step::Ended { logs } => {
            format!("ended: {logs} logs; the other site acknowledges nothing more")
        }
        Step::Surveyed { owned } => format!("surveyed: {owned} partitions have records or owners"),
        Step::Published => "published: nodes of this site join and open partitions".to_owned(),
    });
}

#[expect(clippy::print_stdout, reason = "the summary is this command's output")]
fn promoted_line(arguments: &SiteArguments, promoted: &Promoted, dns: &Value, line: &str) {
    let Promoted { cluster_id, generation, topics, partitions, logs } = promoted;
    if arguments.json {
        let summary = json!({
            "cluster": cluster_id, "generation": generation, "topics": topics,
            "partitions": partitions, "logs_ended": logs, "dns": dns,
        });
        println!("{summary}");
        return;
    }
    println!(
        "promoted: cluster {cluster_id}, generation {generation}: {topics} topics, {partitions} \
         partitions, {logs} logs ended"
    );
    println!("{line}");
}

#[expect(clippy::print_stdout, reason = "the report is this command's output")]
fn report(arguments: &SiteArguments, site: &Site, prospect: &Prospect, plan: &Plan, state: &str) {
    if arguments.json {
        println!("{}", json_report(site, prospect, plan, state));
        return;
    }
    let Prospect { cluster_id, generation, topics, partitions, open, .. } = prospect;
    let by = prospect.site.as_ref().map(|site| format!(", taken over by site {site}"));
    println!("site {}: {state}", site.name);
    println!("cluster {cluster_id}, generation {generation}{}", by.unwrap_or_default());
    println!("{topics} topics, {partitions} partitions, {open} logs to end in the bucket");
    for line in prospect.at_risk.iter().flat_map(|log| risk_lines("at risk", log)) {
        println!("{line}");
    }
    println!("{}", plan.prospect());
}

fn json_report(site: &Site, prospect: &Prospect, plan: &Plan, state: &str) -> Value {
    let at_risk = prospect.at_risk.iter().map(|log| {
        let partitions = log.partitions.iter().map(|risk| {
            json!({
                "tenant": risk.tenant.0, "topic": risk.topic, "partition": risk.partition,
                "stored_upto": risk.stored_upto,
            })
        });
        let partitions: Vec<Value> = partitions.collect();
        json!({"node": log.node.0, "log": log.log, "front": log.front, "partitions": partitions})
    });
    json!({
        "site": site.name, "state": state, "cluster": prospect.cluster_id,
        "generation": prospect.generation, "taken_over_by": prospect.site,
        "topics": prospect.topics, "partitions": prospect.partitions,
        "logs_to_end": prospect.open, "at_risk": at_risk.collect::<Vec<_>>(),
        "dns": plan.json(),
    })
}

/// What exactly is, or would be, lost.
fn risk_lines(what: &str, log: &AtRisk) -> Vec<String> {
    let AtRisk { node, log: name, front, partitions } = log;
    let owns = match partitions.len() {
        0 => ", owns no partition".to_owned(),
        _ => String::new(),
    };
    let head = format!("{what}: node {node}, log {name}, on `{front}`{owns}");
    let lines = partitions.iter().map(|risk| {
        let control::Risk { tenant, topic, partition, stored_upto } = risk;
        format!(
            "{what}: tenant {tenant}, topic {topic}, partition {partition}: records from offset \
             {stored_upto} on"
        )
    });
    std::iter::once(head).chain(lines).collect()
}

#[expect(clippy::print_stderr, reason = "progress is told beside the summary")]
fn say(line: &str) {
    eprintln!("{line}");
}
