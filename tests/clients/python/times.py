"""Offsets by time (ListOffsets), asked by librdkafka.

    fill BOOTSTRAP TOPIC BATCHES RECORDS BYTES CODEC
        BATCHES batches of RECORDS records of BYTES each, one batch at a time; record n has the time
        START_MS + 10 * n. Prints how many there are.
    ask  BOOTSTRAP TOPIC RECORDS STEP
        asks for the time of every STEP-th record, and for one between it and the one before. Prints
        how many were asked; ends with an error at the first that is not the record's offset.
"""

import os
import sys

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

START_MS = 1_700_000_000_000
GAP_MS = 10


def fill(bootstrap, topic, batches, records, size, codec):
    batches, records, size = int(batches), int(records), int(size)
    producer = Producer({
        "bootstrap.servers": bootstrap,
        "compression.type": codec,
        "linger.ms": 200,
        "batch.num.messages": records,
        "message.max.bytes": 8 << 20,
        "batch.size": 8 << 20,
        "acks": "all",
    })
    failures = []
    for batch in range(batches):
        for number in range(batch * records, (batch + 1) * records):
            producer.produce(
                topic,
                os.urandom(size // 2) + bytes(size - size // 2),
                partition=0,
                timestamp=START_MS + GAP_MS * number,
                on_delivery=lambda error, _: failures.append(error) if error else None,
            )
        if producer.flush(60) or failures:
            sys.exit(f"not delivered: {failures[:3]}")
    print(batches * records)


def offset_at(consumer, topic, time_ms):
    [found] = consumer.offsets_for_times([TopicPartition(topic, 0, time_ms)], timeout=30)
    if found.error:
        raise KafkaException(found.error)
    return found.offset


def ask(bootstrap, topic, records, step):
    records = int(records)
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "times"})
    asked = 0
    for number in range(0, records, int(step)):
        exact = START_MS + GAP_MS * number
        for time_ms in (exact, exact - GAP_MS + 1):
            offset = offset_at(consumer, topic, time_ms)
            asked += 1
            if offset != number:
                sys.exit(f"at {time_ms}: offset {offset} instead of {number}")
    # librdkafka's OFFSET_END: there is none.
    after = offset_at(consumer, topic, START_MS + GAP_MS * records)
    if after != -1:
        sys.exit(f"after the last record: {after}")
    consumer.close()
    print(asked)


{"fill": fill, "ask": ask}[sys.argv[1]](*sys.argv[2:])
