"""Consume, transform, produce, by several workers of a group in transactions of their own.

    fill   BOOTSTRAP TOPIC PARTITIONS RATE      numbered records per second until SIGTERM; prints how many
    work   BOOTSTRAP IN OUT GROUP WORKER LOG    copies what its group assigns to it, until SIGTERM
    await  BOOTSTRAP IN GROUP                   waits until the group has come to the end of IN
    dump   BOOTSTRAP TOPIC                      all values at read_committed, per partition; prints JSON

A worker may be killed at any time; the next one of its name takes its transactional id. What it does is
appended to LOG, a line each: `committed RECORDS`, `aborted REASON`, `fatal REASON`.
"""

import json
import random
import signal
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

# Longer than any outage: who needs longer is stuck.
PATIENCE_S = 120
# The partitions of a worker that was killed are given to others after this.
SESSION_TIMEOUT_MS = 6_000
# More than a kill of a node takes.
TRANSACTION_TIMEOUT_MS = 30_000

stopping = threading.Event()


def patiently(call, *arguments):
    """Calls until it does not fail in a way that goes away by itself."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return call(*arguments)
        except KafkaException as failure:
            error = failure.args[0]
            # Offsets of a transaction that is not decided are waited for by the client itself.
            comes_again = error.retriable() or error.code() == KafkaError._TIMED_OUT
            if not comes_again or time.monotonic() > deadline:
                raise


def consumer(bootstrap, group, **config):
    return Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        **{key.replace("_", "."): value for key, value in config.items()},
    })


def partitions_of(reader, topic):
    found = patiently(reader.list_topics, topic, 30).topics[topic]
    return [TopicPartition(topic, index) for index in sorted(found.partitions)]


def end_of(reader, place):
    """From whoever owns the partition in the end."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return reader.get_watermark_offsets(place, timeout=10)[1]
        except KafkaException:
            if time.monotonic() > deadline:
                raise


def fill(bootstrap, topic, partitions, rate):
    failed = []
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5})
    started, number = time.monotonic(), 0
    while not stopping.is_set():
        while number < (time.monotonic() - started) * float(rate):
            report = lambda error, _message: failed.append(error.name()) if error else None
            place = number % int(partitions)
            producer.produce(topic, value=str(number), partition=place, on_delivery=report)
            number += 1
        producer.poll(0.01)
    left = producer.flush(PATIENCE_S)
    if failed or left:
        sys.exit(f"{failed[:3]}, {left} left")
    print(number)


class Worker:
    def __init__(self, bootstrap, source, target, group, name, log):
        self.target, self.log = target, open(log, "a", encoding="ascii", buffering=1)
        self.chance = random.Random(name)
        self.producer = Producer({
            "bootstrap.servers": bootstrap,
            "transactional.id": f"worker-{name}",
            "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
            "linger.ms": 2,
        })
        patiently(self.producer.init_transactions, 10)
        self.reader = consumer(bootstrap, group, session_timeout_ms=SESSION_TIMEOUT_MS)
        self.reader.subscribe([source])

    def copy(self, messages):
        """One transaction; false if it was aborted."""
        try:
            # Offsets go with the generation in which their records were read.
            group = self.reader.consumer_group_metadata()
            self.producer.begin_transaction()
            ends = {}
            for message in messages:
                place = message.partition()
                self.producer.produce(self.target, value=message.value(), partition=place)
                ends[place] = TopicPartition(message.topic(), place, message.offset() + 1)
            send = self.producer.send_offsets_to_transaction
            patiently(send, list(ends.values()), group, 10)
            if self.chance.randrange(5) == 0:
                patiently(self.producer.abort_transaction, 10)
                self.log.write("aborted by choice\n")
                return False
            patiently(self.producer.commit_transaction, 10)
            self.log.write(f"committed {len(messages)}\n")
            return True
        except KafkaException as failure:
            error = failure.args[0]
            if not error.txn_requires_abort():
                self.log.write(f"fatal {error.name()}\n")
                raise
            patiently(self.producer.abort_transaction, 10)
            self.log.write(f"aborted {error.name()}\n")
            return False

    def rewind(self):
        """Goes back to what is committed. What was taken away meanwhile is somebody else's."""
        try:
            assigned = self.reader.assignment()
            for place in patiently(self.reader.committed, assigned, 10):
                place.offset = max(place.offset, 0)
                self.reader.seek(place)
        except KafkaException as failure:
            # Records between here and there must not be left out: begin as a new member.
            sys.exit(f"cannot go back: {failure}")

    def run(self):
        while not stopping.is_set():
            messages = [m for m in self.reader.consume(25, 0.2) if not m.error()]
            if messages and not self.copy(messages):
                self.rewind()
        self.reader.close()


def work(*arguments):
    Worker(*arguments).run()


def await_end(bootstrap, source, group):
    reader = consumer(bootstrap, group)
    places = partitions_of(reader, source)
    ends = [end_of(reader, place) for place in places]
    before, deadline = None, 0
    while before is None or time.monotonic() < deadline:
        committed = [at.offset for at in patiently(reader.committed, places, 10)]
        if all(at == end or end == 0 for at, end in zip(committed, ends)):
            print("there")
            return
        if committed != before:
            before, deadline = committed, time.monotonic() + PATIENCE_S
        time.sleep(0.2)
    sys.exit(f"still at {committed} of {ends}")


def dump(bootstrap, topic):
    reader, found = consumer(bootstrap, "dump"), {}
    for place in partitions_of(reader, topic):
        end, place.offset = end_of(reader, place), 0
        reader.assign([place])
        values, deadline = [], time.monotonic() + PATIENCE_S
        # Markers are records, too, which only the position shows.
        while end and reader.position([place])[0].offset < end:
            for message in reader.consume(1000, 0.2):
                if message.error():
                    sys.exit(str(message.error()))
                values.append(int(message.value()))
            if time.monotonic() > deadline:
                sys.exit(f"stuck at {reader.position([place])} of {end}")
        found[place.partition] = values
    print(json.dumps(found))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda _signal, _frame: stopping.set())
    commands = {"fill": fill, "work": work, "await": await_end, "dump": dump}
    commands[sys.argv[1]](*sys.argv[2:])
