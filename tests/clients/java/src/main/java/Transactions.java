import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.FeatureMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Transactions as the Java client speaks them: version 2 (KIP-890), if the cluster has that feature. Reads COUNT records
 * of IN, writes them to OUT and commits both; every third transaction is aborted first. Then a second producer takes the
 * transactional id over. Prints what a consumer of committed records sees, and the state that an administrator sees.
 */
final class Transactions {
    private static final String ID = "java-copier";

    private Transactions() {}

    static void run(String bootstrap, String in, String out, int count) throws Exception {
        System.out.println(feature(bootstrap) + " " + copy(bootstrap, in, out, count) + " " + fence(bootstrap, out) + " "
                + committed(bootstrap, out) + " " + state(bootstrap));
    }

    /** The version of transactions that the cluster tells clients to use. */
    private static String feature(String bootstrap) throws Exception {
        try (Admin admin = Admin.create(base(bootstrap))) {
            FeatureMetadata features = admin.describeFeatures().featureMetadata().get();
            var version = features.finalizedFeatures().get("transaction.version");
            return "v" + (version == null ? 1 : version.maxVersionLevel());
        }
    }

    private static String copy(String bootstrap, String in, String out, int count) {
        int done = 0;
        int aborted = 0;
        try (var consumer = consumer(bootstrap, "java-copiers");
                var producer = producer(bootstrap)) {
            producer.initTransactions();
            consumer.subscribe(List.of(in));
            for (int transaction = 0; done < count; ) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofSeconds(1));
                if (records.isEmpty()) continue;
                producer.beginTransaction();
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    producer.send(new ProducerRecord<>(out, record.partition(), null, record.value()));
                }
                producer.sendOffsetsToTransaction(positions(consumer), consumer.groupMetadata());
                if (transaction++ % 3 == 2) {
                    producer.abortTransaction();
                    aborted++;
                    consumer.committed(consumer.assignment()).forEach((partition, offset) ->
                            consumer.seek(partition, offset == null ? 0 : offset.offset()));
                } else {
                    producer.commitTransaction();
                    done += records.count();
                }
            }
        }
        return done + " aborted>0=" + (aborted > 0);
    }

    /** A producer that has begun, and another one that takes its id. */
    private static String fence(String bootstrap, String out) {
        try (var former = producer(bootstrap); var owner = producer(bootstrap)) {
            former.initTransactions();
            former.beginTransaction();
            former.send(new ProducerRecord<>(out, "zombie".getBytes()));
            former.flush();
            owner.initTransactions();
            try {
                former.commitTransaction();
                return "not-fenced";
            } catch (ProducerFencedException | InvalidProducerEpochException expected) {
                return "fenced";
            }
        }
    }

    /** How many committed records there are, and how many different ones. */
    private static String committed(String bootstrap, String out) {
        Map<String, Integer> seen = new TreeMap<>();
        try (var consumer = consumer(bootstrap, "java-checkers")) {
            List<TopicPartition> all = consumer.partitionsFor(out).stream()
                    .map(it -> new TopicPartition(it.topic(), it.partition())).toList();
            consumer.assign(all);
            consumer.seekToBeginning(all);
            var ends = consumer.endOffsets(all);
            while (all.stream().anyMatch(it -> consumer.position(it) < ends.get(it))) {
                for (var record : consumer.poll(Duration.ofSeconds(1))) seen.merge(new String(record.value()), 1, Integer::sum);
            }
        }
        return seen.values().stream().mapToInt(it -> it).sum() + "/" + seen.size();
    }

    private static String state(String bootstrap) throws Exception {
        try (Admin admin = Admin.create(base(bootstrap))) {
            boolean listed = admin.listTransactions().all().get().stream().anyMatch(it -> it.transactionalId().equals(ID));
            var described = admin.describeTransactions(List.of(ID)).description(ID).get();
            return listed + "/" + described.state();
        }
    }

    private static Map<TopicPartition, OffsetAndMetadata> positions(KafkaConsumer<byte[], byte[]> consumer) {
        Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();
        for (TopicPartition partition : consumer.assignment()) {
            positions.put(partition, new OffsetAndMetadata(consumer.position(partition)));
        }
        return positions;
    }

    private static KafkaProducer<byte[], byte[]> producer(String bootstrap) {
        Properties config = base(bootstrap);
        config.put("transactional.id", ID);
        config.put("transaction.timeout.ms", "20000");
        config.put("key.serializer", ByteArraySerializer.class.getName());
        config.put("value.serializer", ByteArraySerializer.class.getName());
        return new KafkaProducer<>(config);
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String bootstrap, String group) {
        Properties config = base(bootstrap);
        config.put("group.id", group);
        config.put("group.protocol", "classic");
        config.put("isolation.level", "read_committed");
        config.put("max.poll.records", "100");
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", "false");
        config.put("key.deserializer", ByteArrayDeserializer.class.getName());
        config.put("value.deserializer", ByteArrayDeserializer.class.getName());
        return new KafkaConsumer<>(config);
    }

    private static Properties base(String bootstrap) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        return config;
    }
}
