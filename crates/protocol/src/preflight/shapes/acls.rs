//! Requests about access control lists.

use crate::preflight::shape::Kind::{Array, String};
use crate::preflight::shape::{Field, I8, Shape, field};

/// What chooses access control entries, in DescribeAcls and DeleteAcls alike.
const FILTER: &[Field] = &[
    field("resource_type_filter", I8),
    field("resource_name_filter", String),
    field("pattern_type_filter", I8),
    field("principal_filter", String),
    field("host_filter", String),
    field("operation", I8),
    field("permission_type", I8),
];

pub(super) const DESCRIBE_ACLS: Shape = Shape { flexible_from: 2, fields: FILTER };

pub(super) const CREATE_ACLS: Shape = Shape {
    flexible_from: 2,
    fields: &[field(
        "creations",
        Array(&[
            field("resource_type", I8),
            field("resource_name", String),
            field("resource_pattern_type", I8),
            field("principal", String),
            field("host", String),
            field("operation", I8),
            field("permission_type", I8),
        ]),
    )],
};

pub(super) const DELETE_ACLS: Shape =
    Shape { flexible_from: 2, fields: &[field("filters", Array(FILTER))] };
