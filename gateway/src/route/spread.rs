//! What is asked per partition: grouped by owner, asked all at once, put back in place.
//!
//! Only for what may be asked twice without harm: reads, and writes that are settled once done.
//!
//! For the APIs whose hop messages name a topic by its id in the name field.

use std::collections::{HashMap, HashSet};

use futures::future::join_all;
use hop::Call;
use metadata::model::NodeRecord;
use protocol::ErrorCode;
use protocol::ids::{NodeId, PartitionId, TopicId};
use protocol::messages::TopicName;
use tokio::time::Instant;

use super::handover;
use crate::context::Context;
use crate::errors;
use crate::grants::Grants;
use crate::limits::CALL_TIMEOUT;

/// An API that asks the owner of each partition it names.
pub(super) trait PerPartition {
    /// What is asked about one partition.
    type Question: Clone;
    /// What is answered about it.
    type Answer;
    /// What an owner is sent.
    type Message: Call;

    /// Whether nobody but the owner may answer, not even the one before while that still serves, and
    /// at once or not at all.
    const OF_THE_NEXT: bool = false;

    /// Whether the client may ask about a topic, existing or not.
    fn may_ask(&self, grants: &Grants, topic: &str) -> bool;

    /// What is wrong with a question, before anybody is asked.
    fn refuse(&self, question: &Self::Question) -> Option<ErrorCode>;

    /// The partition asked about.
    fn index(question: &Self::Question) -> i32;

    /// The leader epoch that the client believes in, where it may say so (KIP-320).
    fn leader_epoch(_question: &mut Self::Question) -> Option<&mut i32> {
        None
    }

    /// The message for one owner.
    fn message(&self, topics: Vec<(TopicName, Vec<Self::Question>)>) -> Self::Message;

    /// What an owner answered, by topic.
    fn answers(
        answer: <Self::Message as Call>::Answer,
    ) -> impl Iterator<Item = (TopicName, Vec<Self::Answer>)>;

    /// The partition answered about.
    fn answered_index(answer: &Self::Answer) -> i32;

    /// The error in an answer.
    fn error(answer: &Self::Answer) -> ErrorCode;

    /// An answer that is only an error.
    fn failure(index: i32, error: ErrorCode) -> Self::Answer;
}

/// A question to a partition's owner.
struct Wanted<Q> {
    id: PartitionId,
    question: Q,
    /// Where it stood in the request, and so stands in the answer: topic, then partition.
    place: (usize, usize),
}

/// One owner's part of the questions.
struct Share<Q> {
    owner: NodeId,
    address: String,
    /// By topic, in the order of the request.
    topics: Vec<(TopicName, Vec<Q>)>,
    asked: Vec<(TopicId, i32)>,
}

type Answers<R> = Vec<(TopicName, Vec<<R as PerPartition>::Answer>)>;

/// Asks the owners of all partitions in `topics`, which are named as the client names them. The
/// answers stand as the questions stood.
///
/// What is refused because a partition is on its way to another owner is asked again once that
/// serves, as produces are sent again: many clients tell their users of such an answer to a question.
/// Except for what only the next owner may answer.
pub(super) async fn ask_owners<R: PerPartition>(
    context: &Context,
    read: &R,
    topics: Vec<(TopicName, Vec<R::Question>)>,
) -> Answers<R> {
    let (mut answers, wanted) = prepare(context, read, topics);
    ask(context, read, &wanted, &mut answers).await;
    let is_refused = |wanted: &Wanted<_>| {
        let (at, of) = wanted.place;
        R::error(&answers[at].1[of]) == ErrorCode::NotLeaderOrFollower
    };
    let refused: Vec<_> = wanted.into_iter().filter(is_refused).collect();
    if !refused.is_empty() && !R::OF_THE_NEXT {
        let partitions: Vec<_> = refused.iter().map(|wanted| wanted.id).collect();
        let until = Instant::now() + context.core.takeovers.hold();
        handover::served(context, &partitions, until).await;
        ask(context, read, &refused, &mut answers).await;
    }
    answers
}

/// What is to be asked, and the answer as far as it is known already.
fn prepare<R: PerPartition>(
    context: &Context,
    read: &R,
    topics: Vec<(TopicName, Vec<R::Question>)>,
) -> (Answers<R>, Vec<Wanted<R::Question>>) {
    let mut wanted = Vec::new();
    let mut asked = HashSet::new();
    let mut answers = Vec::with_capacity(topics.len());
    for (name, questions) in topics {
        let mut of_topic = Vec::with_capacity(questions.len());
        let may_ask = read.may_ask(&context.grants, &name);
        for question in questions {
            let index = R::index(&question);
            let place = (answers.len(), of_topic.len());
            let id = match read.refuse(&question) {
                _ if !may_ask => Err(ErrorCode::TopicAuthorizationFailed),
                Some(error) => Err(error),
                None => find(context, &name, index),
            };
            // Whoever is asked and does not answer leaves this behind: retriable, nothing said.
            let error = match id {
                // One question per partition, as Kafka has it.
                Ok(id) if !asked.insert(id) => ErrorCode::InvalidRequest,
                Ok(id) => {
                    wanted.push(Wanted { id, question, place });
                    ErrorCode::KafkaStorageError
                }
                Err(error) => error,
            };
            of_topic.push(R::failure(index, error));
        }
        answers.push((name, of_topic));
    }
    (answers, wanted)
}

fn find(context: &Context, name: &TopicName, index: i32) -> Result<PartitionId, ErrorCode> {
    let topic = context.catalogue.by_name(name);
    let id = topic.and_then(|topic| context.catalogue.partition(&topic, index));
    id.ok_or(ErrorCode::UnknownTopicOrPartition)
}

/// Asks all owners at once, and puts what they say where the questions stood.
async fn ask<R: PerPartition>(
    context: &Context,
    read: &R,
    wanted: &[Wanted<R::Question>],
    answers: &mut Answers<R>,
) {
    let mut shares: Vec<Share<R::Question>> = Vec::new();
    let mut places = HashMap::with_capacity(wanted.len());
    for Wanted { id, question, place } in wanted {
        let (at, of) = *place;
        let serving = match R::OF_THE_NEXT {
            true => context.core.owner(*id).map(|owner| (owner, false)),
            false => context.core.serving(*id),
        };
        let Some(((node, epoch), leaving)) = serving else {
            answers[at].1[of] = R::failure(id.index, ErrorCode::NotLeaderOrFollower);
            continue;
        };
        let mut question = question.clone();
        // Clients are told of the next owner's epoch as soon as that is assigned.
        if let Some(known) = R::leader_epoch(&mut question).filter(|it| leaving && **it > epoch) {
            *known = -1;
        }
        assign(&mut shares, &node, *id, question);
        places.insert((id.topic, id.index), (*place, *id, leaving));
    }
    let calls = shares.into_iter().map(|share| {
        let call = context.ask(&share.address, CALL_TIMEOUT, read.message(share.topics));
        async move { (call.await, share.asked) }
    });
    for (answer, asked) in join_all(calls).await {
        match answer {
            Ok(answer) => {
                for (topic, partitions) in R::answers(answer) {
                    let Some(id) = id_of(&topic) else { continue };
                    for partition in partitions {
                        let index = R::answered_index(&partition);
                        let Some(((at, of), id, leaving)) = places.get(&(id, index)) else {
                            continue;
                        };
                        if *leaving && R::error(&partition) == ErrorCode::NotLeaderOrFollower {
                            context.core.takeovers.left(*id);
                        }
                        answers[*at].1[*of] = partition;
                    }
                }
            }
            Err(error) => {
                tracing::debug!(%error, "asking an owner failed");
                let error = errors::of_read(&error);
                for key in asked {
                    let ((at, of), ..) = places[&key];
                    answers[at].1[of] = R::failure(key.1, error);
                }
            }
        }
    }
}

/// Puts a question into its owner's share.
fn assign<Q>(shares: &mut Vec<Share<Q>>, node: &NodeRecord, id: PartitionId, question: Q) {
    let at = match shares.iter().position(|share| share.owner == node.node) {
        Some(at) => at,
        None => {
            let (owner, address) = (node.node, node.address.clone());
            shares.push(Share { owner, address, topics: Vec::new(), asked: Vec::new() });
            shares.len() - 1
        }
    };
    let (name, share) = (name_of(id.topic), &mut shares[at]);
    share.asked.push((id.topic, id.index));
    match share.topics.last_mut() {
        Some((last, questions)) if *last == name => questions.push(question),
        _ => share.topics.push((name, vec![question])),
    }
}

/// A topic's id as it travels in a name field.
pub(super) fn name_of(id: TopicId) -> TopicName {
    TopicName(id.simple_text().into())
}

/// The id in a name field.
pub(super) fn id_of(name: &TopicName) -> Option<TopicId> {
    name.parse().ok()
}
