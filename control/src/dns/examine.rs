//! What `thermocline doctor` asks about gateway sets: the questions of control and of vantage points,
//! once, before anybody depends on the answers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use process::{Clock, net::Net};

use super::access::Access;
use super::config::{GatewaySetsConfig, ProbeConfig};
use super::probe::Probe;
use super::provider::{DnsError, Stamp};

/// Asks DNS what the clients' name stands for, and whether control may change that, without changing it.
pub async fn try_dns(config: &GatewaySetsConfig) -> Result<String, DnsError> {
    let Some(provider) = super::provider(config, &Net::system(), &Clock::system())? else {
        return Ok("there are no gateway sets".to_owned());
    };
    let found = provider.read().await?;
    provider.rehearse(&names(config).into_keys().collect::<Vec<_>>()).await?;
    let name = &config.name;
    Ok(match found {
        Some(Stamp { generation, set, .. }) => {
            format!("{name} stands for {set}, generation {generation}, and may be changed")
        }
        None => format!("{name} was never set, and may be"),
    })
}

/// Every name that a switch changes, with all addresses it may stand for.
pub fn names(config: &GatewaySetsConfig) -> BTreeMap<String, BTreeSet<IpAddr>> {
    let mut names: BTreeMap<String, BTreeSet<IpAddr>> = BTreeMap::new();
    let hosts = || config.sets.iter().flat_map(|set| set.brokers.keys());
    for set in &config.sets {
        for name in hosts().chain([&config.name]) {
            let own = set.brokers.get(name).map(std::slice::from_ref);
            let addresses = own.unwrap_or(&set.addresses);
            names.entry(name.clone()).or_default().extend(addresses);
        }
    }
    names
}

/// Produces to one address of a set and fetches from it, as a vantage point does.
pub async fn look(config: &ProbeConfig, address: &str) -> Result<(), String> {
    let probe = Probe {
        net: Net::system(),
        clock: Clock::system(),
        topic: config.topic.clone(),
        timeout: config.timeout,
    };
    let access = Access::load(config).await.map_err(|error| error.to_string())?;
    probe.look(address, &access).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_stand_for_its_address_in_each_set() {
        let config: GatewaySetsConfig = toml::from_str(
            r#"name = "k.example."
               [[sets]]
               name = "a"
               addresses = ["192.0.2.1"]
               brokers = { "b1.k.example." = "192.0.2.2" }
               probe = ["192.0.2.1:9094"]
               [[sets]]
               name = "b"
               addresses = ["192.0.2.9"]
               probe = ["192.0.2.9:9094"]"#,
        )
        .unwrap();
        let addresses = |texts: [&str; 2]| texts.map(|text| text.parse().unwrap()).into();
        let expected = [
            ("b1.k.example.".to_owned(), addresses(["192.0.2.2", "192.0.2.9"])),
            ("k.example.".to_owned(), addresses(["192.0.2.1", "192.0.2.9"])),
        ];
        assert_eq!(names(&config), expected.into());
    }
}
