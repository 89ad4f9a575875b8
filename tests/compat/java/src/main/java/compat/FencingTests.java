package compat;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.InvalidTxnStateException;
import org.apache.kafka.common.errors.ProducerFencedException;

/** Producers that lose their transaction to somebody else or to time, and what administrators see of it. */
final class FencingTests {
    private static final int COUNT = 10;

    private FencingTests() {}

    static void addTo(Suite suite) {
        suite.add("fencing/second-producer", FencingTests::secondProducer);
        suite.add("fencing/zombie-that-goes-on", FencingTests::zombieThatGoesOn);
        suite.add("fencing/administrator", FencingTests::administrator);
        suite.add("fencing/timeout", FencingTests::timeout);
        suite.add("fencing/unknown-group-member", FencingTests::unknownGroupMember);
        suite.add("fencing/described", FencingTests::described);
    }

    private static void secondProducer(Cluster cluster) throws Exception {
        String topic = cluster.topic("fenced", 1);
        String id = cluster.name("t");
        try (var former = TransactionTests.producer(cluster, id)) {
            TransactionTests.begin(former, topic, "zombie", COUNT);
            try (var owner = TransactionTests.producer(cluster, id)) {
                refused(former);
                TransactionTests.begin(owner, topic, "v", COUNT);
                owner.commitTransaction();
            }
        }
        Check.equal(Cluster.numbered("v", COUNT), cluster.committed(topic), "committed records");
    }

    /** Records of a producer that does not know yet get into nobody's transaction. */
    private static void zombieThatGoesOn(Cluster cluster) throws Exception {
        String topic = cluster.topic("zombie", 1);
        String id = cluster.name("t");
        try (var former = TransactionTests.producer(cluster, id)) {
            TransactionTests.begin(former, topic, "zombie", COUNT);
            try (var owner = TransactionTests.producer(cluster, id)) {
                TransactionTests.begin(owner, topic, "a", COUNT);
                Check.refused(() -> former.send(new ProducerRecord<>(topic, "late zombie")).get(),
                        ProducerFencedException.class, InvalidProducerEpochException.class);
                owner.commitTransaction();
                TransactionTests.begin(owner, topic, "b", COUNT);
                owner.commitTransaction();
            }
        }
        List<String> values = cluster.committed(topic);
        Check.equal(2 * COUNT, values.size(), "the number of committed records");
        Check.that(values.stream().noneMatch(value -> value.contains("zombie")), "a zombie's records in ", values);
    }

    private static void administrator(Cluster cluster) throws Exception {
        String topic = cluster.topic("fenced", 1);
        String id = cluster.name("t");
        try (var producer = TransactionTests.producer(cluster, id)) {
            TransactionTests.begin(producer, topic, "v", COUNT);
            cluster.admin.fenceProducers(List.of(id)).all().get();
            refused(producer);
        }
        Check.equal(List.of(), cluster.committed(topic), "committed records");
    }

    /** A transaction that takes too long is aborted without its producer, which may begin anew. */
    private static void timeout(Cluster cluster) throws Exception {
        String topic = cluster.topic("timeout", 1);
        String id = cluster.name("t");
        try (var producer = TransactionTests.producer(cluster, id, "transaction.timeout.ms", 3000)) {
            TransactionTests.begin(producer, topic, "late", COUNT);
            Check.await("the abort", () -> describe(cluster, id).state() == TransactionState.COMPLETE_ABORT);
            // Finding 6: it is taken for a repetition of the end, which was another one.
            Check.refused(() -> commit(producer), InvalidTxnStateException.class);
        }
        try (var producer = TransactionTests.producer(cluster, id)) {
            TransactionTests.begin(producer, topic, "v", COUNT);
            producer.commitTransaction();
        }
        Check.equal(Cluster.numbered("v", COUNT), cluster.committed(topic), "committed records");
    }

    /** Offsets of somebody who is no member are refused, and the transaction can be aborted. */
    private static void unknownGroupMember(Cluster cluster) throws Exception {
        String topic = cluster.topic("ghost", 1);
        String group = cluster.name("ghosts");
        var offsets = Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(7));
        try (var producer = TransactionTests.producer(cluster, cluster.name("t"))) {
            TransactionTests.begin(producer, topic, "v", COUNT);
            var ghost = new ConsumerGroupMetadata(group, 5, "nobody", Optional.empty());
            Check.refused(() -> {
                producer.sendOffsetsToTransaction(offsets, ghost);
                producer.commitTransaction();
                return null;
            }, CommitFailedException.class);
            producer.abortTransaction();
        }
        try (var consumer = cluster.consumer("group.id", group)) {
            Check.equal(null, consumer.committed(offsets.keySet()).get(new TopicPartition(topic, 0)), "committed offset");
        }
    }

    private static void described(Cluster cluster) throws Exception {
        String topic = cluster.topic("described", 2);
        var partition = new TopicPartition(topic, 0);
        String id = cluster.name("t");
        try (var producer = TransactionTests.producer(cluster, id, "transaction.timeout.ms", 600_000)) {
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, 0, null, "v")).get();
            TransactionDescription open = describe(cluster, id);
            Check.equal(TransactionState.ONGOING, open.state(), "the open transaction");
            Check.equal(600_000L, open.transactionTimeoutMs(), "its timeout");
            Check.equal(Set.of(partition), open.topicPartitions(), "its partitions");
            Check.that(open.transactionStartTimeMs().isPresent(), "it has no start: ", open);
            Check.equal(Optional.of(TransactionState.ONGOING), listed(cluster, id, open), "in the list");

            ProducerState state = cluster.admin.describeProducers(List.of(partition)).partitionResult(partition).get()
                    .activeProducers().stream().filter(each -> each.producerId() == open.producerId())
                    .findFirst().orElseThrow();
            Check.equal(open.producerEpoch(), state.producerEpoch(), "the epoch in the partition");
            Check.equal(0L, state.currentTransactionStartOffset().orElse(-1), "the first offset");
            Check.equal(0, state.lastSequence(), "the last sequence");

            producer.commitTransaction();
            Check.await("the commit", () -> describe(cluster, id).state() == TransactionState.COMPLETE_COMMIT);
            Check.equal(Set.of(), describe(cluster, id).topicPartitions(), "partitions of a finished transaction");
            Check.await("no open transaction", () -> listed(cluster, id, open).isEmpty());
        }
    }

    /** The state of a transaction in the list of open ones of its producer. */
    private static Optional<TransactionState> listed(Cluster cluster, String id, TransactionDescription open)
            throws Exception {
        var options = new ListTransactionsOptions().filterProducerIds(Set.of(open.producerId()))
                .filterStates(Set.of(TransactionState.ONGOING));
        return cluster.admin.listTransactions(options).all().get().stream()
                .filter(each -> each.transactionalId().equals(id)).map(TransactionListing::state).findFirst();
    }

    private static TransactionDescription describe(Cluster cluster, String id) throws Exception {
        return cluster.admin.describeTransactions(List.of(id)).description(id).get();
    }

    /** That a producer which has begun cannot commit. */
    private static void refused(KafkaProducer<String, String> producer) throws Exception {
        Check.refused(() -> commit(producer), ProducerFencedException.class, InvalidProducerEpochException.class);
    }

    private static Void commit(KafkaProducer<String, String> producer) {
        producer.commitTransaction();
        return null;
    }
}
