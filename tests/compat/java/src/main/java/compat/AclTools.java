package compat;

import java.util.List;
import org.apache.kafka.tools.AclCommand;

/** {@code kafka-acls}, by a super user. */
final class AclTools {
    private AclTools() {}

    static void addTo(Suite suite) {
        suite.add("acls/add-list-remove", AclTools::addListRemove);
        suite.add("acls/prefixed", AclTools::prefixed);
    }

    private static void addListRemove(Cluster cluster) throws Exception {
        String topic = cluster.name("guarded");
        String allowed = entry("alice", "READ", "ALLOW");
        String denied = entry("bob", "READ", "DENY");
        String[] add = {"--add", "--allow-principal", "User:alice", "--deny-principal", "User:bob", "--operation",
            "Read", "--topic", topic};
        Tool.run(AclCommand::main, Tool.with(cluster, add)).has(allowed, denied);
        String resource = "Current ACLs for resource `" + resource(topic, "LITERAL") + "`:";
        String[] list = Tool.with(cluster, "--list", "--topic", topic);
        Tool.until(said -> said.code() == 0 && said.rows().containsAll(List.of(resource, allowed, denied)), "both",
                AclCommand::main, list);

        Tool.run(AclCommand::main, Tool.with(cluster, "--list", "--principal", "User:bob", "--topic", topic))
                .has(denied);
        Tool.run(AclCommand::main, Tool.with(cluster, "--remove", "--force", "--deny-principal", "User:bob",
                "--operation", "Read", "--topic", topic));
        Tool.until(said -> said.rows().contains(allowed) && !said.rows().contains(denied), "alice alone",
                AclCommand::main, list);
        Tool.run(AclCommand::main, Tool.with(cluster, "--remove", "--force", "--topic", topic));
        Tool.await(List.of(), AclCommand::main, list);
    }

    /** What is said about a prefix is found for a topic that begins so. */
    private static void prefixed(Cluster cluster) throws Exception {
        String prefix = cluster.name("family");
        String entry = entry("carol", "WRITE", "ALLOW");
        Tool.run(AclCommand::main, Tool.with(cluster, "--add", "--allow-principal", "User:carol", "--operation",
                "Write", "--topic", prefix, "--resource-pattern-type", "prefixed")).has(entry);
        Said said = Tool.until(each -> each.rows().contains(entry), "the entry", AclCommand::main,
                Tool.with(cluster, "--list", "--topic", prefix + "-member", "--resource-pattern-type", "match"));
        said.has("Current ACLs for resource `" + resource(prefix, "PREFIXED") + "`:");
        Tool.run(AclCommand::main, Tool.with(cluster, "--remove", "--force", "--topic", prefix,
                "--resource-pattern-type", "prefixed"));
    }

    private static String resource(String topic, String pattern) {
        return "ResourcePattern(resourceType=TOPIC, name=" + topic + ", patternType=" + pattern + ")";
    }

    private static String entry(String user, String operation, String permission) {
        return "(principal=User:" + user + ", host=*, operation=" + operation + ", permissionType=" + permission + ")";
    }
}
