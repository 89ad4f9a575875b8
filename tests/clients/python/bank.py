"""A bank whose accounts are records, and what is to be seen of it at read_committed.

    run   BOOTSTRAP TOPIC PARTITIONS TELLERS LOG   transfers and audits until SIGTERM, then a last audit
    audit BOOTSTRAP TOPIC PARTITIONS LOG           reads everything once more from offset 0

A transfer is one transaction: its legs, one record each, take from accounts and give to others, and add
up to nothing. Every fifth or so is aborted. Between rounds of transfers, when no transaction is open, an
audit reads up to the last stable offsets: the books must balance there. The reader follows all the time,
also while transactions are open. One event per line, in the order in which this process knew of them:

    asks W S              teller W is about to ask for the commit of its transfer S
    committed W S LEGS    it was answered that it is
    aborted W S           it was answered that it is not to be
    unknown W S ERROR     nobody said, and the producer is of no use any more
    r PARTITION OFFSET W S LEG LEGS AMOUNT
    audit STABLE          the reader is at all last stable offsets; 1 if they are the high watermarks
    e ERROR               told to the application
    end                   everything was read
"""

import random
import signal
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

ACCOUNTS = 40
# From one audit to the next.
ROUND_S = 4
# Longer than any outage: who needs longer is stuck.
PATIENCE_S = 120
# More than a kill takes, less than what anybody waits for when a teller is gone.
TRANSACTION_TIMEOUT_MS = 60_000

stopping = threading.Event()


class Log:
    """Lines of all threads, in the order in which they happened."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="ascii", buffering=1 << 16)
        self.lock = threading.Lock()

    def write(self, *words):
        with self.lock:
            self.file.write(" ".join(map(str, words)) + "\n")

    def close(self):
        self.write("end")
        self.file.close()


def patiently(call):
    """Calls until it does not fail in a way that goes away by itself."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return call(10)
        except KafkaException as failure:
            if not failure.args[0].retriable() or time.monotonic() > deadline:
                raise


class Doors:
    """Transfers begin only while they are open; an audit waits until nobody is inside."""

    def __init__(self):
        self.condition = threading.Condition()
        self.are_open, self.inside = False, 0

    def enter(self):
        with self.condition:
            self.condition.wait_for(lambda: self.are_open or stopping.is_set())
            self.inside += self.are_open
            return self.are_open

    def leave(self):
        with self.condition:
            self.inside -= 1
            self.condition.notify_all()

    def set(self, are_open):
        with self.condition:
            self.are_open = are_open
            self.condition.notify_all()

    def closed_and_empty(self, wait):
        with self.condition:
            return not self.are_open and self.condition.wait_for(lambda: self.inside == 0, wait)


class Teller(threading.Thread):
    def __init__(self, bootstrap, topic, partitions, number, doors, log):
        super().__init__(daemon=True)
        self.bootstrap, self.topic, self.partitions = bootstrap, topic, partitions
        self.number, self.doors, self.log = number, doors, log
        self.chance = random.Random(number)
        self.producer = self.hire()

    def hire(self):
        producer = Producer({
            "bootstrap.servers": self.bootstrap,
            "transactional.id": f"teller-{self.number}",
            "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
            "linger.ms": 1,
        })
        patiently(producer.init_transactions)
        return producer

    def run(self):
        transfer = 0
        while not stopping.is_set():
            if self.doors.enter():
                self.transfer(transfer)
                transfer += 1
                self.doors.leave()

    def transfer(self, number):
        try:
            self.producer.begin_transaction()
            legs = self.produce(number)
            if self.chance.randrange(5) == 0:
                # Written before: librdkafka aborts what it could not begin yet in a way that no broker
                # accepts (its issue 4849), and is of no use afterwards.
                self.producer.flush(PATIENCE_S)
                self.abort(number)
                return
            self.log.write("asks", self.number, number)
            patiently(self.producer.commit_transaction)
            self.log.write("committed", self.number, number, legs)
        except KafkaException as failure:
            error = failure.args[0]
            if error.txn_requires_abort():
                self.abort(number)
                return
            self.log.write("unknown", self.number, number, error.name())
            self.log.write("e", error.name())
            self.producer = self.hire()

    def abort(self, number):
        patiently(self.producer.abort_transaction)
        self.log.write("aborted", self.number, number)

    def produce(self, number):
        legs = self.chance.randrange(2, 6)
        amounts = [self.chance.randrange(-100, 101) for _ in range(legs - 1)]
        amounts.append(-sum(amounts))
        for leg, amount in enumerate(amounts):
            account = self.chance.randrange(ACCOUNTS)
            value = f"{self.number} {number} {leg} {legs} {amount}"
            self.producer.produce(
                self.topic, key=str(account), value=value, partition=account % self.partitions
            )
        return legs


class Auditor:
    def __init__(self, bootstrap, topic, partitions, log):
        self.log = log
        self.committed, self.all = (
            Consumer({
                "bootstrap.servers": bootstrap,
                "group.id": f"auditor-{isolation}",
                "isolation.level": isolation,
                "enable.auto.commit": False,
                # An offset that is out of range would be a lie: nothing is ever deleted here (C7).
                "auto.offset.reset": "error",
            })
            for isolation in ("read_committed", "read_uncommitted")
        )
        self.places = [TopicPartition(topic, partition, 0) for partition in range(partitions)]
        self.committed.assign(self.places)

    def read(self, wait):
        for message in self.committed.consume(1000, wait):
            if message.error():
                self.log.write("e", message.error().name())
            else:
                value = message.value().decode()
                self.log.write("r", message.partition(), message.offset(), value)

    def end(self, consumer, place):
        """The end that this consumer's isolation has, from whoever owns the partition in the end."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return consumer.get_watermark_offsets(place, timeout=10)[1]
            except KafkaException:
                if time.monotonic() > deadline:
                    raise

    def ends(self):
        stable = [self.end(self.committed, place) for place in self.places]
        return stable, [self.end(self.all, place) for place in self.places]

    def audit(self):
        """Reads to the last stable offsets. With no transaction open these are the ends, once all
        markers are written."""
        deadline = time.monotonic() + PATIENCE_S
        stable, ends = self.ends()
        while stable != ends and time.monotonic() < deadline:
            self.read(0.1)
            stable, ends = self.ends()
        self.read_to(stable)
        self.log.write("audit", int(stable == ends))

    def read_to(self, ends):
        """The position passes markers, too, which are no messages."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            positions = self.committed.position(self.places)
            if all(at.offset >= end or end == 0 for at, end in zip(positions, ends)):
                return
            self.read(0.1)
        sys.exit(f"stuck at {positions}, ends {ends}")

    def finish(self):
        self.committed.close()
        self.all.close()
        self.log.close()


def run(bootstrap, topic, partitions, tellers, log):
    log, doors, partitions = Log(log), Doors(), int(partitions)
    auditor = Auditor(bootstrap, topic, partitions, log)
    staff = [Teller(bootstrap, topic, partitions, n, doors, log) for n in range(int(tellers))]
    for teller in staff:
        teller.start()
    while not stopping.is_set():
        doors.set(True)
        closing = time.monotonic() + ROUND_S
        while time.monotonic() < closing and not stopping.is_set():
            auditor.read(0.1)
        doors.set(False)
        deadline = time.monotonic() + 2 * PATIENCE_S
        while not doors.closed_and_empty(0):
            auditor.read(0.1)
            if time.monotonic() > deadline:
                sys.exit("a transfer never ends")
        auditor.audit()
    auditor.finish()


def audit(bootstrap, topic, partitions, log):
    auditor = Auditor(bootstrap, topic, int(partitions), Log(log))
    auditor.audit()
    auditor.finish()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda _signal, _frame: stopping.set())
    {"run": run, "audit": audit}[sys.argv[1]](*sys.argv[2:])
