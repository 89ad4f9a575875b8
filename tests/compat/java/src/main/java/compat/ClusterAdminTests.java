package compat;

import java.util.List;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.SecurityDisabledException;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/** The cluster as administrators see it. */
final class ClusterAdminTests {
    private static final int BROKERS = 3;

    private ClusterAdminTests() {}

    static void addTo(Suite suite) {
        suite.add("cluster/describe", ClusterAdminTests::describe);
        suite.add("cluster/features", ClusterAdminTests::features);
        suite.add("cluster/log-directories", ClusterAdminTests::logDirectories);
        suite.add("cluster/config-resources", ClusterAdminTests::configResources);
        suite.add("cluster/broker-configs", ClusterAdminTests::brokerConfigs);
        suite.add("cluster/acls", ClusterAdminTests::acls);
    }

    private static void describe(Cluster cluster) throws Exception {
        var described = cluster.admin.describeCluster();
        Check.equal(BROKERS, described.nodes().get().size(), "the number of brokers");
        Check.equal(BROKERS, (int) described.nodes().get().stream().map(Node::id).distinct().count(), "of different ids");
        Check.that(described.nodes().get().contains(described.controller().get()), "the controller is no broker");
        Check.equal(described.clusterId().get(), cluster.admin.describeCluster().clusterId().get(), "the id, asked again");
        Check.that(!described.clusterId().get().isEmpty(), "the cluster has no id");
    }

    /** What clients need to see to use transactions of version 2 and the consumer protocol. */
    private static void features(Cluster cluster) throws Exception {
        var finalized = cluster.admin.describeFeatures().featureMetadata().get().finalizedFeatures();
        Check.equal((short) 2, finalized.get("transaction.version").maxVersionLevel(), "transaction.version");
        Check.equal((short) 1, finalized.get("group.version").maxVersionLevel(), "group.version");
    }

    /** Each partition is in the log directory of some broker. */
    private static void logDirectories(Cluster cluster) throws Exception {
        String topic = cluster.topic("stored", 3);
        cluster.produce(topic, 3, "v", 300);
        List<Integer> brokers = cluster.admin.describeCluster().nodes().get().stream().map(Node::id).toList();
        Check.await("three partitions with bytes", () -> {
            var found = cluster.admin.describeLogDirs(brokers).allDescriptions().get().values().stream()
                    .flatMap(dirs -> dirs.values().stream())
                    .flatMap(dir -> dir.replicaInfos().entrySet().stream())
                    .filter(each -> each.getKey().topic().equals(topic) && each.getValue().size() > 0)
                    .map(each -> each.getKey()).map(TopicPartition::partition).collect(Collectors.toSet());
            return found.size() == 3;
        });
    }

    private static void configResources(Cluster cluster) throws Exception {
        String topic = cluster.topic("resource", 1);
        var found = cluster.admin.listConfigResources().all().get();
        Check.that(found.contains(new ConfigResource(ConfigResource.Type.TOPIC, topic)), "the topic is not in ", found);
        for (Node broker : cluster.admin.describeCluster().nodes().get()) {
            Check.that(found.contains(of(broker)), broker, " is not in ", found);
        }
    }

    private static void brokerConfigs(Cluster cluster) throws Exception {
        for (Node broker : cluster.admin.describeCluster().nodes().get()) {
            var configs = cluster.admin.describeConfigs(List.of(of(broker))).all().get().get(of(broker));
            ConfigEntry id = configs.get("node.id");
            Check.equal(broker.idString(), id.value(), "node.id");
            Check.that(id.isReadOnly(), "node.id can be changed");
        }
    }

    private static ConfigResource of(Node broker) {
        return new ConfigResource(ConfigResource.Type.BROKER, broker.idString());
    }

    /** As Kafka without an authorizer. */
    private static void acls(Cluster cluster) throws Exception {
        var pattern = new ResourcePattern(ResourceType.TOPIC, "any", PatternType.LITERAL);
        var entry = new AccessControlEntry("User:a", "*", AclOperation.READ, AclPermissionType.ALLOW);
        var any = AclBindingFilter.ANY;
        var binding = new AclBinding(pattern, entry);
        var admin = cluster.admin;
        Check.refused(() -> admin.describeAcls(any).values().get(), SecurityDisabledException.class);
        Check.refused(() -> admin.createAcls(List.of(binding)).all().get(), SecurityDisabledException.class);
        Check.refused(() -> admin.deleteAcls(List.of(any)).all().get(), SecurityDisabledException.class);
    }
}
