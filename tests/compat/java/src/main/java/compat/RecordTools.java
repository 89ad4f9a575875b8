package compat;

import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.tools.ConsoleProducer;
import org.apache.kafka.tools.ConsumerPerformance;
import org.apache.kafka.tools.DeleteRecordsCommand;
import org.apache.kafka.tools.EndToEndLatency;
import org.apache.kafka.tools.GetOffsetShell;
import org.apache.kafka.tools.ProducerPerformance;
import org.apache.kafka.tools.VerifiableConsumer;
import org.apache.kafka.tools.VerifiableProducer;
import org.apache.kafka.tools.consumer.ConsoleConsumer;

/** The tools that write, read, count and delete records. */
final class RecordTools {
    private static final int COUNT = 100;

    private RecordTools() {}

    static void addTo(Suite suite) {
        suite.add("verifiable/producer-and-consumer", RecordTools::verifiable);
        suite.add("console/keys-and-headers", RecordTools::keysAndHeaders);
        suite.add("console/group", RecordTools::group);
        suite.add("console/isolation", RecordTools::isolation);
        suite.add("perf/producer-and-consumer", RecordTools::perf);
        suite.add("perf/end-to-end-latency", RecordTools::latency);
        suite.add("get-offsets", RecordTools::getOffsets);
        suite.add("delete-records", RecordTools::deleteRecords);
    }

    private static void produce(Cluster cluster, String topic, String input, String... more) throws Exception {
        var arguments = new ArrayList<>(List.of(Tool.with(cluster, "--topic", topic)));
        arguments.addAll(List.of(more));
        Tool.given(input, ConsoleProducer::main, arguments.toArray(String[]::new)).is();
    }

    /** One at a time: the tool counts in a static field. */
    private static synchronized Said consume(Cluster cluster, String topic, int count, String... more)
            throws Exception {
        var arguments = new ArrayList<>(List.of(Tool.with(cluster, "--topic", topic, "--max-messages",
                Integer.toString(count), "--timeout-ms", Long.toString(Check.PATIENCE.toMillis()))));
        arguments.addAll(List.of(more));
        Said said = Tool.run(ConsoleConsumer::main, arguments.toArray(String[]::new));
        Check.that(said.err().contains("Processed a total of " + count + " messages"), said);
        return said;
    }

    private static void keysAndHeaders(Cluster cluster) throws Exception {
        String topic = cluster.topic("console", 1);
        produce(cluster, topic, "a:1|k1=eins\nb:2,c:3|k2=zwei\n", "--property", "parse.key=true", "--property",
                "key.separator==", "--property", "parse.headers=true", "--property", "headers.delimiter=|",
                "--compression-codec", "zstd");
        produce(cluster, topic, "drei\n", "--sync", "--producer-property", "acks=1");
        consume(cluster, topic, 3, "--from-beginning", "--property", "print.key=true", "--property",
                "print.headers=true", "--property", "print.offset=true", "--property", "print.partition=true")
                .is("Partition:0 Offset:0 a:1 k1 eins", "Partition:0 Offset:1 b:2,c:3 k2 zwei",
                        "Partition:0 Offset:2 NO_HEADERS null drei");
        consume(cluster, topic, 1, "--partition", "0", "--offset", "1").is("zwei");
        consume(cluster, topic, 1, "--partition", "0", "--offset", "earliest", "--property", "print.timestamp=true")
                .like("CreateTime:\\d{13} eins");
    }

    /** The second consumer of a group goes on where the first one stopped. */
    private static void group(Cluster cluster) throws Exception {
        String topic = cluster.topic("console", 1);
        produce(cluster, topic, "one\ntwo\nthree\nfour\n");
        String[] group = {"--group", cluster.name("console"), "--from-beginning"};
        consume(cluster, topic, 3, group).is("one", "two", "three");
        consume(cluster, topic, 1, group).is("four");
    }

    private static void isolation(Cluster cluster) throws Exception {
        String topic = cluster.topic("console", 1);
        try (var producer = cluster.producer("transactional.id", cluster.name("console"))) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, "aborted")).get();
            producer.abortTransaction();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, "committed"));
            producer.commitTransaction();
        }
        consume(cluster, topic, 1, "--from-beginning", "--isolation-level", "read_committed").is("committed");
        consume(cluster, topic, 2, "--from-beginning").is("aborted", "committed");
    }

    private static void verifiable(Cluster cluster) throws Exception {
        String topic = cluster.topic("verifiable", 2);
        String count = Integer.toString(COUNT);
        Said sent = Tool.process(cluster, VerifiableProducer.class, Tool.with(cluster, "--topic", topic,
                "--max-messages", count, "--acks", "-1", "--value-prefix", "7"));
        Check.equal(0, sent.code(), sent.toString());
        Check.equal((long) COUNT, sent.rows().stream()
                .filter(row -> row.contains("\"name\":\"producer_send_success\"")).count(), "acknowledgements");
        sent.like(".*\"name\":\"tool_data\",\"sent\":" + count + ",\"acked\":" + count + ",.*");
        for (String protocol : List.of("classic", "consumer")) {
            Said read = Tool.run(VerifiableConsumer::main, Tool.with(cluster, "--topic", topic, "--group-id",
                    cluster.name(protocol), "--group-protocol", protocol, "--max-messages", count, "--verbose"));
            var values = read.rows().stream().filter(row -> row.contains("\"name\":\"record_data\""))
                    .map(row -> row.replaceAll(".*\"value\":\"([^\"]*)\".*", "$1")).sorted().toList();
            Check.equal(IntStream.range(0, COUNT).mapToObj(i -> "7." + i).sorted().toList(), values, "values");
            read.like(".*\"name\":\"startup_complete\".*");
            read.like(".*\"name\":\"shutdown_complete\".*");
            Check.that(read.rows().stream().anyMatch(row -> row.contains("\"name\":\"offsets_committed\"")
                    && row.contains("\"success\":true")), "no commit in ", read);
        }
    }

    private static void perf(Cluster cluster) throws Exception {
        String topic = cluster.topic("perf", 2);
        String count = Integer.toString(cluster.records);
        Said sent = Tool.run(ProducerPerformance::main, "--topic", topic, "--num-records", count, "--record-size",
                "100", "--throughput", "-1", "--producer-props", "bootstrap.servers=" + cluster.bootstrap,
                "compression.type=lz4");
        sent.like(count + " records sent, .* 99\\.9th\\.");
        long total = offsets(cluster, topic, "latest").stream().mapToLong(row -> Long.parseLong(row.split(":")[2])).sum();
        Check.equal((long) cluster.records, total, "records");
        Said read = Tool.run(ConsumerPerformance::main, Tool.with(cluster, "--topic", topic, "--messages", count,
                "--group", cluster.name("perf"), "--timeout", Long.toString(Check.PATIENCE.toMillis())));
        String row = read.rows().get(1);
        Check.equal(count, row.split(", ")[4], "records in " + row);
    }

    private static void latency(Cluster cluster) throws Exception {
        String topic = cluster.topic("latency", 1);
        Said said = Tool.run(EndToEndLatency::main, cluster.bootstrap, topic, "20", "all", "50");
        said.like("Avg latency: [0-9.]+ ms");
        said.like("Percentiles: 50th = \\d+, 99th = \\d+, 99.9th = \\d+");
    }

    private static List<String> offsets(Cluster cluster, String topic, String time) throws Exception {
        Said said = Tool.run(GetOffsetShell::main,
                Tool.with(cluster, "--topic-partitions", topic, "--time", time));
        Check.equal(0, said.code(), said.toString());
        return said.rows();
    }

    private static void getOffsets(Cluster cluster) throws Exception {
        String topic = cluster.topic("offsets", 2);
        try (var producer = cluster.producer()) {
            for (int i = 0; i < 10; i++) {
                producer.send(new ProducerRecord<>(topic, 0, 1000L * (i == 5 ? 100 : i + 1), "k", "v"));
            }
        }
        Check.equal(List.of(topic + ":0:10", topic + ":1:0"), offsets(cluster, topic, "latest"), "latest");
        Check.equal(List.of(topic + ":0:0", topic + ":1:0"), offsets(cluster, topic, "earliest"), "earliest");
        Check.equal(List.of(topic + ":0:5"), offsets(cluster, topic + ":0", "max-timestamp"), "of the latest time");
        Check.equal(List.of(topic + ":0:3"), offsets(cluster, topic + ":0-1", "3500"), "from a time on");
        Tool.run(GetOffsetShell::main, Tool.with(cluster, "--topic", cluster.name("nobody")))
                .failed("Could not match any topic-partitions with the specified filters");
    }

    private static void deleteRecords(Cluster cluster) throws Exception {
        String topic = cluster.topic("trimmed", 1);
        cluster.produce(topic, 1, "v", COUNT);
        var file = Files.writeString(cluster.scratch.resolve(topic + ".json"),
                "{\"partitions\":[{\"topic\":\"" + topic + "\",\"partition\":0,\"offset\":42}],\"version\":1}");
        Tool.run(DeleteRecordsCommand::main, Tool.with(cluster, "--offset-json-file", file.toString())).is(
                "Executing records delete operation", "Records delete operation completed:",
                "partition: " + topic + "-0 low_watermark: 42");
        Check.equal(List.of(topic + ":0:42"), offsets(cluster, topic, "earliest"), "earliest");
    }
}
