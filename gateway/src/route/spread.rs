//! What is asked per partition: grouped by owner, asked all at once, put back in place.
//!
//! Only for what may be asked twice without harm: reads, and writes that are settled once done.
//!
//! For the APIs whose hop messages name a topic by its id in the name field.

use std::collections::HashMap;

use futures::future::join_all;
use hop::Call;
use protocol::ErrorCode;
use protocol::ids::{NodeId, TopicId};
use protocol::messages::TopicName;

use crate::context::Context;
use crate::errors;
use crate::grants::Grants;
use crate::limits::CALL_TIMEOUT;

/// An API that asks the owner of each partition it names.
pub(super) trait PerPartition {
    /// What is asked about one partition.
    type Question;
    /// What is answered about it.
    type Answer;
    /// What an owner is sent.
    type Message: Call;

    /// Whether the client may ask about a topic, existing or not.
    fn may_ask(&self, grants: &Grants, topic: &str) -> bool;

    /// What is wrong with a question, before anybody is asked.
    fn refuse(&self, question: &Self::Question) -> Option<ErrorCode>;

    /// The partition asked about.
    fn index(question: &Self::Question) -> i32;

    /// The message for one owner.
    fn message(&self, topics: Vec<(TopicName, Vec<Self::Question>)>) -> Self::Message;

    /// What an owner answered, by topic.
    fn answers(
        answer: <Self::Message as Call>::Answer,
    ) -> impl Iterator<Item = (TopicName, Vec<Self::Answer>)>;

    /// The partition answered about.
    fn answered_index(answer: &Self::Answer) -> i32;

    /// An answer that is only an error.
    fn failure(index: i32, error: ErrorCode) -> Self::Answer;
}

/// One owner's part of the questions.
struct Share<Q> {
    owner: NodeId,
    address: String,
    /// By topic, in the order of the request.
    topics: Vec<(TopicName, Vec<Q>)>,
    places: Places,
}

/// Where partitions stood in the request, and so stand in the answer: topic, then partition.
type Places = HashMap<(TopicId, i32), (usize, usize)>;

/// Asks the owners of all partitions in `topics`, which are named as the client names them. The
/// answers stand as the questions stood.
pub(super) async fn ask_owners<R: PerPartition>(
    context: &Context,
    read: &R,
    topics: Vec<(TopicName, Vec<R::Question>)>,
) -> Vec<(TopicName, Vec<R::Answer>)> {
    let mut shares = Vec::new();
    let mut answers = Vec::with_capacity(topics.len());
    for (name, questions) in topics {
        let mut of_topic = Vec::with_capacity(questions.len());
        let may_ask = read.may_ask(&context.grants, &name);
        for question in questions {
            let index = R::index(&question);
            let place = (answers.len(), of_topic.len());
            let refused = match read.refuse(&question) {
                _ if !may_ask => Err(ErrorCode::TopicAuthorizationFailed),
                Some(error) => Err(error),
                None => assign(context, &mut shares, &name, index, place, question),
            };
            // Whoever is asked and does not answer leaves this behind: retriable, nothing said.
            let error = refused.err().unwrap_or(ErrorCode::KafkaStorageError);
            of_topic.push(R::failure(index, error));
        }
        answers.push((name, of_topic));
    }
    let calls = shares.into_iter().map(|share: Share<R::Question>| {
        let call = context.ask(&share.address, CALL_TIMEOUT, read.message(share.topics));
        async move { (call.await, share.places) }
    });
    for (answer, places) in join_all(calls).await {
        match answer {
            Ok(answer) => {
                for (topic, partitions) in R::answers(answer) {
                    let Some(id) = id_of(&topic) else { continue };
                    for partition in partitions {
                        if let Some((at, of)) = places.get(&(id, R::answered_index(&partition))) {
                            answers[*at].1[*of] = partition;
                        }
                    }
                }
            }
            Err(error) => {
                tracing::debug!(%error, "asking an owner failed");
                let error = errors::of_read(&error);
                for ((_, index), (at, of)) in places {
                    answers[at].1[of] = R::failure(index, error);
                }
            }
        }
    }
    answers
}

/// Puts a question into its owner's share, or says why nobody can be asked.
fn assign<Q>(
    context: &Context,
    shares: &mut Vec<Share<Q>>,
    name: &TopicName,
    index: i32,
    place: (usize, usize),
    question: Q,
) -> Result<(), ErrorCode> {
    let topic = context.catalogue.by_name(name).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let id =
        context.catalogue.partition(&topic, index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let (node, _) = context.core.owner(id).ok_or(ErrorCode::NotLeaderOrFollower)?;
    let at = match shares.iter().position(|share| share.owner == node.node) {
        Some(at) => at,
        None => {
            let address = node.address.clone();
            let (topics, places) = (Vec::new(), Places::new());
            shares.push(Share { owner: node.node, address, topics, places });
            shares.len() - 1
        }
    };
    let share = &mut shares[at];
    if share.places.contains_key(&(id.topic, index)) {
        // One question per partition, as Kafka has it.
        return Err(ErrorCode::InvalidRequest);
    }
    share.places.insert((id.topic, index), place);
    let name = name_of(id.topic);
    match share.topics.last_mut() {
        Some((last, questions)) if *last == name => questions.push(question),
        _ => share.topics.push((name, vec![question])),
    }
    Ok(())
}

/// A topic's id as it travels in a name field.
pub(super) fn name_of(id: TopicId) -> TopicName {
    TopicName(id.simple_text().into())
}

/// The id in a name field.
pub(super) fn id_of(name: &TopicName) -> Option<TopicId> {
    name.parse().ok()
}
