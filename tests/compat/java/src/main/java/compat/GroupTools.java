package compat;

import java.nio.file.Files;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.tools.GroupsCommand;
import org.apache.kafka.tools.consumer.group.ConsumerGroupCommand;

/** {@code kafka-consumer-groups} and {@code kafka-groups}. */
final class GroupTools {
    private static final int COUNT = 10;
    private static final long HOUR_MS = 3_600_000;
    private static final String OFFSETS = "GROUP TOPIC PARTITION NEW-OFFSET";

    private GroupTools() {}

    static void addTo(Suite suite) {
        suite.add("consumer-groups/classic-members", cluster -> members(cluster, "classic", "range", "Classic"));
        suite.add("consumer-groups/consumer-members", cluster -> members(cluster, "consumer", "uniform", "Consumer"));
        suite.add("consumer-groups/describe-empty", GroupTools::describeEmpty);
        suite.add("consumer-groups/reset-offsets", GroupTools::resetOffsets);
        suite.add("consumer-groups/reset-by-time", GroupTools::resetByTime);
        suite.add("consumer-groups/export-and-import", GroupTools::exportAndImport);
        suite.add("consumer-groups/delete", GroupTools::delete);
    }

    private static Said groups(Cluster cluster, String... arguments) throws Exception {
        return Tool.run(ConsumerGroupCommand::main, Tool.with(cluster, arguments));
    }

    private static void describes(Cluster cluster, String group, String... rows) throws Exception {
        var all = new ArrayList<>(List.of(
                "GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG CONSUMER-ID HOST CLIENT-ID"));
        all.addAll(List.of(rows));
        Tool.await(all, ConsumerGroupCommand::main, Tool.with(cluster, "--describe", "--group", group));
    }

    /** Commits an offset of partition 0 of a topic for a group that has no members. */
    private static String committed(Cluster cluster, String topic, long offset) throws Exception {
        String group = cluster.name("group");
        var offsets = Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(offset));
        Check.known(() -> cluster.admin.alterConsumerGroupOffsets(group, offsets).all().get());
        return group;
    }

    private static String filled(Cluster cluster) throws Exception {
        String topic = cluster.topic("grouped", 1);
        cluster.produce(topic, 1, "v", COUNT);
        return topic;
    }

    private static void describeEmpty(Cluster cluster) throws Exception {
        String topic = filled(cluster);
        String group = committed(cluster, topic, 4);
        describes(cluster, group, group + " " + topic + " 0 4 10 6 - - -");
        Said said = groups(cluster, "--describe", "--group", group);
        Check.that(said.err().contains("Consumer group '" + group + "' has no active members."), said);
        groups(cluster, "--describe", "--group", group, "--state")
                .like(group + " \\S+:\\d+ \\(-?\\d+\\) (- )?Empty 0");
        groups(cluster, "--describe", "--group", group, "--offsets", "--verbose")
                .like(group + " " + topic + " 0 \\S+ 4 10 6 - - -");
        Tool.until(each -> each.rows().contains(group), "the group", ConsumerGroupCommand::main,
                Tool.with(cluster, "--list"));
        groups(cluster, "--list", "--state", "empty").has(group + " Empty");
        groups(cluster, "--list", "--type", "classic").has(group + " Classic");
        Check.that(!groups(cluster, "--list", "--state", "stable").rows().contains(group + " Stable"), "is stable");
        String nobody = cluster.name("nobody");
        Said none = groups(cluster, "--describe", "--group", nobody);
        Check.that(none.out().contains("GroupIdNotFoundException: Group " + nobody + " not found."), none);
    }

    private static void members(Cluster cluster, String protocol, String strategy, String type) throws Exception {
        String topic = cluster.topic("shared", 2);
        cluster.produce(topic, 2, "v", COUNT);
        String group = cluster.name(protocol);
        try (var member = Member.of(cluster, group, topic, "group.protocol", protocol, "client.id", "reader-1",
                "group.instance.id", "instance-1")) {
            var all = List.of(member);
            Member.read(all, COUNT);
            Member.share(all, 2);
            String id = member.consumer.groupMetadata().memberId();
            Tool.until(said -> {
                member.poll();
                return said.code() == 0 && said.rows().size() == 3;
            }, "both partitions", ConsumerGroupCommand::main,
                    Tool.with(cluster, "--describe", "--group", group));
            Said offsets = groups(cluster, "--describe", "--group", group);
            for (int i = 0; i < 2; i++) {
                offsets.like(group + " " + topic + " " + i + " 5 5 0 " + id + " /\\S+ reader-1");
            }
            groups(cluster, "--describe", "--group", group, "--members")
                    .like(group + " " + id + " instance-1 /\\S+ reader-1 2");
            groups(cluster, "--describe", "--group", group, "--members", "--verbose")
                    .like(group + " " + id + " instance-1 /\\S+ reader-1 2 .*" + topic + ":0,1.*");
            groups(cluster, "--describe", "--group", group, "--state")
                    .like(group + " \\S+:\\d+ \\(\\d+\\) " + strategy + " Stable 1");
            groups(cluster, "--list", "--type", protocol, "--state").has(group + " " + type + " Stable");
            Tool.run(GroupsCommand::main, Tool.with(cluster, "--list", "--consumer"))
                    .has(group + " " + type + " consumer");
            groups(cluster, "--reset-offsets", "--group", group, "--topic", topic, "--to-earliest", "--execute")
                    .has("Error: Assignments can only be reset if the group '" + group
                            + "' is inactive, but the current state is Stable.");
            groups(cluster, "--delete", "--group", group).like("\\* Group '" + group
                    + "' could not be deleted due to: org.apache.kafka.common.errors.GroupNotEmptyException: .*");
        }
    }

    /** Each way to name an offset; without --execute nothing happens. */
    private static void resetOffsets(Cluster cluster) throws Exception {
        String topic = filled(cluster);
        String group = committed(cluster, topic, 4);
        reset(cluster, group, topic, 6, "--shift-by", "2", "--dry-run");
        describes(cluster, group, group + " " + topic + " 0 4 10 6 - - -");
        reset(cluster, group, topic, 6, "--shift-by", "2", "--execute");
        describes(cluster, group, group + " " + topic + " 0 6 10 4 - - -");
        reset(cluster, group, topic, 3, "--shift-by", "-3", "--execute");
        reset(cluster, group, topic, 3, "--to-current", "--execute");
        reset(cluster, group, topic, 10, "--to-latest", "--execute");
        describes(cluster, group, group + " " + topic + " 0 10 10 0 - - -");
        reset(cluster, group, topic, 0, "--to-earliest", "--execute");
        reset(cluster, group, topic, 7, "--to-offset", "7", "--execute");
        reset(cluster, group, topic, 10, "--to-offset", "700", "--execute");
        reset(cluster, group, topic, 0, "--shift-by", "-700", "--execute");
        describes(cluster, group, group + " " + topic + " 0 0 10 10 - - -");
    }

    private static void reset(Cluster cluster, String group, String topic, long offset, String... how)
            throws Exception {
        var arguments = new ArrayList<>(List.of("--reset-offsets", "--group", group, "--topic", topic));
        arguments.addAll(List.of(how));
        groups(cluster, arguments.toArray(String[]::new)).is(OFFSETS, group + " " + topic + " 0 " + offset);
    }

    private static void resetByTime(Cluster cluster) throws Exception {
        String topic = cluster.topic("timed", 1);
        long now = System.currentTimeMillis();
        try (var producer = cluster.producer()) {
            for (int i = 0; i < COUNT; i++) {
                // Four records of two hours ago, and six of now.
                long time = i < 4 ? now - 2 * HOUR_MS : now;
                producer.send(new ProducerRecord<>(topic, 0, time, "k", "v" + i));
            }
        }
        String group = committed(cluster, topic, 9);
        reset(cluster, group, topic, 4, "--by-duration", "PT1H", "--execute");
        reset(cluster, group, topic, 0, "--by-duration", "PT3H", "--execute");
        String anHourAgo = Instant.ofEpochMilli(now - HOUR_MS).toString();
        reset(cluster, group, topic, 4, "--to-datetime", anHourAgo.substring(0, 19) + ".000Z", "--execute");
        describes(cluster, group, group + " " + topic + " 0 4 10 6 - - -");
    }

    private static void exportAndImport(Cluster cluster) throws Exception {
        String topic = filled(cluster);
        String group = committed(cluster, topic, 4);
        Said exported = groups(cluster, "--reset-offsets", "--group", group, "--topic", topic, "--to-offset", "8",
                "--export", "--dry-run");
        exported.is(topic + ",0,8");
        var plan = Files.writeString(cluster.scratch.resolve(group + ".csv"), exported.out());
        groups(cluster, "--reset-offsets", "--group", group, "--from-file", plan.toString(), "--execute")
                .is(OFFSETS, group + " " + topic + " 0 8");
        describes(cluster, group, group + " " + topic + " 0 8 10 2 - - -");
    }

    private static void delete(Cluster cluster) throws Exception {
        Admin admin = cluster.admin;
        String topic = filled(cluster);
        String other = filled(cluster);
        String group = committed(cluster, topic, 4);
        var more = Map.of(new TopicPartition(other, 0), new OffsetAndMetadata(5));
        Check.known(() -> admin.alterConsumerGroupOffsets(group, more).all().get());
        groups(cluster, "--delete-offsets", "--group", group, "--topic", other).is(
                "Request succeeded for deleting offsets from group " + group + ".", "TOPIC PARTITION STATUS",
                other + " 0 Successful");
        describes(cluster, group, group + " " + topic + " 0 4 10 6 - - -");
        groups(cluster, "--delete", "--group", group)
                .is("Deletion of requested consumer groups ('" + group + "') was successful.");
        groups(cluster, "--delete", "--group", group).like("\\* Group '" + group
                + "' could not be deleted due to: org.apache.kafka.common.errors.GroupIdNotFoundException: .*");
        Tool.until(said -> said.code() == 0 && !said.rows().contains(group), "the list without the group",
                ConsumerGroupCommand::main, Tool.with(cluster, "--list"));
    }
}
