package compat;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.apache.kafka.tools.TopicCommand;

/** {@code kafka-topics}. */
final class TopicTools {
    private static final Pattern TOPIC = Pattern.compile("Topic: (\\S+) TopicId: (\\S+) PartitionCount: 3 "
            // Apache Kafka 4.1 shows its min.insync.replicas as well, which it sets for the whole cluster.
            + "ReplicationFactor: (\\d) Configs: (min.insync.replicas=\\d,)?retention.ms=86400000");
    private static final Pattern PARTITION =
            Pattern.compile("Topic: \\S+ Partition: \\d+ Leader: (\\d+) Replicas: (\\S+) Isr: (\\S+)( .*)?");

    private TopicTools() {}

    static void addTo(Suite suite) {
        suite.add("topics/create-and-describe", TopicTools::createAndDescribe);
        suite.add("topics/alter-partitions", TopicTools::alterPartitions);
        suite.add("topics/list", TopicTools::list);
        suite.add("topics/delete", TopicTools::delete);
    }

    private static Said topics(Cluster cluster, String... arguments) throws Exception {
        return Tool.run(TopicCommand::main, Tool.with(cluster, arguments));
    }

    private static void createAndDescribe(Cluster cluster) throws Exception {
        String topic = cluster.name("created");
        String replication = Short.toString(cluster.replication);
        String[] create = {"--create", "--topic", topic, "--partitions", "3", "--replication-factor", replication,
            "--config", "retention.ms=86400000"};
        topics(cluster, create).is("Created topic " + topic + ".");
        topics(cluster, create).failed("Topic '" + topic + "' already exists.");
        var again = new ArrayList<>(List.of(create));
        again.add("--if-not-exists");
        topics(cluster, again.toArray(String[]::new)).is();

        Said said = Tool.until(each -> each.code() == 0, "a description", TopicCommand::main,
                Tool.with(cluster, "--describe", "--topic", topic));
        String id = Check.known(() -> cluster.admin.describeTopics(List.of(topic)).allTopicNames().get())
                .get(topic).topicId().toString();
        var described = TOPIC.matcher(said.rows().get(0));
        Check.that(described.matches(), said);
        Check.equal(topic, described.group(1), "the name");
        Check.equal(id, described.group(2), "the id");
        Check.equal(4, said.rows().size(), "rows");
        for (String row : said.rows().subList(1, 4)) {
            var partition = PARTITION.matcher(row);
            Check.that(partition.matches(), row);
            List<String> replicas = List.of(partition.group(2).split(","));
            // How many it shows for what was wanted is the cluster's decision.
            Check.equal(Integer.parseInt(described.group(3)), replicas.size(), "replicas");
            Check.that(replicas.contains(partition.group(1)), "the leader is no replica: ", row);
            Check.equal(partition.group(2), partition.group(3), "replicas in sync");
        }
        topics(cluster, "--describe", "--under-replicated-partitions", "--topic", topic).is();
        topics(cluster, "--describe", "--unavailable-partitions", "--topic", topic).is();
        topics(cluster, "--describe", "--topics-with-overrides", "--topic", topic).is(said.rows().get(0));
        topics(cluster, "--describe", "--topic-id", id).has(said.rows().get(0));
    }

    private static void alterPartitions(Cluster cluster) throws Exception {
        String topic = cluster.topic("growing", 2);
        Tool.await(List.of(), TopicCommand::main, Tool.with(cluster, "--alter", "--topic", topic, "--partitions", "5"));
        Tool.until(said -> said.rows().size() == 6 && said.rows().get(0).contains(" PartitionCount: 5 "),
                "five partitions", TopicCommand::main, Tool.with(cluster, "--describe", "--topic", topic));
        topics(cluster, "--alter", "--topic", topic, "--partitions", "4").failed(
                "The topic " + topic + " currently has 5 partition(s); 4 would not be an increase.");
    }

    private static void list(Cluster cluster) throws Exception {
        String first = cluster.topic("listed", 1);
        String second = cluster.topic("listed", 1);
        Tool.until(said -> said.rows().containsAll(List.of(first, second)), "both topics", TopicCommand::main,
                Tool.with(cluster, "--list", "--exclude-internal"));
        // A name is a regular expression here.
        Tool.await(List.of(first, second).stream().sorted().toList(), TopicCommand::main,
                Tool.with(cluster, "--list", "--topic", first + "|" + second));
    }

    private static void delete(Cluster cluster) throws Exception {
        String topic = cluster.topic("deleted", 1);
        Tool.await(List.of(topic), TopicCommand::main, Tool.with(cluster, "--list", "--topic", topic));
        topics(cluster, "--delete", "--topic", topic).is();
        Tool.await(List.of(), TopicCommand::main, Tool.with(cluster, "--list", "--topic", topic));
        topics(cluster, "--delete", "--topic", topic).failed("Topic '" + topic + "' does not exist as expected");
        topics(cluster, "--delete", "--if-exists", "--topic", topic).is();
        topics(cluster, "--describe", "--topic", topic).failed("Topic '" + topic + "' does not exist as expected");
    }
}
