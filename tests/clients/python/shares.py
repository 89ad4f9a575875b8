"""Many groups that replay at the same time, and what each of them gets.

    BOOTSTRAP TOPIC PARTITIONS SECONDS

One group per partition reads it from offset 0. Once all have got something, the bytes that each gets
in the next SECONDS are counted, and printed as one JSON list.
"""

import json
import sys
import threading
import time

from confluent_kafka import Consumer, TopicPartition

# A group that has got nothing for so long gets nothing.
STARVED_S = 60


class Group(threading.Thread):
    def __init__(self, bootstrap, topic, partition):
        super().__init__(daemon=True)
        self.bytes = 0
        self.consumer = Consumer({
            "bootstrap.servers": bootstrap,
            "client.id": f"group-{partition}",
            "group.id": f"group-{partition}",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "fetch.message.max.bytes": 256 << 10,
            "queued.max.messages.kbytes": 1 << 10,
        })
        self.consumer.assign([TopicPartition(topic, partition, 0)])

    def run(self):
        while True:
            for message in self.consumer.consume(500, timeout=0.5):
                if message.error():
                    sys.exit(f"{message.error()}")
                self.bytes += len(message.value())


def main(bootstrap, topic, partitions, seconds):
    groups = [Group(bootstrap, topic, partition) for partition in range(int(partitions))]
    for group in groups:
        group.start()
    deadline = time.monotonic() + STARVED_S
    while not all(group.bytes for group in groups):
        if time.monotonic() > deadline:
            sys.exit(f"some got nothing: {[group.bytes for group in groups]}")
        time.sleep(0.1)
    before = [group.bytes for group in groups]
    time.sleep(float(seconds))
    print(json.dumps([group.bytes - had for group, had in zip(groups, before)]))


main(*sys.argv[1:])
