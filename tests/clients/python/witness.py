"""A program of a user, as librdkafka sees the cluster: a producer and a group of one consumer with default settings.

    witness.py BOOTSTRAP TOPIC PARTITIONS RATE LOG [BESIDE]

makes TOPIC, sends RATE records a second to its partitions in turn until SIGTERM, and reads them back. With BESIDE,
every other record goes to that topic of others and is not read. The log has one event per line:

    ack NUMBER MS MICROSECONDS        acknowledged at that time, so long after it was sent
    error KIND CLASS                  the application was told: KIND is produce, consume or fatal
    told CLASS                        for the application's information: the client goes on by itself
    read MS                           the first record came back

The last line of the output is JSON: sent, acked, failed, read, and of the records of TOPIC those that were
acknowledged and never read (lost), read at a second offset (duplicated), read at one offset again (again), or
read after a later one of their partition (reordered).
"""

import json
import signal
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

# Who reads nothing for so long will not.
STUCK_S = 120

stopping = threading.Event()
produced = threading.Event()


class Log:
    def __init__(self, path):
        self.file = open(path, "w", encoding="ascii", buffering=1)
        self.lock = threading.Lock()

    def write(self, *words):
        with self.lock:
            self.file.write(" ".join(map(str, words)) + "\n")

    def told(self, error):
        self.write(*(["error", "fatal"] if error.fatal() else ["told"]), error.name())


def now_ms():
    return int(time.time() * 1000)


def create(bootstrap, topic, partitions):
    """Tried again, for a topic that is made while everything starts may be late."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    deadline = time.monotonic() + STUCK_S
    while True:
        try:
            admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result()
            return
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


class Producing:
    def __init__(self, bootstrap, topic, partitions, beside, log):
        self.log = log
        self.producer = Producer({"bootstrap.servers": bootstrap, "error_cb": log.told})
        self.own = [(topic, partition) for partition in range(partitions)]
        others = self.producer.list_topics(beside, timeout=STUCK_S).topics[beside].partitions if beside else []
        self.beside = [(beside, partition) for partition in others]
        self.sent = self.failed = 0
        self.acked = set()
        self.acked_own = set()

    def send(self):
        number = self.sent
        beside = self.beside and number % 2
        places = self.beside if beside else self.own
        topic, partition = places[number // (2 if self.beside else 1) % len(places)]
        began = time.monotonic()

        def delivered(error, _message):
            if error:
                self.failed += 1
                self.log.write("error", "produce", error.name())
                return
            self.acked.add(number)
            if not beside:
                self.acked_own.add(number)
            self.log.write("ack", number, now_ms(), int((time.monotonic() - began) * 1e6))

        self.sent += 1
        try:
            self.producer.produce(topic, b"%d" % number, partition=partition, on_delivery=delivered)
        except (BufferError, KafkaException) as error:
            self.failed += 1
            self.log.write("error", "produce", type(error).__name__)

    def run(self, rate):
        due = time.monotonic()
        while not stopping.is_set():
            self.send()
            due = max(due + 1 / rate, time.monotonic() - 1)
            # Until then, for a poll ends with the first thing that it heard of.
            while (left := due - time.monotonic()) > 0:
                self.producer.poll(left)
        self.producer.flush()


class Consuming(threading.Thread):
    def __init__(self, bootstrap, topic, acked, log):
        super().__init__()
        self.log, self.acked = log, acked
        self.consumer = Consumer({
            "bootstrap.servers": bootstrap,
            "group.id": topic,
            "auto.offset.reset": "earliest",
            "error_cb": log.told,
        })
        self.consumer.subscribe([topic])
        self.found = {"read": 0, "duplicated": 0, "again": 0, "reordered": 0}
        self.seen = set()
        self.offsets = {}
        self.last = {}

    def run(self):
        heard = time.monotonic()
        while not produced.is_set() or self.acked - self.seen:
            message = self.consumer.poll(0.2)
            if message is None:
                if time.monotonic() - heard > STUCK_S:
                    break
            elif message.error():
                self.log.write("error", "consume", message.error().name())
            else:
                self.read(message)
            if message is not None or not produced.is_set():
                heard = time.monotonic()
        self.consumer.close()

    def read(self, message):
        if not self.seen:
            self.log.write("read", now_ms())
        number, partition, offset = int(message.value()), message.partition(), message.offset()
        self.found["read"] += 1
        if offset <= self.offsets.get(partition, -1):
            self.found["again"] += 1
            return
        self.offsets[partition] = offset
        if number in self.seen:
            self.found["duplicated"] += 1
        elif number < self.last.get(partition, -1):
            self.found["reordered"] += 1
        self.seen.add(number)
        self.last[partition] = max(number, self.last.get(partition, -1))


def main(bootstrap, topic, partitions, rate, path, beside=None):
    signal.signal(signal.SIGTERM, lambda _signal, _frame: stopping.set())
    log = Log(path)
    create(bootstrap, topic, int(partitions))
    producing = Producing(bootstrap, topic, int(partitions), beside, log)
    consuming = Consuming(bootstrap, topic, producing.acked_own, log)
    consuming.start()
    producing.run(float(rate))
    produced.set()
    consuming.join()
    lost = len(producing.acked_own - consuming.seen)
    counts = {"sent": producing.sent, "acked": len(producing.acked), "failed": producing.failed, "lost": lost}
    print(json.dumps(counts | consuming.found))


if __name__ == "__main__":
    main(*sys.argv[1:])
