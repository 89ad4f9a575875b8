//! Committed offsets: OffsetCommit, TxnOffsetCommit, OffsetFetch, OffsetDelete, and their expiry.

use protocol::StrBytes;
use protocol::ids::TopicId;
use uuid::Uuid;

mod commit;
mod delete;
mod expiry;
mod fetch;
mod transactional;

pub use transactional::Marker;

/// The topic that a message means: by its id, or by the id's text where it only has a name field.
fn topic_of(id: Uuid, name: &StrBytes) -> Option<TopicId> {
    if id.is_nil() { name.parse().ok() } else { Some(TopicId(id)) }
}
