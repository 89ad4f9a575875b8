"""Producing and reading with librdkafka."""

from confluent_kafka import KafkaError, TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, Producer

from common import CODECS, PATIENCE_S, consumer, plain, produce, read, topic, values


def test_every_codec_is_read_as_it_was_written(bootstrap):
    for codec in CODECS:
        name = topic(bootstrap)
        sent = values(500)
        offsets = produce(bootstrap, plain(name, sent), **{"compression.type": codec})
        assert offsets == list(range(500)), codec
        assert [message.value() for message in read(bootstrap, name, 500)] == sent, codec


def test_a_topic_may_compress_for_its_producers(bootstrap):
    for codec in CODECS[1:]:
        name = topic(bootstrap, compression_type=codec)
        sent = values(100)
        produce(bootstrap, plain(name, sent))
        assert [message.value() for message in read(bootstrap, name, 100)] == sent, codec


def test_keys_headers_and_nulls_are_kept(bootstrap):
    name = topic(bootstrap)
    producer = Producer({"bootstrap.servers": bootstrap})
    headers = [("a", b"1"), ("a", b"2"), ("empty", b""), ("null", None)]
    producer.produce(name, b"value", b"key", headers=headers)
    producer.produce(name, None, b"key")
    producer.produce(name, b"", None)
    assert producer.flush(PATIENCE_S) == 0
    first, second, third = read(bootstrap, name, 3)
    assert (first.key(), first.value(), first.headers()) == (b"key", b"value", headers)
    assert (second.key(), second.value(), second.headers()) == (b"key", None, None)
    assert (third.key(), third.value()) == (None, b"")


def test_an_idempotent_producer_keeps_its_order(bootstrap):
    name = topic(bootstrap)
    config = {"enable.idempotence": True, "linger.ms": 0, "batch.num.messages": 7}
    sent = values(2_000)
    assert produce(bootstrap, plain(name, sent), **config) == list(range(2_000))
    assert [message.value() for message in read(bootstrap, name, 2_000)] == sent


def test_every_kind_of_acks(bootstrap):
    for acks in ["0", "1", "all"]:
        name = topic(bootstrap)
        sent = values(50)
        produce(bootstrap, plain(name, sent), acks=acks)
        assert [message.value() for message in read(bootstrap, name, 50)] == sent, acks


def test_timestamps_are_the_producer_s_or_the_log_s(bootstrap):
    then = 1_600_000_000_000
    name = topic(bootstrap)
    produce(bootstrap, [(name, 0, None, b"x", then)])
    assert read(bootstrap, name, 1)[0].timestamp() == (TIMESTAMP_CREATE_TIME, then)
    name = topic(bootstrap, message_timestamp_type="LogAppendTime")
    produce(bootstrap, [(name, 0, None, b"x", then)])
    kind, stamp = read(bootstrap, name, 1)[0].timestamp()
    assert kind == TIMESTAMP_LOG_APPEND_TIME and stamp > then, (kind, stamp)


def test_batches_are_as_large_as_the_topic_allows(bootstrap):
    def error_of(size, name):
        errors = []
        producer = Producer({"bootstrap.servers": bootstrap, "message.max.bytes": 8_000_000})
        producer.produce(name, b"x" * size, on_delivery=lambda error, _: errors.append(error))
        assert producer.flush(PATIENCE_S) == 0
        return errors[0]

    small, large = topic(bootstrap, max_message_bytes="1000"), topic(bootstrap, max_message_bytes="6000000")
    assert error_of(2_000, small).code() == KafkaError.MSG_SIZE_TOO_LARGE
    assert error_of(900, small) is None
    assert error_of(5_000_000, large) is None
    got = read(bootstrap, large, 1, **{"fetch.message.max.bytes": 1_000})
    assert len(got[0].value()) == 5_000_000


def test_a_partition_that_is_not_there_is_refused(bootstrap):
    name = topic(bootstrap, partitions=2)
    producer = Producer({"bootstrap.servers": bootstrap})
    errors = []
    try:
        producer.produce(name, b"x", partition=7, on_delivery=lambda error, _: errors.append(error.code()))
        assert producer.flush(PATIENCE_S) == 0
    except Exception as error:
        errors.append(error.args[0].code())
    assert errors == [KafkaError._UNKNOWN_PARTITION], errors


def test_offsets_by_timestamp(bootstrap):
    from confluent_kafka import TopicPartition

    base = 1_700_000_000_000
    name = topic(bootstrap)
    produce(bootstrap, [(name, 0, None, b"x", base + 1_000 * index) for index in range(100)])
    reader = consumer(bootstrap)
    for stamp, expected in [(base - 1, 0), (base, 0), (base + 1, 1), (base + 50_000, 50), (base + 99_001, -1)]:
        found = reader.offsets_for_times([TopicPartition(name, 0, stamp)], timeout=PATIENCE_S)
        # librdkafka says END for "no record that late".
        assert found[0].error is None and found[0].offset == expected, (stamp, found)
    assert reader.get_watermark_offsets(TopicPartition(name, 0), timeout=PATIENCE_S) == (0, 100)
    reader.close()
