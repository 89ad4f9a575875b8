package compat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;

/** What is committed is there, once, and what is aborted never was. */
final class TransactionTests {
    private static final int COUNT = 30;

    private TransactionTests() {}

    static void addTo(Suite suite) {
        suite.add("transaction/commit-and-abort", TransactionTests::commitAndAbort);
        suite.add("transaction/open-holds-back", TransactionTests::openHoldsBack);
        suite.add("transaction/several-topics", TransactionTests::severalTopics);
        for (String protocol : List.of("classic", "consumer")) {
            suite.add("transaction/exactly-once-" + protocol, cluster -> exactlyOnce(cluster, protocol));
        }
        suite.add("transaction/offsets-of-an-aborted-one", TransactionTests::offsetsOfAnAbortedOne);
    }

    static KafkaProducer<String, String> producer(Cluster cluster, String id, Object... settings) {
        var producer = cluster.producer(Stream.concat(Stream.of("transactional.id", id), Stream.of(settings)).toArray());
        producer.initTransactions();
        return producer;
    }

    /** Sends {@code PREFIX0, PREFIX1, ...} in a transaction that stays open. */
    static void begin(KafkaProducer<String, String> producer, String topic, String prefix, int count) {
        producer.beginTransaction();
        Cluster.numbered(prefix, count).forEach(value -> producer.send(new ProducerRecord<>(topic, value)));
        producer.flush();
    }

    private static void commitAndAbort(Cluster cluster) throws Exception {
        String topic = cluster.topic("transactions", 1);
        var committed = new ArrayList<String>();
        var all = new ArrayList<String>();
        try (var producer = producer(cluster, cluster.name("t"))) {
            for (int i = 0; i < 9; i++) {
                String prefix = i + "-";
                begin(producer, topic, prefix, COUNT);
                all.addAll(Cluster.numbered(prefix, COUNT));
                if (i % 3 == 1) {
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                    committed.addAll(Cluster.numbered(prefix, COUNT));
                }
            }
        }
        Check.equal(committed, cluster.committed(topic), "committed records");
        Check.equal(all, cluster.values(topic), "all records");
    }

    /** The last stable offset stays at an open transaction, also for records that are in none. */
    private static void openHoldsBack(Cluster cluster) throws Exception {
        String topic = cluster.topic("open", 1);
        cluster.produce(topic, 1, "before", COUNT);
        try (var producer = producer(cluster, cluster.name("t"))) {
            begin(producer, topic, "open", COUNT);
            cluster.produce(topic, 1, "after", COUNT);
            Check.equal((long) COUNT, end(cluster, topic, IsolationLevel.READ_COMMITTED), "the last stable offset");
            Check.equal(3L * COUNT, end(cluster, topic, IsolationLevel.READ_UNCOMMITTED), "the end");
            Check.equal(Cluster.numbered("before", COUNT), cluster.values(topic, Cluster.COMMITTED), "stable records");
            producer.commitTransaction();
        }
        Check.equal(3 * COUNT, cluster.committed(topic).size(), "committed records");
    }

    private static long end(Cluster cluster, String topic, IsolationLevel isolation) throws Exception {
        var partition = new TopicPartition(topic, 0);
        var answer = cluster.admin.listOffsets(Map.of(partition, OffsetSpec.latest()), new ListOffsetsOptions(isolation));
        return answer.partitionResult(partition).get().offset();
    }

    private static void severalTopics(Cluster cluster) throws Exception {
        String one = cluster.topic("one", 3);
        String other = cluster.topic("other", 2);
        try (var producer = producer(cluster, cluster.name("t"))) {
            for (String prefix : List.of("committed", "aborted")) {
                producer.beginTransaction();
                for (int i = 0; i < COUNT; i++) {
                    producer.send(new ProducerRecord<>(one, i % 3, null, prefix + i));
                    producer.send(new ProducerRecord<>(other, i % 2, null, prefix + i));
                }
                if (prefix.equals("committed")) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
            }
        }
        var expected = Set.copyOf(Cluster.numbered("committed", COUNT));
        for (String topic : List.of(one, other)) {
            List<String> values = cluster.committed(topic);
            Check.equal(COUNT, values.size(), "the number of committed records");
            Check.equal(expected, Set.copyOf(values), "committed records");
        }
    }

    /** Consumes, transforms and produces; every third transaction is aborted and done again. */
    private static void exactlyOnce(Cluster cluster, String protocol) throws Exception {
        int partitions = 3;
        String in = cluster.topic("in", partitions);
        String out = cluster.topic("out", partitions);
        String group = cluster.name("copiers");
        cluster.produce(in, partitions, "v", cluster.records);
        try (var consumer = cluster.consumer("group.id", group, "group.protocol", protocol, "isolation.level",
                        "read_committed", "max.poll.records", 100);
                var producer = producer(cluster, cluster.name("copier"))) {
            consumer.subscribe(List.of(in));
            int[] done = {0, 0};
            Check.await("all records", () -> {
                var records = consumer.poll(Cluster.POLL);
                if (records.isEmpty()) {
                    return false;
                }
                producer.beginTransaction();
                records.forEach(record -> producer.send(
                        new ProducerRecord<>(out, record.partition(), null, "copied " + record.value())));
                producer.sendOffsetsToTransaction(positions(consumer), consumer.groupMetadata());
                if (done[1]++ % 3 == 1) {
                    producer.abortTransaction();
                    rewind(consumer);
                } else {
                    producer.commitTransaction();
                    done[0] += records.count();
                }
                return done[0] >= cluster.records;
            });
        }
        List<String> copied = cluster.committed(out).stream().sorted().toList();
        Check.equal(Cluster.numbered("copied v", cluster.records).stream().sorted().toList(), copied, "copies");
        Check.equal((long) cluster.records, GroupTests.committed(cluster, group), "committed offsets");
    }

    private static Map<TopicPartition, OffsetAndMetadata> positions(KafkaConsumer<String, String> consumer) {
        var positions = new HashMap<TopicPartition, OffsetAndMetadata>();
        consumer.assignment().forEach(each -> positions.put(each, new OffsetAndMetadata(consumer.position(each))));
        return positions;
    }

    /** Back to what is committed: an aborted transaction takes its offsets along. */
    private static void rewind(KafkaConsumer<String, String> consumer) {
        consumer.committed(consumer.assignment())
                .forEach((partition, offset) -> consumer.seek(partition, offset == null ? 0 : offset.offset()));
    }

    private static void offsetsOfAnAbortedOne(Cluster cluster) throws Exception {
        String topic = cluster.topic("aborted", 1);
        String group = cluster.name("aborters");
        var partition = new TopicPartition(topic, 0);
        try (var producer = producer(cluster, cluster.name("t"))) {
            for (long offset : new long[] {5, 9}) {
                begin(producer, topic, "v", 1);
                var position = Map.of(partition, new OffsetAndMetadata(offset));
                producer.sendOffsetsToTransaction(position, new ConsumerGroupMetadata(group));
                if (offset == 5) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
            }
        }
        try (var consumer = cluster.consumer("group.id", group)) {
            Check.equal(5L, consumer.committed(Set.of(partition)).get(partition).offset(), "the committed offset");
        }
    }
}
