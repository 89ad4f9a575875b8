//! What DNS is to say of a set. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use metadata::gateway_sets::ActiveSet;

use super::config::GatewaySetsConfig;
use super::provider::{Content, Stamp};

/// Digits of a digest: it tells a set's addresses of today from those of yesterday.
const DIGEST_BYTES: usize = 8;

/// Where the stamp of a name is.
pub(super) fn stamp_name(name: &str) -> String {
    format!("_thermocline.{name}")
}

/// What a switch is to bring about; `None` for a set of another cluster.
pub(super) fn of(config: &GatewaySetsConfig, active: &ActiveSet) -> Option<Content> {
    let set = config.set(&active.set)?;
    let mut names: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    // Every name that any set has: one that this set lacks must not lead to another set.
    for name in config.sets.iter().flat_map(|set| set.brokers.keys()) {
        let own = set.brokers.get(name).map(|address| vec![*address]);
        names.insert(name.clone(), own.unwrap_or_else(|| set.addresses.clone()));
    }
    names.insert(config.name.clone(), set.addresses.clone());
    names.values_mut().for_each(|addresses| addresses.sort());
    let text = format!("{} {names:?}", config.ttl.as_secs());
    let digest: String = digest(&SHA256, text.as_bytes()).as_ref()[..DIGEST_BYTES]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let stamp = Stamp { generation: active.generation, set: active.set.clone(), digest };
    Some(Content { stamp, ttl: config.ttl, names })
}

/// What to do about DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It says what it should.
    Nothing,
    /// It is behind; it must still be when it is changed.
    Replace(Option<Stamp>),
    /// It is ahead: somebody else switched, and holds the name.
    Yield(Stamp),
}

/// Compares what DNS says with what it should say.
pub(super) fn step(wanted: &Stamp, found: Option<Stamp>) -> Step {
    match found {
        None => Step::Replace(None),
        Some(found) if found == *wanted => Step::Nothing,
        Some(found) if found.generation > wanted.generation => Step::Yield(found),
        // The same switch by somebody else, who was first.
        Some(found) if found.generation == wanted.generation && found.set != wanted.set => {
            Step::Yield(found)
        }
        Some(found) => Step::Replace(Some(found)),
    }
}

#[cfg(test)]
mod tests {
    use metadata::gateway_sets::Cause;

    use super::*;
    use crate::dns::config::GatewaySetConfig;

    fn config() -> GatewaySetsConfig {
        let set = |name: &str, last: u8| GatewaySetConfig {
            name: name.to_owned(),
            addresses: vec![IpAddr::from([192, 0, 2, last]), IpAddr::from([192, 0, 2, last + 1])],
            brokers: [(format!("b{last}.k."), IpAddr::from([192, 0, 2, last]))].into(),
            probe: Vec::new(),
        };
        let sets = vec![set("p", 10), set("s", 20)];
        GatewaySetsConfig { name: "k.".to_owned(), sets, ..GatewaySetsConfig::default() }
    }

    fn active(set: &str, generation: u64) -> ActiveSet {
        ActiveSet {
            set: set.to_owned(),
            generation,
            applied: false,
            cause: Cause::Found,
            since_ms: 0,
            grace_ms: 0,
            barred: Vec::new(),
        }
    }

    fn stamp(generation: u64, set: &str) -> Stamp {
        of(&config(), &active(set, generation)).unwrap().stamp
    }

    #[test]
    fn a_name_that_only_another_set_has_leads_to_this_one_as_well() {
        let content = of(&config(), &active("s", 2)).unwrap();
        let of_set = vec![IpAddr::from([192, 0, 2, 20]), IpAddr::from([192, 0, 2, 21])];
        assert_eq!(content.names["k."], of_set);
        assert_eq!(content.names["b10.k."], of_set);
        assert_eq!(content.names["b20.k."], [IpAddr::from([192, 0, 2, 20])]);
        assert_eq!(of(&config(), &active("elsewhere", 2)), None);
    }

    #[test]
    fn other_addresses_are_another_stamp() {
        let mut moved = config();
        moved.sets[0].addresses.pop();
        let moved = of(&moved, &active("p", 1)).unwrap().stamp;
        assert_ne!(moved, stamp(1, "p"));
        assert_eq!(step(&moved, Some(stamp(1, "p"))), Step::Replace(Some(stamp(1, "p"))));
    }

    #[test]
    fn dns_that_is_ahead_is_never_overwritten() {
        let wanted = stamp(3, "p");
        assert_eq!(step(&wanted, None), Step::Replace(None));
        assert_eq!(step(&wanted, Some(stamp(3, "p"))), Step::Nothing);
        assert_eq!(step(&wanted, Some(stamp(2, "s"))), Step::Replace(Some(stamp(2, "s"))));
        assert_eq!(step(&wanted, Some(stamp(3, "s"))), Step::Yield(stamp(3, "s")));
        assert_eq!(step(&wanted, Some(stamp(4, "p"))), Step::Yield(stamp(4, "p")));
    }
}
