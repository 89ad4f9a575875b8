package compat;

import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Topics as administrators make, change and delete them. */
final class TopicAdminTests {
    private static final int COUNT = 100;

    private TopicAdminTests() {}

    static void addTo(Suite suite) {
        suite.add("topic/create-and-describe", TopicAdminTests::createAndDescribe);
        suite.add("topic/validate-only", TopicAdminTests::validateOnly);
        suite.add("topic/add-partitions", TopicAdminTests::addPartitions);
        suite.add("topic/delete", TopicAdminTests::delete);
        suite.add("topic/configs", TopicAdminTests::configs);
        suite.add("topic/delete-records", TopicAdminTests::deleteRecords);
        suite.add("topic/list-offsets", TopicAdminTests::listOffsets);
    }

    private static void createAndDescribe(Cluster cluster) throws Exception {
        String topic = cluster.name("created");
        var wanted = new NewTopic(topic, 3, cluster.replication).configs(Map.of("retention.ms", "86400000"));
        var answer = cluster.admin.createTopics(List.of(wanted));
        answer.all().get();
        Check.equal(3, answer.numPartitions(topic).get(), "the announced partitions");
        Check.equal("86400000", answer.config(topic).get().get("retention.ms").value(), "the announced retention");
        TopicDescription described = Check.known(() -> describe(cluster, topic));
        Check.equal(answer.topicId(topic).get(), described.topicId(), "the topic id");
        Check.equal(List.of(0, 1, 2), described.partitions().stream().map(each -> each.partition()).toList(), "partitions");
        var brokers = cluster.admin.describeCluster().nodes().get();
        for (var partition : described.partitions()) {
            Check.that(brokers.contains(partition.leader()), "no broker leads ", partition);
            Check.that(partition.isr().contains(partition.leader()), "the leader is not in sync: ", partition);
        }
        var id = TopicCollection.ofTopicIds(List.of(described.topicId()));
        var byId = Check.known(() -> cluster.admin.describeTopics(id).allTopicIds().get());
        Check.equal(topic, byId.get(described.topicId()).name(), "the name by id");
        Check.await("the topic in the list", () -> cluster.admin.listTopics().names().get().contains(topic));
        Check.refused(() -> cluster.admin.createTopics(List.of(wanted)).all().get(), TopicExistsException.class);
    }

    private static void validateOnly(Cluster cluster) throws Exception {
        String topic = cluster.name("validated");
        var only = new CreateTopicsOptions().validateOnly(true);
        cluster.admin.createTopics(List.of(new NewTopic(topic, 1, cluster.replication)), only).all().get();
        var bad = new NewTopic(topic, 1, cluster.replication).configs(Map.of("retention.ms", "soon"));
        Check.refused(() -> cluster.admin.createTopics(List.of(bad), only).all().get(), InvalidConfigurationException.class);
        Check.refused(() -> describe(cluster, topic), UnknownTopicOrPartitionException.class);
    }

    private static void addPartitions(Cluster cluster) throws Exception {
        String topic = cluster.topic("growing", 1);
        cluster.admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all().get();
        Check.await("three partitions", () -> Check.known(() -> describe(cluster, topic)).partitions().size() == 3);
        cluster.produce(topic, 3, "v", COUNT);
        Check.equal(COUNT, cluster.values(topic).size(), "records");
        Check.refused(() -> cluster.admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(2))).all().get(),
                InvalidPartitionsException.class);
    }

    /** A topic that is created again is another one: it has another id and none of the records. */
    private static void delete(Cluster cluster) throws Exception {
        String topic = cluster.topic("deleted", 1);
        Uuid former = Check.known(() -> describe(cluster, topic)).topicId();
        cluster.produce(topic, 1, "former", COUNT);
        cluster.admin.deleteTopics(List.of(topic)).all().get();
        Check.await("the deletion", () -> !cluster.admin.listTopics().names().get().contains(topic));
        Check.refused(() -> cluster.admin.deleteTopics(List.of(topic)).all().get(), UnknownTopicOrPartitionException.class);
        cluster.create(topic, 1);
        Check.await("another id", () -> !Check.known(() -> describe(cluster, topic)).topicId().equals(former));
        cluster.produce(topic, 1, "latter", COUNT);
        Check.equal(Cluster.numbered("latter", COUNT), cluster.values(topic), "records");
        Check.refused(() -> cluster.admin.deleteTopics(TopicCollection.ofTopicIds(List.of(former))).all().get(),
                UnknownTopicIdException.class);
    }

    private static void configs(Cluster cluster) throws Exception {
        String topic = cluster.topic("configured", 1, "retention.ms", "1000000");
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        alter(cluster, resource, OpType.SET, "max.message.bytes", "5000");
        alter(cluster, resource, OpType.APPEND, "cleanup.policy", "compact");
        alter(cluster, resource, OpType.DELETE, "retention.ms", null);
        Check.await("the new configs", () -> set(cluster, resource)
                .equals(Map.of("max.message.bytes", "5000", "cleanup.policy", "delete,compact")));
        alter(cluster, resource, OpType.SUBTRACT, "cleanup.policy", "delete");
        Check.await("a policy less", () -> "compact".equals(set(cluster, resource).get("cleanup.policy")));
        for (var bad : Map.of("retention.ms", "soon", "no.such.config", "1").entrySet()) {
            Check.refused(() -> {
                alter(cluster, resource, OpType.SET, bad.getKey(), bad.getValue());
                return null;
            }, InvalidConfigurationException.class);
        }
    }

    private static void alter(Cluster cluster, ConfigResource resource, OpType type, String name, String value)
            throws Exception {
        Collection<AlterConfigOp> change = List.of(new AlterConfigOp(new ConfigEntry(name, value), type));
        Check.known(() -> cluster.admin.incrementalAlterConfigs(Map.of(resource, change)).all().get());
    }

    /** The configs that were set on a resource itself. */
    static Map<String, String> set(Cluster cluster, ConfigResource resource) throws Exception {
        var set = new HashMap<String, String>();
        var described = Check.known(() -> cluster.admin.describeConfigs(List.of(resource)).all().get());
        for (var entry : described.get(resource).entries()) {
            if (entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG) {
                set.put(entry.name(), entry.value());
            }
        }
        return set;
    }

    private static void deleteRecords(Cluster cluster) throws Exception {
        String topic = cluster.topic("trimmed", 1);
        var partition = new TopicPartition(topic, 0);
        cluster.produce(topic, 1, "v", COUNT);
        Check.equal(42L, trim(cluster, partition, 42), "the first offset that is left");
        Check.equal(42L, trim(cluster, partition, 7), "the first offset, which never goes back");
        Check.equal(Cluster.numbered("v", COUNT).subList(42, COUNT), cluster.values(topic), "the records that are left");
        Check.refused(() -> trim(cluster, partition, COUNT + 1), OffsetOutOfRangeException.class);
        Check.equal((long) COUNT, trim(cluster, partition, -1), "the end");
        Check.equal(List.of(), cluster.values(topic), "the records that are left");
    }

    private static long trim(Cluster cluster, TopicPartition partition, long before) throws Exception {
        var answer = cluster.admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(before)));
        return answer.lowWatermarks().get(partition).get().lowWatermark();
    }

    private static void listOffsets(Cluster cluster) throws Exception {
        String topic = cluster.topic("offsets", 1, "retention.ms", "-1");
        var partition = new TopicPartition(topic, 0);
        // The latest time is in the middle: 1000, 2000, ... 50000, ... 2000, 1000.
        try (var producer = cluster.producer("batch.size", 300)) {
            IntStream.range(0, COUNT).forEach(i ->
                    producer.send(new ProducerRecord<>(topic, 0, 1000L * Math.min(i + 1, COUNT - i), null, "v" + i)));
        }
        trim(cluster, partition, 3);
        Check.equal(3L, offset(cluster, partition, OffsetSpec.earliest()).offset(), "earliest");
        Check.equal((long) COUNT, offset(cluster, partition, OffsetSpec.latest()).offset(), "latest");
        ListOffsetsResultInfo found = offset(cluster, partition, OffsetSpec.forTimestamp(9500));
        Check.equal(9L, found.offset(), "the first one from a time on");
        Check.equal(10_000L, found.timestamp(), "its time");
        Check.equal(-1L, offset(cluster, partition, OffsetSpec.forTimestamp(1_000_000)).offset(), "after all times");
        ListOffsetsResultInfo last = offset(cluster, partition, OffsetSpec.maxTimestamp());
        Check.equal(49L, last.offset(), "the offset of the latest time");
        Check.equal(50_000L, last.timestamp(), "the latest time");
        // What is local and what is in a remote tier is the cluster's business; -1 is nothing.
        long local = offset(cluster, partition, OffsetSpec.earliestLocal()).offset();
        Check.that(local >= 3 && local <= COUNT, "the earliest local offset is ", local);
        long tiered = offset(cluster, partition, OffsetSpec.latestTiered()).offset();
        Check.that(tiered >= -1 && tiered < COUNT, "the latest tiered offset is ", tiered);
    }

    private static ListOffsetsResultInfo offset(Cluster cluster, TopicPartition partition, OffsetSpec spec)
            throws Exception {
        return cluster.admin.listOffsets(Map.of(partition, spec)).partitionResult(partition).get();
    }

    private static TopicDescription describe(Cluster cluster, String topic) throws Exception {
        return cluster.admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
    }
}
