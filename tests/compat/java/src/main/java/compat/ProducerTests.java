package compat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;

/** What producers send is what consumers get, and what they are told about it is true. */
final class ProducerTests {
    private static final String LIMIT = "10000";

    private ProducerTests() {}

    static void addTo(Suite suite) {
        suite.add("producer/idempotent", ProducerTests::idempotent);
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            suite.add("producer/codec-" + codec, cluster -> codec(cluster, codec));
        }
        for (String acks : List.of("0", "1")) {
            suite.add("producer/acks-" + acks, cluster -> acks(cluster, acks));
        }
        suite.add("producer/headers", ProducerTests::headers);
        suite.add("producer/nulls", ProducerTests::nulls);
        suite.add("producer/create-time", ProducerTests::createTime);
        suite.add("producer/append-time", ProducerTests::appendTime);
        suite.add("producer/record-too-large", ProducerTests::recordTooLarge);
        suite.add("producer/batch-too-large-is-split", ProducerTests::batchTooLargeIsSplit);
    }

    /** Five requests in flight, small batches: each record once, in order, at the offset that was acknowledged. */
    private static void idempotent(Cluster cluster) throws Exception {
        int partitions = 3;
        String topic = cluster.topic("idempotent", partitions);
        var sent = new ArrayList<Future<RecordMetadata>>();
        try (var producer = cluster.producer("acks", "all", "enable.idempotence", true,
                "max.in.flight.requests.per.connection", 5, "batch.size", 1000)) {
            for (int i = 0; i < cluster.records; i++) {
                sent.add(producer.send(new ProducerRecord<>(topic, i % partitions, null, "v" + i)));
            }
        }
        var found = new String[cluster.records];
        for (var record : cluster.read(topic)) {
            int index = (int) record.offset() * partitions + record.partition();
            Check.equal(null, found[index], "a second record at one offset");
            found[index] = record.value();
        }
        Check.equal(Cluster.numbered("v", cluster.records), Arrays.asList(found), "the records");
        for (int i = 0; i < cluster.records; i++) {
            Check.equal((long) i / partitions, sent.get(i).get().offset(), "the acknowledged offset of " + i);
        }
    }

    private static void codec(Cluster cluster, String codec) throws Exception {
        String topic = cluster.topic("codec", 1);
        List<String> values = Cluster.numbered("the same words again and again ".repeat(20), 300);
        try (var producer = cluster.producer("compression.type", codec, "linger.ms", 100)) {
            values.forEach(value -> producer.send(new ProducerRecord<>(topic, value)));
        }
        Check.equal(values, cluster.values(topic), "the records");
    }

    private static void acks(Cluster cluster, String acks) throws Exception {
        String topic = cluster.topic("acks", 1);
        try (var producer = cluster.producer("acks", acks, "enable.idempotence", false)) {
            for (String value : Cluster.numbered("v", 100)) {
                long offset = producer.send(new ProducerRecord<>(topic, value)).get().offset();
                Check.that(acks.equals("0") == (offset == -1), "was told of offset ", offset);
            }
        }
        // Without acknowledgements the records may still be on their way.
        Check.await("100 records", () -> cluster.values(topic).equals(Cluster.numbered("v", 100)));
    }

    private static void headers(Cluster cluster) throws Exception {
        String topic = cluster.topic("headers", 1);
        var headers = new RecordHeaders();
        headers.add(new RecordHeader("twice", "a".getBytes()));
        headers.add(new RecordHeader("twice", "b".getBytes()));
        headers.add(new RecordHeader("null", (byte[]) null));
        headers.add(new RecordHeader("empty", new byte[0]));
        headers.add(new RecordHeader("ünïcode", new byte[] {0, -1, 127}));
        try (var producer = cluster.producer()) {
            producer.send(new ProducerRecord<>(topic, null, "key", "value", headers)).get();
        }
        Check.equal(headers, cluster.read(topic).get(0).headers(), "the headers");
    }

    private static void nulls(Cluster cluster) throws Exception {
        String topic = cluster.topic("nulls", 1);
        try (var producer = cluster.producer()) {
            producer.send(new ProducerRecord<>(topic, null, "value"));
            producer.send(new ProducerRecord<>(topic, "key", null));
            producer.send(new ProducerRecord<>(topic, null, null));
            producer.send(new ProducerRecord<>(topic, "", ""));
        }
        List<String> found = cluster.read(topic).stream().map(record -> record.key() + "=" + record.value()).toList();
        Check.equal(List.of("null=value", "key=null", "null=null", "="), found, "keys and values");
    }

    private static void createTime(Cluster cluster) throws Exception {
        String topic = cluster.topic("create-time", 1, "message.timestamp.type", "CreateTime", "retention.ms", "-1");
        try (var producer = cluster.producer()) {
            var at = producer.send(new ProducerRecord<>(topic, 0, 1_000_000L, "key", "value")).get();
            Check.equal(1_000_000L, at.timestamp(), "the acknowledged time");
        }
        ConsumerRecord<String, String> record = cluster.read(topic).get(0);
        Check.equal(1_000_000L, record.timestamp(), "the time");
        Check.equal(TimestampType.CREATE_TIME, record.timestampType(), "its type");
    }

    private static void appendTime(Cluster cluster) throws Exception {
        String topic = cluster.topic("append-time", 1, "message.timestamp.type", "LogAppendTime");
        RecordMetadata at;
        try (var producer = cluster.producer()) {
            at = producer.send(new ProducerRecord<>(topic, 0, 1_000_000L, "key", "value")).get();
        }
        ConsumerRecord<String, String> record = cluster.read(topic).get(0);
        Check.that(record.timestamp() != 1_000_000L, "the producer's time was kept");
        Check.equal(at.timestamp(), record.timestamp(), "the time, compared with the acknowledged one");
        Check.equal(TimestampType.LOG_APPEND_TIME, record.timestampType(), "its type");
    }

    private static void recordTooLarge(Cluster cluster) throws Exception {
        String topic = cluster.topic("too-large", 1, "max.message.bytes", LIMIT);
        try (var producer = cluster.producer()) {
            var large = new ProducerRecord<String, String>(topic, noise(new Random(1), 20_000));
            Check.refused(() -> producer.send(large).get(), RecordTooLargeException.class);
            producer.send(new ProducerRecord<>(topic, "small enough")).get();
        }
        Check.equal(List.of("small enough"), cluster.values(topic), "the records");
    }

    /**
     * The client has learned that this topic compresses well, and is wrong: its batch is refused, split, and goes on in
     * order. (It splits by batch.size, so that must be below the limit: KAFKA-8350.)
     */
    private static void batchTooLargeIsSplit(Cluster cluster) throws Exception {
        String topic = cluster.topic("split", 1, "max.message.bytes", LIMIT);
        List<String> values = new ArrayList<>(Cluster.numbered("a".repeat(5000), 150));
        var random = new Random(1);
        IntStream.range(0, 50).forEach(i -> values.add(i + noise(random, 1000)));
        try (var producer = cluster.producer("compression.type", "gzip", "batch.size", 8000, "linger.ms", 1000)) {
            for (String value : values) {
                producer.send(new ProducerRecord<>(topic, value));
                if (value.startsWith("a")) {
                    producer.flush();
                }
            }
            producer.flush();
            var splits = producer.metrics().entrySet().stream()
                    .filter(each -> each.getKey().name().equals("batch-split-total")).findFirst().orElseThrow();
            Check.that((double) splits.getValue().metricValue() > 0, "no batch was split");
        }
        Check.equal(values, cluster.values(topic), "the records");
    }

    private static String noise(Random random, int length) {
        var text = new StringBuilder();
        random.ints(length, ' ', '~').forEach(text::appendCodePoint);
        return text.toString();
    }
}
