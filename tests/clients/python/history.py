"""Producers and readers that write down what they saw, for the checker in tests/src/chaos.

    produce BOOTSTRAP TOPIC PARTITIONS WORKER BYTES_PER_S LOG   idempotent, until SIGTERM, then flushes
    tail    BOOTSTRAP TOPIC PARTITIONS LOG [BYTES_PER_S]        follows all partitions from offset 0 until SIGTERM, then
                                                                reads to their ends; no faster than that until then
    read    BOOTSTRAP TOPIC PARTITIONS LOG                      all partitions once, from offset 0 to their ends

Every value is unique and carries its CRC: 4 digits worker, 16 digits sequence, 8 hexadecimal digits
CRC-32 of worker, sequence and payload, then the payload. A history has one event per line:

    a PARTITION OFFSET WORKER SEQUENCE SENT_MS ACKED_MS         acknowledged; OFFSET is -1 when unknown
    f WORKER SEQUENCE ERROR                                     given up by the client
    e ERROR                                                     told to the application
    r PARTITION OFFSET WORKER SEQUENCE                          read
    x PARTITION OFFSET                                          read, and its CRC is wrong
    end ...                                                     produce: SENT UNANSWERED; readers: nothing more
"""

import random
import signal
import sys
import time
import zlib

from confluent_kafka import Consumer, Producer, TopicPartition

# Longer than any outage the nemesis makes: a record may be given up only when something is wrong.
DELIVERY_TIMEOUT_S = 300
# A reader at whose partitions nothing arrives for so long is stuck.
STUCK_S = 90

stopping = False


def stop(_signal, _frame):
    global stopping
    stopping = True


class History:
    def __init__(self, path):
        self.file = open(path, "w", encoding="ascii", buffering=1 << 16)

    def write(self, *words):
        self.file.write(" ".join(map(str, words)) + "\n")

    def error(self, error):
        self.write("e", error.name())
        # The log says why.
        print(error.name(), error.str(), file=sys.stderr, flush=True)

    def end(self, *words):
        self.write("end", *words)
        self.file.close()


def value_of(worker, sequence, payload):
    head = b"%04d%016d" % (worker, sequence)
    return head + b"%08x" % zlib.crc32(payload, zlib.crc32(head)) + payload


def parse(value):
    """Worker and sequence, or None when the bytes are not what was sent."""
    try:
        if int(value[20:28], 16) == zlib.crc32(value[28:], zlib.crc32(value[:20])):
            return int(value[:4]), int(value[4:20])
    except (TypeError, ValueError):
        pass
    return None


def produce(bootstrap, topic, partitions, worker, rate, log):
    partitions, worker, rate = int(partitions), int(worker), float(rate)
    history = History(log)
    producer = Producer({
        "bootstrap.servers": bootstrap,
        "enable.idempotence": True,
        "linger.ms": 5,
        "error_cb": history.error,
        "delivery.timeout.ms": DELIVERY_TIMEOUT_S * 1000,
        "queue.buffering.max.messages": 200000,
        "queue.buffering.max.kbytes": 256 << 10,
    })

    def delivered(sequence, sent_ms, error, message):
        if error is None:
            acked_ms = int(time.time() * 1000)
            # No offset: the client was told that a repeated batch is older than the last five, so it
            # knows that the record is there, and not where.
            offset = -1 if message.offset() is None else message.offset()
            history.write("a", message.partition(), offset, worker, sequence, sent_ms, acked_ms)
        else:
            history.write("f", worker, sequence, error.name())

    # Sizes and contents vary, and cost the client nothing: slices of one random block.
    chance = random.Random(worker)
    block = chance.randbytes(64 << 10)
    sequence = 0
    started = time.monotonic()
    sent = 0
    while not stopping:
        due = (time.monotonic() - started) * rate
        while sent < due and not stopping:
            size = chance.randrange(100, 8000)
            start = chance.randrange(len(block) - size)
            value = value_of(worker, sequence, block[start:start + size])
            sent_ms = int(time.time() * 1000)
            report = lambda error, message, n=sequence, at=sent_ms: delivered(n, at, error, message)
            try:
                producer.produce(topic, value=value, partition=sequence % partitions, on_delivery=report)
            except BufferError:
                # The queue is full while a partition is away: what is late is not made up for.
                started = time.monotonic() - sent / rate
                break
            sent += len(value)
            sequence += 1
        producer.poll(0.005)
    history.end(sequence, producer.flush(DELIVERY_TIMEOUT_S))


class Reader:
    """Reads all partitions from 0, in one consumer without a group's protocol."""

    def __init__(self, bootstrap, topic, partitions, log, rate=None):
        self.topic = topic
        self.rate = float(rate or "inf")
        self.history = History(log)
        self.consumer = Consumer({
            "bootstrap.servers": bootstrap,
            "group.id": "history",
            "enable.auto.commit": False,
            # An offset that is out of range would be a lie: nothing is ever deleted here (C7).
            "auto.offset.reset": "error",
            "error_cb": self.history.error,
            "fetch.message.max.bytes": 2 << 20,
            # Who reads slowly must not have everything fetched long before.
            "queued.max.messages.kbytes": 1 << 10 if rate else 64 << 10,
        })
        self.next = {partition: 0 for partition in range(int(partitions))}
        self.consumer.assign([TopicPartition(topic, partition, 0) for partition in self.next])

    def poll(self):
        """Reads what is there; how many records."""
        messages = self.consumer.consume(100 if self.rate < float("inf") else 2000, timeout=0.5)
        size = 0
        for message in messages:
            if message.error():
                self.history.error(message.error())
                continue
            partition, offset = message.partition(), message.offset()
            size += len(message.value())
            value = parse(message.value())
            if value is None:
                self.history.write("x", partition, offset)
            else:
                self.history.write("r", partition, offset, *value)
            self.next[partition] = offset + 1
        time.sleep(size / self.rate)
        return len(messages)

    def ends(self):
        """High watermarks, asked until there is an answer for every partition."""
        ends = {}
        deadline = time.monotonic() + STUCK_S
        while len(ends) < len(self.next):
            for partition in self.next.keys() - ends.keys():
                try:
                    where = TopicPartition(self.topic, partition)
                    ends[partition] = self.consumer.get_watermark_offsets(where, timeout=10)[1]
                except Exception as error:
                    if time.monotonic() > deadline:
                        sys.exit(f"no watermark of partition {partition}: {error}")
        return ends

    def finish(self):
        """Reads to the present ends; without the last line the checker knows that it did not."""
        self.rate = float("inf")
        ends = self.ends()
        heard = time.monotonic()
        while any(self.next[partition] < end for partition, end in ends.items()):
            if self.poll():
                heard = time.monotonic()
            if time.monotonic() - heard > STUCK_S:
                self.history.file.close()
                sys.exit(f"nothing for {STUCK_S} s at {self.next}, ends {ends}")
        self.history.end()
        self.consumer.close()


def tail(*arguments):
    reader = Reader(*arguments)
    while not stopping:
        reader.poll()
    reader.finish()


def read(*arguments):
    Reader(*arguments).finish()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    {"produce": produce, "tail": tail, "read": read}[sys.argv[1]](*sys.argv[2:])
