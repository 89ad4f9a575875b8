//! Requests about configs.

use crate::preflight::shape::Kind::{Array, Bool, List, String};
use crate::preflight::shape::{I8, Shape, field};

pub(super) const DESCRIBE_CONFIGS: Shape = Shape {
    flexible_from: 4,
    fields: &[
        field(
            "resources",
            Array(&[
                field("resource_type", I8),
                field("resource_name", String),
                field("configuration_keys", List(&String)),
            ]),
        ),
        field("include_synonyms", Bool),
        field("include_documentation", Bool).since(3),
    ],
};

pub(super) const ALTER_CONFIGS: Shape = Shape {
    flexible_from: 2,
    fields: &[
        field(
            "resources",
            Array(&[
                field("resource_type", I8),
                field("resource_name", String),
                field("configs", Array(&[field("name", String), field("value", String)])),
            ]),
        ),
        field("validate_only", Bool),
    ],
};

pub(super) const INCREMENTAL_ALTER_CONFIGS: Shape = Shape {
    flexible_from: 1,
    fields: &[
        field(
            "resources",
            Array(&[
                field("resource_type", I8),
                field("resource_name", String),
                field(
                    "configs",
                    Array(&[
                        field("name", String),
                        field("config_operation", I8),
                        field("value", String),
                    ]),
                ),
            ]),
        ),
        field("validate_only", Bool),
    ],
};

pub(super) const LIST_CONFIG_RESOURCES: Shape =
    Shape { flexible_from: 0, fields: &[field("resource_types", List(&I8)).since(1)] };
