//! Requests of and about consumer groups.

use crate::preflight::shape::Kind::{Array, Bool, Bytes, List, String};
use crate::preflight::shape::{I8, I32, I64, Shape, UUID, field};

pub(super) const FIND_COORDINATOR: Shape = Shape {
    flexible_from: 3,
    fields: &[
        field("key", String).until(3),
        field("key_type", I8).since(1),
        field("coordinator_keys", List(&String)).since(4),
    ],
};

pub(super) const JOIN_GROUP: Shape = Shape {
    flexible_from: 6,
    fields: &[
        field("group_id", String),
        field("session_timeout_ms", I32),
        field("rebalance_timeout_ms", I32).since(1),
        field("member_id", String),
        field("group_instance_id", String).since(5),
        field("protocol_type", String),
        field("protocols", Array(&[field("name", String), field("metadata", Bytes)])),
        field("reason", String).since(8),
    ],
};

pub(super) const SYNC_GROUP: Shape = Shape {
    flexible_from: 4,
    fields: &[
        field("group_id", String),
        field("generation_id", I32),
        field("member_id", String),
        field("group_instance_id", String).since(3),
        field("protocol_type", String).since(5),
        field("protocol_name", String).since(5),
        field("assignments", Array(&[field("member_id", String), field("assignment", Bytes)])),
    ],
};

pub(super) const HEARTBEAT: Shape = Shape {
    flexible_from: 4,
    fields: &[
        field("group_id", String),
        field("generation_id", I32),
        field("member_id", String),
        field("group_instance_id", String).since(3),
    ],
};

pub(super) const LEAVE_GROUP: Shape = Shape {
    flexible_from: 4,
    fields: &[
        field("group_id", String),
        field("member_id", String).until(2),
        field(
            "members",
            Array(&[
                field("member_id", String),
                field("group_instance_id", String),
                field("reason", String).since(5),
            ]),
        )
        .since(3),
    ],
};

pub(super) const OFFSET_COMMIT: Shape = Shape {
    flexible_from: 8,
    fields: &[
        field("group_id", String),
        field("generation_id_or_member_epoch", I32),
        field("member_id", String),
        field("group_instance_id", String).since(7),
        field("retention_time_ms", I64).until(4),
        field(
            "topics",
            Array(&[
                field("name", String),
                field(
                    "partitions",
                    Array(&[
                        field("partition_index", I32),
                        field("committed_offset", I64),
                        field("committed_leader_epoch", I32).since(6),
                        field("committed_metadata", String),
                    ]),
                ),
            ]),
        ),
    ],
};

pub(super) const OFFSET_FETCH: Shape = Shape {
    flexible_from: 6,
    fields: &[
        field("group_id", String).until(7),
        field("topics", Array(&[field("name", String), field("partition_indexes", List(&I32))]))
            .until(7),
        field(
            "groups",
            Array(&[
                field("group_id", String),
                field("member_id", String).since(9),
                field("member_epoch", I32).since(9),
                field(
                    "topics",
                    Array(&[field("name", String), field("partition_indexes", List(&I32))]),
                ),
            ]),
        )
        .since(8),
        field("require_stable", Bool).since(7),
    ],
};

pub(super) const OFFSET_DELETE: Shape = Shape {
    flexible_from: i16::MAX,
    fields: &[
        field("group_id", String),
        field(
            "topics",
            Array(&[
                field("name", String),
                field("partitions", Array(&[field("partition_index", I32)])),
            ]),
        ),
    ],
};

pub(super) const DESCRIBE_GROUPS: Shape = Shape {
    flexible_from: 5,
    fields: &[
        field("groups", List(&String)),
        field("include_authorized_operations", Bool).since(3),
    ],
};

pub(super) const LIST_GROUPS: Shape = Shape {
    flexible_from: 3,
    fields: &[
        field("states_filter", List(&String)).since(4),
        field("types_filter", List(&String)).since(5),
    ],
};

pub(super) const DELETE_GROUPS: Shape =
    Shape { flexible_from: 2, fields: &[field("groups_names", List(&String))] };

pub(super) const CONSUMER_GROUP_HEARTBEAT: Shape = Shape {
    flexible_from: 0,
    fields: &[
        field("group_id", String),
        field("member_id", String),
        field("member_epoch", I32),
        field("instance_id", String),
        field("rack_id", String),
        field("rebalance_timeout_ms", I32),
        field("subscribed_topic_names", List(&String)),
        field("subscribed_topic_regex", String).since(1),
        field("server_assignor", String),
        field(
            "topic_partitions",
            Array(&[field("topic_id", UUID), field("partitions", List(&I32))]),
        ),
    ],
};

pub(super) const CONSUMER_GROUP_DESCRIBE: Shape = Shape {
    flexible_from: 0,
    fields: &[field("group_ids", List(&String)), field("include_authorized_operations", Bool)],
};
