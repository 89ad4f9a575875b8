//! How long a fault was felt: from the fault to the first acknowledgement of each partition that
//! the node which it hit had owned.

use std::collections::HashMap;

use super::history::Ack;
use super::load::PROBE;

/// A fault that took partitions away.
#[derive(Debug, Clone)]
pub(super) struct Outage {
    /// When, Unix milliseconds.
    pub(super) at_ms: i64,
    /// What it was, as the report groups it.
    pub(super) kind: &'static str,
    /// The partitions of the node it hit.
    pub(super) partitions: Vec<u32>,
}

/// The time to the first acknowledgement, of every partition of every outage. Only a record that
/// the probe sent after the fault counts: an answer that was on its way already proves nothing, and
/// neither does the backlog of a client that sends as much as it can.
pub(super) fn first_acks(outages: &[Outage], acks: &[Ack]) -> Vec<(&'static str, i64)> {
    let mut by_partition: HashMap<u32, Vec<(i64, i64)>> = HashMap::new();
    for ack in acks.iter().filter(|ack| ack.value.worker == PROBE) {
        by_partition.entry(ack.partition).or_default().push((ack.sent_ms, ack.acked_ms));
    }
    by_partition.values_mut().for_each(|acks| acks.sort_unstable());
    let mut times = Vec::new();
    for outage in outages {
        for partition in &outage.partitions {
            let acks = by_partition.get(partition).map_or(&[][..], Vec::as_slice);
            let sent_after = acks.partition_point(|(sent, _)| *sent <= outage.at_ms);
            if let Some((_, acked)) = acks.get(sent_after) {
                times.push((outage.kind, acked - outage.at_ms));
            }
        }
    }
    times
}

#[cfg(test)]
mod tests {
    use super::super::history::Value;
    use super::*;

    fn ack(partition: u32, sent_ms: i64, acked_ms: i64) -> Ack {
        let value = Value { worker: PROBE, sequence: 0 };
        Ack { partition, offset: 0, value, sent_ms, acked_ms }
    }

    #[test]
    fn only_what_was_sent_after_the_fault_ends_the_outage() {
        let outage = Outage { at_ms: 1_000, kind: "kill", partitions: vec![3, 4, 5] };
        let acks = [
            ack(3, 995, 1_005),
            ack(3, 1_400, 3_100),
            ack(3, 1_001, 3_000),
            ack(4, 1_002, 1_010),
            ack(6, 1_002, 9_000),
            Ack { value: Value { worker: 1, sequence: 0 }, ..ack(4, 1_001, 1_002) },
        ];
        assert_eq!(first_acks(&[outage], &acks), [("kill", 2_000), ("kill", 10)]);
    }
}
