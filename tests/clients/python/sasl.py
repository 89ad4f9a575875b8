"""Logs in with what it is given, produces a record and reads it back.

    sasl.py librdkafka|aiokafka BOOTSTRAP MECHANISM USER PASSWORD TOPIC
    sasl.py librdkafka|aiokafka BOOTSTRAP OAUTHBEARER - TOKEN TOPIC
    sasl.py hold BOOTSTRAP MECHANISM USER PASSWORD FILE     logs in, makes the file, prints "closed" when the broker closes

The last line on standard output is "ok", or "refused" if the client knows that its credentials are the reason, not
merely that nobody answers.
"""

import asyncio
import logging
import pathlib
import sys
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition as AioPartition
from aiokafka.abc import AbstractTokenProvider
from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    KafkaConnectionError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

PATIENCE_S = 30


def librdkafka(bootstrap, mechanism, user, secret, topic):
    errors = []
    config = {
        "bootstrap.servers": bootstrap,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanisms": mechanism,
        "error_cb": errors.append,
        "logger": logging.getLogger("librdkafka"),
    }
    if mechanism == "OAUTHBEARER":
        config["oauth_cb"] = lambda _config: (secret, time.time() + 300)
    else:
        config |= {"sasl.username": user, "sasl.password": secret}
    producer = Producer(config)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        producer.poll(0.1)
        if any(error.code() == KafkaError._AUTHENTICATION for error in errors):
            return "refused"
        try:
            producer.list_topics(timeout=1)
            break
        except KafkaException:
            pass
    else:
        return f"timed out: {errors}"
    producer.produce(topic, b"from librdkafka")
    assert producer.flush(PATIENCE_S) == 0, errors
    consumer = Consumer(config | {"group.id": "-", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    message = consumer.poll(PATIENCE_S)
    assert message is not None and message.error() is None, errors
    consumer.close()
    return "ok"


class Token(AbstractTokenProvider):
    def __init__(self, token):
        self._token = token

    async def token(self):
        return self._token


def aio_config(bootstrap, mechanism, user, secret):
    config = {
        "bootstrap_servers": bootstrap,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": mechanism,
    }
    if mechanism == "OAUTHBEARER":
        return config | {"sasl_oauth_token_provider": Token(secret)}
    return config | {"sasl_plain_username": user, "sasl_plain_password": secret}


def connect(bootstrap, mechanism, user, secret, **more):
    """One connection: the client's own bootstrap does not tell why there is none."""
    config = aio_config(bootstrap, mechanism, user, secret) | more
    host, port = config.pop("bootstrap_servers").rsplit(":", 1)
    return create_conn(host, int(port), client_id="test", **config)


async def aiokafka(bootstrap, mechanism, user, secret, topic):
    config = aio_config(bootstrap, mechanism, user, secret)
    try:
        (await connect(bootstrap, mechanism, user, secret)).close()
    except (AuthenticationFailedError, SaslAuthenticationFailed, UnsupportedSaslMechanismError):
        return "refused"
    producer = AIOKafkaProducer(**config)
    try:
        await producer.start()
    except KafkaConnectionError:
        # It takes any answer to its token for a yes, so it hears of a no by the end of the connection,
        # as it does from Apache Kafka.
        if mechanism != "OAUTHBEARER":
            raise
        await producer.stop()
        return "refused"
    await producer.send_and_wait(topic, b"from aiokafka")
    await producer.stop()
    consumer = AIOKafkaConsumer(**config, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([AioPartition(topic, 0)])
    await asyncio.wait_for(consumer.getone(), PATIENCE_S)
    await consumer.stop()
    return "ok"


async def hold(bootstrap, mechanism, user, secret, ready):
    closed = asyncio.Event()
    connection = await connect(bootstrap, mechanism, user, secret, on_close=lambda *_: closed.set())
    pathlib.Path(ready).touch()
    await asyncio.wait_for(closed.wait(), PATIENCE_S)
    connection.close()
    return "closed"


if __name__ == "__main__":
    _, how, bootstrap, mechanism, user, secret, topic = sys.argv
    if how == "librdkafka":
        print(librdkafka(bootstrap, mechanism, user, secret, topic))
    elif how == "aiokafka":
        print(asyncio.run(aiokafka(bootstrap, mechanism, user, secret, topic)))
    else:
        print(asyncio.run(hold(bootstrap, mechanism, user, secret, topic)))
