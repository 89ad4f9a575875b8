"""Topics as tables, as `cleanup.policy=compact` means them (confluent-kafka).

    update BOOTSTRAP TOPIC PARTITION CODEC KEYS ROUNDS NAME
                gives each of KEYS keys a value ROUNDS times, in order, idempotently; prints one JSON
                object: for each key [offset, value] of its last value
    read   BOOTSTRAP TOPIC PARTITION
                prints one JSON object: the records from the first to the end of the partition as
                [offset, key, value], and the end
"""

import json
import sys
import time

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition


def update(bootstrap, topic, partition, codec, keys, rounds, name):
    last, failures = {}, []

    def delivered(error, message):
        if error is not None:
            failures.append(str(error))
            return
        key, value = message.key().decode(), message.value().decode()
        if key not in last or last[key][0] < message.offset():
            last[key] = [message.offset(), value]

    producer = Producer({
        "bootstrap.servers": bootstrap,
        "enable.idempotence": True,
        "compression.type": codec,
        "linger.ms": 5,
        "message.timeout.ms": 120000,
    })
    for number in range(int(rounds)):
        for key in range(int(keys)):
            value = f"{name} {number} {key} " + "x" * 200
            producer.produce(topic, key=f"key{key}", value=value, partition=int(partition), on_delivery=delivered)
        producer.poll(0)
    left = producer.flush(120)
    if failures or left:
        sys.exit(f"{len(failures)} failed ({failures[:3]}), {left} left in the queue")
    print(json.dumps(last))


def read(bootstrap, topic, partition):
    consumer = Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": "tables",
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
    })
    place = TopicPartition(topic, int(partition))
    low, high = consumer.get_watermark_offsets(place, timeout=30)
    place.offset = low
    consumer.assign([place])
    records, deadline = [], time.monotonic() + 120
    while True:
        message = consumer.poll(1.0)
        if message is None:
            if time.monotonic() > deadline:
                sys.exit(f"no end of {high} in sight after {len(records)} records")
        elif not message.error():
            records.append([message.offset(), message.key().decode(), message.value().decode()])
        elif message.error().code() == KafkaError._PARTITION_EOF:
            break
        else:
            sys.exit(str(message.error()))
    print(json.dumps({"records": records, "end": message.offset()}))
    consumer.close()


if __name__ == "__main__":
    {"update": update, "read": read}[sys.argv[1]](*sys.argv[2:])
