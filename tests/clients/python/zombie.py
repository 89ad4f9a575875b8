"""Two producers with one transactional id, for a proxy that holds frames of the first one back.

    zombie    BOOTSTRAP TOPIC ID KIND GO      begins a transaction, prints `open`, waits for the file GO, sends
                                              something late and commits; prints `refused ERROR`, or `committed`
    successor BOOTSTRAP TOPIC ID GO           takes the id and commits, begins another transaction, prints `open`,
                                              waits for GO, aborts it, commits a third; prints `done`

The late frames of each KIND: `produce` a record for the partition that is part of the transaction, `add`
one for another partition, `commit` only the end, `offsets` those of a group.
"""

import os
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

# Longer than frames are held back: neither client may give up before they are delivered.
PATIENCE_S = 240


def producer(bootstrap, transactional_id, client_id):
    made = Producer({
        "bootstrap.servers": bootstrap,
        "client.id": client_id,
        "transactional.id": transactional_id,
        "transaction.timeout.ms": PATIENCE_S * 1000,
        "socket.timeout.ms": PATIENCE_S * 1000,
        "request.timeout.ms": PATIENCE_S * 1000,
        "linger.ms": 1,
    })
    made.init_transactions(PATIENCE_S)
    return made


def wait_for(path):
    deadline = time.monotonic() + PATIENCE_S
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            sys.exit(f"{path} never came")
        time.sleep(0.05)


def write(to, topic, partition, value):
    to.produce(topic, value=value, partition=partition)
    if to.flush(PATIENCE_S):
        sys.exit(f"{value} was not delivered")


def zombie(bootstrap, topic, transactional_id, kind, go):
    out = producer(bootstrap, transactional_id, f"zombie-{kind}")
    group = Consumer({"bootstrap.servers": bootstrap, "group.id": f"group-{kind}"})
    out.begin_transaction()
    write(out, topic, 0, "zombie early")
    print("open", flush=True)
    wait_for(go)
    try:
        if kind in ("produce", "add"):
            out.produce(topic, value="zombie late", partition=0 if kind == "produce" else 1)
        if kind == "offsets":
            offsets = [TopicPartition(topic, 0, 7)]
            out.send_offsets_to_transaction(offsets, group.consumer_group_metadata(), PATIENCE_S)
        out.commit_transaction(PATIENCE_S)
        print("committed")
    except KafkaException as failure:
        print("refused", failure.args[0].name())


def successor(bootstrap, topic, transactional_id, go):
    out = producer(bootstrap, transactional_id, "successor")
    out.begin_transaction()
    write(out, topic, 0, "successor 1")
    out.commit_transaction(PATIENCE_S)
    # A late commit must not be taken for one of this transaction, whose producer is another (T8).
    out.begin_transaction()
    write(out, topic, 0, "successor aborted")
    write(out, topic, 1, "successor aborted")
    print("open", flush=True)
    wait_for(go)
    out.abort_transaction(PATIENCE_S)
    out.begin_transaction()
    write(out, topic, 0, "successor 2")
    out.commit_transaction(PATIENCE_S)
    print("done")


if __name__ == "__main__":
    {"zombie": zombie, "successor": successor}[sys.argv[1]](*sys.argv[2:])
