"""What the tests share: names that nobody else has, waiting, and the plain ways to write and read."""

import functools
import itertools
import os
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PATIENCE_S = 60
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
_numbers = itertools.count()


def fresh(kind):
    return f"{kind}-{os.getpid()}-{next(_numbers)}"


@functools.cache  # A client that nobody holds ends, and with it what it was asked.
def admin(bootstrap):
    return AdminClient({"bootstrap.servers": bootstrap})


def topic(bootstrap, partitions=1, **config):
    name = fresh("topic")
    configs = {key.replace("_", "."): value for key, value in config.items()}
    admin(bootstrap).create_topics([NewTopic(name, partitions, 3, config=configs)])[name].result()
    return name


def produce(bootstrap, records, **config):
    """Produces (topic, partition, key, value, timestamp) in order; the offset of each."""
    producer = Producer({"bootstrap.servers": bootstrap, **config})
    offsets = []

    def delivered(error, message):
        assert error is None, error
        offsets.append(message.offset())

    for name, partition, key, value, timestamp in records:
        producer.produce(name, value, key, partition, timestamp=timestamp or 0, on_delivery=delivered)
        producer.poll(0)
    assert producer.flush(PATIENCE_S) == 0, "not everything was sent"
    assert len(offsets) == len(records), f"{len(offsets)} of {len(records)} delivered"
    return offsets


def values(count, size=100):
    return [f"{index}-".encode() * (size // 4) for index in range(count)]


def plain(name, payloads, partition=0):
    return [(name, partition, None, payload, None) for payload in payloads]


def consumer(bootstrap, group=None, **config):
    return Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": group or fresh("group"),
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        **config,
    })


def poll(reader, count):
    """The next `count` messages."""
    found = []
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count} read"
        message = reader.poll(0.2)
        if message is not None:
            assert message.error() is None, message.error()
            found.append(message)
    return found


def read(bootstrap, name, count, partition=0, offset=0, **config):
    reader = consumer(bootstrap, **config)
    reader.assign([TopicPartition(name, partition, offset)])
    try:
        return poll(reader, count)
    finally:
        reader.close()


def until(what, members, holds):
    """Polls the members until it holds; what they read meanwhile."""
    found = []
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"never came to be: {what}"
        for member in members:
            message = member.poll(0.05)
            if message is not None and message.error() is None:
                found.append(message)
    return found


def refused(code, call):
    """The error with which a call was refused; it must be this one."""
    try:
        result = call()
    except Exception as error:
        found = error.args[0]
        assert found.code() == code, f"{found} instead of {code}"
        return
    raise AssertionError(f"not refused: {result}")
