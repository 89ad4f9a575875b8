import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Asks a cluster of one broker, with id 1, what administrators ask, and prints a line for each answer: the same cluster
 * prints the same lines, so that those of a Kafka broker can be compared with ours. Of refusals only the kind counts,
 * their text is for people.
 */
final class AdminQuestions {
    private static final String TOPIC = "asked.topic";
    private static final ConfigResource OF_TOPIC = new ConfigResource(ConfigResource.Type.TOPIC, TOPIC);
    private static final ConfigResource OF_BROKER = new ConfigResource(ConfigResource.Type.BROKER, "1");

    private final Admin admin;
    private final Map<String, Object> base;

    private AdminQuestions(Admin admin, Map<String, Object> base) {
        this.admin = admin;
        this.base = base;
    }

    static void ask(String bootstrap) throws Exception {
        Map<String, Object> base = Map.of("bootstrap.servers", bootstrap);
        try (Admin admin = Admin.create(base)) {
            var questions = new AdminQuestions(admin, base);
            questions.topics();
            questions.describedConfigs();
            questions.alteredConfigs();
            questions.brokers();
            questions.placement();
            questions.access();
            questions.records();
            questions.ends();
        }
    }

    private void topics() {
        say("create", () -> create(TOPIC, 3, 1, Map.of("segment.ms", " 100000 ")));
        say("create again", () -> create(TOPIC, 3, 1, Map.of()));
        say("create a name that collides", () -> create("asked_topic", 1, 1, Map.of()));
        say("create a name that is none", () -> create("as ked", 1, 1, Map.of()));
        say("create without partitions", () -> create("asked.zero", 0, 1, Map.of()));
        say("create with an unknown config", () -> create("asked.unknown", 1, 1, Map.of("no.such", "1")));
        say("create with a bad value", () -> create("asked.value", 1, 1, Map.of("retention.ms", "soon")));
        say("create for validation only", () -> {
            var topic = new NewTopic("asked.validated", 2, (short) 1);
            var answer = admin.createTopics(List.of(topic), new CreateTopicsOptions().validateOnly(true));
            answer.all().get();
            return answer.numPartitions(topic.name()).get() + " partitions";
        });
        say("describe what was validated only", () -> describe("asked.validated"));
        say("describe", () -> describe(TOPIC));
        say("grow", () -> admin.createPartitions(Map.of(TOPIC, NewPartitions.increaseTo(4))).all().get());
        say("shrink", () -> admin.createPartitions(Map.of(TOPIC, NewPartitions.increaseTo(2))).all().get());
        say("describe after it grew", () -> describe(TOPIC));
    }

    private void describedConfigs() {
        say("configs", () -> {
            var options = new DescribeConfigsOptions().includeSynonyms(true);
            return shown(admin.describeConfigs(List.of(OF_TOPIC), options).all().get().get(OF_TOPIC), Set.of());
        });
        say("configs of no topic", () -> {
            var nothing = new ConfigResource(ConfigResource.Type.TOPIC, "asked.nothing");
            return admin.describeConfigs(List.of(nothing)).all().get();
        });
        say("resources with configs", () -> {
            var listed = admin.listConfigResources().all().get();
            return new TreeSet<>(listed.stream().map(each -> each.type() + " " + each.name()).toList());
        });
    }

    private void alteredConfigs() {
        say("set", () -> alter(OF_TOPIC, OpType.SET, "retention.ms", "5000"));
        say("set no number", () -> alter(OF_TOPIC, OpType.SET, "retention.ms", "soon"));
        say("set out of range", () -> alter(OF_TOPIC, OpType.SET, "retention.ms", "-2"));
        say("set an unknown config", () -> alter(OF_TOPIC, OpType.SET, "no.such", "1"));
        say("set a small segment", () -> alter(OF_TOPIC, OpType.SET, "segment.bytes", "14"));
        say("delete an unknown config", () -> alter(OF_TOPIC, OpType.DELETE, "no.such", ""));
        say("append", () -> alter(OF_TOPIC, OpType.APPEND, "cleanup.policy", "compact"));
        say("append to no list", () -> alter(OF_TOPIC, OpType.APPEND, "retention.ms", "1"));
        say("append to an unknown config", () -> alter(OF_TOPIC, OpType.APPEND, "no.such", "1"));
        say("append what is no policy", () -> alter(OF_TOPIC, OpType.APPEND, "cleanup.policy", "shred"));
        say("set after append", () -> set(OF_TOPIC));
        say("subtract", () -> alter(OF_TOPIC, OpType.SUBTRACT, "cleanup.policy", "delete"));
        say("subtract the rest", () -> alter(OF_TOPIC, OpType.SUBTRACT, "cleanup.policy", "compact"));
        say("set after subtract", () -> set(OF_TOPIC));
        say("delete", () -> alter(OF_TOPIC, OpType.DELETE, "cleanup.policy", ""));
        say("set for validation only", () -> {
            Collection<AlterConfigOp> flush = List.of(op(OpType.SET, "flush.ms", "9"));
            var only = new AlterConfigsOptions().validateOnly(true);
            return admin.incrementalAlterConfigs(Map.of(OF_TOPIC, flush), only).all().get();
        });
        say("set one config twice", () -> {
            Collection<AlterConfigOp> twice = List.of(op(OpType.SET, "flush.ms", "9"), op(OpType.SET, "flush.ms", "8"));
            return admin.incrementalAlterConfigs(Map.of(OF_TOPIC, twice)).all().get();
        });
        say("set after all", () -> set(OF_TOPIC));
        for (String name : List.of("asked.nothing", "")) {
            var other = new ConfigResource(ConfigResource.Type.TOPIC, name);
            say("set on topic '" + name + "'", () -> alter(other, OpType.SET, "retention.ms", "1"));
        }
    }

    private void brokers() {
        say("set on a broker", () -> alter(OF_BROKER, OpType.SET, "node.id", "5"));
        say("set on another broker", () -> {
            var other = new ConfigResource(ConfigResource.Type.BROKER, "x");
            return alter(other, OpType.SET, "node.id", "5");
        });
        say("configs of a broker", () -> {
            var shown = Set.of("node.id", "message.max.bytes", "log.cleanup.policy", "delete.topic.enable");
            return shown(admin.describeConfigs(List.of(OF_BROKER)).all().get().get(OF_BROKER), shown);
        });
    }

    private void placement() {
        say("elect", () -> {
            var asked = Set.of(partition(0), partition(9), new TopicPartition("asked.nothing", 0));
            var answers = new TreeMap<String, String>();
            var elected = admin.electLeaders(ElectionType.PREFERRED, asked).partitions().get();
            elected.forEach((p, error) -> answers.put(p.toString(), error.map(AdminQuestions::kind).orElse("ok")));
            return answers;
        });
        say("elect everywhere", () -> admin.electLeaders(ElectionType.PREFERRED, null).partitions().get());
        say("reassign to the same", () -> reassign(partition(0), List.of(1)));
        say("reassign to another", () -> reassign(partition(0), List.of(77)));
        say("reassign what is not there", () -> reassign(new TopicPartition("asked.nothing", 0), List.of(1)));
        say("cancel a reassignment", () -> reassign(partition(0), null));
        say("reassignments", () -> admin.listPartitionReassignments().reassignments().get());
        say("log directories", () -> {
            var dirs = admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1).values();
            var sizes = new TreeMap<String, Long>();
            dirs.forEach(dir -> dir.replicaInfos().forEach((p, info) -> sizes.put(p.toString(), info.size())));
            return sizes;
        });
        say("move to another directory", () -> {
            var moved = Map.of(new TopicPartitionReplica(TOPIC, 0, 1), "/elsewhere");
            return admin.alterReplicaLogDirs(moved).all().get();
        });
    }

    private void access() {
        var pattern = new ResourcePattern(ResourceType.TOPIC, TOPIC, PatternType.LITERAL);
        var entry = new AccessControlEntry("User:a", "*", AclOperation.READ, AclPermissionType.ALLOW);
        say("acls", () -> admin.describeAcls(AclBindingFilter.ANY).values().get());
        say("create an acl", () -> admin.createAcls(List.of(new AclBinding(pattern, entry))).all().get());
        say("delete acls", () -> admin.deleteAcls(List.of(AclBindingFilter.ANY)).all().get());
    }

    /** Sends two records in one batch to topics that want something of them. */
    private void records() {
        send("asked.compacted", "cleanup.policy", "compact", null);
        send("asked.old", "message.timestamp.before.max.ms", "1000", 5L);
        send("asked.ahead", "message.timestamp.after.max.ms", "1000", Long.MAX_VALUE / 2);
        send("asked.stamped", "message.timestamp.type", "LogAppendTime", 5L);
        send("asked.created", "message.timestamp.type", "CreateTime", 5L);
    }

    private void send(String topic, String config, String value, Long timestamp) {
        say("create " + topic, () -> create(topic, 1, 1, Map.of(config, value)));
        var settings = new HashMap<>(base);
        settings.put("linger.ms", 500);
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            var sent = new ArrayList<Future<RecordMetadata>>();
            sent.add(producer.send(new ProducerRecord<>(topic, 0, "key", "a")));
            sent.add(producer.send(new ProducerRecord<>(topic, 0, timestamp, null, "b")));
            for (var each : sent) {
                say("send to " + topic, () -> {
                    var at = each.get();
                    return "offset " + at.offset() + (at.timestamp() == 5 ? ", 5" : ", another time");
                });
            }
        }
    }

    private void ends() {
        say("delete a topic", () -> admin.deleteTopics(List.of(TOPIC)).all().get());
        say("delete it again", () -> admin.deleteTopics(List.of(TOPIC)).all().get());
        say("create with recompression", () -> create("asked.zstd", 1, 1, Map.of("compression.type", "zstd")));
        say("set on what was deleted", () -> alter(OF_TOPIC, OpType.SET, "retention.ms", "1"));
    }

    private Object create(String topic, int partitions, int replicas, Map<String, String> configs) throws Exception {
        var wanted = new NewTopic(topic, partitions, (short) replicas).configs(configs);
        return admin.createTopics(List.of(wanted)).all().get();
    }

    private Object describe(String topic) throws Exception {
        TopicDescription described = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
        return described.partitions().stream().map(p -> p.partition() + " on " + p.leader().id()).toList();
    }

    private Object alter(ConfigResource resource, OpType type, String name, String value) throws Exception {
        return admin.incrementalAlterConfigs(Map.of(resource, List.of(op(type, name, value)))).all().get();
    }

    private Object reassign(TopicPartition partition, List<Integer> replicas) throws Exception {
        var wanted = Optional.ofNullable(replicas).map(NewPartitionReassignment::new);
        return admin.alterPartitionReassignments(Map.of(partition, wanted)).all().get();
    }

    private Object set(ConfigResource resource) throws Exception {
        var set = new TreeMap<String, String>();
        for (var entry : admin.describeConfigs(List.of(resource)).all().get().get(resource).entries()) {
            if (entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG) {
                set.put(entry.name(), entry.value());
            }
        }
        return set;
    }

    /** One line for each config, but only those of `names` unless it is empty. */
    private static Object shown(Config config, Set<String> names) {
        var sorted = config.entries().stream().sorted(Comparator.comparing(ConfigEntry::name));
        var shown = sorted.filter(each -> names.isEmpty() || names.contains(each.name()));
        for (var each : shown.toList()) {
            var line = new StringBuilder(each.value() + " " + each.type() + " " + each.source());
            each.synonyms().forEach(s -> line.append(", ").append(s.name()).append(" ").append(s.source()));
            System.out.println("config " + each.name() + ": " + line);
        }
        return null;
    }

    private static AlterConfigOp op(OpType type, String name, String value) {
        return new AlterConfigOp(new ConfigEntry(name, value), type);
    }

    private static TopicPartition partition(int index) {
        return new TopicPartition(TOPIC, index);
    }

    private static void say(String question, Callable<Object> ask) {
        String answer;
        try {
            Object value = ask.call();
            answer = value == null ? "ok" : value.toString();
        } catch (ExecutionException error) {
            answer = kind(error.getCause());
        } catch (Exception error) {
            answer = kind(error);
        }
        System.out.println(question + ": " + answer);
    }

    private static String kind(Throwable error) {
        return error.getClass().getSimpleName();
    }
}
