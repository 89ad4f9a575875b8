"""Administration with librdkafka's admin client."""

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, TopicPartition
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

import common
from common import consumer, fresh, plain, produce, refused, values


def topic_configs(client, name):
    resource = ConfigResource(ResourceType.TOPIC, name)
    return client.describe_configs([resource])[resource].result()


def test_topics_come_grow_and_go(bootstrap):
    client, name = common.admin(bootstrap), fresh("topic")
    client.create_topics([NewTopic(name, 2, 3)])[name].result()
    refused(KafkaError.TOPIC_ALREADY_EXISTS, client.create_topics([NewTopic(name, 2, 3)])[name].result)
    assert len(client.list_topics(name).topics[name].partitions) == 2
    client.create_partitions([NewPartitions(name, 5)])[name].result()
    assert len(client.list_topics(name).topics[name].partitions) == 5
    refused(KafkaError.INVALID_PARTITIONS, client.create_partitions([NewPartitions(name, 3)])[name].result)
    client.delete_topics([name])[name].result()
    refused(KafkaError.UNKNOWN_TOPIC_OR_PART, client.delete_topics([name])[name].result)


def test_what_is_wrong_with_a_new_topic(bootstrap):
    client = common.admin(bootstrap)

    def create(name, partitions, **config):
        return client.create_topics([NewTopic(name, partitions, 3, config=config)])[name].result

    refused(KafkaError.TOPIC_EXCEPTION, create("not a name", 1))
    refused(KafkaError.INVALID_PARTITIONS, create(fresh("topic"), 0))
    refused(KafkaError.INVALID_CONFIG, create(fresh("topic"), 1, **{"no.such.config": "1"}))
    refused(KafkaError.INVALID_CONFIG, create(fresh("topic"), 1, **{"retention.ms": "soon"}))


def test_configs_change_and_return_to_their_default(bootstrap):
    client, name = common.admin(bootstrap), common.topic(bootstrap, retention_ms="1000000")
    assert topic_configs(client, name)["retention.ms"].value == "1000000"

    def alter(operation, value):
        entry = ConfigEntry("retention.ms", value, incremental_operation=operation)
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])
        client.incremental_alter_configs([resource])[resource].result()

    alter(AlterConfigOpType.SET, "2000000")
    found = topic_configs(client, name)["retention.ms"]
    assert (found.value, found.is_default) == ("2000000", False), found
    alter(AlterConfigOpType.DELETE, None)
    found = topic_configs(client, name)["retention.ms"]
    assert (found.value, found.is_default) == ("604800000", True), found
    refused(KafkaError.INVALID_CONFIG, lambda: alter(AlterConfigOpType.SET, "soon"))


def test_offsets_of_every_kind(bootstrap):
    client, name = common.admin(bootstrap), common.topic(bootstrap)
    base = 1_700_000_000_000
    produce(bootstrap, [(name, 0, None, b"x", base + index) for index in [0, 5, 3]])
    part = TopicPartition(name, 0)
    expected = [
        (OffsetSpec.earliest(), 0),
        (OffsetSpec.latest(), 3),
        (OffsetSpec.max_timestamp(), 1),
        (OffsetSpec.for_timestamp(base + 1), 1),
        (OffsetSpec.for_timestamp(base + 6), -1),
    ]
    for spec, offset in expected:
        found = client.list_offsets({part: spec})[part].result()
        assert found.offset == offset, (spec, found.offset)


def test_records_are_deleted_from_the_start(bootstrap):
    client, name = common.admin(bootstrap), common.topic(bootstrap)
    produce(bootstrap, plain(name, values(10)))
    part = TopicPartition(name, 0, 4)
    assert client.delete_records([part])[part].result().low_watermark == 4
    assert common.read(bootstrap, name, 1)[0].offset() == 4
    beyond = TopicPartition(name, 0, 11)
    refused(KafkaError.OFFSET_OUT_OF_RANGE, client.delete_records([beyond])[beyond].result)


def test_offsets_of_groups_are_listed_altered_and_go_with_the_group(bootstrap):
    client, name, group = common.admin(bootstrap), common.topic(bootstrap), fresh("group")
    produce(bootstrap, plain(name, values(10)))
    member = consumer(bootstrap, group)
    member.subscribe([name])
    common.poll(member, 10)
    member.commit(asynchronous=False)

    def offset():
        request = ConsumerGroupTopicPartitions(group, [TopicPartition(name, 0)])
        return client.list_consumer_group_offsets([request])[group].result().topic_partitions[0].offset

    def alter(to):
        request = ConsumerGroupTopicPartitions(group, [TopicPartition(name, 0, to)])
        return client.alter_consumer_group_offsets([request])[group].result().topic_partitions[0].error

    assert offset() == 10
    described = client.describe_consumer_groups([group])[group].result()
    assert (described.state.name, len(described.members)) == ("STABLE", 1), described
    refused(KafkaError.NON_EMPTY_GROUP, client.delete_consumer_groups([group])[group].result)
    member.close()
    assert alter(4) is None and offset() == 4
    assert group in {found.group_id for found in client.list_consumer_groups().result().valid}
    client.delete_consumer_groups([group])[group].result()
    refused(KafkaError.GROUP_ID_NOT_FOUND, client.delete_consumer_groups([group])[group].result)
    assert offset() < 0


def test_the_cluster_describes_itself(bootstrap):
    found = common.admin(bootstrap).describe_cluster().result()
    assert found.cluster_id and len(found.nodes) == len(bootstrap.split(",")), found.nodes
    addresses = {f"{node.host}:{node.port}" for node in found.nodes}
    assert addresses == set(bootstrap.split(",")), addresses
    assert found.controller is not None
