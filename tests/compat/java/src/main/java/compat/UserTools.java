package compat;

import java.util.ArrayList;
import java.util.List;
import kafka.admin.ConfigCommand;

/** {@code kafka-configs} of users and clients: their credentials and quotas. */
final class UserTools {
    private UserTools() {}

    static void addTo(Suite suite) {
        suite.add("configs/user-scram", UserTools::scram);
        suite.add("configs/client-quotas", UserTools::quotas);
    }

    private static Said alter(Cluster cluster, List<String> entity, String... arguments) throws Exception {
        var all = new ArrayList<>(List.of("--alter"));
        all.addAll(entity);
        all.addAll(List.of(arguments));
        return Tool.run(ConfigCommand::main, Tool.with(cluster, all.toArray(String[]::new)));
    }

    private static void describes(Cluster cluster, List<String> entity, String... rows) throws Exception {
        var all = new ArrayList<>(List.of("--describe"));
        all.addAll(entity);
        Tool.await(List.of(rows), ConfigCommand::main, Tool.with(cluster, all.toArray(String[]::new)));
    }

    private static void scram(Cluster cluster) throws Exception {
        String user = cluster.name("alice");
        var entity = List.of("--entity-type", "users", "--entity-name", user);
        String done = "Completed updating config for user " + user + ".";
        String has = "SCRAM credential configs for user-principal '" + user + "' are ";
        alter(cluster, entity, "--add-config", "SCRAM-SHA-256=[iterations=8192,password=secret]").is(done);
        alter(cluster, entity, "--add-config", "SCRAM-SHA-512=[password=secret]").is(done);
        // In either order.
        Tool.until(said -> said.code() == 0 && said.rows().size() == 1 && said.rows().get(0).startsWith(has)
                && said.out().contains("SCRAM-SHA-256=iterations=8192")
                && said.out().contains("SCRAM-SHA-512=iterations=4096"), "both credentials", ConfigCommand::main,
                Tool.with(cluster, "--describe", entity.get(0), entity.get(1), entity.get(2), entity.get(3)));
        alter(cluster, entity, "--delete-config", "SCRAM-SHA-256").is(done);
        describes(cluster, entity, has + "SCRAM-SHA-512=iterations=4096");
        alter(cluster, entity, "--delete-config", "SCRAM-SHA-256").failed("ResourceNotFoundException");
        alter(cluster, entity, "--add-config", "SCRAM-SHA-256=[iterations=7,password=secret]")
                .failed("Iterations 7 is less than the minimum 4096 required");
    }

    private static void quotas(Cluster cluster) throws Exception {
        String user = cluster.name("bob");
        var entity = List.of("--entity-type", "users", "--entity-name", user);
        String done = "Completed updating config for user " + user + ".";
        alter(cluster, entity, "--add-config", "producer_byte_rate=1048576").is(done);
        describes(cluster, entity, "Quota configs for user-principal '" + user + "' are producer_byte_rate=1048576.0");
        var both = new ArrayList<>(entity);
        both.addAll(List.of("--entity-type", "clients", "--entity-name", "loader"));
        alter(cluster, both, "--add-config", "request_percentage=50.5").is(done);
        describes(cluster, both,
                "Quota configs for user-principal '" + user + "', client-id 'loader' are request_percentage=50.5");
        alter(cluster, both, "--delete-config", "request_percentage").is(done);
        describes(cluster, both);
        alter(cluster, entity, "--delete-config", "producer_byte_rate").is(done);
        alter(cluster, entity, "--add-config", "no_such_rate=1").failed("no_such_rate");
    }
}
