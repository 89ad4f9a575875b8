"""aiokafka: a client that shares no code with librdkafka."""

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from common import CODECS, fresh, values

TOPIC_ALREADY_EXISTS = 36


async def topic(bootstrap, partitions=1):
    name = fresh("aio")
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        answer = await client.create_topics([NewTopic(name, partitions, 3)])
        assert answer.topic_errors[0][1] == 0, answer
    finally:
        await client.close()
    return name


async def produce(bootstrap, name, sent, **config):
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, **config) as producer:
        futures = [await producer.send(name, value, partition=0) for value in sent]
        return [(await future).offset for future in futures]


async def read(bootstrap, name, count, **config):
    async with AIOKafkaConsumer(
        name, bootstrap_servers=bootstrap, auto_offset_reset="earliest", **config
    ) as reader:
        return [await reader.getone() for _ in range(count)]


async def test_every_codec_is_read_as_it_was_written(bootstrap):
    for codec in CODECS:
        name, sent = await topic(bootstrap), values(300)
        compression = None if codec == "none" else codec
        offsets = await produce(bootstrap, name, sent, compression_type=compression)
        assert offsets == list(range(300)), codec
        found = await read(bootstrap, name, 300)
        assert [message.value for message in found] == sent, codec


async def test_an_idempotent_producer_keeps_its_order(bootstrap):
    name, sent = await topic(bootstrap), values(1_000)
    config = {"enable_idempotence": True, "max_batch_size": 1_000}
    assert await produce(bootstrap, name, sent, **config) == list(range(1_000))


async def test_a_group_goes_on_where_it_was(bootstrap):
    name, group, sent = await topic(bootstrap), fresh("group"), values(50)
    await produce(bootstrap, name, sent)
    config = {"group_id": group, "enable_auto_commit": False, "auto_offset_reset": "earliest"}
    async with AIOKafkaConsumer(name, bootstrap_servers=bootstrap, **config) as first:
        got = [await first.getone() for _ in range(20)]
        await first.commit({TopicPartition(name, 0): 20})
        assert await first.committed(TopicPartition(name, 0)) == 20
    async with AIOKafkaConsumer(name, bootstrap_servers=bootstrap, **config) as second:
        got += [await second.getone() for _ in range(30)]
    assert [message.value for message in got] == sent


async def test_offsets_by_timestamp_and_at_both_ends(bootstrap):
    name, base = await topic(bootstrap), 1_700_000_000_000
    part = TopicPartition(name, 0)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for index in range(10):
            await producer.send_and_wait(name, b"x", partition=0, timestamp_ms=base + index)
    async with AIOKafkaConsumer(name, bootstrap_servers=bootstrap) as reader:
        assert await reader.beginning_offsets([part]) == {part: 0}
        assert await reader.end_offsets([part]) == {part: 10}
        found = (await reader.offsets_for_times({part: base + 4}))[part]
        assert (found.offset, found.timestamp) == (4, base + 4), found
        assert (await reader.offsets_for_times({part: base + 10}))[part] is None


async def test_a_topic_that_exists_is_refused(bootstrap):
    name = await topic(bootstrap)
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        answer = await client.create_topics([NewTopic(name, 1, 3)])
        assert answer.topic_errors[0][1] == TOPIC_ALREADY_EXISTS, for_code(answer.topic_errors[0][1])
    finally:
        await client.close()
