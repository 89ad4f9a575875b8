"""A librdkafka producer with default settings that never stops, and a look at what it did.

    run    BOOTSTRAP TOPIC LOG    twenty records a second until SIGTERM; a line for each: "ack NUMBER MS", "error …"
    check  BOOTSTRAP TOPIC LOG    reads everything, prints JSON: acked, lost, duplicated
"""

import collections
import json
import signal
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition

stopping = False


def stop(_signal, _frame):
    global stopping
    stopping = True


def run(bootstrap, topic, path):
    signal.signal(signal.SIGTERM, stop)
    producer = Producer({"bootstrap.servers": bootstrap})
    with open(path, "w", encoding="utf-8", buffering=1) as log:

        def delivered(number):
            def heard(error, _message):
                line = f"error {number} {error}" if error else f"ack {number} {int(time.time() * 1000)}"
                log.write(line + "\n")

            return heard

        number = 0
        while not stopping:
            producer.produce(topic, str(number), on_delivery=delivered(number))
            number += 1
            producer.poll(0)
            time.sleep(0.05)
        producer.flush(120)


def check(bootstrap, topic, path):
    with open(path, encoding="utf-8") as log:
        acked = {int(line.split()[1]) for line in log if line.startswith("ack ")}
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "check", "auto.offset.reset": "earliest"})
    partitions = consumer.list_topics(topic, timeout=60).topics[topic].partitions
    left = {}
    for partition in partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=60)
        if high > low:
            left[partition] = high
    consumer.assign([TopicPartition(topic, partition, 0) for partition in left])
    found = collections.Counter()
    deadline = time.time() + 180
    while left and time.time() < deadline:
        message = consumer.poll(1)
        if message is None or message.error():
            continue
        found[int(message.value())] += 1
        if message.offset() + 1 >= left.get(message.partition(), 0):
            left.pop(message.partition(), None)
    consumer.close()
    lost = sorted(acked - found.keys())
    duplicated = sum(count - 1 for count in found.values())
    print(json.dumps({"acked": len(acked), "lost": len(lost), "duplicated": duplicated, "unread": len(left)}))


if __name__ == "__main__":
    {"run": run, "check": check}[sys.argv[1]](*sys.argv[2:])
