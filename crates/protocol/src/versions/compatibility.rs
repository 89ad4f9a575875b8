//! `docs/compatibility.md`, generated from the version table.

use std::fmt::Write as _;

use super::{APIS, Api};

const INTRODUCTION: &str = "\
# Compatibility

<!-- Generated from crates/protocol/src/versions.rs. Do not edit;
     run `UPDATE_DOCS=1 cargo test -p protocol compatibility`. -->

Thermocline speaks the Kafka protocol to any client. The reference is Apache Kafka 4.x; message
schemas are those of Kafka 4.1. An API is listed once it works, and only listed versions are
advertised, so that a client falls back instead of failing.

## Served

| Key | API | Versions | Remarks |
|---:|---|---|---|
";

const NOT_SERVED: &str = "
## Not served

A request for any of these closes the connection, as Kafka does for an API that it does not have.

| API | Keys | Why |
|---|---|---|
| Produce before version 3, Fetch before version 4 | 0, 1 | message formats 0 and 1; Kafka 4.0 removed them (KIP-724) |
| Quotas, delegation tokens | 38–41, 48, 49 | not built yet |
| Share groups, streams groups | 76–79, 88–92 | not built yet |
| Client telemetry | 71, 72 | clients do without |
| DescribeQuorum, UpdateFeatures | 55, 57 | there is no quorum of brokers to describe, and features come with the program's version |
| Messages between brokers | 4–7, 27, 52–54, 56, 58, 59, 62–64, 67, 70, 80–87 | never: there are no brokers behind a gateway |

## Different from a Kafka cluster

- Brokers in Metadata are gateways, and any gateway serves any partition.
- Replication factors 1 to 3 are accepted and kept as one copy: durability comes from the
  write-ahead front and the object store.
- Topic configs: [topic-configs.md](topic-configs.md) says of each what it does here. Configs of
  brokers are read-only and those of groups are not known; both are refused as Kafka refuses a
  config that is not dynamic.
- `compression.type`: gateways pack anew what comes in another codec. lz4 has one level here, zstd's
  levels end at 19, and a batch may inflate to 64 MiB; a larger one is MESSAGE_TOO_LARGE.
- `max.message.bytes` above what the write-ahead logs of the topic's nodes take is refused with
  INVALID_CONFIG.
- One more topic config, `thermocline.front`: `disk` or `object` puts the topic's partitions on
  nodes that acknowledge from there, `default` leaves that to the cluster. It is set at creation
  and stays; a front that no node has is refused with INVALID_CONFIG.
- Retention and DeleteRecords remove whole blocks of records; as in Kafka both limits say how much
  is kept at least. Records whose timestamps lie in the future go with those appended after them.
- `cleanup.policy=compact` works on what has been merged into compacted objects, as Kafka's works on
  closed segments. Commit markers go when their records are gone, abort markers stay. Partitions
  above `compactor.clean_max` (16 GiB) are left as they are.
- A transaction that times out, or that a new owner of its transactional id ends, raises the epoch
  by one, not by two. An InitProducerId that names an epoch before the one that writes is refused
  (PRODUCER_FENCED) instead of ending the transaction that is open (KIP-360).
- Offsets committed with OffsetCommit are kept per topic id: a topic created again starts anew.
";

/// The text of `docs/compatibility.md`.
pub fn compatibility_markdown() -> String {
    let mut text = INTRODUCTION.to_owned();
    for api in APIS {
        let Api { key, served_min, max, note, .. } = api;
        let number = *key as i16;
        let versions =
            if served_min == max { max.to_string() } else { format!("{served_min}–{max}") };
        writeln!(text, "| {number} | {key:?} | {versions} | {note} |").expect("a String grows");
    }
    text.push_str(NOT_SERVED);
    text
}
