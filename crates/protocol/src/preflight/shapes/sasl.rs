//! Requests of and about authentication.

use crate::preflight::shape::Kind::{Array, Bytes, String};
use crate::preflight::shape::{I8, I32, Shape, field};

pub(super) const SASL_HANDSHAKE: Shape =
    Shape { flexible_from: i16::MAX, fields: &[field("mechanism", String)] };

pub(super) const SASL_AUTHENTICATE: Shape =
    Shape { flexible_from: 2, fields: &[field("auth_bytes", Bytes)] };

pub(super) const DESCRIBE_USER_SCRAM_CREDENTIALS: Shape =
    Shape { flexible_from: 0, fields: &[field("users", Array(&[field("name", String)]))] };

pub(super) const ALTER_USER_SCRAM_CREDENTIALS: Shape = Shape {
    flexible_from: 0,
    fields: &[
        field("deletions", Array(&[field("name", String), field("mechanism", I8)])),
        field(
            "upsertions",
            Array(&[
                field("name", String),
                field("mechanism", I8),
                field("iterations", I32),
                field("salt", Bytes),
                field("salted_password", Bytes),
            ]),
        ),
    ],
};
