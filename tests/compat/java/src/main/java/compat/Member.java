package compat;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;

/** A consumer of a group, what it read, and what was taken from it. */
final class Member implements AutoCloseable, ConsumerRebalanceListener {
    final KafkaConsumer<String, String> consumer;
    final List<String> values = new ArrayList<>();
    final Set<TopicPartition> revoked = new HashSet<>();

    private Member(KafkaConsumer<String, String> consumer) {
        this.consumer = consumer;
    }

    /** A member that subscribes to a topic; the settings say of which kind it is. */
    static Member of(Cluster cluster, String group, String topic, Object... settings) {
        var member = create(cluster, group, settings);
        member.consumer.subscribe(List.of(topic), member);
        return member;
    }

    /** A member whose client looks for the topics itself. */
    static Member matching(Cluster cluster, String group, Pattern topics, Object... settings) {
        var member = create(cluster, group, settings);
        member.consumer.subscribe(topics, member);
        return member;
    }

    /** A member of the consumer protocol that has not subscribed yet, or one with settings of its own. */
    static Member create(Cluster cluster, String group, Object... settings) {
        var all = new ArrayList<Object>(List.of("group.id", group, "metadata.max.age.ms", 1000));
        all.addAll(List.of(settings));
        return new Member(cluster.consumer(all.toArray()));
    }

    /** Reads what has come, and commits it. */
    void poll() {
        var records = consumer.poll(Cluster.POLL);
        records.forEach(record -> values.add(record.value()));
        if (!records.isEmpty()) {
            consumer.commitSync();
        }
    }

    int partitions() {
        return consumer.assignment().size();
    }

    /** Lets all members read until each has its number of partitions. */
    static void share(List<Member> members, int... partitions) throws Exception {
        Check.await("shares", () -> {
            members.forEach(Member::poll);
            for (int i = 0; i < partitions.length; i++) {
                if (members.get(i).partitions() != partitions[i]) {
                    return false;
                }
            }
            return true;
        });
    }

    /** Lets all members read until they have this many records in all. */
    static void read(List<Member> members, int count) throws Exception {
        Check.await(count + " records", () -> {
            members.forEach(Member::poll);
            return members.stream().mapToInt(member -> member.values.size()).sum() >= count;
        });
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {}

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        revoked.addAll(partitions);
    }

    @Override
    public void close() {
        consumer.close();
    }
}
