//! DescribeTransactions and ListTransactions: transactional ids as an administrator sees them
//! (KIP-664, KIP-994, KIP-1152).

use futures::future::join_all;
use metadata::settings::acl::AclOperation;
use protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ListTransactionsRequest,
    ListTransactionsResponse,
};
use protocol::{ErrorCode, StrBytes};
use regex::Regex;

use crate::authoriser::Resource;
use crate::context::Context;
use crate::limits::{CALL_TIMEOUT, PATTERN_BYTES_MAX};
use crate::route::groups::lists::{INCOMPLETE, Lists};
use crate::route::groups::{ask, find};
use crate::route::spread::id_of;

/// What Kafka calls the topic that keeps the offsets of groups.
const OFFSETS_TOPIC: &str = "__consumer_offsets";

pub(in crate::route) fn describe(
    context: Context,
    request: DescribeTransactionsRequest,
) -> impl Future<Output = DescribeTransactionsResponse> + Send {
    let calls: Vec<_> = request
        .transactional_ids
        .into_iter()
        .map(|id| {
            let question =
                DescribeTransactionsRequest::default().with_transactional_ids(vec![id.clone()]);
            let resource = Resource::transactional_id(&id);
            let visible = context.grants.require(AclOperation::Describe, resource);
            (visible.map(|()| ask(&context, &id, CALL_TIMEOUT, question)), id)
        })
        .collect();
    async move {
        let calls = calls.into_iter().map(|(answer, id)| async {
            let said = match answer {
                Ok(answer) => answer.await,
                Err(refused) => Err(refused),
            };
            let state = said.and_then(|mut answer| {
                answer.transaction_states.pop().ok_or(ErrorCode::CoordinatorNotAvailable)
            });
            match state {
                Ok(said) => with_names(&context, said),
                Err(error) => TransactionState::default()
                    .with_transactional_id(id)
                    .with_error_code(error.code()),
            }
        });
        let states = join_all(calls).await;
        DescribeTransactionsResponse::default().with_transaction_states(states)
    }
}

/// Names the topics that coordinators know by id. One that was deleted meanwhile has no name, and
/// one that the client may not see is left out.
fn with_names(context: &Context, mut state: TransactionState) -> TransactionState {
    let internal = context.core.view.cluster().map(|cluster| cluster.group_state_topic);
    let named = state.topics.drain(..).filter_map(|topic| {
        let id = id_of(&topic.topic)?;
        let name = if Some(id) == internal {
            StrBytes::from_static_str(OFFSETS_TOPIC)
        } else {
            StrBytes::from_string(context.catalogue.by_id(id)?.name().to_owned())
        };
        if !context.grants.may(AclOperation::Describe, Resource::topic(&name)) {
            return None;
        }
        Some(TopicData::default().with_topic(name.into()).with_partitions(topic.partitions))
    });
    let named: Vec<_> = named.collect();
    state.with_topics(named)
}

/// Lists the transactional ids that clients are sent here for, from the nodes of all of them, as
/// groups are listed.
pub(in crate::route) async fn list(
    context: Context,
    mut request: ListTransactionsRequest,
) -> ListTransactionsResponse {
    let failed =
        |error: ErrorCode| ListTransactionsResponse::default().with_error_code(error.code());
    let pattern = match pattern(request.transactional_id_pattern.take()) {
        Ok(pattern) => pattern,
        Err(error) => return failed(error),
    };
    let (mut lists, coordinators) = match Lists::begin(&context) {
        Ok(begun) => begun,
        Err(error) => return failed(error),
    };
    let ask = |address: &String| context.ask(address, CALL_TIMEOUT, request.clone());
    let calls: Vec<_> = coordinators.iter().map(ask).collect();
    let mut listed = ListTransactionsResponse::default();
    for answer in join_all(calls).await {
        match answer {
            Ok(answer) if answer.error_code == 0 => {
                listed.unknown_state_filters = answer.unknown_state_filters;
                let (fields, states) = (&answer.unknown_tagged_fields, answer.transaction_states);
                listed
                    .transaction_states
                    .extend(lists.add(fields, states, |s| &s.transactional_id));
            }
            Ok(_) | Err(_) => return failed(INCOMPLETE),
        }
    }
    if !lists.is_complete() {
        return failed(INCOMPLETE);
    }
    listed.transaction_states.retain(|state| {
        let id = &state.transactional_id;
        let seen = context.grants.may(AclOperation::Describe, Resource::transactional_id(id));
        seen && find::is_here(&context, id)
            && pattern.as_ref().is_none_or(|pattern| pattern.is_match(id))
    });
    listed
}

/// A pattern that whole ids have to match.
fn pattern(text: Option<StrBytes>) -> Result<Option<Regex>, ErrorCode> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let compile = |text: &str| {
        let mut builder = regex::RegexBuilder::new(text);
        builder.size_limit(PATTERN_BYTES_MAX).build()
    };
    // Alone first: what is no pattern by itself must not become one between the brackets.
    let whole = compile(&text).and_then(|_| compile(&format!("^(?:{})$", &*text)));
    whole.map(Some).map_err(|_| ErrorCode::InvalidRegularExpression)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_to_match_whole_ids() {
        let of = |text: &'static str| pattern(Some(text.into()));
        let orders = of("orders-.*").expect("a pattern").expect("not empty");
        assert!(orders.is_match("orders-1") && !orders.is_match("my-orders-1"));
        assert!(!of("a|b").expect("a pattern").expect("not empty").is_match("ab"));
        for none in [pattern(None), of("")] {
            assert!(none.expect("no pattern is fine").is_none());
        }
        for bad in ["(", "a)|(b", "(?:a{1000}){1000}{1000}"] {
            assert_eq!(of(bad).err(), Some(ErrorCode::InvalidRegularExpression), "{bad}");
        }
    }
}
