package compat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.apache.kafka.streams.state.KeyValueStore;

/** Kafka Streams with exactly-once processing: a word count whose every step is checked. */
final class StreamsTests {
    private static final int PARTITIONS = 4;
    private static final int WORDS = 40;
    private static final int WORDS_OF_A_LINE = 4;
    private static final String STORE = "counts";

    private StreamsTests() {}

    static void addTo(Suite suite) {
        suite.add("streams/word-count-restored", StreamsTests::wordCountRestored);
    }

    /**
     * Counts half of the lines, loses its local state, restores it from the changelog, and counts the rest. Without a
     * cache, the n-th time that a word comes has the output n: each count once, in order, or something was lost or
     * done twice.
     */
    private static void wordCountRestored(Cluster cluster) throws Exception {
        String in = cluster.topic("lines", PARTITIONS);
        String out = cluster.topic("counts", PARTITIONS);
        String application = cluster.name("word-count");
        Path state = Files.createDirectories(cluster.scratch.resolve(application));
        int lines = cluster.records / WORDS_OF_A_LINE;

        count(cluster, application, state, in, out, 0, lines / 2);
        deleteAll(state);
        long restored = count(cluster, application, state, in, out, lines / 2, lines);
        int words = counts(lines / 2).size();
        Check.that(restored >= words, "only ", restored, " records were restored for ", words, " words");

        checkEachStep(cluster, out, lines);
        var changelog = new ConfigResource(ConfigResource.Type.TOPIC, application + "-" + STORE + "-changelog");
        Check.equal("compact", TopicAdminTests.set(cluster, changelog).get("cleanup.policy"), "the changelog's policy");
    }

    /** Produces these lines and runs the application until it has counted them; how many records it restored. */
    private static long count(Cluster cluster, String application, Path state, String in, String out, int from, int to)
            throws Exception {
        try (var producer = cluster.producer()) {
            IntStream.range(from, to).forEach(i ->
                    producer.send(new ProducerRecord<>(in, i % PARTITIONS, null, line(i))));
        }
        var restored = new Restored();
        try (var streams = new KafkaStreams(topology(in, out), config(cluster, application, state));
                var reader = cluster.consumer(Cluster.COMMITTED)) {
            streams.setGlobalStateRestoreListener(restored);
            streams.setUncaughtExceptionHandler(error -> StreamThreadExceptionResponse.SHUTDOWN_CLIENT);
            streams.start();
            var counts = new AtomicLong();
            Cluster.follow(reader, out);
            Check.await("counts of " + to + " lines", () -> {
                Check.that(!streams.state().hasStartedOrFinishedShuttingDown(), "the application is ", streams.state());
                return counts.addAndGet(reader.poll(Cluster.POLL).count()) >= (long) to * WORDS_OF_A_LINE;
            });
            Check.that(streams.close(Check.PATIENCE), "the application did not end");
        }
        return restored.records.get();
    }

    private static Topology topology(String in, String out) {
        var builder = new StreamsBuilder();
        builder.stream(in, Consumed.with(Serdes.String(), Serdes.String()))
                .flatMapValues(line -> Arrays.asList(line.split(" ")))
                .groupBy((key, word) -> word, Grouped.with("words", Serdes.String(), Serdes.String()))
                .count(Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as(STORE))
                .toStream()
                .mapValues(count -> Long.toString(count))
                .to(out, Produced.with(Serdes.String(), Serdes.String()));
        return builder.build();
    }

    private static Properties config(Cluster cluster, String application, Path state) {
        var config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, cluster.bootstrap);
        config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, (int) cluster.replication);
        config.put(StreamsConfig.STATE_DIR_CONFIG, state.toString());
        config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        config.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        config.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        config.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        return config;
    }

    private static void checkEachStep(Cluster cluster, String out, int lines) throws Exception {
        var steps = new TreeMap<String, Integer>();
        for (var record : cluster.read(out, Cluster.COMMITTED)) {
            int step = steps.merge(record.key(), 1, Integer::sum);
            Check.equal(Integer.toString(step), record.value(), "the next count of " + record.key());
        }
        Check.equal(counts(lines), steps, "the counts");
    }

    /** How often each word is in the first lines. */
    private static Map<String, Integer> counts(int lines) {
        var counts = new TreeMap<String, Integer>();
        for (int i = 0; i < lines; i++) {
            for (String word : line(i).split(" ")) {
                counts.merge(word, 1, Integer::sum);
            }
        }
        return counts;
    }

    /** Words of uneven frequency. */
    private static String line(int index) {
        return String.join(" ", IntStream.range(0, WORDS_OF_A_LINE)
                .mapToObj(i -> "word" + (i % 2 == 0 ? index + i : index / WORDS) % WORDS).toList());
    }

    private static void deleteAll(Path folder) throws Exception {
        try (var below = Files.walk(folder)) {
            for (Path each : below.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(each);
            }
        }
    }

    /** Counts what is read back from changelogs. */
    private static final class Restored implements StateRestoreListener {
        final AtomicLong records = new AtomicLong();

        @Override
        public void onRestoreStart(TopicPartition partition, String store, long start, long end) {}

        @Override
        public void onBatchRestored(TopicPartition partition, String store, long end, long count) {}

        @Override
        public void onRestoreEnd(TopicPartition partition, String store, long total) {
            records.addAndGet(total);
        }
    }
}
