"""The librdkafka client under test (confluent-kafka).

Commands, all ending with one line on standard output:

    create  BOOTSTRAP TOPIC PARTITIONS [CONFIG=VALUE ...]
    delete  BOOTSTRAP TOPIC
    delete_records BOOTSTRAP TOPIC PARTITION OFFSET   prints the low watermark afterwards
    produce BOOTSTRAP TOPIC PARTITION CODEC     lines from standard input
    digest  BOOTSTRAP TOPIC PARTITION           "COUNT SHA256" of all payload lines, offsets checked dense
    group   BOOTSTRAP TOPIC GROUP MAX           reads MAX records in a group and commits, prints COUNT FIRST LAST
    load    BOOTSTRAP TOPIC PARTITIONS BYTES_PER_S SECONDS LOG
                                                idempotent producer; LOG gets one "PARTITION OFFSET VALUE" line per ack
    check   BOOTSTRAP TOPIC PARTITIONS LOG      reads everything back and compares it with the ack log
"""

import hashlib
import json
import sys
import time

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

# What a producer may see while a node is away; anything else is reported as a client error.
RETRIABLE_LOCAL = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT}


def create(bootstrap, topic, partitions, *configs):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    config = dict(pair.split("=", 1) for pair in configs)
    admin.create_topics([NewTopic(topic, int(partitions), 1, config=config)])[topic].result(timeout=30)
    print("created", topic)


def delete(bootstrap, topic):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.delete_topics([topic])[topic].result(timeout=30)
    print("deleted", topic)


def delete_records(bootstrap, topic, partition, offset):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    below = TopicPartition(topic, int(partition), int(offset))
    print(admin.delete_records([below])[below].result(timeout=30).low_watermark)


def produce(bootstrap, topic, partition, codec):
    failures = []

    def delivered(error, _message):
        if error is not None:
            failures.append(error)

    producer = Producer({
        "bootstrap.servers": bootstrap,
        "enable.idempotence": True,
        "compression.type": codec,
        "linger.ms": 5,
        "queue.buffering.max.messages": 100000,
    })
    count = 0
    for line in sys.stdin.buffer:
        value = line.rstrip(b"\n")
        while True:
            try:
                producer.produce(topic, value=value, partition=int(partition), on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        count += 1
        if count % 1000 == 0:
            producer.poll(0)
    left = producer.flush(120)
    if failures or left:
        sys.exit(f"{len(failures)} failed ({failures[:3]}), {left} left in the queue")
    print("produced", count)


def consume_all(bootstrap, topic, partition):
    """Yields every message of a partition from its start to the end it has now."""
    consumer = Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": "digest",
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "fetch.message.max.bytes": 4 << 20,
    })
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
    consumer.assign([TopicPartition(topic, partition, low)])
    expected = low
    quiet_since = time.monotonic()
    while expected < high:
        for message in consumer.consume(10000, timeout=1.0):
            quiet_since = time.monotonic()
            if message.error():
                sys.exit(f"partition {partition}: {message.error()}")
            if message.offset() != expected:
                sys.exit(f"partition {partition}: offset {message.offset()} where {expected} was due")
            expected += 1
            yield message
        if time.monotonic() - quiet_since > 60:
            sys.exit(f"partition {partition}: nothing for 60 s at offset {expected} of {high}")
    consumer.close()


def digest(bootstrap, topic, partition):
    sha = hashlib.sha256()
    count = 0
    for message in consume_all(bootstrap, topic, int(partition)):
        sha.update(message.value() or b"")
        sha.update(b"\n")
        count += 1
    print(count, sha.hexdigest())


def group(bootstrap, topic, name, most):
    consumer = Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": name,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
    })
    consumer.subscribe([topic])
    count = 0
    first, last = {}, {}
    deadline = time.monotonic() + 120
    while count < int(most):
        if time.monotonic() > deadline:
            sys.exit(f"only {count} of {most} records in 120 s")
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            sys.exit(str(message.error()))
        count += 1
        first.setdefault(message.partition(), message.offset())
        last[message.partition()] = message.offset()
    consumer.commit(offsets=[TopicPartition(topic, p, o + 1) for p, o in last.items()], asynchronous=False)
    consumer.close()
    print(count, in_java(first), in_java(last))


def in_java(offsets):
    """As Java prints a map."""
    return "{" + ", ".join(f"{partition}={offset}" for partition, offset in sorted(offsets.items())) + "}"


def load(bootstrap, topic, partitions, rate, seconds, log_path):
    partitions, rate, seconds = int(partitions), int(rate), float(seconds)
    errors = {}
    counts = {"acked": 0, "failed": 0}
    log = open(log_path, "w", encoding="ascii")

    def delivered(error, message):
        if error is None:
            counts["acked"] += 1
            log.write(f"{message.partition()} {message.offset()} {message.value()[:24].decode()}\n")
        else:
            counts["failed"] += 1
            errors[error.name()] = errors.get(error.name(), 0) + 1

    def on_error(error):
        if error.code() not in RETRIABLE_LOCAL:
            errors[error.name()] = errors.get(error.name(), 0) + 1

    producer = Producer({
        "bootstrap.servers": bootstrap,
        "enable.idempotence": True,
        "linger.ms": 2,
        "error_cb": on_error,
        "delivery.timeout.ms": 120000,
    })
    payload = b"x" * 1000
    started = time.monotonic()
    sequence = 0
    while time.monotonic() - started < seconds:
        due = int((time.monotonic() - started) * rate / 1024)
        while sequence < due:
            value = b"%024d" % sequence + payload
            try:
                producer.produce(topic, value=value, partition=sequence % partitions, on_delivery=delivered)
            except BufferError:
                break
            sequence += 1
        producer.poll(0.002)
    left = producer.flush(120)
    log.close()
    print(json.dumps({"sent": sequence, **counts, "left": left, "errors": errors}))


def check(bootstrap, topic, partitions, log_path):
    """Every acknowledged record stands where its ack said, once, in send order; offsets are dense."""
    acked = {}
    with open(log_path, encoding="ascii") as log:
        for line in log:
            partition, offset, value = line.split()
            acked.setdefault(int(partition), {})[int(offset)] = int(value)
    found = {"records": 0, "acked": sum(map(len, acked.values())), "lost": 0, "moved": 0, "duplicated": 0, "reordered": 0}
    for partition in range(int(partitions)):
        waiting = acked.get(partition, {})
        seen = set()
        previous = -1
        for message in consume_all(bootstrap, topic, partition):
            value = int(message.value()[:24])
            found["records"] += 1
            found["duplicated"] += value in seen
            found["reordered"] += value < previous
            seen.add(value)
            previous = value
            due = waiting.pop(message.offset(), None)
            found["moved"] += due is not None and due != value
        found["lost"] += len(waiting)
    print(json.dumps(found))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
