"""Connects with what it is given, produces a record and reads it back; for many attempts in one process.

    secured.py librdkafka|aiokafka FILE    attempts, one a line (see tests/src/attempts.rs)
    secured.py hold FILE READY             logs in by the only attempt, makes READY, prints "closed" when the broker closes

For each attempt one line, its name, a tab, and what the client knows of it:

    ok            it was served
    credentials   it is not who it says
    mechanism     that mechanism is not spoken here
    tls           there is no TLS between the two
    closed        the connection ended, or never was; why, it was not told
"""

import asyncio
import concurrent.futures
import logging
import os
import pathlib
import ssl
import sys
import tempfile
import time
import warnings

PATIENCE_S = 60
# How long librdkafka, which tries for ever, is given to find a reason.
REASON_S = 3
VERSIONS = {"1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
# Neither forward secrecy nor authenticated encryption.
WEAK_CIPHER = "AES128-SHA"


def librdkafka(attempts):
    """Its version of TLS is the process's: OpenSSL's own configuration has it."""
    (version,) = {attempt["tls"] for attempt in attempts}
    with tempfile.NamedTemporaryFile("w", suffix=".cnf") as config:
        config.write("openssl_conf = top\n[top]\nssl_conf = ssl\n[ssl]\nsystem_default = all\n[all]\n")
        config.write(f"MinProtocol = TLSv{version}\nMaxProtocol = TLSv{version}\n")
        config.write("CipherString = ALL:@SECLEVEL=0\n")
        config.flush()
        os.environ["OPENSSL_CONF"] = config.name
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            return list(pool.map(attempt_librdkafka, attempts))


def attempt_librdkafka(attempt):
    from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

    errors = []
    config = {
        "bootstrap.servers": attempt["bootstrap"],
        "security.protocol": attempt["protocol"],
        "error_cb": errors.append,
        "logger": logging.getLogger("librdkafka"),
    }
    if "ca" in attempt:
        config["ssl.ca.location"] = attempt["ca"]
    if "identity" in attempt:
        config |= {"ssl.certificate.location": attempt["identity"], "ssl.key.location": attempt["identity"]}
    if "weak" in attempt:
        config["ssl.cipher.suites"] = WEAK_CIPHER
    if "mechanism" in attempt:
        config["sasl.mechanisms"] = attempt["mechanism"]
        if attempt["mechanism"] == "OAUTHBEARER":
            config["oauth_cb"] = lambda _config: (attempt["secret"], time.time() + 300)
        else:
            config |= {"sasl.username": attempt["user"], "sasl.password": attempt["secret"]}

    def reason():
        for error in errors:
            if error.code() == KafkaError._AUTHENTICATION:
                return "mechanism" if "nsupported" in error.str() else "credentials"
            if error.code() == KafkaError._SSL:
                return "tls"
        return None

    producer = Producer(config)
    gives_up = time.monotonic() + PATIENCE_S
    while True:
        producer.poll(0.1)
        if reason():
            return reason()
        try:
            producer.list_topics(timeout=1)
            break
        except KafkaException:
            pass
        if errors and time.monotonic() > gives_up - PATIENCE_S + REASON_S or time.monotonic() > gives_up:
            return "closed"
    producer.produce(attempt["topic"], b"from librdkafka")
    assert producer.flush(PATIENCE_S) == 0, errors
    consumer = Consumer(config | {"group.id": "-", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(attempt["topic"], 0, 0)])
    message = consumer.poll(PATIENCE_S)
    assert message is not None and message.error() is None, errors
    consumer.close()
    return "ok"


def aio_config(attempt):
    from aiokafka.abc import AbstractTokenProvider

    class Token(AbstractTokenProvider):
        async def token(self):
            return attempt["secret"]

    config = {"bootstrap_servers": attempt["bootstrap"], "security_protocol": attempt["protocol"]}
    if "SSL" in attempt["protocol"]:
        context = ssl.create_default_context(cafile=attempt["ca"])
        context.set_ciphers(WEAK_CIPHER if "weak" in attempt else "ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = VERSIONS[attempt["tls"]]
        if "identity" in attempt:
            context.load_cert_chain(attempt["identity"])
        config["ssl_context"] = context
    if "mechanism" not in attempt:
        return config
    config["sasl_mechanism"] = attempt["mechanism"]
    if attempt["mechanism"] == "OAUTHBEARER":
        return config | {"sasl_oauth_token_provider": Token()}
    return config | {"sasl_plain_username": attempt["user"], "sasl_plain_password": attempt["secret"]}


def connect(attempt, **more):
    """One connection: the client's own bootstrap does not tell why there is none."""
    from aiokafka.conn import create_conn

    config = aio_config(attempt) | more
    host, port = config.pop("bootstrap_servers").rsplit(":", 1)
    return create_conn(host, int(port), client_id="test", **config)


async def attempt_aiokafka(attempt):
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
    from aiokafka import errors

    try:
        (await connect(attempt)).close()
    except (errors.AuthenticationFailedError, errors.SaslAuthenticationFailed):
        return "credentials"
    except errors.UnsupportedSaslMechanismError:
        return "mechanism"
    except ssl.SSLError:
        return "tls"
    except (errors.KafkaConnectionError, OSError):
        return "closed"
    producer = AIOKafkaProducer(**aio_config(attempt))
    try:
        await producer.start()
    except errors.KafkaConnectionError:
        # It takes any answer to its token for a yes, and hears of a refused certificate only when it
        # reads, so the end of the connection is all it knows; as from Apache Kafka.
        await producer.stop()
        return "closed"
    await producer.send_and_wait(attempt["topic"], b"from aiokafka")
    await producer.stop()
    consumer = AIOKafkaConsumer(**aio_config(attempt), auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([TopicPartition(attempt["topic"], 0)])
    await asyncio.wait_for(consumer.getone(), PATIENCE_S)
    await consumer.stop()
    return "ok"


async def aiokafka(attempts):
    return await asyncio.gather(*map(attempt_aiokafka, attempts))


async def hold(attempt, ready):
    closed = asyncio.Event()
    connection = await connect(attempt, on_close=lambda *_: closed.set())
    pathlib.Path(ready).touch()
    await asyncio.wait_for(closed.wait(), PATIENCE_S)
    connection.close()
    return "closed"


def parse(line):
    return dict(field.split("=", 1) for field in line.split("\t"))


if __name__ == "__main__":
    # That old versions are old is the point of trying them.
    warnings.simplefilter("ignore", DeprecationWarning)
    logging.getLogger().addHandler(logging.NullHandler())
    how, file, *more = sys.argv[1:]
    attempts = [parse(line) for line in pathlib.Path(file).read_text().splitlines()]
    if how == "hold":
        print(asyncio.run(hold(attempts[0], *more)))
        sys.exit()
    outcomes = librdkafka(attempts) if how == "librdkafka" else asyncio.run(aiokafka(attempts))
    for attempt, outcome in zip(attempts, outcomes):
        print(attempt["name"], outcome, sep="\t")
