"""A group of the consumer protocol (KIP-848) through its life, with librdkafka.

    BOOTSTRAP GATE

Prints what it did, line by line. After "kill" it waits until the file GATE exists: meanwhile the
test kills the storage nodes, one after the other. Ends with "ok", or with what was wrong.
"""

import os
import sys
import time

from confluent_kafka import Consumer, ConsumerGroupState, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PATIENCE_S = 60
TOPIC = "kip848-first"
LATER = "kip848-second"
GROUP = "kip848"


class Member:
    """A consumer, what it has, what it has read, and how often partitions came and went."""

    def __init__(self, bootstrap, subscription, protocol="consumer", **config):
        self.read = []
        self.moves = 0
        self.consumer = Consumer({
            "bootstrap.servers": bootstrap,
            "group.id": GROUP,
            "group.protocol": protocol,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            **config,
        })
        self.consumer.subscribe(subscription, on_assign=self.moved, on_revoke=self.moved)

    def moved(self, _consumer, _partitions):
        self.moves += 1

    def poll(self):
        message = self.consumer.poll(0.05)
        if message is None:
            return
        if message.error():
            # A node that is away is none of the group's business.
            if not message.error().retriable():
                sys.exit(f"consumer: {message.error()}")
            return
        self.read.append((message.topic(), message.partition(), message.offset()))

    def owned(self):
        return {(p.topic, p.partition) for p in self.consumer.assignment()}

    def commit(self):
        positions = self.consumer.position(self.consumer.assignment())
        read = [position for position in positions if position.offset >= 0]
        if read:
            self.consumer.commit(offsets=read, asynchronous=False)


def until(what, members, condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            owned = [sorted(member.owned()) for member in members]
            sys.exit(f"{what}: not within {PATIENCE_S} s; owned {owned}, read {[len(m.read) for m in members]}")
        for member in members:
            member.poll()
    print(what, flush=True)


def produce(bootstrap, topic, partitions, count):
    failures = []
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    for number in range(count):
        done = lambda error, _message: error is not None and failures.append(error)
        producer.produce(topic, b"%d" % number, partition=number % partitions, on_delivery=done)
    if producer.flush(PATIENCE_S) or failures:
        sys.exit(f"produce: {failures[:3]}")


def create(admin, topic, partitions):
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(timeout=PATIENCE_S)


def once(members, count, what):
    """Everything was read, and nothing twice."""
    read = [record for member in members for record in member.read]
    if len(read) != count or len(set(read)) != count:
        sys.exit(f"{what}: {len(read)} read, {len(set(read))} different, {count} produced")


def migrate(bootstrap, assignor):
    """A classic consumer and one of the consumer protocol take over from each other and share."""

    def classic():
        config = {"group.id": assignor, "partition.assignment.strategy": assignor, "heartbeat.interval.ms": 300}
        return Member(bootstrap, [TOPIC], "classic", **config)

    old = classic()
    until(f"{assignor}: a classic member has all", [old], lambda: len(old.owned()) == 6)
    new = Member(bootstrap, [TOPIC], **{"group.id": assignor})
    both = [old, new]
    until(f"{assignor}: both share", both, lambda: len(old.owned()) == 3 and len(new.owned()) == 3)
    if old.owned() & new.owned():
        sys.exit("a partition is with both")
    old.commit()
    new.commit()
    old.consumer.close()
    until(f"{assignor}: the group has gone over", [new], lambda: len(new.owned()) == 6)
    old = classic()
    both = [old, new]
    until(f"{assignor}: both share again", both, lambda: len(old.owned()) == 3 and len(new.owned()) == 3)
    new.consumer.close()
    until(f"{assignor}: the group has gone back", [old], lambda: len(old.owned()) == 6)
    old.commit()
    old.consumer.close()


def main(bootstrap, gate):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    create(admin, TOPIC, 6)
    produce(bootstrap, TOPIC, 6, 300)

    a = Member(bootstrap, [TOPIC])
    until("the first has all", [a], lambda: len(a.owned()) == 6)
    b = Member(bootstrap, [TOPIC])
    until("two share", [a, b], lambda: len(a.owned()) == 3 and len(b.owned()) == 3)
    if a.owned() & b.owned():
        sys.exit("a partition is with both")
    until("all is read", [a, b], lambda: len(set(a.read + b.read)) == 300)
    a.read, b.read = [], []
    state = admin.describe_consumer_groups([GROUP])[GROUP].result(timeout=PATIENCE_S)
    if state.state != ConsumerGroupState.STABLE or len(state.members) != 2:
        sys.exit(f"described as {state.state} with {len(state.members)} members")

    moves = a.moves, b.moves
    print("kill", flush=True)
    until("the nodes were killed", [a, b], lambda: os.path.exists(gate))
    produce(bootstrap, TOPIC, 6, 300)
    until("all is read after it", [a, b], lambda: len(a.read) + len(b.read) >= 300)
    once([a, b], 300, "after the kills")
    if (a.moves, b.moves) != moves:
        sys.exit("the failover made a rebalance")

    a.commit()
    b.commit()
    b.consumer.close()
    until("the one that is left has all", [a], lambda: len(a.owned()) == 6)
    once([a, b], 300, "what was committed came again")

    static = Member(bootstrap, [TOPIC], **{"group.instance.id": "one"})
    until("a static member joins", [a, static], lambda: len(a.owned()) == 3 and len(static.owned()) == 3)
    had, moves = static.owned(), a.moves
    static.consumer.close()
    static = Member(bootstrap, [TOPIC], **{"group.instance.id": "one"})
    until("it comes back to what it had", [a, static], lambda: static.owned() == had)
    if a.moves != moves:
        sys.exit("the restart of a static member moved partitions of another")
    static.consumer.unsubscribe()
    static.consumer.close()
    a.consumer.close()

    again = Member(bootstrap, ["^kip848-.*"])
    until("a pattern finds the topic", [again], lambda: len(again.owned()) == 6)
    create(admin, LATER, 2)
    until("and one that is created later", [again], lambda: len(again.owned()) == 8)
    produce(bootstrap, TOPIC, 6, 60)
    until("the group goes on where it committed", [again], lambda: len(again.read) >= 60)
    once([again], 60, "resumed")
    again.consumer.close()

    migrate(bootstrap, "range")
    migrate(bootstrap, "cooperative-sticky")
    print("ok", flush=True)


main(*sys.argv[1:])
