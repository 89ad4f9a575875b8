//! Requests about records and offsets in the log.

use crate::preflight::shape::Kind::{Array, Bytes, List, String, Struct};
use crate::preflight::shape::{I8, I16, I32, I64, Shape, UUID, field};

pub(super) const PRODUCE: Shape = Shape {
    flexible_from: 9,
    fields: &[
        field("transactional_id", String),
        field("acks", I16),
        field("timeout_ms", I32),
        field(
            "topic_data",
            Array(&[
                field("name", String).until(12),
                field("topic_id", UUID).since(13),
                field("partition_data", Array(&[field("index", I32), field("records", Bytes)])),
            ]),
        ),
    ],
};

pub(super) const FETCH: Shape = Shape {
    flexible_from: 12,
    fields: &[
        field("cluster_id", String).tagged(0),
        field("replica_id", I32).until(14),
        field("replica_state", Struct(&[field("replica_id", I32), field("replica_epoch", I64)]))
            .since(15)
            .tagged(1),
        field("max_wait_ms", I32),
        field("min_bytes", I32),
        field("max_bytes", I32),
        field("isolation_level", I8),
        field("session_id", I32).since(7),
        field("session_epoch", I32).since(7),
        field(
            "topics",
            Array(&[
                field("topic", String).until(12),
                field("topic_id", UUID).since(13),
                field(
                    "partitions",
                    Array(&[
                        field("partition", I32),
                        field("current_leader_epoch", I32).since(9),
                        field("fetch_offset", I64),
                        field("last_fetched_epoch", I32).since(12),
                        field("log_start_offset", I64).since(5),
                        field("partition_max_bytes", I32),
                        field("replica_directory_id", UUID).since(17).tagged(0),
                        field("high_watermark", I64).since(18).tagged(1),
                    ]),
                ),
            ]),
        ),
        field(
            "forgotten_topics_data",
            Array(&[
                field("topic", String).until(12),
                field("topic_id", UUID).since(13),
                field("partitions", List(&I32)),
            ]),
        )
        .since(7),
        field("rack_id", String).since(11),
    ],
};

pub(super) const LIST_OFFSETS: Shape = Shape {
    flexible_from: 6,
    fields: &[
        field("replica_id", I32),
        field("isolation_level", I8).since(2),
        field(
            "topics",
            Array(&[
                field("name", String),
                field(
                    "partitions",
                    Array(&[
                        field("partition_index", I32),
                        field("current_leader_epoch", I32).since(4),
                        field("timestamp", I64),
                    ]),
                ),
            ]),
        ),
        field("timeout_ms", I32).since(10),
    ],
};

pub(super) const OFFSET_FOR_LEADER_EPOCH: Shape = Shape {
    flexible_from: 4,
    fields: &[
        field("replica_id", I32).since(3),
        field(
            "topics",
            Array(&[
                field("topic", String),
                field(
                    "partitions",
                    Array(&[
                        field("partition", I32),
                        field("current_leader_epoch", I32),
                        field("leader_epoch", I32),
                    ]),
                ),
            ]),
        ),
    ],
};

pub(super) const INIT_PRODUCER_ID: Shape = Shape {
    flexible_from: 2,
    fields: &[
        field("transactional_id", String),
        field("transaction_timeout_ms", I32),
        field("producer_id", I64).since(3),
        field("producer_epoch", I16).since(3),
    ],
};

pub(super) const DELETE_RECORDS: Shape = Shape {
    flexible_from: 2,
    fields: &[
        field(
            "topics",
            Array(&[
                field("name", String),
                field("partitions", Array(&[field("partition_index", I32), field("offset", I64)])),
            ]),
        ),
        field("timeout_ms", I32),
    ],
};

pub(super) const DESCRIBE_PRODUCERS: Shape = Shape {
    flexible_from: 0,
    fields: &[field(
        "topics",
        Array(&[field("name", String), field("partition_indexes", List(&I32))]),
    )],
};
