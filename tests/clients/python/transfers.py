"""Transactions over two topics (confluent-kafka, whose librdkafka ends them without bumping epochs).

    write BOOTSTRAP ID TOPIC OTHER FROM COUNT
                one transaction per number, with a record in partition 0 of both topics; every third is
                aborted, and so is one that the cluster asks to abort; prints one JSON object: the
                numbers that were committed
    read  BOOTSTRAP TOPIC ISOLATION
                prints one JSON array: the numbers in partition 0, in their order
"""

import json
import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition


def retried(call):
    """Calls until it does not fail in a way that goes away by itself."""
    while True:
        try:
            return call(30)
        except KafkaException as failure:
            if not failure.args[0].retriable():
                raise


def write(bootstrap, transactional_id, topic, other, first, count):
    producer = Producer({
        "bootstrap.servers": bootstrap,
        "transactional.id": transactional_id,
        "transaction.timeout.ms": 60000,
        "linger.ms": 1,
    })
    retried(producer.init_transactions)
    committed = []
    for number in range(int(first), int(first) + int(count)):
        producer.begin_transaction()
        try:
            for name in (topic, other):
                producer.produce(name, value=str(number), partition=0)
            if number % 3 == 2:
                producer.flush(30)
                retried(producer.abort_transaction)
                continue
            retried(producer.commit_transaction)
            committed.append(number)
        except KafkaException as failure:
            if not failure.args[0].txn_requires_abort():
                raise
            retried(producer.abort_transaction)
    print(json.dumps({"committed": committed}))


def read(bootstrap, topic, isolation):
    consumer = Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": "transactions",
        "isolation.level": isolation,
        "enable.auto.commit": False,
        "enable.partition.eof": True,
    })
    consumer.assign([TopicPartition(topic, 0, 0)])
    numbers, deadline = [], time.monotonic() + 120
    while time.monotonic() < deadline:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if not message.error():
            numbers.append(int(message.value()))
        elif message.error().code() == KafkaError._PARTITION_EOF:
            print(json.dumps(numbers))
            consumer.close()
            return
        else:
            sys.exit(str(message.error()))
    sys.exit(f"no end in sight after {len(numbers)} records")


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](*sys.argv[2:])
