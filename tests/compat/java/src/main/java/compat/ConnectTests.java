package compat;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.connect.cli.ConnectStandalone;
import org.apache.kafka.connect.file.FileStreamSinkConnector;
import org.apache.kafka.connect.file.FileStreamSourceConnector;

/** A Connect worker in a process of its own, as its users run it: from a file to a topic to a file. */
final class ConnectTests {
    private ConnectTests() {}

    static void addTo(Suite suite) {
        suite.add("connect/file-to-file", ConnectTests::fileToFile);
    }

    /** After an orderly restart the worker goes on where it was, on both sides. */
    private static void fileToFile(Cluster cluster) throws Exception {
        String name = cluster.name("connect");
        Path folder = Files.createDirectories(cluster.scratch.resolve(name));
        Path source = folder.resolve("source.txt");
        Path sink = folder.resolve("sink.txt");
        String topic = cluster.topic("connect", 1);
        List<Path> configs = List.of(
                properties(folder, "worker", worker(cluster, folder)),
                properties(folder, "source", source(name, topic, source)),
                properties(folder, "sink", sink(name, topic, sink)));

        List<String> first = Cluster.numbered("first ", cluster.records / 2);
        List<String> second = Cluster.numbered("second ", cluster.records / 2);
        List<String> both = Stream.concat(first.stream(), second.stream()).toList();
        Files.write(source, first);
        copy(folder, configs, sink, first.size());
        Check.equal(first, Files.readAllLines(sink), "lines of the first run");
        Files.write(source, second, StandardOpenOption.APPEND);
        copy(folder, configs, sink, both.size());
        Check.equal(both, Files.readAllLines(sink), "lines of both runs");
        Check.equal(both, cluster.values(topic), "records");
    }

    /** Runs a worker until the sink has this many lines, and ends it in order. */
    private static void copy(Path folder, List<Path> configs, Path sink, int lines) throws Exception {
        var command = Stream.concat(
                Stream.of(System.getProperty("java.home") + "/bin/java", "-Xmx256m", "-cp",
                        System.getProperty("java.class.path"), ConnectStandalone.class.getName()),
                configs.stream().map(Path::toString)).toList();
        File log = folder.resolve("worker.log").toFile();
        Process worker = new ProcessBuilder(command).redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log)).start();
        try {
            Check.await(lines + " lines in " + sink + ", see " + log, () -> {
                Check.that(worker.isAlive(), "the worker ended, see ", log);
                return Files.exists(sink) && Files.readAllLines(sink).size() >= lines;
            });
            worker.destroy();
            boolean ended = worker.waitFor(Check.PATIENCE.toSeconds(), TimeUnit.SECONDS);
            Check.that(ended, "the worker did not end, see ", log);
        } finally {
            worker.destroyForcibly();
        }
    }

    private static Map<String, String> worker(Cluster cluster, Path folder) {
        String strings = "org.apache.kafka.connect.storage.StringConverter";
        return Map.of("bootstrap.servers", cluster.bootstrap, "key.converter", strings, "value.converter", strings,
                "offset.storage.file.filename", folder.resolve("offsets").toString(), "listeners", "http://127.0.0.1:0",
                "plugin.discovery", "service_load", "offset.flush.timeout.ms", "60000",
                "task.shutdown.graceful.timeout.ms", "60000");
    }

    private static Map<String, String> source(String name, String topic, Path file) {
        return Map.of("name", name + "-source", "connector.class", FileStreamSourceConnector.class.getName(),
                "tasks.max", "1", "file", file.toString(), "topic", topic);
    }

    private static Map<String, String> sink(String name, String topic, Path file) {
        return Map.of("name", name + "-sink", "connector.class", FileStreamSinkConnector.class.getName(),
                "tasks.max", "1", "file", file.toString(), "topics", topic);
    }

    private static Path properties(Path folder, String name, Map<String, String> settings) throws Exception {
        String lines = settings.entrySet().stream().map(each -> each.getKey() + "=" + each.getValue() + "\n")
                .collect(Collectors.joining());
        return Files.writeString(folder.resolve(name + ".properties"), lines);
    }
}
