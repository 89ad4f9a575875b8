//! `thermocline quota`: what a tenant as a whole is limited to.
//!
//! Quotas of users, client ids and addresses are set by Kafka's own tools. The tenant is an entity
//! that Kafka does not have, and none that its clients may touch: control takes it from whoever has
//! the cluster's secret, as this command has from the metadata store.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use hop::{HopHeader, Role};
use metadata::model::Record;
use metadata::settings::SettingKind;
use metadata::settings::quota::{EntityType, QuotaEntity, QuotaKey, QuotaRecord};
use metadata::settings::tenant::DEFAULT_NAME;
use process::Drain;
use protocol::StrBytes;
use protocol::ids::TenantId;
use protocol::messages::AlterClientQuotasRequest;
use protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use serde::{Deserialize, Serialize};

use crate::config;
use crate::files::{ClusterConfig, Metadata};
use crate::output::{operator, print};
use crate::startup::{Membership, join, open_metadata};
use crate::tenant::number;

/// How long control is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long connections may take to close.
const CLOSING: Duration = Duration::from_secs(5);

/// Takes a quota away.
const NONE: &str = "none";

/// What to do.
#[derive(Debug, Args)]
pub(crate) struct QuotaArguments {
    #[command(subcommand)]
    command: QuotaCommand,
}

#[derive(Debug, Subcommand)]
enum QuotaCommand {
    /// Limit a tenant, for example `producer_byte_rate=10000000 partitions=none`.
    Set {
        /// What to limit, and to how much; `none` takes the limit away.
        #[arg(required = true, value_name = "KEY=VALUE", value_parser = quota)]
        quotas: Vec<(QuotaKey, Option<f64>)>,
        #[command(flatten)]
        tenant: Tenant,
    },
    /// Show the quotas of a tenant and its clients.
    Show(Tenant),
}

/// Which tenant of which cluster.
#[derive(Debug, Args)]
struct Tenant {
    /// A TOML file with the `[metadata]` table; a role's own file does.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The tenant's name.
    #[arg(long, value_name = "TENANT", default_value = DEFAULT_NAME)]
    tenant: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is limited, and to how much, by the names of quotas.
#[derive(Debug, Serialize)]
struct Shown {
    entity: String,
    values: BTreeMap<&'static str, f64>,
}

/// The table that is read; the others belong to the role whose file it is.
#[derive(Debug, Deserialize)]
struct QuotaFile {
    metadata: Metadata,
    #[serde(default)]
    cluster: ClusterConfig,
}

/// Does it, and says what holds now.
pub(crate) async fn run(arguments: QuotaArguments) -> Result<()> {
    let (quotas, tenant) = match arguments.command {
        QuotaCommand::Set { quotas, tenant } => (quotas, tenant),
        QuotaCommand::Show(tenant) => (Vec::new(), tenant),
    };
    let file: QuotaFile = config::load(&tenant.config)?;
    let drain = Drain::new();
    let metadata = open_metadata(&file.metadata).await?;
    let member = join(metadata, Role::Operator, &file.cluster, &drain).await?;
    let id = number(&member, &tenant.tenant).await?;
    if !quotas.is_empty() {
        set(&member, id, &quotas).await?;
    }
    member.view.refresh().await.context("the metadata store does not answer")?;
    show(&member, id, tenant.json)?;
    drain.finish(CLOSING).await;
    Ok(())
}

async fn set(
    member: &Membership,
    tenant: TenantId,
    quotas: &[(QuotaKey, Option<f64>)],
) -> Result<()> {
    let entity = EntityData::default()
        .with_entity_type(StrBytes::from_static_str(EntityType::Tenant.name()));
    let ops = quotas.iter().map(|(key, value)| {
        OpData::default()
            .with_key(StrBytes::from_static_str(key.name()))
            .with_value(value.unwrap_or_default())
            .with_remove(value.is_none())
    });
    let entry = EntryData::default()
        .with_entity(vec![entity.with_entity_name(None)])
        .with_ops(ops.collect());
    let request = AlterClientQuotasRequest::default().with_entries(vec![entry]);
    let leader = member.view.leader().context("control has no leader; try again in a moment")?;
    let header = HopHeader::internal(tenant, PATIENCE);
    let header = HopHeader { client_id: operator(), ..header };
    let answer = member.peers.peer(&leader.address).ask(header, request).await;
    let answer = answer.with_context(|| format!("control at {} did not answer", leader.address))?;
    match answer.entries.first() {
        Some(entry) if entry.error_code == 0 => Ok(()),
        Some(entry) => {
            bail!("refused: {}", entry.error_message.as_deref().unwrap_or("no reason was given"))
        }
        None => bail!("control answered nothing"),
    }
}

fn show(member: &Membership, tenant: TenantId, json: bool) -> Result<()> {
    let settings = member.view.settings(tenant, SettingKind::Quota);
    let mut shown = Vec::new();
    for (name, value) in &settings.entries {
        let record = QuotaRecord::decode(value)
            .with_context(|| format!("quotas of `{name}`, perhaps of a newer version"))?;
        let values = record.values.iter().map(|(key, value)| (key.name(), *value)).collect();
        shown.push(Shown { entity: name.clone(), values });
    }
    print(json, &shown, |shown| table(shown))
}

fn table(shown: &[Shown]) -> String {
    let each = shown.iter().flat_map(|Shown { entity, values }| {
        values
            .iter()
            .map(move |(key, value)| vec![entity.clone(), (*key).to_owned(), value.to_string()])
    });
    crate::table::table(&["OF", "QUOTA", "VALUE"], &each.collect::<Vec<_>>())
}

/// Reads `KEY=VALUE`.
fn quota(text: &str) -> Result<(QuotaKey, Option<f64>), String> {
    let (name, value) = text.split_once('=').ok_or("must be KEY=VALUE")?;
    if value == NONE {
        let key = QuotaKey::parse(name).ok_or_else(|| format!("unknown quota `{name}`"))?;
        return Ok((key, None));
    }
    let value = value.parse().map_err(|_| format!("`{value}` is not a number"))?;
    let key = QuotaKey::checked(&QuotaEntity::tenant(), name, value);
    key.map(|key| (key, Some(value))).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_read_or_refused_with_the_reason() {
        let rate = QuotaKey::ProducerByteRate;
        assert_eq!(quota("producer_byte_rate=1e6"), Ok((rate, Some(1e6))));
        assert_eq!(quota("producer_byte_rate=none"), Ok((rate, None)));
        for refused in ["producer_byte_rate", "producer_byte_rate=0", "rate=1", "connections=1.5"] {
            assert!(quota(refused).is_err(), "{refused}");
        }
    }
}
