"""Access control lists with librdkafka: made and removed by an admin client, felt by a producer and a
running consumer.

    acls BOOTSTRAP TOPIC      prints "ok"

Everybody may do what no entry is about, so that the entries can be made without a super user.
"""

import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

EVERYBODY = "User:*"
DENIED = KafkaError.TOPIC_AUTHORIZATION_FAILED
PATIENCE = 60


def entry(topic, pattern, operation, permission):
    return AclBinding(ResourceType.TOPIC, topic, pattern, EVERYBODY, "*", operation, permission)


def create(admin, *entries):
    for future in admin.create_acls(list(entries)).values():
        future.result(timeout=30)


def about(topic):
    return AclBindingFilter(
        ResourceType.TOPIC, topic, ResourcePatternType.MATCH, None, None,
        AclOperation.ANY, AclPermissionType.ANY,
    )


def produce(bootstrap, topic):
    """The error of a produce, or none."""
    outcome = []
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    producer.produce(topic, value=b"v", on_delivery=lambda error, _: outcome.append(error))
    assert producer.flush(PATIENCE) == 0, "no answer"
    return outcome[0].code() if outcome[0] else None


def polled(consumer, wanted):
    """Polls until `wanted` holds for a message or an error."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        message = consumer.poll(1)
        if message is not None and wanted(message):
            return
    sys.exit("the consumer never saw it")


def main(bootstrap, topic):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(timeout=30)
    assert produce(bootstrap, topic) is None, "nothing is said about the topic"

    prefix = topic[:-1]
    allow, deny = AclPermissionType.ALLOW, AclPermissionType.DENY
    readable = entry(prefix, ResourcePatternType.PREFIXED, AclOperation.READ, allow)
    create(admin, readable)
    assert produce(bootstrap, topic) == DENIED
    described = admin.describe_acls(about(topic)).result(timeout=30)
    assert described == [readable], described

    create(admin, entry(topic, ResourcePatternType.LITERAL, AclOperation.WRITE, allow))
    assert produce(bootstrap, topic) is None
    consumer = Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": "readers",
        "auto.offset.reset": "earliest",
    })
    consumer.subscribe([topic])
    polled(consumer, lambda message: message.error() is None)

    create(admin, entry(topic, ResourcePatternType.LITERAL, AclOperation.READ, deny))
    polled(consumer, lambda message: message.error() and message.error().code() == DENIED)
    try:
        admin.list_topics(topic, timeout=30).topics[topic]
    except KafkaException as error:
        sys.exit(f"READ is denied, DESCRIBE is not: {error}")

    deleted = admin.delete_acls([about(topic)])
    assert sum(len(future.result(timeout=30)) for future in deleted.values()) == 3
    assert produce(bootstrap, topic) is None
    polled(consumer, lambda message: message.error() is None)
    consumer.close()
    print("ok")


if __name__ == "__main__":
    main(*sys.argv[1:])
