package compat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.NoOffsetForPartitionException;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** Consumers that choose their partitions and positions themselves. */
final class ConsumerTests {
    private static final int COUNT = 100;

    private ConsumerTests() {}

    static void addTo(Suite suite) {
        suite.add("consumer/seek", ConsumerTests::seek);
        suite.add("consumer/offsets-for-times", ConsumerTests::offsetsForTimes);
        suite.add("consumer/begin-and-end", ConsumerTests::beginAndEnd);
        suite.add("consumer/pause-and-resume", ConsumerTests::pauseAndResume);
        suite.add("consumer/commit", ConsumerTests::commit);
        suite.add("consumer/offset-reset", ConsumerTests::offsetReset);
        suite.add("consumer/record-above-fetch-size", ConsumerTests::recordAboveFetchSize);
    }

    private static void seek(Cluster cluster) throws Exception {
        var partition = numbers(cluster);
        try (var consumer = cluster.consumer()) {
            consumer.assign(List.of(partition));
            for (int offset : new int[] {42, 0, 99, 42}) {
                consumer.seek(partition, offset);
                Check.equal("v" + offset, next(consumer), "the record at " + offset);
            }
            consumer.seekToEnd(List.of(partition));
            Check.equal((long) COUNT, consumer.position(partition), "the end");
            consumer.seekToBeginning(List.of(partition));
            Check.equal("v0", next(consumer), "the first record");
        }
    }

    private static void offsetsForTimes(Cluster cluster) throws Exception {
        var partition = new TopicPartition(cluster.topic("times", 2, "retention.ms", "-1"), 0);
        try (var producer = cluster.producer("batch.size", 300)) {
            for (long i = 0; i < COUNT; i++) {
                producer.send(new ProducerRecord<>(partition.topic(), 0, 1000 * i, null, "v" + i));
            }
        }
        var empty = new TopicPartition(partition.topic(), 1);
        try (var consumer = cluster.consumer()) {
            for (long time : new long[] {0, 1, 42_000, 42_001, 99_000}) {
                OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(partition, time)).get(partition);
                Check.equal((time + 999) / 1000, found.offset(), "the first offset from " + time + " on");
                Check.equal(found.offset() * 1000, found.timestamp(), "its time");
            }
            var nothing = consumer.offsetsForTimes(Map.of(partition, 99_001L, empty, 0L));
            Check.that(nothing.values().stream().allMatch(each -> each == null), "after all records: ", nothing);
        }
    }

    private static void beginAndEnd(Cluster cluster) throws Exception {
        var partition = numbers(cluster);
        var empty = new TopicPartition(cluster.topic("empty", 1), 0);
        try (var consumer = cluster.consumer()) {
            var both = List.of(partition, empty);
            Check.equal(Map.of(partition, 0L, empty, 0L), consumer.beginningOffsets(both), "beginnings");
            Check.equal(Map.of(partition, (long) COUNT, empty, 0L), consumer.endOffsets(both), "ends");
            cluster.admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(10))).all().get();
            Check.equal(Map.of(partition, 10L, empty, 0L), consumer.beginningOffsets(both), "beginnings after a deletion");
            consumer.assign(both);
            consumer.seekToBeginning(both);
            Check.equal("v10", next(consumer), "the first record after a deletion");
        }
    }

    /** A paused partition keeps its position while others are read to their ends. */
    private static void pauseAndResume(Cluster cluster) throws Exception {
        String topic = cluster.topic("pause", 2);
        cluster.produce(topic, 2, "v", 2 * COUNT);
        var paused = new TopicPartition(topic, 0);
        var read = new TopicPartition(topic, 1);
        try (var consumer = cluster.consumer("max.poll.records", 10)) {
            consumer.assign(List.of(paused, read));
            consumer.pause(List.of(paused));
            Check.await("one partition", () -> {
                Check.that(consumer.poll(Cluster.POLL).records(paused).isEmpty(), "records of a paused partition");
                return consumer.position(read) == COUNT;
            });
            Check.equal(0L, consumer.position(paused), "the paused position");
            consumer.resume(List.of(paused));
            Check.await("both partitions", () -> {
                consumer.poll(Cluster.POLL);
                return consumer.position(paused) == COUNT;
            });
        }
    }

    private static void commit(Cluster cluster) throws Exception {
        var partition = numbers(cluster);
        String group = cluster.name("commits");
        try (var consumer = cluster.consumer("group.id", group)) {
            consumer.assign(List.of(partition));
            Check.equal(null, consumer.committed(Set.of(partition)).get(partition), "nothing committed");
            var first = Map.of(partition, new OffsetAndMetadata(7, "a note"));
            consumer.commitSync(first);
            Check.equal(first, consumer.committed(first.keySet()), "committed, and waited for");
            var second = Map.of(partition, new OffsetAndMetadata(8, ""));
            var answer = new CompletableFuture<Map<TopicPartition, OffsetAndMetadata>>();
            consumer.commitAsync(second, (offsets, error) -> {
                if (error == null) {
                    answer.complete(offsets);
                } else {
                    answer.completeExceptionally(error);
                }
            });
            Check.await("the callback", () -> {
                consumer.poll(Cluster.POLL);
                return answer.isDone();
            });
            Check.equal(second, answer.get(), "what the callback was told");
        }
        try (var consumer = cluster.consumer("group.id", group)) {
            consumer.assign(List.of(partition));
            Check.equal("v8", next(consumer), "where another consumer goes on");
        }
    }

    private static void offsetReset(Cluster cluster) throws Exception {
        var partition = numbers(cluster);
        for (String reset : List.of("earliest", "latest", "none")) {
            try (var consumer = cluster.consumer("group.id", cluster.name("reset"), "auto.offset.reset", reset)) {
                consumer.assign(List.of(partition));
                switch (reset) {
                    case "earliest" -> {
                        Check.equal(0L, consumer.position(partition), "the position without a commit");
                        consumer.seek(partition, COUNT + 1);
                        Check.equal("v0", next(consumer), "the record after a seek out of range");
                    }
                    case "latest" -> {
                        Check.equal((long) COUNT, consumer.position(partition), "the position without a commit");
                        consumer.seek(partition, COUNT + 1);
                        Check.await("the end after a seek out of range", () -> {
                            consumer.poll(Cluster.POLL);
                            return consumer.position(partition) == COUNT;
                        });
                    }
                    default -> {
                        Check.refused(() -> consumer.position(partition), NoOffsetForPartitionException.class);
                        consumer.seek(partition, COUNT + 1);
                        Check.refused(() -> next(consumer), OffsetOutOfRangeException.class);
                    }
                }
            }
        }
    }

    /** The first batch of an answer comes whole, however small the limits are (KIP-74). */
    private static void recordAboveFetchSize(Cluster cluster) throws Exception {
        String topic = cluster.topic("large", 1);
        List<String> values = Cluster.numbered("large ".repeat(10_000), 5);
        try (var producer = cluster.producer()) {
            values.forEach(value -> producer.send(new ProducerRecord<>(topic, value)));
        }
        Check.equal(values, cluster.values(topic, "fetch.max.bytes", 100, "max.partition.fetch.bytes", 10), "the records");
    }

    /** A partition with the records v0 to v99. */
    private static TopicPartition numbers(Cluster cluster) throws Exception {
        String topic = cluster.topic("numbers", 1);
        cluster.produce(topic, 1, "v", COUNT);
        return new TopicPartition(topic, 0);
    }

    /** The value of the first record that comes. */
    private static String next(KafkaConsumer<String, String> consumer) throws Exception {
        var found = new ArrayList<String>();
        Check.await("a record", () -> {
            consumer.poll(Cluster.POLL).forEach(record -> found.add(record.value()));
            return !found.isEmpty();
        });
        return found.get(0);
    }
}
