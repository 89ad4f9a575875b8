//! Fetch: each partition from its owner or from a cold reader, joined into one answer.
//!
//! ```text
//! session ─ resolve ─ tier ─┬─ hot ──► owners, at first without waiting
//!                           └─ cold ─► background reads
//!             enough? ── no ──► owners again, waiting; cold reads as they finish; until max_wait
//!             answer within max_bytes, told as the session wants it
//! ```
//!
//! A slow cold read never holds back hot partitions: the answer leaves with what is there, the read
//! goes on (see [`super::cold`]). A single owner is asked once, and waits itself.

mod gather;
mod hints;
mod owners;
mod part;

use std::sync::Arc;
use std::time::Duration;

use metadata::Topic;
use metadata::settings::acl::AclOperation;
use metadata::settings::quota::QuotaKey;
use protocol::ErrorCode;
use protocol::fetch::FetchResponse;
use protocol::messages::FetchRequest;

use self::gather::{Gather, Gathered};
use self::part::{Part, Place};
use super::sessions::{self, Asked, TopicKey};
use crate::authoriser::Resource;
use crate::context::Context;
use crate::limits::FETCH_WAIT_MAX;

/// `isolation_level` of a client that wants committed records only.
const READ_COMMITTED: i8 = 1;

/// When an answer is good enough, and how large it may be.
#[derive(Debug, Clone, Copy)]
struct Terms {
    wait: Duration,
    min_bytes: usize,
    max_bytes: usize,
    isolation_level: i8,
}

/// Starts a fetch. Its session has moved on when this returns, so that pipelined fetches of one
/// session are taken in their order.
pub(super) fn handle(
    context: Context,
    request: FetchRequest,
) -> impl Future<Output = FetchResponse> + Send {
    let begun = context.core.sessions.begin(&context.identity, context.version, &request);
    // Before anything is read for it.
    let queues = context.toll.queues(QuotaKey::ConsumerByteRate);
    async move {
        let fetching = match begun {
            Ok(fetching) => fetching,
            Err(error) => return sessions::failure(error),
        };
        if queues {
            return fetching.nothing();
        }
        let terms = Terms::of(&context, &request);
        let asked = fetching.asked.iter();
        let parts = asked.map(|asked| Part::new(asked.clone(), resolve(&context, asked)));
        let gather = Gather::new(context.clone(), terms, parts.collect());
        // Boxed: its state is most of a connection's memory and rarely all in use.
        let Gathered { found, cold } = Box::pin(gather.run()).await;
        let mut answer = context.core.sessions.finish(&context.identity, fetching, found);
        hints::put(&context, &mut answer);
        FetchResponse { cold, ..answer }
    }
}

/// Where a partition is, or why it cannot be fetched.
fn resolve(context: &Context, asked: &Asked) -> Result<Place, ErrorCode> {
    let may_read = |name: &str| context.grants.require(AclOperation::Read, Resource::topic(name));
    let topic: Arc<Topic> = match &asked.topic {
        TopicKey::Id(id) => {
            let topic = context.catalogue.by_id(*id).ok_or(ErrorCode::UnknownTopicId)?;
            may_read(topic.name())?;
            topic
        }
        TopicKey::Name(name) => {
            may_read(name)?;
            context.catalogue.by_name(name).ok_or(ErrorCode::UnknownTopicOrPartition)?
        }
    };
    let partition = context
        .catalogue
        .partition(&topic, asked.index)
        .ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if let Some(((node, epoch), leaving)) = context.core.serving(partition) {
        let owner = Some((node.node, node.address.clone()));
        return Ok(Place { partition, owner, epoch, leaving });
    }
    // Nobody serves it now. What its last owner did not hold in memory is stored, and can be read.
    let known = context.core.tides.of(partition);
    let stored = known.filter(|tide| asked.fetch_offset < tide.hot_floor);
    let tide = stored.ok_or(ErrorCode::NotLeaderOrFollower)?;
    Ok(Place { partition, owner: None, epoch: tide.epoch, leaving: false })
}

// === impl Terms ===

impl Terms {
    fn of(context: &Context, request: &FetchRequest) -> Self {
        let positive = |number: i32| usize::try_from(number).unwrap_or(0);
        let response_size = context.core.config.fetch.response_size.as_u64();
        let most = usize::try_from(response_size).unwrap_or(usize::MAX);
        let paid = context.toll.at_once(QuotaKey::ConsumerByteRate).unwrap_or(most);
        let max_bytes = positive(request.max_bytes).min(most).min(paid);
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
        Self {
            wait: wait.min(FETCH_WAIT_MAX),
            // More than fits would never be there.
            min_bytes: positive(request.min_bytes).min(max_bytes),
            max_bytes,
            isolation_level: request.isolation_level,
        }
    }

    fn read_committed(&self) -> bool {
        self.isolation_level == READ_COMMITTED
    }
}
