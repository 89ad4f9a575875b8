//! One error code per partition, kept under the client's names while a coordinator answers by ids.

use metadata::settings::acl::AclOperation;
use protocol::ErrorCode;
use protocol::ids::TopicId;
use protocol::messages::TopicName;

use crate::authoriser::Resource;
use crate::context::Context;
use crate::route::spread::{id_of, name_of};

/// What a partition says until its coordinator has answered: an unknown outcome.
const OPEN: ErrorCode = ErrorCode::RequestTimedOut;

/// The partitions of a request, in its order.
#[derive(Debug, Default)]
pub(super) struct Codes(Vec<Topic>);

#[derive(Debug)]
struct Topic {
    name: TopicName,
    id: Option<TopicId>,
    partitions: Vec<(i32, i16)>,
}

/// A topic that exists.
pub(super) struct Known {
    /// As the coordinator names it.
    pub(super) name: TopicName,
    partitions: i32,
}

// === impl Codes ===

impl Codes {
    /// Adds a topic of the request. What does not exist, or may not be read, has its code already.
    pub(super) fn add(
        &mut self,
        context: &Context,
        name: &TopicName,
        indexes: impl Iterator<Item = i32>,
    ) -> Option<Known> {
        let readable = context.grants.require(AclOperation::Read, Resource::topic(name));
        let topic = context.catalogue.by_name(name).filter(|_| readable.is_ok());
        let known =
            topic.map(|topic| (topic.id(), Known::new(name_of(topic.id()), topic.partitions())));
        let code = |index: i32| match &known {
            Some((_, known)) if known.has(index) => OPEN,
            _ => readable.err().unwrap_or(ErrorCode::UnknownTopicOrPartition),
        };
        let partitions = indexes.map(|index| (index, code(index).code())).collect();
        let id = known.as_ref().map(|(id, _)| *id);
        self.0.push(Topic { name: name.clone(), id, partitions });
        known.map(|(_, known)| known)
    }

    /// Takes in what a coordinator said.
    pub(super) fn set<'a>(&mut self, codes: impl Iterator<Item = (&'a TopicName, i32, i16)>) {
        for (name, index, code) in codes {
            let id = id_of(name);
            let topics = self.0.iter_mut().filter(|topic| topic.id.is_some() && topic.id == id);
            let partitions = topics.flat_map(|topic| &mut topic.partitions);
            partitions.filter(|(of, _)| *of == index).for_each(|(_, said)| *said = code);
        }
    }

    /// Every partition that a coordinator was to answer for failed with this.
    pub(super) fn fail(&mut self, error: ErrorCode) {
        let partitions = self.0.iter_mut().flat_map(|topic| &mut topic.partitions);
        let open = partitions.filter(|(_, code)| *code == OPEN.code());
        open.for_each(|(_, code)| *code = error.code());
    }

    pub(super) fn into_topics(self) -> impl Iterator<Item = (TopicName, Vec<(i32, i16)>)> {
        self.0.into_iter().map(|topic| (topic.name, topic.partitions))
    }
}

// === impl Known ===

impl Known {
    fn new(name: TopicName, partitions: i32) -> Self {
        Self { name, partitions }
    }

    pub(super) fn has(&self, index: i32) -> bool {
        (0..self.partitions).contains(&index)
    }
}
