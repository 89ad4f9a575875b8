//! Requests of and about transactions.

use crate::preflight::shape::Kind::{Array, Bool, List, String};
use crate::preflight::shape::{Field, I16, I32, I64, Shape, field};

const TOPICS: &[Field] = &[field("name", String), field("partitions", List(&I32))];

pub(super) const ADD_PARTITIONS_TO_TXN: Shape = Shape {
    flexible_from: 3,
    fields: &[
        field(
            "transactions",
            Array(&[
                field("transactional_id", String),
                field("producer_id", I64),
                field("producer_epoch", I16),
                field("verify_only", Bool),
                field("topics", Array(TOPICS)),
            ]),
        )
        .since(4),
        field("v3_and_below_transactional_id", String).until(3),
        field("v3_and_below_producer_id", I64).until(3),
        field("v3_and_below_producer_epoch", I16).until(3),
        field("v3_and_below_topics", Array(TOPICS)).until(3),
    ],
};

pub(super) const ADD_OFFSETS_TO_TXN: Shape = Shape {
    flexible_from: 3,
    fields: &[
        field("transactional_id", String),
        field("producer_id", I64),
        field("producer_epoch", I16),
        field("group_id", String),
    ],
};

pub(super) const END_TXN: Shape = Shape {
    flexible_from: 3,
    fields: &[
        field("transactional_id", String),
        field("producer_id", I64),
        field("producer_epoch", I16),
        field("committed", Bool),
    ],
};

pub(super) const TXN_OFFSET_COMMIT: Shape = Shape {
    flexible_from: 3,
    fields: &[
        field("transactional_id", String),
        field("group_id", String),
        field("producer_id", I64),
        field("producer_epoch", I16),
        field("generation_id", I32).since(3),
        field("member_id", String).since(3),
        field("group_instance_id", String).since(3),
        field(
            "topics",
            Array(&[
                field("name", String),
                field(
                    "partitions",
                    Array(&[
                        field("partition_index", I32),
                        field("committed_offset", I64),
                        field("committed_leader_epoch", I32).since(2),
                        field("committed_metadata", String),
                    ]),
                ),
            ]),
        ),
    ],
};

pub(super) const DESCRIBE_TRANSACTIONS: Shape =
    Shape { flexible_from: 0, fields: &[field("transactional_ids", List(&String))] };

pub(super) const LIST_TRANSACTIONS: Shape = Shape {
    flexible_from: 0,
    fields: &[
        field("state_filters", List(&String)),
        field("producer_id_filters", List(&I64)),
        field("duration_filter", I64).since(1),
        field("transactional_id_pattern", String).since(2),
    ],
};
