//! The last step of a promotion: the clients' name leads to this site's gateways.
//!
//! Control of the site does it, as `thermocline failover` would, when vantage points see the gateways
//! serve: it leads since the promotion, and its switch is committed and compared with what DNS says
//! like any other. DNS is no fence (R50), so nothing is lost when this takes long or fails; whoever
//! promotes is told what to run instead.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use control::api::model::{GatewaySets, SwitchRequest};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::admin::Connection;

/// Pause between two attempts: vantage points look about as often.
const PAUSE: Duration = Duration::from_secs(1);

/// What becomes of the clients' name.
pub(super) enum Plan {
    /// It goes to the site's gateway set.
    Switch { name: String, set: String, addresses: String },
    /// Nobody here may change it, or this cluster knows nothing of it: what is to be done instead.
    ByHand(String),
}

// === impl Plan ===

impl Plan {
    pub(super) fn of(control: &control::Config, config: &Path, keep: bool) -> Self {
        let sets = &control.gateway_sets;
        if sets.is_off() {
            return Self::ByHand("point the clients' DNS name to this site's gateways".to_owned());
        }
        let Some(set) = control.gateway_set_of_site() else {
            return Self::ByHand(format!(
                "{}, with this site's set, which `control.standby.gateway_set` does not name",
                command(config, "SET", "")
            ));
        };
        if keep {
            return Self::ByHand(command(config, &set.name, ""));
        }
        let addresses: Vec<String> = set.addresses.iter().map(ToString::to_string).collect();
        let (name, set) = (sets.name.clone(), set.name.clone());
        Self::Switch { name, set, addresses: addresses.join(", ") }
    }

    /// What a promotion would do, for people.
    pub(super) fn prospect(&self) -> String {
        match self {
            Self::Switch { name, set, addresses } => {
                format!("then the clients' name {name} goes to gateway set `{set}`: {addresses}")
            }
            Self::ByHand(what) => format!("then, by hand: {what}"),
        }
    }

    pub(super) fn json(&self) -> Value {
        match self {
            Self::Switch { name, set, .. } => json!({"name": name, "set": set}),
            Self::ByHand(what) => json!({"by_hand": what}),
        }
    }
}

/// Sends clients to the set; the generation of that switch. What is waited for is said once.
pub(super) async fn switch(
    config: &Path,
    set: &str,
    patience: Duration,
    say: impl Fn(&str),
) -> Result<u64> {
    let deadline = Instant::now() + patience;
    let mut told = String::new();
    loop {
        let problem = match attempt(config, set).await {
            Ok(Attempt::Done(generation)) => return Ok(generation),
            Ok(Attempt::NotYet(problem)) => problem,
            Err(error) => format!("{error:#}"),
        };
        if Instant::now() >= deadline {
            bail!(
                "this site serves, and DNS does not lead to it yet: {problem}; run `{}`, which goes \
                 there whatever vantage points see",
                command(config, set, " --force")
            );
        }
        if problem != told {
            say(&format!("DNS waits: {problem}"));
            told = problem;
        }
        sleep(PAUSE).await;
    }
}

enum Attempt {
    /// DNS says so, in this generation.
    Done(u64),
    /// Why not yet.
    NotYet(String),
}

async fn attempt(config: &Path, set: &str) -> Result<Attempt> {
    let mut client = Connection::of(config.to_owned()).open().await?;
    let GatewaySets { active, dns_problem, .. } = client.get("gateway-sets").await?;
    if active.set == set {
        return Ok(match active.applied {
            true => Attempt::Done(active.generation),
            false => Attempt::NotYet(dns_problem.unwrap_or_else(|| "it is being told".to_owned())),
        });
    }
    let request =
        SwitchRequest { to: Some(set.to_owned()), back: false, force: false, dry_run: false };
    let answer: Value = client.post_json("gateway-sets/switch", &request).await?;
    let generation = answer["next"]["generation"].as_u64().context("a generation")?;
    Ok(Attempt::NotYet(format!("generation {generation} is decided, and is being told")))
}

fn command(config: &Path, set: &str, more: &str) -> String {
    let config: PathBuf = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
    format!("thermocline failover --config {} --to {set}{more}", config.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        control_id = "b"
        [standby]
        site = "fra-2"
        [gateway_sets]
        name = "kafka.example."
        webhook = { url = "http://dns.example/" }
        [[gateway_sets.sets]]
        name = "fra-1"
        addresses = ["192.0.2.1"]
        probe = ["192.0.2.1:9094"]
        [[gateway_sets.sets]]
        name = "fra-2"
        addresses = ["192.0.2.2", "192.0.2.3"]
        probe = ["192.0.2.2:9094"]
    "#;

    fn plan(text: &str, keep: bool) -> String {
        let control: control::Config = toml::from_str(text).unwrap();
        control.check().unwrap();
        Plan::of(&control, Path::new("/etc/control.toml"), keep).prospect()
    }

    #[test]
    fn a_site_goes_to_its_own_set_or_says_what_to_run() {
        assert_eq!(
            plan(FILE, false),
            "then the clients' name kafka.example. goes to gateway set `fra-2`: 192.0.2.2, 192.0.2.3"
        );
        let run = "thermocline failover --config /etc/control.toml --to";
        assert_eq!(plan(FILE, true), format!("then, by hand: {run} fra-2"));
        let unnamed = FILE.replace("site = \"fra-2\"", "site = \"elsewhere\"");
        assert!(plan(&unnamed, false).starts_with(&format!("then, by hand: {run} SET, ")));
        let none = "control_id = 'b'\n[standby]\nsite = 'fra-2'";
        assert!(plan(none, false).contains("point the clients' DNS name"));
    }
}
