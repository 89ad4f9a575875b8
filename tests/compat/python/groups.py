"""Consumer groups with librdkafka: each scenario in the classic and in the consumer protocol."""

from confluent_kafka import TopicPartition

from common import PATIENCE_S, consumer, fresh, plain, poll, produce, read, topic, until, values

PROTOCOLS = {
    "range": {"partition.assignment.strategy": "range"},
    "cooperative": {"partition.assignment.strategy": "cooperative-sticky"},
    "consumer": {"group.protocol": "consumer"},
}


def owned(member):
    return {(part.topic, part.partition) for part in member.assignment()}


def members_share_everything(bootstrap, protocol):
    name, group = topic(bootstrap, partitions=6), fresh("group")
    members = [consumer(bootstrap, group, **protocol) for _ in range(3)]
    for member in members:
        member.subscribe([name])
    everything = {(name, index) for index in range(6)}

    def shared():
        parts = [owned(member) for member in members]
        return all(parts) and set().union(*parts) == everything and sum(map(len, parts)) == 6

    until("three members with everything", members, shared)
    members.pop().close()
    until("two members with everything", members, shared)
    members.append(consumer(bootstrap, group, **protocol))
    members[-1].subscribe([name])
    until("three members again", members, shared)
    for member in members:
        member.close()


def a_group_goes_on_where_it_was(bootstrap, protocol):
    name, group = topic(bootstrap), fresh("group")
    sent = values(100)
    produce(bootstrap, plain(name, sent))
    first = consumer(bootstrap, group, **protocol)
    first.subscribe([name])
    got = poll(first, 40)
    first.commit(offsets=[TopicPartition(name, 0, 40, "a note")], asynchronous=False)
    found = first.committed([TopicPartition(name, 0)], timeout=PATIENCE_S)[0]
    assert (found.offset, found.metadata) == (40, "a note"), found
    first.close()
    second = consumer(bootstrap, group, **protocol)
    second.subscribe([name])
    got += poll(second, 60)
    assert [message.value() for message in got[:40] + got[-60:]] == sent
    second.close()


def a_static_member_returns_to_its_partitions(bootstrap, protocol):
    name, group = topic(bootstrap, partitions=4), fresh("group")

    def member(instance):
        made = consumer(bootstrap, group, **protocol, **{"group.instance.id": instance})
        made.subscribe([name])
        return made

    one, two = member("one"), member("two")
    until("both have two", [one, two], lambda: len(owned(one)) == 2 and len(owned(two)) == 2)
    before, kept = owned(one), owned(two)
    one.close()
    one = member("one")
    until("it has them again", [one, two], lambda: owned(one) == before)
    assert owned(two) == kept
    one.close()
    two.close()


def test_members_share_everything_range(bootstrap):
    members_share_everything(bootstrap, PROTOCOLS["range"])


def test_members_share_everything_cooperative(bootstrap):
    members_share_everything(bootstrap, PROTOCOLS["cooperative"])


def test_members_share_everything_consumer(bootstrap):
    members_share_everything(bootstrap, PROTOCOLS["consumer"])


def test_a_group_goes_on_where_it_was_classic(bootstrap):
    a_group_goes_on_where_it_was(bootstrap, PROTOCOLS["range"])


def test_a_group_goes_on_where_it_was_consumer(bootstrap):
    a_group_goes_on_where_it_was(bootstrap, PROTOCOLS["consumer"])


def test_a_static_member_returns_to_its_partitions_classic(bootstrap):
    a_static_member_returns_to_its_partitions(bootstrap, PROTOCOLS["range"])


def test_a_static_member_returns_to_its_partitions_consumer(bootstrap):
    a_static_member_returns_to_its_partitions(bootstrap, PROTOCOLS["consumer"])


def test_a_regular_expression_finds_a_later_topic(bootstrap):
    first = topic(bootstrap)
    prefix = first.rsplit("-", 1)[0]
    member = consumer(bootstrap, **{"topic.metadata.refresh.interval.ms": 500})
    member.subscribe([f"^{prefix}-.*"])
    until("the first topic", [member], lambda: (first, 0) in owned(member))
    later = topic(bootstrap)
    until("the later topic", [member], lambda: (later, 0) in owned(member))
    member.close()


def test_out_of_range_goes_where_the_consumer_says(bootstrap):
    name = topic(bootstrap)
    produce(bootstrap, plain(name, values(10)))
    assert read(bootstrap, name, 1, offset=1_000)[0].offset() == 0
