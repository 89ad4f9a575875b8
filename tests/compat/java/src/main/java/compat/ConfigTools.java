package compat;

import java.util.ArrayList;
import java.util.List;
import kafka.admin.ConfigCommand;

/** {@code kafka-configs} of topics, brokers and groups. */
final class ConfigTools {
    private ConfigTools() {}

    static void addTo(Suite suite) {
        suite.add("configs/topic", ConfigTools::topic);
        suite.add("configs/topic-refused", ConfigTools::refused);
        suite.add("configs/group", ConfigTools::group);
        suite.add("configs/broker", ConfigTools::broker);
        suite.add("configs/broker-alter", ConfigTools::alterBroker);
    }

    private static Said configs(Cluster cluster, String... arguments) throws Exception {
        return Tool.run(ConfigCommand::main, Tool.with(cluster, arguments));
    }

    private static Said alter(Cluster cluster, String topic, String... arguments) throws Exception {
        String[] all = Tool.with(cluster, "--alter", "--entity-type", "topics", "--entity-name", topic);
        var both = new ArrayList<>(List.of(all));
        both.addAll(List.of(arguments));
        return Tool.run(ConfigCommand::main, both.toArray(String[]::new));
    }

    private static void describes(Cluster cluster, String topic, String... configs) throws Exception {
        var rows = new ArrayList<>(List.of("Dynamic configs for topic " + topic + " are:"));
        rows.addAll(List.of(configs));
        Tool.await(rows, ConfigCommand::main,
                Tool.with(cluster, "--describe", "--entity-type", "topics", "--entity-name", topic));
    }

    private static void topic(Cluster cluster) throws Exception {
        String topic = cluster.topic("configured", 1);
        describes(cluster, topic);
        alter(cluster, topic, "--add-config", "max.message.bytes=5000,cleanup.policy=[compact,delete]")
                .is("Completed updating config for topic " + topic + ".");
        String policy = "cleanup.policy=compact,delete sensitive=false synonyms={"
                + "DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete, DEFAULT_CONFIG:log.cleanup.policy=delete}";
        String bytes = "max.message.bytes=5000 sensitive=false synonyms={"
                + "DYNAMIC_TOPIC_CONFIG:max.message.bytes=5000, DEFAULT_CONFIG:message.max.bytes=1048588}";
        describes(cluster, topic, policy, bytes);
        alter(cluster, topic, "--delete-config", "cleanup.policy")
                .is("Completed updating config for topic " + topic + ".");
        describes(cluster, topic, bytes);
        configs(cluster, "--describe", "--entity-type", "topics", "--entity-name", topic, "--all").has(
                "All configs for topic " + topic + " are:", bytes,
                "cleanup.policy=delete sensitive=false synonyms={DEFAULT_CONFIG:log.cleanup.policy=delete}",
                "retention.bytes=-1 sensitive=false synonyms={DEFAULT_CONFIG:log.retention.bytes=-1}");
    }

    private static void refused(Cluster cluster) throws Exception {
        String topic = cluster.topic("refused", 1);
        describes(cluster, topic);
        alter(cluster, topic, "--add-config", "retention.ms=soon")
                .failed("InvalidConfigurationException: Invalid value soon for configuration retention.ms: ");
        alter(cluster, topic, "--add-config", "no.such.config=1").failed("Unknown topic config name: no.such.config");
        alter(cluster, topic, "--delete-config", "retention.ms").failed("Invalid config(s): retention.ms");
        describes(cluster, topic);
        String nobody = cluster.name("nobody");
        configs(cluster, "--describe", "--entity-type", "topics", "--entity-name", nobody)
                .is("The topic '" + nobody + "' doesn't exist and doesn't have dynamic config.");
    }

    /** A group has configs whether or not it has members. */
    private static void group(Cluster cluster) throws Exception {
        String group = cluster.name("group");
        String[] describe = {"--describe", "--entity-type", "groups", "--entity-name", group};
        configs(cluster, describe).is("The group '" + group + "' doesn't exist and doesn't have dynamic config.");
        configs(cluster, "--alter", "--entity-type", "groups", "--entity-name", group, "--add-config",
                "consumer.session.timeout.ms=50000").is("Completed updating config for group " + group + ".");
        Tool.await(List.of("Dynamic configs for group " + group + " are:",
                "consumer.session.timeout.ms=50000 sensitive=false synonyms={"
                        + "DYNAMIC_GROUP_CONFIG:consumer.session.timeout.ms=50000}"),
                ConfigCommand::main, Tool.with(cluster, describe));
        configs(cluster, "--alter", "--entity-type", "groups", "--entity-name", group, "--add-config",
                "consumer.session.timeout.ms=1").failed("InvalidConfigurationException");
    }

    private static String aBroker(Cluster cluster) throws Exception {
        return cluster.admin.describeCluster().nodes().get().iterator().next().idString();
    }

    private static void broker(Cluster cluster) throws Exception {
        String broker = aBroker(cluster);
        configs(cluster, "--describe", "--entity-type", "brokers", "--entity-name", broker)
                .is("Dynamic configs for broker " + broker + " are:");
        configs(cluster, "--describe", "--entity-type", "brokers", "--entity-name", broker, "--all").has(
                "All configs for broker " + broker + " are:",
                "node.id=" + broker + " sensitive=false synonyms={STATIC_BROKER_CONFIG:node.id=" + broker + "}",
                "message.max.bytes=1048588 sensitive=false synonyms={DEFAULT_CONFIG:message.max.bytes=1048588}");
        configs(cluster, "--describe", "--entity-type", "brokers", "--entity-name", "777")
                .is("The broker '777' doesn't exist and doesn't have dynamic config.");
    }

    private static void alterBroker(Cluster cluster) throws Exception {
        String broker = aBroker(cluster);
        String[] named = {"--entity-type", "brokers", "--entity-name", broker};
        configs(cluster, "--alter", named[0], named[1], named[2], named[3], "--add-config", "log.cleaner.threads=2")
                .is("Completed updating config for broker " + broker + ".");
        configs(cluster, "--alter", named[0], named[1], named[2], named[3], "--delete-config", "log.cleaner.threads")
                .is("Completed updating config for broker " + broker + ".");
    }
}
