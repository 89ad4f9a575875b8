"""Transactions as librdkafka speaks them (version 1: verified by the partitions).

Commands, all ending with one line on standard output:

    outcomes BOOTSTRAP TOPIC          commits, aborts, commits: who reads what
    zombie   BOOTSTRAP TOPIC          a producer whose transactional id another one has taken
    timeout  BOOTSTRAP TOPIC          a transaction that nobody ends
    fill     BOOTSTRAP TOPIC COUNT    COUNT numbered records over all partitions
    copy     BOOTSTRAP IN OUT COUNT   consumes IN, produces to OUT, commits both in transactions, some of
                                      them aborted, until all COUNT records are through; prints JSON
    verify   BOOTSTRAP TOPIC COUNT    reads TOPIC to its end: each number once
    values   BOOTSTRAP TOPIC ISOLATION   all values up to the ends that this isolation has; prints JSON
"""

import collections
import json
import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

# A cluster under kills answers within this or it hangs.
PATIENCE_S = 120


def producer(bootstrap, transactional_id, **config):
    made = Producer({
        "bootstrap.servers": bootstrap,
        "transactional.id": transactional_id,
        "linger.ms": 2,
        **{key.replace("_", "."): value for key, value in config.items()},
    })
    made.init_transactions(PATIENCE_S)
    return made


def consumer(bootstrap, isolation, **config):
    return Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": "readers",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "isolation.level": isolation,
        **config,
    })


def partitions_of(reader, topic):
    return sorted(reader.list_topics(topic, 30).topics[topic].partitions)


def read(bootstrap, topic, isolation):
    """All values up to the ends that this isolation has now."""
    reader = consumer(bootstrap, isolation)
    values = []
    for index in partitions_of(reader, topic):
        partition = TopicPartition(topic, index, 0)
        _, end = reader.get_watermark_offsets(partition, timeout=30)
        reader.assign([partition])
        deadline = time.monotonic() + PATIENCE_S
        # Markers are records, too, which only the position shows.
        while reader.position([partition])[0].offset < end:
            if time.monotonic() > deadline:
                sys.exit(f"stuck at {reader.position([partition])} of {end}")
            message = reader.poll(0.5)
            if message is None and reader.position([partition])[0].offset < 0 and end == 0:
                break
            if message is not None and message.error():
                sys.exit(f"{message.error()}")
            if message is not None:
                values.append(message.value().decode())
    reader.close()
    return values


def expect(found, expected, what):
    if sorted(found) != sorted(expected):
        sys.exit(f"{what}: {sorted(found)} instead of {sorted(expected)}")


def write(to, topic, values, partitions=3):
    to.begin_transaction()
    for number, value in enumerate(values):
        to.produce(topic, value=value.encode(), partition=number % partitions)
    to.flush(PATIENCE_S)


def outcomes(bootstrap, topic):
    one = producer(bootstrap, "outcomes")
    write(one, topic, ["a1", "a2", "a3"])
    one.commit_transaction(PATIENCE_S)
    write(one, topic, ["b1", "b2", "b3"])
    one.abort_transaction(PATIENCE_S)
    write(one, topic, ["c1", "c2", "c3"])
    one.commit_transaction(PATIENCE_S)
    committed = ["a1", "a2", "a3", "c1", "c2", "c3"]
    expect(read(bootstrap, topic, "read_committed"), committed, "committed")
    everything = committed + ["b1", "b2", "b3"]
    expect(read(bootstrap, topic, "read_uncommitted"), everything, "uncommitted")
    write(one, topic, ["d1"])
    expect(read(bootstrap, topic, "read_committed"), committed, "while one is open")
    expect(read(bootstrap, topic, "read_uncommitted"), everything + ["d1"], "what is open")
    one.commit_transaction(PATIENCE_S)
    expect(read(bootstrap, topic, "read_committed"), committed + ["d1"], "at last")
    print("outcomes")


def zombie(bootstrap, topic):
    former = producer(bootstrap, "zombie")
    write(former, topic, ["of the former"])
    owner = producer(bootstrap, "zombie")
    try:
        former.commit_transaction(PATIENCE_S)
        sys.exit("the former owner has committed")
    except KafkaException as error:
        if not error.args[0].fatal():
            sys.exit(f"not fatal: {error}")
    write(owner, topic, ["of the owner"])
    owner.commit_transaction(PATIENCE_S)
    expect(read(bootstrap, topic, "read_committed"), ["of the owner"], "committed")
    print("zombie")


def timeout(bootstrap, topic):
    slow = producer(bootstrap, "slow", transaction_timeout_ms=3000)
    write(slow, topic, ["too late"])
    other = producer(bootstrap, "other")
    write(other, topic, ["in time"])
    other.commit_transaction(PATIENCE_S)
    deadline = time.monotonic() + PATIENCE_S
    while read(bootstrap, topic, "read_committed") != ["in time"]:
        if time.monotonic() > deadline:
            sys.exit("the transaction hangs")
        time.sleep(0.5)
    try:
        slow.commit_transaction(PATIENCE_S)
        sys.exit("the transaction was committed after its timeout")
    except KafkaException as error:
        print("timeout", error.args[0].name())


def fill(bootstrap, topic, count):
    out = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    partitions = partitions_of(consumer(bootstrap, "read_committed"), topic)
    for number in range(int(count)):
        out.produce(topic, value=str(number).encode(), partition=number % len(partitions))
    print("filled", int(count) - out.flush(PATIENCE_S))


def rewind(reader):
    """Goes back to what is committed, as after an abort."""
    for partition in reader.committed(reader.assignment(), PATIENCE_S):
        partition.offset = max(partition.offset, 0)
        reader.seek(partition)


def copy(bootstrap, source, target, count):
    tally = collections.Counter()
    reader = consumer(bootstrap, "read_committed", **{"group.id": "copiers"})
    reader.subscribe([source])
    # Longer than a takeover on the busiest machine: who is timed out in one is fenced for good.
    out = producer(bootstrap, "copier", transaction_timeout_ms=60000)
    deadline = time.monotonic() + PATIENCE_S
    while tally["records"] < int(count):
        if time.monotonic() > deadline:
            sys.exit(f"stuck: {tally}")
        messages = [message for message in reader.consume(100, timeout=1.0) if not message.error()]
        if not messages:
            continue
        try:
            out.begin_transaction()
            for message in messages:
                out.produce(target, value=message.value(), partition=message.partition())
            group = reader.consumer_group_metadata()
            out.send_offsets_to_transaction(reader.position(reader.assignment()), group, PATIENCE_S)
            if tally["transactions"] % 5 == 3:
                raise InterruptedError
            out.commit_transaction(PATIENCE_S)
            tally["records"] += len(messages)
            deadline = time.monotonic() + PATIENCE_S
        except (InterruptedError, KafkaException) as error:
            if isinstance(error, KafkaException) and error.args[0].fatal():
                sys.exit(f"fatal: {error}")
            tally[type(error).__name__] += 1
            out.abort_transaction(PATIENCE_S)
            rewind(reader)
        tally["transactions"] += 1
    reader.close()
    print(json.dumps(tally))


def verify(bootstrap, topic, count):
    expect(read(bootstrap, topic, "read_committed"), map(str, range(int(count))), "copied")
    print("verified", count)


def values(bootstrap, topic, isolation):
    print(json.dumps(read(bootstrap, topic, isolation)))


COMMANDS = {f.__name__: f for f in (outcomes, zombie, timeout, fill, copy, verify, values)}
COMMANDS[sys.argv[1]](*sys.argv[2:])
