import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * A program of a user, as the Java client sees the cluster: a producer and a group of one consumer with default
 * settings. It does and writes down what tests/clients/python/witness.py does, where the words are explained.
 */
final class Witness {
    private static final Duration STUCK = Duration.ofSeconds(120);

    private final String topic;
    private final int partitions;
    private final PrintWriter log;
    private final BitSet acked = new BitSet();
    private final BitSet seen = new BitSet();
    private volatile boolean stopping;
    private volatile boolean produced;
    private int sent;
    private int ackedBeside;
    private int failed;
    private int read;
    private int duplicated;
    private int again;
    private int reordered;

    private Witness(String topic, int partitions, Path log) throws IOException {
        this.topic = topic;
        this.partitions = partitions;
        this.log = new PrintWriter(Files.newBufferedWriter(log), true);
    }

    static void run(String bootstrap, String topic, int partitions, double rate, Path path, String beside) throws Exception {
        Witness witness = new Witness(topic, partitions, path);
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> witness.stop(main)));
        witness.create(bootstrap);
        Thread consuming = new Thread(() -> witness.consume(bootstrap));
        consuming.start();
        witness.produce(bootstrap, beside, rate);
        witness.produced = true;
        consuming.join();
        witness.report();
    }

    /** A JVM that was sent SIGTERM ends when its hooks do, and never with 0. */
    private void stop(Thread main) {
        stopping = true;
        try {
            main.join();
        } catch (InterruptedException error) {
            Runtime.getRuntime().halt(1);
        }
        Runtime.getRuntime().halt(0);
    }

    private void report() {
        BitSet lost = (BitSet) acked.clone();
        lost.andNot(seen);
        System.out.printf(
            "{\"sent\": %d, \"acked\": %d, \"failed\": %d, \"lost\": %d, \"read\": %d, \"duplicated\": %d, \"again\": %d, \"reordered\": %d}%n",
            sent, acked.cardinality() + ackedBeside, failed, lost.cardinality(), read, duplicated, again, reordered);
    }

    /** Tried again, for a topic that is made while everything starts may be late. */
    private void create(String bootstrap) throws Exception {
        long deadline = System.nanoTime() + STUCK.toNanos();
        while (true) {
            try (Admin admin = Admin.create(config(bootstrap))) {
                admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
                return;
            } catch (ExecutionException error) {
                if (error.getCause() instanceof TopicExistsException) return;
                if (System.nanoTime() > deadline) throw error;
            }
        }
    }

    private void produce(String bootstrap, String beside, double rate) throws InterruptedException {
        Properties config = config(bootstrap);
        config.put("key.serializer", ByteArraySerializer.class.getName());
        config.put("value.serializer", ByteArraySerializer.class.getName());
        try (var producer = new KafkaProducer<byte[], byte[]>(config)) {
            int others = beside == null ? 0 : producer.partitionsFor(beside).size();
            long interval = (long) (1e9 / rate);
            long due = System.nanoTime();
            for (; !stopping; sent++) {
                boolean own = others == 0 || sent % 2 == 0;
                int turn = others == 0 ? sent : sent / 2;
                send(producer, own ? topic : beside, turn % (own ? partitions : others), own);
                due = Math.max(due + interval, System.nanoTime() - 1_000_000_000L);
                long left = due - System.nanoTime();
                if (left > 0) Thread.sleep(left / 1_000_000, (int) (left % 1_000_000));
            }
        }
    }

    private void send(KafkaProducer<byte[], byte[]> producer, String to, int partition, boolean own) {
        int number = sent;
        byte[] value = Integer.toString(number).getBytes(StandardCharsets.US_ASCII);
        long began = System.nanoTime();
        try {
            producer.send(new ProducerRecord<>(to, partition, null, value), (metadata, error) -> answered(number, own, began, error));
        } catch (RuntimeException error) {
            answered(number, own, began, error);
        }
    }

    private synchronized void answered(int number, boolean own, long began, Exception error) {
        if (error != null) {
            failed++;
            log.println("error produce " + error.getClass().getSimpleName());
            return;
        }
        if (own) acked.set(number);
        else ackedBeside++;
        log.println("ack " + number + " " + System.currentTimeMillis() + " " + (System.nanoTime() - began) / 1000);
    }

    private void consume(String bootstrap) {
        Properties config = config(bootstrap);
        config.put("group.id", topic);
        config.put("auto.offset.reset", "earliest");
        config.put("key.deserializer", ByteArrayDeserializer.class.getName());
        config.put("value.deserializer", ByteArrayDeserializer.class.getName());
        Map<Integer, Long> offsets = new HashMap<>();
        Map<Integer, Integer> last = new HashMap<>();
        try (var consumer = new KafkaConsumer<byte[], byte[]>(config)) {
            consumer.subscribe(List.of(topic));
            long heard = System.nanoTime();
            while (!produced || isBehind()) {
                boolean some = poll(consumer, offsets, last);
                if (some || !produced) heard = System.nanoTime();
                else if (System.nanoTime() - heard > STUCK.toNanos()) break;
            }
        }
    }

    private boolean poll(KafkaConsumer<byte[], byte[]> consumer, Map<Integer, Long> offsets, Map<Integer, Integer> last) {
        try {
            var records = consumer.poll(Duration.ofMillis(200));
            for (ConsumerRecord<byte[], byte[]> record : records) {
                if (read++ == 0) log.println("read " + System.currentTimeMillis());
                look(record, offsets, last);
            }
            return !records.isEmpty();
        } catch (RuntimeException error) {
            log.println("error consume " + error.getClass().getSimpleName());
            return false;
        }
    }

    private void look(ConsumerRecord<byte[], byte[]> record, Map<Integer, Long> offsets, Map<Integer, Integer> last) {
        int number = Integer.parseInt(new String(record.value(), StandardCharsets.US_ASCII));
        if (record.offset() <= offsets.getOrDefault(record.partition(), -1L)) {
            again++;
            return;
        }
        offsets.put(record.partition(), record.offset());
        if (seen.get(number)) duplicated++;
        else if (number < last.getOrDefault(record.partition(), -1)) reordered++;
        seen.set(number);
        last.merge(record.partition(), number, Math::max);
    }

    private synchronized boolean isBehind() {
        BitSet left = (BitSet) acked.clone();
        left.andNot(seen);
        return !left.isEmpty();
    }

    private static Properties config(String bootstrap) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        return config;
    }
}
