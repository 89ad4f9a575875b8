import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import java.util.zip.CRC32;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The Java client under test. Commands, all ending with one line on standard output:
 *
 * <pre>
 *   create    BOOTSTRAP TOPIC PARTITIONS
 *   produce   BOOTSTRAP TOPIC PARTITION CODEC     lines from standard input
 *   digest    BOOTSTRAP TOPIC PARTITION           "COUNT SHA256" of all payload lines, offsets checked dense
 *   table     BOOTSTRAP TOPIC PARTITION           "END" and a line "OFFSET KEY VALUE" for each record, joined by tabs
 *   group     BOOTSTRAP TOPIC GROUP MAX           reads MAX records in a group, commits, prints "COUNT FIRST LAST"
 *   consumers BOOTSTRAP TOPIC GROUP MAX           two KIP-848 consumers of a pattern share MAX records, one leaves; "COUNT"
 *   delete_records BOOTSTRAP TOPIC PARTITION OFFSET   prints the low watermark afterwards
 *   describe  BOOTSTRAP                           cluster id and broker count
 *   admin     BOOTSTRAP                           what {@link AdminQuestions} prints
 *   beat      BOOTSTRAP TOPIC LOG               see Beat
 *   witness   BOOTSTRAP TOPIC PARTITIONS RATE LOG [BESIDE]   see Witness
 *   transactions BOOTSTRAP IN OUT COUNT         see Transactions
 *   set_user  BOOTSTRAP USER PASSWORD             see Login
 *   login     BOOTSTRAP MECHANISM USER PASSWORD SECONDS   see Login
 *   attempts  FILE                                see Attempts
 *   tail      BOOTSTRAP TOPIC PARTITIONS LOG BYTES_PER_S   as tests/clients/python/history.py has it
 * </pre>
 */
public final class Client {
    public static void main(String[] args) throws Exception {
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "warn");
        switch (args[0]) {
            case "create" -> create(args[1], args[2], Integer.parseInt(args[3]));
            case "produce" -> produce(args[1], args[2], Integer.parseInt(args[3]), args[4]);
            case "digest" -> digest(args[1], args[2], Integer.parseInt(args[3]));
            case "table" -> table(args[1], new TopicPartition(args[2], Integer.parseInt(args[3])));
            case "group" -> group(args[1], args[2], args[3], Integer.parseInt(args[4]));
            case "consumers" -> consumers(args[1], args[2], args[3], Integer.parseInt(args[4]));
            case "delete_records" -> deleteRecords(args[1], new TopicPartition(args[2], Integer.parseInt(args[3])), Long.parseLong(args[4]));
            case "describe" -> describe(args[1]);
            case "admin" -> AdminQuestions.ask(args[1]);
            case "tail" -> tail(args[1], args[2], Integer.parseInt(args[3]), Path.of(args[4]), Long.parseLong(args[5]));
            case "beat" -> Beat.run(args[1], args[2], Path.of(args[3]));
            case "witness" -> Witness.run(args[1], args[2], Integer.parseInt(args[3]), Double.parseDouble(args[4]), Path.of(args[5]), args.length > 6 ? args[6] : null);
            case "transactions" -> Transactions.run(args[1], args[2], args[3], Integer.parseInt(args[4]));
            case "set_user" -> Login.set(args[1], args[2], args[3]);
            case "login" -> Login.in(args[1], args[2], args[3], args[4], Integer.parseInt(args[5]));
            case "attempts" -> Attempts.make(Path.of(args[1]));
            default -> throw new IllegalArgumentException("unknown command: " + args[0]);
        }
    }

    private static void create(String bootstrap, String topic, int partitions) throws Exception {
        try (Admin admin = Admin.create(base(bootstrap))) {
            admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
            System.out.println("created " + topic);
        }
    }

    private static void deleteRecords(String bootstrap, TopicPartition partition, long offset) throws Exception {
        try (Admin admin = Admin.create(base(bootstrap))) {
            var deleted = admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(offset)));
            System.out.println(deleted.lowWatermarks().get(partition).get().lowWatermark());
        }
    }

    private static void describe(String bootstrap) throws Exception {
        try (Admin admin = Admin.create(base(bootstrap))) {
            var cluster = admin.describeCluster();
            System.out.println(cluster.clusterId().get() + " " + cluster.nodes().get().size());
        }
    }

    private static void produce(String bootstrap, String topic, int partition, String codec) throws Exception {
        Properties config = base(bootstrap);
        config.put("compression.type", codec);
        config.put("enable.idempotence", "true");
        config.put("linger.ms", "5");
        config.put("key.serializer", ByteArraySerializer.class.getName());
        config.put("value.serializer", ByteArraySerializer.class.getName());
        AtomicReference<Exception> failure = new AtomicReference<>();
        long count = 0;
        try (var producer = new KafkaProducer<byte[], byte[]>(config);
                var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.ISO_8859_1))) {
            for (String line = input.readLine(); line != null; line = input.readLine()) {
                byte[] value = line.getBytes(StandardCharsets.ISO_8859_1);
                producer.send(new ProducerRecord<>(topic, partition, null, value), (metadata, error) -> {
                    if (error != null) failure.compareAndSet(null, error);
                });
                count++;
            }
        }
        if (failure.get() != null) throw failure.get();
        System.out.println("produced " + count);
    }

    private static void digest(String bootstrap, String topic, int partition) throws Exception {
        Properties config = consumer(bootstrap);
        TopicPartition tp = new TopicPartition(topic, partition);
        MessageDigest sha = MessageDigest.getInstance("SHA-256");
        long count = 0;
        try (var consumer = new KafkaConsumer<byte[], byte[]>(config)) {
            consumer.assign(List.of(tp));
            consumer.seekToBeginning(List.of(tp));
            long end = consumer.endOffsets(List.of(tp)).get(tp);
            long next = consumer.position(tp);
            while (next < end) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    if (record.offset() != next) {
                        throw new IllegalStateException("offset " + record.offset() + " where " + next + " was due");
                    }
                    sha.update(record.value());
                    sha.update((byte) '\n');
                    next++;
                    count++;
                }
            }
        }
        System.out.println(count + " " + HexFormat.of().formatHex(sha.digest()));
    }

    private static void table(String bootstrap, TopicPartition partition) {
        StringBuilder records = new StringBuilder();
        try (var consumer = new KafkaConsumer<byte[], byte[]>(consumer(bootstrap))) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            // Where records were compacted away the position goes on without one.
            while (consumer.position(partition) < end) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    String text = new String(record.key(), StandardCharsets.US_ASCII) + " " + new String(record.value(), StandardCharsets.US_ASCII);
                    records.append('\t').append(record.offset()).append(' ').append(text);
                }
            }
            System.out.println(end + records.toString());
        }
    }

    private static void group(String bootstrap, String topic, String group, int max) {
        Properties config = consumer(bootstrap);
        config.put("group.id", group);
        config.put("group.protocol", "classic");
        config.put("max.poll.records", Integer.toString(max));
        Map<Integer, Long> first = new TreeMap<>();
        Map<Integer, Long> last = new TreeMap<>();
        int count = 0;
        try (var consumer = new KafkaConsumer<byte[], byte[]>(config)) {
            consumer.subscribe(List.of(topic));
            while (count < max) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    first.putIfAbsent(record.partition(), record.offset());
                    last.put(record.partition(), record.offset());
                    count++;
                }
            }
            consumer.commitSync();
        }
        System.out.println(count + " " + first + " " + last);
    }

    /**
     * Two members of a group of the consumer protocol, subscribed by a pattern that the server resolves: they
     * share the topic's partitions, read everything once, commit, and the first is left with all partitions.
     */
    private static void consumers(String bootstrap, String topic, String group, int max) throws Exception {
        Properties config = consumer(bootstrap);
        config.put("group.id", group);
        config.put("group.protocol", "consumer");
        int partitions;
        Map<TopicPartition, TreeSet<Long>> seen = new HashMap<>();
        try (var first = new KafkaConsumer<byte[], byte[]>(config)) {
            partitions = first.partitionsFor(topic).size();
            try (var second = new KafkaConsumer<byte[], byte[]>(config)) {
                first.subscribe(new SubscriptionPattern(topic.substring(0, topic.length() - 1) + "."));
                second.subscribe(List.of(topic));
                int half = partitions / 2;
                await(() -> {
                    record(first, seen);
                    record(second, seen);
                    int read = seen.values().stream().mapToInt(TreeSet::size).sum();
                    return first.assignment().size() == half && second.assignment().size() == partitions - half && read == max;
                });
                if (first.assignment().stream().anyMatch(second.assignment()::contains)) {
                    throw new IllegalStateException("a partition has two owners");
                }
                describeShared(bootstrap, group);
            }
            await(() -> {
                record(first, seen);
                return first.assignment().size() == partitions;
            });
            for (var committed : first.committed(first.assignment()).entrySet()) {
                TreeSet<Long> offsets = seen.get(committed.getKey());
                long next = offsets == null ? 0 : offsets.last() + 1;
                if (offsets != null && committed.getValue().offset() != next) {
                    throw new IllegalStateException(committed + ", read up to " + next);
                }
            }
        }
        System.out.println(seen.values().stream().mapToInt(TreeSet::size).sum());
    }

    private static void describeShared(String bootstrap, String group) throws Exception {
        try (Admin admin = Admin.create(base(bootstrap))) {
            var listed = admin.listGroups(ListGroupsOptions.forConsumerGroups().withTypes(Set.of(GroupType.CONSUMER))).all().get();
            var described = admin.describeConsumerGroups(List.of(group)).describedGroups().get(group).get();
            boolean shown = described.type() == GroupType.CONSUMER
                && described.groupState() == GroupState.STABLE
                && described.members().stream().filter(member -> member.upgraded().orElse(false)).count() == 2;
            if (!shown || listed.stream().noneMatch(one -> one.groupId().equals(group))) {
                throw new IllegalStateException(described + ", listed: " + listed);
            }
        }
    }

    /** Reads what is there and commits it; a record that came twice is an error. */
    private static void record(KafkaConsumer<byte[], byte[]> consumer, Map<TopicPartition, TreeSet<Long>> seen) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
            var partition = new TopicPartition(record.topic(), record.partition());
            if (!seen.computeIfAbsent(partition, p -> new TreeSet<>()).add(record.offset())) {
                throw new IllegalStateException("twice: " + partition + " " + record.offset());
            }
        }
        consumer.commitSync();
    }

    private static void await(BooleanSupplier condition) {
        long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException("not within 60 s");
            }
        }
    }

    private static volatile boolean stopping;

    /** Follows all partitions from offset 0 until SIGTERM, then reads to their ends. */
    private static void tail(String bootstrap, String topic, int partitions, Path log, long rate) throws Exception {
        Thread reader = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(reader)));
        Properties config = consumer(bootstrap);
        // An offset that is out of range would be a lie: nothing is ever deleted here (C7).
        config.put("auto.offset.reset", "none");
        config.put("max.poll.records", "200");
        config.put("max.partition.fetch.bytes", Integer.toString(256 << 10));
        config.put("fetch.max.bytes", Integer.toString(1 << 20));
        List<TopicPartition> all = new ArrayList<>();
        for (int partition = 0; partition < partitions; partition++) all.add(new TopicPartition(topic, partition));
        try (var consumer = new KafkaConsumer<byte[], byte[]>(config);
                var history = new PrintWriter(Files.newBufferedWriter(log))) {
            consumer.assign(all);
            for (TopicPartition partition : all) consumer.seek(partition, 0);
            while (!stopping) Thread.sleep(1000 * read(consumer, history) / rate);
            var ends = consumer.endOffsets(all, Duration.ofSeconds(90));
            while (all.stream().anyMatch(it -> consumer.position(it) < ends.get(it))) read(consumer, history);
            history.println("end");
        } catch (Exception error) {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
    }

    /** Lets the reader finish: a JVM that was sent SIGTERM ends when its hooks do, and never with 0. */
    private static void stop(Thread reader) {
        stopping = true;
        try {
            reader.join();
        } catch (InterruptedException error) {
            Runtime.getRuntime().halt(1);
        }
        Runtime.getRuntime().halt(0);
    }

    /** Writes down what one poll brought; how many bytes. */
    private static long read(KafkaConsumer<byte[], byte[]> consumer, PrintWriter history) {
        long bytes = 0;
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
            String place = record.partition() + " " + record.offset();
            history.println(isWhole(record.value()) ? "r " + place + " " + origin(record.value()) : "x " + place);
            bytes += record.value().length;
        }
        return bytes;
    }

    /** Values are 4 digits worker, 16 digits sequence, 8 hexadecimal digits CRC-32 of the rest, payload. */
    private static boolean isWhole(byte[] value) {
        if (value.length < 28) return false;
        CRC32 crc = new CRC32();
        crc.update(value, 0, 20);
        crc.update(value, 28, value.length - 28);
        return String.format("%08x", crc.getValue()).equals(new String(value, 20, 8, StandardCharsets.US_ASCII));
    }

    private static String origin(byte[] value) {
        String head = new String(value, 0, 20, StandardCharsets.US_ASCII);
        return Integer.parseInt(head.substring(0, 4)) + " " + Long.parseLong(head.substring(4));
    }

    private static Properties consumer(String bootstrap) {
        Properties config = base(bootstrap);
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", "false");
        config.put("key.deserializer", ByteArrayDeserializer.class.getName());
        config.put("value.deserializer", ByteArrayDeserializer.class.getName());
        return config;
    }

    private static Properties base(String bootstrap) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        return config;
    }
}
