//! Requests about client quotas.

use crate::preflight::shape::Kind::{Array, Bool, String};
use crate::preflight::shape::{I8, I64, Shape, field};

pub(super) const DESCRIBE_CLIENT_QUOTAS: Shape = Shape {
    flexible_from: 1,
    fields: &[
        field(
            "components",
            Array(&[field("entity_type", String), field("match_type", I8), field("match", String)]),
        ),
        field("strict", Bool),
    ],
};

pub(super) const ALTER_CLIENT_QUOTAS: Shape = Shape {
    flexible_from: 1,
    fields: &[
        field(
            "entries",
            Array(&[
                field(
                    "entity",
                    Array(&[field("entity_type", String), field("entity_name", String)]),
                ),
                // The value is a double.
                field(
                    "ops",
                    Array(&[field("key", String), field("value", I64), field("remove", Bool)]),
                ),
            ]),
        ),
        field("validate_only", Bool),
    ],
};
