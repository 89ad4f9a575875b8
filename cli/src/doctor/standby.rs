//! A site that stands by: whether there is something to take over, from here, by this version.

use std::sync::Arc;

use control::{Promotion, Prospect};
use segment::Store;

use super::{Finding, Surroundings};
use crate::standby::Bucket;

const WHAT: &str = "standby";

pub(super) async fn examine(file: &Surroundings, control: &control::Config) -> Option<Finding> {
    let site = control.standby.as_ref()?.site.clone();
    let (metadata, store) = (file.metadata.as_ref()?, file.store.as_ref()?);
    let looked = async {
        let store = Store::open(store, "doctor").map_err(|error| error.to_string())?;
        let tls = metadata.etcd_tls().map_err(|error| error.to_string())?;
        let metadata = ::metadata::open_over(&metadata.url, tls).await;
        let metadata = metadata.map_err(|error| error.to_string())?;
        let ender = Arc::new(Bucket(store.clone()));
        let promotion =
            Promotion { metadata, store, site: site.clone(), ender, accept_loss: false };
        promotion.look().await.map_err(|error| error.to_string())
    };
    Some(match looked.await {
        Ok(prospect) => judge(&site, &prospect),
        Err(error) => {
            let fix = "found the cluster at the other site first, give both the same store.url, and \
                have this one run the version of the other or a later one";
            Finding::bad(WHAT, error, fix)
        }
    })
}

fn judge(site: &str, prospect: &Prospect) -> Finding {
    let Prospect { topics, partitions, at_risk, .. } = prospect;
    let serves = match &prospect.site {
        Some(other) if other == site => "this site serves".to_owned(),
        Some(other) => format!("{other} serves"),
        None => "the founding site serves".to_owned(),
    };
    let seen = format!("{serves}: {topics} topics, {partitions} partitions");
    match at_risk.len() {
        0 => Finding::good(WHAT, seen),
        logs => Finding::poor(
            WHAT,
            format!("{seen}; {logs} logs are on disks that no other site reaches"),
            "use wal.kind = \"object\": a promotion would have to give up what is on them only",
        ),
    }
}

#[cfg(test)]
mod tests {
    use control::AtRisk;
    use protocol::ids::NodeId;

    use super::super::Verdict;
    use super::*;

    #[test]
    fn logs_on_disks_of_the_other_site_are_told() {
        let mut prospect = Prospect {
            cluster_id: "c".to_owned(),
            generation: 2,
            site: Some("a".to_owned()),
            topics: 3,
            partitions: 9,
            slots: 40,
            open: 1,
            at_risk: Vec::new(),
        };
        let well = judge("b", &prospect);
        assert_eq!(well, Finding::good(WHAT, "a serves: 3 topics, 9 partitions"));
        prospect.at_risk.push(AtRisk {
            node: NodeId(1),
            log: "log".to_owned(),
            front: "disk:/wal".to_owned(),
            partitions: Vec::new(),
        });
        assert_eq!(judge("b", &prospect).verdict, Verdict::Poor);
    }
}
