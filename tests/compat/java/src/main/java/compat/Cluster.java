package compat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** The cluster that is tested: clients for it, and names that no other test uses. */
final class Cluster implements AutoCloseable {
    /** A consumer that sees no open or aborted transaction. */
    static final Object[] COMMITTED = {"isolation.level", "read_committed"};
    /** One poll; a test polls until it has what it wants. */
    static final Duration POLL = Duration.ofMillis(200);

    final String bootstrap;
    final short replication;
    /** Records of each test that produces many. */
    final int records;
    /** A folder for what tests keep in files. */
    final Path scratch;
    final Admin admin;

    private final AtomicInteger names = new AtomicInteger();
    private final String run = Long.toString(System.currentTimeMillis(), Character.MAX_RADIX);

    Cluster(String bootstrap, short replication, int records, Path scratch) {
        this.bootstrap = bootstrap;
        this.replication = replication;
        this.records = records;
        this.scratch = scratch;
        this.admin = Admin.create(with(base()));
    }

    @Override
    public void close() {
        admin.close(Duration.ZERO);
    }

    /** A name of its own for a topic, a group or a transactional id. */
    String name(String what) {
        return what + "-" + run + "-" + names.incrementAndGet();
    }

    /** Creates a topic with these configs: name, value, name, value... */
    String topic(String what, int partitions, String... configs) throws Exception {
        String topic = name(what);
        create(topic, partitions, configs);
        return topic;
    }

    void create(String topic, int partitions, String... configs) throws Exception {
        var wanted = new HashMap<String, String>();
        for (int i = 0; i < configs.length; i += 2) {
            wanted.put(configs[i], configs[i + 1]);
        }
        admin.createTopics(List.of(new NewTopic(topic, partitions, replication).configs(wanted))).all().get();
    }

    /** A producer with these settings on top of the defaults: name, value, name, value... */
    KafkaProducer<String, String> producer(Object... settings) {
        Map<String, Object> config = base();
        config.put("delivery.timeout.ms", (int) Check.PATIENCE.toMillis());
        config.put("max.block.ms", Check.PATIENCE.toMillis());
        return new KafkaProducer<>(with(config, settings), new StringSerializer(), new StringSerializer());
    }

    /** A consumer that starts at the beginning and commits nothing by itself, and these settings. */
    KafkaConsumer<String, String> consumer(Object... settings) {
        Map<String, Object> config = base();
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", false);
        return new KafkaConsumer<>(with(config, settings), new StringDeserializer(), new StringDeserializer());
    }

    /** What every client is told. */
    Map<String, Object> base() {
        var config = new HashMap<String, Object>();
        config.put("bootstrap.servers", bootstrap);
        config.put("default.api.timeout.ms", (int) Check.PATIENCE.toMillis());
        return config;
    }

    private static Map<String, Object> with(Map<String, Object> config, Object... settings) {
        for (int i = 0; i < settings.length; i += 2) {
            config.put((String) settings[i], settings[i + 1]);
        }
        return config;
    }

    /** Sends {@code PREFIX0, PREFIX1, ...} with the same keys, in turn to each partition; they are acknowledged. */
    void produce(String topic, int partitions, String prefix, int count) {
        try (var producer = producer()) {
            var sent = IntStream.range(0, count)
                    .mapToObj(i -> producer.send(new ProducerRecord<>(topic, i % partitions, prefix + i, prefix + i)))
                    .toList();
            producer.flush();
            for (var each : sent) {
                each.get();
            }
        } catch (Exception error) {
            throw new AssertionError("producing to " + topic, error);
        }
    }

    /** Everything that a topic has, in the order of each partition. */
    List<ConsumerRecord<String, String>> read(String topic, Object... settings) throws Exception {
        try (var consumer = consumer(settings)) {
            return read(consumer, topic);
        }
    }

    private static List<ConsumerRecord<String, String>> read(KafkaConsumer<String, String> consumer, String topic)
            throws Exception {
        var found = new ArrayList<ConsumerRecord<String, String>>();
        Set<TopicPartition> all = follow(consumer, topic);
        Map<TopicPartition, Long> ends = consumer.endOffsets(all);
        Check.await("the end of " + topic, () -> {
            consumer.poll(POLL).forEach(found::add);
            return all.stream().allMatch(each -> consumer.position(each) >= ends.get(each));
        });
        return found;
    }

    /** Assigns all partitions of a topic, from their beginnings on. */
    static Set<TopicPartition> follow(KafkaConsumer<String, String> consumer, String topic) throws Exception {
        Check.await("topic " + topic, () -> !consumer.partitionsFor(topic).isEmpty());
        consumer.assign(consumer.partitionsFor(topic).stream()
                .map(each -> new TopicPartition(topic, each.partition())).toList());
        consumer.seekToBeginning(consumer.assignment());
        return Set.copyOf(consumer.assignment());
    }

    /** The values of {@link #read}. */
    List<String> values(String topic, Object... settings) throws Exception {
        return read(topic, settings).stream().map(ConsumerRecord::value).toList();
    }

    /**
     * The committed values of a topic, once none of its transactions is open any more: a commit is answered when it is
     * decided, before every partition knows.
     */
    List<String> committed(String topic) throws Exception {
        Check.await("the end of all transactions in " + topic, () -> ends(topic, COMMITTED).equals(ends(topic)));
        return values(topic, COMMITTED);
    }

    private Map<TopicPartition, Long> ends(String topic, Object... settings) throws Exception {
        try (var consumer = consumer(settings)) {
            return consumer.endOffsets(follow(consumer, topic));
        }
    }

    /** {@code PREFIX0, PREFIX1, ...} */
    static List<String> numbered(String prefix, int count) {
        return IntStream.range(0, count).mapToObj(i -> prefix + i).toList();
    }
}
