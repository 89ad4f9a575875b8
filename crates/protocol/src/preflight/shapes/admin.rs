//! Requests about the cluster and its topics.

use crate::preflight::shape::Kind::{Array, Bool, List, NullableStruct, String};
use crate::preflight::shape::{I8, I16, I32, Shape, UUID, field};

pub(super) const API_VERSIONS: Shape = Shape {
    flexible_from: 3,
    fields: &[
        field("client_software_name", String).since(3),
        field("client_software_version", String).since(3),
    ],
};

pub(super) const METADATA: Shape = Shape {
    flexible_from: 9,
    fields: &[
        field("topics", Array(&[field("topic_id", UUID).since(10), field("name", String)])),
        field("allow_auto_topic_creation", Bool).since(4),
        field("include_cluster_authorized_operations", Bool).since(8).until(10),
        field("include_topic_authorized_operations", Bool).since(8),
    ],
};

pub(super) const DESCRIBE_CLUSTER: Shape = Shape {
    flexible_from: 0,
    fields: &[
        field("include_cluster_authorized_operations", Bool),
        field("endpoint_type", I8).since(1),
        field("include_fenced_brokers", Bool).since(2),
    ],
};

pub(super) const CREATE_TOPICS: Shape = Shape {
    flexible_from: 5,
    fields: &[
        field(
            "topics",
            Array(&[
                field("name", String),
                field("num_partitions", I32),
                field("replication_factor", I16),
                field(
                    "assignments",
                    Array(&[field("partition_index", I32), field("broker_ids", List(&I32))]),
                ),
                field("configs", Array(&[field("name", String), field("value", String)])),
            ]),
        ),
        field("timeout_ms", I32),
        field("validate_only", Bool),
    ],
};

pub(super) const DELETE_TOPICS: Shape = Shape {
    flexible_from: 4,
    fields: &[
        field("topics", Array(&[field("name", String), field("topic_id", UUID)])).since(6),
        field("topic_names", List(&String)).until(5),
        field("timeout_ms", I32),
    ],
};

pub(super) const CREATE_PARTITIONS: Shape = Shape {
    flexible_from: 2,
    fields: &[
        field(
            "topics",
            Array(&[
                field("name", String),
                field("count", I32),
                field("assignments", Array(&[field("broker_ids", List(&I32))])),
            ]),
        ),
        field("timeout_ms", I32),
        field("validate_only", Bool),
    ],
};

pub(super) const DESCRIBE_TOPIC_PARTITIONS: Shape = Shape {
    flexible_from: 0,
    fields: &[
        field("topics", Array(&[field("name", String)])),
        field("response_partition_limit", I32),
        field(
            "cursor",
            NullableStruct(&[field("topic_name", String), field("partition_index", I32)]),
        ),
    ],
};

pub(super) const ELECT_LEADERS: Shape = Shape {
    flexible_from: 2,
    fields: &[
        field("election_type", I8).since(1),
        field(
            "topic_partitions",
            Array(&[field("topic", String), field("partitions", List(&I32))]),
        ),
        field("timeout_ms", I32),
    ],
};

pub(super) const ALTER_PARTITION_REASSIGNMENTS: Shape = Shape {
    flexible_from: 0,
    fields: &[
        field("timeout_ms", I32),
        field("allow_replication_factor_change", Bool).since(1),
        field(
            "topics",
            Array(&[
                field("name", String),
                field(
                    "partitions",
                    Array(&[field("partition_index", I32), field("replicas", List(&I32))]),
                ),
            ]),
        ),
    ],
};

pub(super) const LIST_PARTITION_REASSIGNMENTS: Shape = Shape {
    flexible_from: 0,
    fields: &[
        field("timeout_ms", I32),
        field("topics", Array(&[field("name", String), field("partition_indexes", List(&I32))])),
    ],
};

pub(super) const DESCRIBE_LOG_DIRS: Shape = Shape {
    flexible_from: 2,
    fields: &[field("topics", Array(&[field("topic", String), field("partitions", List(&I32))]))],
};

pub(super) const ALTER_REPLICA_LOG_DIRS: Shape = Shape {
    flexible_from: 2,
    fields: &[field(
        "dirs",
        Array(&[
            field("path", String),
            field("topics", Array(&[field("name", String), field("partitions", List(&I32))])),
        ]),
    )],
};
