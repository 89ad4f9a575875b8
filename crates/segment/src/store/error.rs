//! Store errors, sorted by what the caller should do about them.

use std::error::Error as _;
use std::fmt;

use object_store::client::{HttpError, HttpErrorKind};

use super::metrics::Op;

/// What the caller can do about a [`StoreError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// The object is not there. Never a proof that nothing was stored: whoever
    /// holds a reference to it treats this as damage (R31).
    NotFound,
    /// The bucket is not there.
    NoBucket,
    /// The store refuses the credentials or the operation.
    Denied,
    /// No connection.
    Unreachable,
    /// Time-out, broken connection, a failure on the other side: try again.
    Unavailable,
    /// The store asks for fewer requests: try again, more slowly (R28).
    Overloaded,
    /// The object is there but is not what its reference says.
    Damaged,
}

/// A request to the object store failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{op} `{key}`: {cause}")]
pub struct StoreError {
    /// Which request.
    pub op: Op,
    /// On which key.
    pub key: String,
    /// What to do about it.
    pub kind: StoreErrorKind,
    /// The store's own words.
    pub cause: String,
}

impl StoreError {
    pub(crate) fn new(op: Op, key: impl fmt::Display, error: &object_store::Error) -> Self {
        Self { op, key: key.to_string(), kind: classify(error), cause: one_line(error) }
    }

    /// An object whose content contradicts the reference to it.
    pub fn damaged(op: Op, key: impl fmt::Display, what: impl fmt::Display) -> Self {
        let kind = StoreErrorKind::Damaged;
        Self { op, key: key.to_string(), kind, cause: what.to_string() }
    }

    /// True when the same request may succeed a little later.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            StoreErrorKind::Unreachable | StoreErrorKind::Unavailable | StoreErrorKind::Overloaded
        )
    }

    /// True when the object is not there.
    pub fn is_not_found(&self) -> bool {
        self.kind == StoreErrorKind::NotFound
    }
}

/// Variants alone do not tell: a refused listing is a generic error whatever the status.
fn classify(error: &object_store::Error) -> StoreErrorKind {
    let text = chain(error);
    match error {
        _ if text.contains("NoSuchBucket") => StoreErrorKind::NoBucket,
        object_store::Error::NotFound { .. } => StoreErrorKind::NotFound,
        object_store::Error::PermissionDenied { .. }
        | object_store::Error::Unauthenticated { .. } => StoreErrorKind::Denied,
        object_store::Error::InvalidPath { .. } => StoreErrorKind::Damaged,
        _ if text.contains("status code: 403") || text.contains("status code: 401") => {
            StoreErrorKind::Denied
        }
        _ if ["SlowDown", "status code: 503", "status code: 429"]
            .iter()
            .any(|it| text.contains(it)) =>
        {
            StoreErrorKind::Overloaded
        }
        _ if connection_failed(error) => StoreErrorKind::Unreachable,
        _ => StoreErrorKind::Unavailable,
    }
}

fn connection_failed(error: &object_store::Error) -> bool {
    std::iter::successors(error.source(), |&inner| inner.source())
        .filter_map(|inner| inner.downcast_ref::<HttpError>())
        .any(|http| http.kind() == HttpErrorKind::Connect)
}

/// All causes: the outermost text alone often hides the reason.
fn chain(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    for inner in std::iter::successors(error.source(), |&inner| inner.source()) {
        let inner = inner.to_string();
        if !text.contains(&inner) {
            text.push_str(": ");
            text.push_str(&inner);
        }
    }
    text
}

/// All causes in one readable line: an S3 server's XML is reduced to code and message.
fn one_line(error: &object_store::Error) -> String {
    let text = chain(error);
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once("</")?.0)
    };
    let readable = match (element("Code"), element("Message")) {
        (Some(code), Some(message)) => {
            let before = text.split_once('<').map_or("", |(before, _)| before);
            format!("{before}{code}, {message}")
        }
        _ => text,
    };
    readable.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{Op, StoreError, StoreErrorKind};

    fn seen(text: &'static str) -> StoreError {
        let error = object_store::Error::Generic { store: "S3", source: text.into() };
        StoreError::new(Op::List, "meta", &error)
    }

    #[test]
    fn a_servers_xml_becomes_one_line() {
        let error = seen(
            "status code: 404 Not Found: <?xml version=\"1.0\"?>\n<Error><Code>NoSuchBucket</Code>\
             <Message>No such\n bucket</Message><BucketName>b</BucketName></Error>",
        );
        assert_eq!(error.kind, StoreErrorKind::NoBucket);
        assert_eq!(
            error.to_string(),
            "list `meta`: Generic S3 error: status code: 404 Not Found: NoSuchBucket, No such bucket"
        );
    }

    #[test]
    fn a_refused_listing_is_told_from_a_failed_one() {
        assert_eq!(seen("status code: 403 Forbidden").kind, StoreErrorKind::Denied);
        assert_eq!(
            seen("status code: 500 Internal Server Error").kind,
            StoreErrorKind::Unavailable
        );
    }

    #[test]
    fn an_overloaded_store_is_told_from_a_broken_one() {
        for text in
            ["status code: 503 Service Unavailable", "<Code>SlowDown</Code>", "status code: 429"]
        {
            assert_eq!(seen(text).kind, StoreErrorKind::Overloaded, "{text}");
        }
    }
}
