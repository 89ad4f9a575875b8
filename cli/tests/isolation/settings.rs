//! What a tenant sets for itself: configs, quotas, credentials, access control lists.

use bytes::Bytes;
use protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use protocol::messages::create_acls_request::AclCreation;
use protocol::messages::delete_acls_request::DeleteAclsFilter;
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use protocol::messages::{
    AlterClientQuotasRequest, AlterUserScramCredentialsRequest, CreateAclsRequest,
    DeleteAclsRequest, DescribeAclsRequest, DescribeClientQuotasRequest, DescribeConfigsRequest,
    DescribeUserScramCredentialsRequest, IncrementalAlterConfigsRequest,
    alter_client_quotas_request as quotas,
};

use crate::world::{World, text};

/// Kinds of resources: of configs, and of access control lists.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const GROUP: i8 = 32;
const ACL_GROUP: i8 = 3;

const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
const ANY: i8 = 1;

/// Configs of topics, groups and the gateway.
pub(crate) async fn configs(world: &mut World) {
    let topic = world.topic();
    let (kind, name) = world.dice.pick(&[(TOPIC, topic), (TOPIC, topic), (GROUP, "watchers")]);
    if world.dice.one_in(2) {
        let asked = world.dice.pick(&[(kind, name), (BROKER, "1"), (BROKER, "")]);
        let resource = DescribeConfigsResource::default()
            .with_resource_type(asked.0)
            .with_resource_name(text(asked.1))
            .with_configuration_keys(None);
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        world.ask(4, request.with_include_synonyms(true)).await;
        return;
    }
    let (config, value) = match kind {
        TOPIC => world.dice.pick(&[("retention.ms", "86400000"), ("max.message.bytes", "65536")]),
        _ => ("consumer.session.timeout.ms", "50000"),
    };
    let config = AlterableConfig::default()
        .with_name(text(config))
        .with_config_operation(world.dice.roll(2) as i8)
        .with_value(Some(text(value)));
    let resource = AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(vec![config]);
    world.ask(1, IncrementalAlterConfigsRequest::default().with_resources(vec![resource])).await;
}

/// Quotas that nobody reaches, of users, clients and addresses.
pub(crate) async fn client_quotas(world: &mut World) {
    if world.dice.one_in(2) {
        world.ask(1, DescribeClientQuotasRequest::default()).await;
        return;
    }
    let (kind, of, key) = world.dice.pick(&[
        ("user", Some("alice"), "producer_byte_rate"),
        ("user", None, "consumer_byte_rate"),
        ("user", Some("ANONYMOUS"), "request_percentage"),
        ("client-id", Some("test"), "producer_byte_rate"),
        ("ip", Some("127.0.0.1"), "connection_creation_rate"),
        ("tenant", None, "producer_byte_rate"),
    ]);
    let entity =
        quotas::EntityData::default().with_entity_type(text(kind)).with_entity_name(of.map(text));
    let operation = quotas::OpData::default()
        .with_key(text(key))
        .with_value(1e9 + world.dice.roll(9) as f64)
        .with_remove(world.dice.one_in(3));
    let entry = quotas::EntryData::default().with_entity(vec![entity]).with_ops(vec![operation]);
    world.ask(1, AlterClientQuotasRequest::default().with_entries(vec![entry])).await;
}

pub(crate) async fn credentials(world: &mut World) {
    let (user, mechanism) = (world.dice.pick(&["alice", "bob"]), world.dice.pick(&[1, 2]));
    let request = AlterUserScramCredentialsRequest::default();
    match world.dice.roll(4) {
        0 => {
            let deleted =
                ScramCredentialDeletion::default().with_name(text(user)).with_mechanism(mechanism);
            world.ask(0, request.with_deletions(vec![deleted])).await;
        }
        1 => {
            let credential = ScramCredentialUpsertion::default()
                .with_name(text(user))
                .with_mechanism(mechanism)
                .with_iterations(8_192)
                .with_salt(Bytes::from_static(b"some salt"))
                .with_salted_password(Bytes::from(vec![7; 32 * mechanism as usize]));
            world.ask(0, request.with_upsertions(vec![credential])).await;
        }
        _ => {
            let request = DescribeUserScramCredentialsRequest::default();
            world.ask(0, request.with_users(None)).await;
        }
    }
}

/// Entries about two names, for everybody or for somebody, that allow or deny.
pub(crate) async fn acls(world: &mut World) {
    let (kind, name, pattern) = world.dice.pick(&[
        (TOPIC, "clicks", LITERAL),
        (TOPIC, "a.", PREFIXED),
        (ACL_GROUP, "writers", LITERAL),
    ]);
    match world.dice.roll(4) {
        0 => {
            let entry = AclCreation::default()
                .with_resource_type(kind)
                .with_resource_name(text(name))
                .with_resource_pattern_type(pattern)
                .with_principal(text(world.dice.pick(&["User:ANONYMOUS", "User:*", "User:alice"])))
                .with_host(text("*"))
                .with_operation(world.dice.pick(&[2, 3, 4, 8]))
                .with_permission_type(world.dice.pick(&[2, 3]));
            world.ask(3, CreateAclsRequest::default().with_creations(vec![entry])).await;
        }
        1 => {
            let filter = DeleteAclsFilter::default()
                .with_resource_type_filter(kind)
                .with_resource_name_filter(Some(text(name)))
                .with_pattern_type_filter(pattern)
                .with_operation(ANY)
                .with_permission_type(ANY);
            world.ask(3, DeleteAclsRequest::default().with_filters(vec![filter])).await;
        }
        _ => {
            let request = DescribeAclsRequest::default()
                .with_resource_type_filter(ANY)
                .with_pattern_type_filter(ANY)
                .with_operation(ANY)
                .with_permission_type(ANY);
            world.ask(3, request).await;
        }
    }
}
