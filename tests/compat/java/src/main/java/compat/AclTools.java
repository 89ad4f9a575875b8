package compat;

import org.apache.kafka.tools.AclCommand;

/** {@code kafka-acls}. */
final class AclTools {
    private AclTools() {}

    static void addTo(Suite suite) {
        suite.add("acls/no-authorizer", AclTools::noAuthorizer);
    }

    /** A cluster without an authorizer says so. */
    private static void noAuthorizer(Cluster cluster) throws Exception {
        String why = "SecurityDisabledException: No Authorizer is configured";
        Tool.run(AclCommand::main, Tool.with(cluster, "--list")).failed(why);
        Tool.run(AclCommand::main, Tool.with(cluster, "--add", "--allow-principal", "User:alice", "--operation",
                "Read", "--topic", "any")).failed(why);
        Tool.run(AclCommand::main, Tool.with(cluster, "--remove", "--force", "--topic", "any")).failed(why);
    }
}
