package compat;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/**
 * Runs every test against a cluster and prints what became of it as the JSON lines of {@code go test -json}, which the
 * harness compares with its list. Arguments: BOOTSTRAP REPLICATION RECORDS SCRATCH. The system properties {@code only}
 * and {@code omit} are regular expressions that are found in the names of the tests that are run and that are not.
 */
public final class Suite {
    /** Tests at a time: most of them wait most of the time. */
    private static final int PARALLEL = 4;
    /** Shorter than the harness waits. What has not ended by then counts as failed. */
    private static final int MINUTES_MAX = 50;

    private final Map<String, Test> tests = new LinkedHashMap<>();

    /** A test passes unless it throws. */
    interface Test {
        void run(Cluster cluster) throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        var suite = new Suite();
        // Those that take longest come first.
        StreamsTests.addTo(suite);
        ConnectTests.addTo(suite);
        TransactionTests.addTo(suite);
        FencingTests.addTo(suite);
        GroupTests.addTo(suite);
        GroupAdminTests.addTo(suite);
        ConsumerTests.addTo(suite);
        ProducerTests.addTo(suite);
        TopicAdminTests.addTo(suite);
        ClusterAdminTests.addTo(suite);
        suite.start(arguments);
    }

    /** Runs the tests that were added and ends the process. */
    void start(String[] arguments) throws InterruptedException {
        keep(Pattern.compile(System.getProperty("only", "")), Pattern.compile(System.getProperty("omit", "^$")));
        short replication = Short.parseShort(arguments[1]);
        int records = Integer.parseInt(arguments[2]);
        boolean ended;
        try (var cluster = new Cluster(arguments[0], replication, records, Path.of(arguments[3]))) {
            ended = run(cluster);
        }
        // Clients of a test that hangs must not keep the process.
        Runtime.getRuntime().halt(ended ? 0 : 1);
    }

    void add(String name, Test test) {
        if (tests.put(name, test) != null) {
            throw new IllegalArgumentException("two tests are called " + name);
        }
    }

    private void keep(Pattern only, Pattern omit) {
        tests.keySet().removeIf(name -> !only.matcher(name).find() || omit.matcher(name).find());
    }

    private boolean run(Cluster cluster) throws InterruptedException {
        ExecutorService pool = Executors.newFixedThreadPool(PARALLEL);
        tests.forEach((name, test) -> pool.submit(() -> run(cluster, name, test)));
        pool.shutdown();
        return pool.awaitTermination(MINUTES_MAX, TimeUnit.MINUTES);
    }

    private static void run(Cluster cluster, String name, Test test) {
        Outcomes.run(name);
        try {
            test.run(cluster);
            Outcomes.pass(name);
        } catch (Throwable why) {
            Outcomes.fail(name, why);
        }
    }
}
