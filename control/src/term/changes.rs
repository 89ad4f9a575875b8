//! The commands: plan, commit, copy, assign, answer.

use std::collections::BTreeMap;

use bytes::Bytes;
use hop::{Request, Response, strict_quota};
use metadata::settings::SettingKey;
use metadata::settings::quota::Table;
use protocol::{
    ErrorCode,
    ids::{TenantId, TopicId},
};

use super::{Ended, Term};
use crate::{
    admin::{
        Refusal, alter_client_quotas, alter_configs, alter_credentials, change_tenant,
        create_partitions, create_topics, delete_topics, encryption,
        producer_ids::{self, Reservation},
    },
    command::{self, By, Command},
    guard::GuardError,
    meta_log::MetaRecord,
    mutations::{Admitted, Mutator},
};

/// A change that may or may not happen, and how the term goes on.
pub(super) struct Doubt {
    pub(super) then: Result<(), Ended>,
}

/// What a change that may or may not happen is answered with.
pub(super) fn in_doubt() -> Refusal {
    let code = ErrorCode::RequestTimedOut;
    Refusal::new(code, command::message(code))
}

/// What is above a quota is answered with.
fn over_quota() -> Refusal {
    let text = "The throttling quota has been exceeded.";
    Refusal::new(ErrorCode::ThrottlingQuotaExceeded, text)
}

impl Term {
    /// Charges changes of so many partitions each to their client's quota (KIP-599).
    fn admit(
        &mut self,
        command: &Command,
        strict: bool,
        partitions: impl Iterator<Item = i32>,
    ) -> Admitted {
        let table = match command.by {
            By::Client => self.quotas(command.tenant),
            By::Operator => Table::default(),
        };
        let (user, client_id) = (command.principal.as_str(), command.client_id.as_str());
        let mutator = Mutator { tenant: command.tenant, user, client_id, strict };
        self.mutations.admit(&table, mutator, partitions)
    }

    pub(super) async fn create_topics(&mut self, mut command: Command) -> Result<(), Ended> {
        let Request::CreateTopics(request) = &command.request else {
            unreachable!("dispatched by API")
        };
        let now_ms = self.parts.clock.now_ms();
        let plan = create_topics::plan(
            &self.catalogue,
            self.bounds(command.tenant),
            command.tenant,
            request,
            now_ms,
        );
        let mut response = plan.response;
        let strict = strict_quota::get(&request.unknown_tagged_fields);
        let costs = plan.topics.iter().map(|topic| topic.partitions);
        let admitted = self.admit(&command, strict, costs);
        response.throttle_time_ms = admitted.throttle_time_ms();
        let topics = admitted.keep(plan.topics, |topic| {
            create_topics::refuse_named(&mut response, &over_quota(), |name| name == topic.name);
        });
        if topics.is_empty() {
            command.answer(Response::CreateTopics(response));
            return Ok(());
        }
        command.begun();
        let committed = self.commit(MetaRecord::TopicsCreated(topics.clone())).await;
        let shown = match committed {
            Ok(()) => self.copies.put_topics(&topics).await,
            Err(ended) => {
                create_topics::refuse_planned(&mut response, &in_doubt());
                command.answer(Response::CreateTopics(response));
                return Err(ended);
            }
        };
        if let Err(error) = shown {
            create_topics::refuse_planned(&mut response, &in_doubt());
            command.answer(Response::CreateTopics(response));
            return self.copies_failed(&error);
        }
        let ids: Vec<_> = topics.iter().map(|topic| (topic.tenant, topic.id)).collect();
        self.answer_when_open(command, &ids, Response::CreateTopics(response)).await
    }

    pub(super) async fn delete_topics(&mut self, mut command: Command) -> Result<(), Ended> {
        let Request::DeleteTopics(request) = &command.request else {
            unreachable!("dispatched by API")
        };
        let plan = delete_topics::plan(&self.catalogue, command.tenant, request);
        let mut response = plan.response;
        let strict = strict_quota::get(&request.unknown_tagged_fields);
        let costs = plan.topics.iter().map(|topic| topic.partitions);
        let admitted = self.admit(&command, strict, costs);
        response.throttle_time_ms = admitted.throttle_time_ms();
        let topics = admitted.keep(plan.topics, |topic| {
            delete_topics::refuse_ids(&mut response, &over_quota(), |id| id == topic.id);
        });
        if topics.is_empty() {
            command.answer(Response::DeleteTopics(response));
            return Ok(());
        }
        command.begun();
        let ids = topics.iter().map(|topic| topic.id).collect();
        let hidden = match self.commit(MetaRecord::TopicsDeleted(ids)).await {
            Ok(()) => self.copies.delete_topics(&topics).await,
            Err(ended) => {
                delete_topics::refuse_planned(&mut response, &in_doubt());
                command.answer(Response::DeleteTopics(response));
                return Err(ended);
            }
        };
        if let Err(error) = hidden {
            delete_topics::refuse_planned(&mut response, &in_doubt());
            command.answer(Response::DeleteTopics(response));
            return self.copies_failed(&error);
        }
        command.answer(Response::DeleteTopics(response));
        Ok(())
    }

    pub(super) async fn create_partitions(&mut self, mut command: Command) -> Result<(), Ended> {
        let Request::CreatePartitions(request) = &command.request else {
            unreachable!("dispatched by API")
        };
        let plan = create_partitions::plan(
            &self.catalogue,
            self.bounds(command.tenant),
            command.tenant,
            request,
        );
        let mut response = plan.response;
        let strict = strict_quota::get(&request.unknown_tagged_fields);
        let before = |id| self.catalogue.topic(id).map_or(0, |topic| topic.partitions);
        let costs: Vec<_> = plan.topics.iter().map(|&(id, after)| after - before(id)).collect();
        let admitted = self.admit(&command, strict, costs.into_iter());
        response.throttle_time_ms = admitted.throttle_time_ms();
        let topics = admitted.keep(plan.topics, |(id, _)| {
            let named = self.catalogue.topic(*id).map(|topic| topic.name.as_str());
            create_partitions::refuse_named(&mut response, &over_quota(), |name| {
                Some(name) == named
            });
        });
        if topics.is_empty() {
            command.answer(Response::CreatePartitions(response));
            return Ok(());
        }
        command.begun();
        let committed = self.commit(MetaRecord::PartitionsAdded(topics.clone())).await;
        let shown = match committed {
            Ok(()) => self.show_again(topics.iter().map(|(id, _)| *id)).await,
            Err(ended) => {
                create_partitions::refuse_planned(&mut response, &in_doubt());
                command.answer(Response::CreatePartitions(response));
                return Err(ended);
            }
        };
        if let Err(error) = shown {
            create_partitions::refuse_planned(&mut response, &in_doubt());
            command.answer(Response::CreatePartitions(response));
            return self.copies_failed(&error);
        }
        let ids: Vec<_> = topics.iter().map(|&(id, _)| (command.tenant, id)).collect();
        self.answer_when_open(command, &ids, Response::CreatePartitions(response)).await
    }

    pub(super) async fn alter_configs(&mut self, mut command: Command) -> Result<(), Ended> {
        let Request::IncrementalAlterConfigs(request) = &command.request else {
            unreachable!("dispatched by API")
        };
        let plan = alter_configs::plan(
            &self.catalogue,
            self.bounds(command.tenant),
            command.tenant,
            request,
        );
        let mut response = plan.response;
        if plan.topics.is_empty() && plan.groups.is_empty() {
            command.answer(Response::IncrementalAlterConfigs(response));
            return Ok(());
        }
        command.begun();
        let mut changed = self.change_topics(plan.topics).await;
        if changed.is_ok() && !plan.groups.is_empty() {
            changed = self.change_settings(plan.groups).await;
        }
        if changed.is_err() {
            alter_configs::refuse_planned(&mut response, &in_doubt());
        }
        command.answer(Response::IncrementalAlterConfigs(response));
        changed.or_else(|doubt| doubt.then)
    }

    /// Commits configs of topics and copies them.
    async fn change_topics(
        &mut self,
        topics: Vec<(TopicId, BTreeMap<String, String>)>,
    ) -> Result<(), Doubt> {
        if topics.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = topics.iter().map(|(id, _)| *id).collect();
        let committed = self.commit(MetaRecord::ConfigsChanged(topics)).await;
        committed.map_err(|ended| Doubt { then: Err(ended) })?;
        match self.show_again(ids.into_iter()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Doubt { then: self.copies_failed(&error) }),
        }
    }

    pub(super) async fn alter_client_quotas(&mut self, mut command: Command) -> Result<(), Ended> {
        let Request::AlterClientQuotas(request) = &command.request else {
            unreachable!("dispatched by API")
        };
        let plan = alter_client_quotas::plan(&self.catalogue, command.tenant, command.by, request);
        let mut response = plan.response;
        if plan.changes.is_empty() {
            command.answer(Response::AlterClientQuotas(response));
            return Ok(());
        }
        command.begun();
        let changed = self.change_settings(plan.changes).await;
        if changed.is_err() {
            alter_client_quotas::refuse_planned(&mut response, &in_doubt());
        }
        command.answer(Response::AlterClientQuotas(response));
        changed.or_else(|doubt| doubt.then)
    }

    pub(super) async fn alter_credentials(&mut self, mut command: Command) -> Result<(), Ended> {
        let Request::AlterUserScramCredentials(request) = &command.request else {
            unreachable!("dispatched by API")
        };
        let plan = alter_credentials::plan(&self.catalogue, command.tenant, request);
        let mut response = plan.response;
        let mut then = Ok(());
        if !plan.changes.is_empty() {
            command.begun();
            if let Err(doubt) = self.change_settings(plan.changes).await {
                alter_credentials::refuse_planned(&mut response, &in_doubt());
                then = doubt.then;
            }
        }
        command.answer(Response::AlterUserScramCredentials(response));
        then
    }

    pub(super) async fn change_tenant(&mut self, mut command: Command) -> Result<(), Ended> {
        let Request::ChangeTenant(request) = &command.request else {
            unreachable!("dispatched by API")
        };
        let change_tenant::Plan { changes, mut response } =
            if encryption::is_about_keys(request.change()) {
                encryption::plan(&self.catalogue, &*self.parts.keeper, request).await
            } else {
                change_tenant::plan(&self.catalogue, request)
            };
        let mut then = Ok(());
        if !changes.is_empty() {
            command.begun();
            if let Err(doubt) = self.change_settings(changes).await {
                response = change_tenant::refuse(&in_doubt());
                then = doubt.then;
            }
        }
        command.answer(Response::ChangeTenant(response));
        then
    }

    pub(super) async fn allocate_producer_ids(&mut self, command: Command) -> Result<(), Ended> {
        let Some(generation) = self.catalogue.founded().map(|founded| founded.generation) else {
            // Nothing leads before the cluster is founded; a log without founder is damaged.
            command.refuse(ErrorCode::KafkaStorageError);
            return Ok(());
        };
        if let Some(block) = self.reservation.take(generation) {
            command.answer(Response::AllocateProducerIds(block));
            return Ok(());
        }
        let from = self.catalogue.next_producer_id();
        let Some(next) = Reservation::next_end(from) else {
            tracing::error!("this generation's producer ids are used up");
            command.refuse(ErrorCode::UnknownServerError);
            return Ok(());
        };
        if let Err(ended) = self.commit(MetaRecord::ProducerIdsReserved { next }).await {
            command.refuse(ErrorCode::RequestTimedOut);
            return Err(ended);
        }
        self.reservation = Reservation::committed(from, next);
        let code = ErrorCode::UnknownServerError;
        let block = self.reservation.take(generation).unwrap_or_else(|| producer_ids::refuse(code));
        command.answer(Response::AllocateProducerIds(block));
        match self.copies.put_producer_ids(next).await {
            Ok(_) => Ok(()),
            Err(error) => self.copies_failed(&error),
        }
    }

    /// Commits settings and copies them. An error says that the caller must hear [`in_doubt`], and
    /// how the term goes on after that.
    pub(super) async fn change_settings(
        &mut self,
        changes: Vec<(SettingKey, Option<Bytes>)>,
    ) -> Result<(), Doubt> {
        let committed = self.commit(MetaRecord::SettingsChanged(changes.clone())).await;
        committed.map_err(|ended| Doubt { then: Err(ended) })?;
        match self.copies.put_settings(&changes).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Doubt { then: self.copies_failed(&error) }),
        }
    }

    /// Copies topics as the catalogue has them now.
    async fn show_again(&self, topics: impl Iterator<Item = TopicId>) -> Result<i64, GuardError> {
        let records: Vec<_> = topics.filter_map(|id| self.catalogue.topic(id).cloned()).collect();
        self.copies.put_topics(&records).await
    }

    /// Assigns and answers once the partitions serve, or the caller's patience ends: the change
    /// is a success by then, so the next command need not wait.
    async fn answer_when_open(
        &self,
        command: Command,
        topics: &[(TenantId, TopicId)],
        response: Response,
    ) -> Result<(), Ended> {
        let assigned = match self.assign(topics).await {
            Ok(assigned) => assigned,
            Err(ended) => {
                // Committed and shown: whoever leads now assigns.
                command.answer(response);
                return Err(ended);
            }
        };
        let opened = self.open(assigned, self.open_wait(&command));
        self.parts.drain.spawn("control opening", async move {
            opened.await;
            command.answer(response);
        });
        Ok(())
    }
}
