"""Many topics and groups at once, for the drills.

    create  BOOTSTRAP TOPICS PARTITIONS         topics drill-0 .. with PARTITIONS each
    commit  BOOTSTRAP TOPICS LOG                one group per topic commits an offset in each partition
    groups  BOOTSTRAP TOPICS LOG                compares committed offsets with the log, prints COUNT WRONG
    load    BOOTSTRAP TOPICS PARTITIONS RATE LOG [BYTES]   idempotent, RATE records of BYTES a second over all partitions until SIGTERM
    verify  BOOTSTRAP TOPICS PARTITIONS LOG     reads everything, prints JSON
    touch   BOOTSTRAP TOPICS PARTITIONS         one record into every partition, all acknowledged
    knock   BOOTSTRAP TOPICS PARTITIONS SECONDS one record into every partition, prints how many were acknowledged
"""

import json
import signal
import sys
import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

stopping = False


def stop(_signal, _frame):
    global stopping
    stopping = True


def name(topic):
    return f"drill-{topic}"


def create(bootstrap, topics, partitions):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    wanted = [NewTopic(name(topic), int(partitions), 1) for topic in range(int(topics))]
    for future in admin.create_topics(wanted, operation_timeout=120, request_timeout=120).values():
        future.result(timeout=120)
    print("created", len(wanted))


def producer_of(bootstrap):
    return Producer({
        "bootstrap.servers": bootstrap,
        "enable.idempotence": True,
        "linger.ms": 5,
        "delivery.timeout.ms": 300000,
        # A process that is stopped does not close its connections: its clients have to.
        "socket.timeout.ms": 10000,
        "queue.buffering.max.kbytes": 131072,
    })


def commit(bootstrap, topics, log_path):
    """Offsets 0 .. 9, by topic: what is there is not looked at by a commit."""
    with open(log_path, "w", encoding="ascii") as log:
        for topic in range(int(topics)):
            consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"group-{topic}"})
            offset = topic % 10
            consumer.commit(offsets=[TopicPartition(name(topic), 0, offset)], asynchronous=False)
            log.write(f"{topic} {offset}\n")
            consumer.close()
    print("committed", topics)


def groups(bootstrap, _topics, log_path):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    wrong = 0
    count = 0
    with open(log_path, encoding="ascii") as log:
        for line in log:
            topic, offset = map(int, line.split())
            asked = [ConsumerGroupTopicPartitions(f"group-{topic}", [TopicPartition(name(topic), 0)])]
            for answer in admin.list_consumer_group_offsets(asked, request_timeout=60).values():
                found = answer.result(timeout=60).topic_partitions[0].offset
                wrong += found != offset
            count += 1
    print(count, wrong)


def load(bootstrap, topics, partitions, rate, log_path, size=216):
    topics, partitions, rate = int(topics), int(partitions), float(rate)
    padding = b"x" * (int(size) - 16)
    log = open(log_path, "w", encoding="ascii")
    failed = []

    def report(sequence):
        def delivered(error, message):
            if error is None:
                ms = int(time.time() * 1000)
                log.write(f"{message.topic()} {message.partition()} {message.offset()} {sequence} {ms}\n")
            else:
                failed.append(f"{error.name()} of {sequence} for {message.topic()}-{message.partition()}"
                              f" at {time.time():.1f} s")
        return delivered

    producer = producer_of(bootstrap)
    sequence = 0
    started = time.monotonic()
    while not stopping:
        due = (time.monotonic() - started) * rate
        while sequence < due and not stopping:
            at = sequence % (topics * partitions)
            try:
                producer.produce(name(at // partitions), value=b"%016d" % sequence + padding,
                                 partition=at % partitions, on_delivery=report(sequence))
            except BufferError:
                started = time.monotonic() - sequence / rate
                break
            sequence += 1
        producer.poll(0.005)
    left = producer.flush(300)
    log.close()
    print(json.dumps({"sent": sequence, "left": left, "failed": failed[:20]}))


def touch(bootstrap, topics, partitions):
    failed = []
    producer = producer_of(bootstrap)
    for topic in range(int(topics)):
        for partition in range(int(partitions)):
            producer.produce(name(topic), value=b"touch", partition=partition,
                             on_delivery=lambda error, _message: error and failed.append(error.name()))
    left = producer.flush(120)
    if failed or left:
        sys.exit(f"{len(failed)} failed ({failed[:3]}), {left} left")
    print("touched")


def knock(bootstrap, topics, partitions, seconds):
    acked = []
    producer = Producer({"bootstrap.servers": bootstrap, "message.timeout.ms": int(seconds) * 1000})
    for topic in range(int(topics)):
        for partition in range(int(partitions)):
            producer.produce(name(topic), value=b"knock", partition=partition,
                             on_delivery=lambda error, message: error or acked.append(message.offset()))
    producer.flush(int(seconds) + 30)
    print(len(acked))


def verify(bootstrap, topics, partitions, log_path):
    topics, partitions = int(topics), int(partitions)
    acked = {}
    with open(log_path, encoding="ascii") as log:
        for line in log:
            topic, partition, offset, sequence, _ms = line.split()
            acked[(topic, int(partition), int(offset))] = int(sequence)
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": "verify", "enable.auto.commit": False,
        "auto.offset.reset": "error",
    })
    due, ends = {}, {}
    for topic in map(name, range(topics)):
        for partition in range(partitions):
            where = (topic, partition)
            due[where], ends[where] = consumer.get_watermark_offsets(TopicPartition(*where), timeout=60)
    found = {"partitions": len(ends), "acked": len(acked), "records": 0, "lost": 0, "moved": 0, "duplicated": 0, "reordered": 0, "offset_gaps": 0}
    consumer.assign([TopicPartition(*where, offset) for where, offset in due.items()])
    seen, last = set(), {}
    heard = time.monotonic()
    while any(due[where] < end for where, end in ends.items()):
        for message in consumer.consume(5000, timeout=1.0):
            if message.error():
                sys.exit(str(message.error()))
            heard = time.monotonic()
            where, offset = (message.topic(), message.partition()), message.offset()
            found["records"] += 1
            found["offset_gaps"] += offset != due[where]
            due[where] = offset + 1
            if message.value() in (b"touch", b"knock"):
                continue
            sequence = int(message.value()[:16])
            found["duplicated"] += sequence in seen
            found["reordered"] += sequence < last.get(where, -1)
            seen.add(sequence)
            last[where] = sequence
            expected = acked.pop((*where, offset), None)
            found["moved"] += expected is not None and expected != sequence
        if time.monotonic() - heard > 60:
            sys.exit("nothing for 60 s")
    found["lost"] = len(acked)
    print(json.dumps(found))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    {f.__name__: f for f in (create, commit, groups, load, touch, knock, verify)}[sys.argv[1]](*sys.argv[2:])
