package compat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.kafka.tools.BrokerApiVersionsCommand;
import org.apache.kafka.tools.ClusterTool;
import org.apache.kafka.tools.FeatureCommand;
import org.apache.kafka.tools.LeaderElectionCommand;
import org.apache.kafka.tools.LogDirsCommand;
import org.apache.kafka.tools.reassign.ReassignPartitionsCommand;

/** The tools that look at a cluster as a whole, and those that mean to place its partitions. */
final class ClusterTools {
    private ClusterTools() {}

    static void addTo(Suite suite) {
        suite.add("cluster/id-and-endpoints", ClusterTools::idAndEndpoints);
        suite.add("broker-api-versions", ClusterTools::apiVersions);
        suite.add("features/describe", ClusterTools::features);
        suite.add("log-dirs/describe", ClusterTools::logDirs);
        suite.add("leader-election/preferred", ClusterTools::leaderElection);
        suite.add("reassign-partitions/list-and-generate", ClusterTools::reassignments);
    }

    private static void idAndEndpoints(Cluster cluster) throws Exception {
        var described = cluster.admin.describeCluster();
        Tool.run(ClusterTool::main, "cluster-id", "--bootstrap-server", cluster.bootstrap)
                .is("Cluster ID: " + described.clusterId().get());
        Said said = Tool.run(ClusterTool::main, "list-endpoints", "--bootstrap-server", cluster.bootstrap);
        for (var node : described.nodes().get()) {
            said.like(node.id() + " " + node.host() + " " + node.port() + " \\S+ (unfenced )?broker");
        }
        Check.equal(described.nodes().get().size() + 1, said.rows().size(), "rows of " + said);
    }

    private static void apiVersions(Cluster cluster) throws Exception {
        Said said = Tool.run(BrokerApiVersionsCommand::main, Tool.with(cluster));
        Check.equal(0, said.code(), said.toString());
        long brokers = said.rows().stream().filter(row -> row.matches("\\S+:\\d+ \\(id: \\d+ rack: .*\\) -> \\(")).count();
        Check.equal((long) cluster.admin.describeCluster().nodes().get().size(), brokers, "brokers");
        for (String api : List.of("Produce(0): 0 to 13 [usable: 13],", "Metadata(3): 0 to 13 [usable: 13],",
                "ApiVersions(18): 0 to 4 [usable: 4],")) {
            Check.equal(brokers, said.rows().stream().filter(api::equals).count(), "brokers with " + api);
        }
        Check.that(!said.out().contains("ERROR"), said);
    }

    private static void features(Cluster cluster) throws Exception {
        Said said = Tool.run(FeatureCommand::main, Tool.with(cluster, "describe"));
        said.like("Feature: group.version SupportedMinVersion: 0 SupportedMaxVersion: 1 FinalizedVersionLevel: 1 Epoch: \\d+");
        said.like("Feature: transaction.version SupportedMinVersion: 0 SupportedMaxVersion: 2 FinalizedVersionLevel: 2 "
                + "Epoch: \\d+");
    }

    /** Every partition is in a directory, of its leader at least, and what was written to it has a size there. */
    private static void logDirs(Cluster cluster) throws Exception {
        String topic = cluster.topic("logged", 2);
        cluster.produce(topic, 1, "v", 100);
        Tool.until(said -> said.code() == 0 && sizes(said).keySet().equals(Set.of(topic + "-0", topic + "-1"))
                && sizes(said).get(topic + "-0") > 0 && sizes(said).get(topic + "-1") == 0, "both partitions",
                LogDirsCommand::main, Tool.with(cluster, "--describe", "--topic-list", topic));
        Said said = Tool.run(LogDirsCommand::main, Tool.with(cluster, "--describe", "--topic-list", topic));
        Check.equal("Querying brokers for log directories information", said.rows().get(0), "first");
        Check.that(said.rows().get(1).matches("Received log directory information from brokers [0-9,]+"), said);
        Tool.run(LogDirsCommand::main, Tool.with(cluster, "--describe", "--broker-list", "777"))
                .failed("ERROR: The given brokers do not exist from --broker-list: 777.");
    }

    private static TreeMap<String, Long> sizes(Said said) {
        try {
            JsonNode json = new ObjectMapper().readTree(said.rows().get(2));
            var sizes = new TreeMap<String, Long>();
            for (JsonNode broker : json.get("brokers")) {
                for (JsonNode dir : broker.get("logDirs")) {
                    Check.that(dir.get("error").isNull(), dir);
                    dir.get("partitions").forEach(each ->
                            sizes.merge(each.get("partition").asText(), each.get("size").asLong(), Math::max));
                }
            }
            return sizes;
        } catch (JsonProcessingException error) {
            throw new AssertionError(said.toString(), error);
        }
    }

    private static void leaderElection(Cluster cluster) throws Exception {
        String topic = cluster.topic("elected", 1);
        Check.known(() -> cluster.admin.describeTopics(List.of(topic)).allTopicNames().get());
        Tool.await(List.of("Valid replica already elected for partitions " + topic + "-0"), LeaderElectionCommand::main,
                Tool.with(cluster, "--election-type", "preferred", "--topic", topic, "--partition", "0"));
    }

    private static void reassignments(Cluster cluster) throws Exception {
        String topic = cluster.topic("placed", 1);
        Tool.run(ReassignPartitionsCommand::main, Tool.with(cluster, "--list"))
                .is("No partition reassignments found.");
        var file = Files.writeString(cluster.scratch.resolve(topic + ".json"),
                "{\"topics\":[{\"topic\":\"" + topic + "\"}],\"version\":1}");
        var nodes = cluster.admin.describeCluster().nodes().get();
        String brokers = nodes.stream().map(node -> node.idString()).collect(Collectors.joining(","));
        Said said = Tool.until(each -> each.code() == 0, "a plan", ReassignPartitionsCommand::main,
                Tool.with(cluster, "--topics-to-move-json-file", file.toString(), "--broker-list", brokers,
                        "--generate"));
        var described = Check.known(() -> cluster.admin.describeTopics(List.of(topic)).allTopicNames().get());
        String replicas = described.get(topic).partitions().get(0).replicas().stream().map(node -> node.idString())
                .collect(Collectors.joining(","));
        said.has("Current partition replica assignment", "Proposed partition reassignment configuration");
        Check.that(said.out().contains("{\"topic\":\"" + topic + "\",\"partition\":0,\"replicas\":[" + replicas + "]"),
                "the present replicas ", replicas, " in ", said);
    }
}
