package compat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsOptions;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.UnreleasedInstanceIdException;

/** Groups of both protocols: each record is read once, whoever comes and goes. */
final class GroupTests {
    private static final int PARTITIONS = 6;
    private static final int COUNT = 120;
    private static final Object[] CONSUMER = {"group.protocol", "consumer"};

    private GroupTests() {}

    static void addTo(Suite suite) {
        for (var assignor : List.of(RangeAssignor.class, RoundRobinAssignor.class, CooperativeStickyAssignor.class)) {
            suite.add("group/classic-" + assignor.getSimpleName(), cluster -> comeAndGo(cluster, classic(assignor)));
        }
        for (String assignor : List.of("uniform", "range")) {
            suite.add("group/consumer-" + assignor, cluster -> comeAndGo(cluster, consumer(assignor)));
        }
        suite.add("group/classic-static", cluster -> restartedStatic(cluster, classic(RangeAssignor.class)));
        suite.add("group/consumer-static", cluster -> restartedStatic(cluster, CONSUMER));
        suite.add("group/classic-instance-taken", GroupTests::takenClassic);
        suite.add("group/consumer-instance-taken", GroupTests::takenConsumer);
        suite.add("group/classic-pattern", GroupTests::patternClassic);
        suite.add("group/consumer-pattern", GroupTests::patternConsumer);
        suite.add("group/online-upgrade", GroupTests::onlineUpgrade);
    }

    private static Object[] classic(Class<?> assignor) {
        return new Object[] {"group.protocol", "classic", "partition.assignment.strategy", assignor.getName()};
    }

    private static Object[] consumer(String assignor) {
        return new Object[] {"group.protocol", "consumer", "group.remote.assignor", assignor};
    }

    /** One member, then two, then the second one alone. */
    private static void comeAndGo(Cluster cluster, Object[] kind) throws Exception {
        String topic = cluster.topic("shared", PARTITIONS);
        String group = cluster.name("sharers");
        var values = new ArrayList<String>();
        try (var first = Member.of(cluster, group, topic, kind)) {
            Member.share(List.of(first), PARTITIONS);
            try (var second = Member.of(cluster, group, topic, kind)) {
                Member.share(List.of(first, second), PARTITIONS / 2, PARTITIONS / 2);
                cluster.produce(topic, PARTITIONS, "a", COUNT);
                Member.read(List.of(first, second), COUNT);
                Check.equal(COUNT / 2, first.values.size(), "records of the first member");
                first.close();
                Member.share(List.of(second), PARTITIONS);
                cluster.produce(topic, PARTITIONS, "b", COUNT);
                Member.read(List.of(second), COUNT / 2 + COUNT);
                values.addAll(first.values);
                values.addAll(second.values);
            }
        }
        var expected = Stream.concat(Cluster.numbered("a", COUNT).stream(), Cluster.numbered("b", COUNT).stream());
        Check.equal(expected.sorted().toList(), values.stream().sorted().toList(), "all records, once");
        Check.equal(2L * COUNT, committed(cluster, group), "committed offsets");
    }

    /** A static member that restarts has its partitions back, and nobody else notices. */
    private static void restartedStatic(Cluster cluster, Object[] kind) throws Exception {
        String topic = cluster.topic("static", PARTITIONS);
        String group = cluster.name("statics");
        try (var other = Member.of(cluster, group, topic, instance("other", kind))) {
            Set<?> before;
            try (var member = Member.of(cluster, group, topic, instance("restarted", kind))) {
                Member.share(List.of(other, member), PARTITIONS / 2, PARTITIONS / 2);
                before = Set.copyOf(member.consumer.assignment());
            }
            other.revoked.clear();
            try (var member = Member.of(cluster, group, topic, instance("restarted", kind))) {
                Member.share(List.of(other, member), PARTITIONS / 2, PARTITIONS / 2);
                Check.equal(before, member.consumer.assignment(), "the partitions after the restart");
                cluster.produce(topic, PARTITIONS, "v", COUNT);
                Member.read(List.of(other, member), COUNT);
                Check.equal(COUNT / 2, member.values.size(), "records of the restarted member");
            }
            Check.equal(Set.of(), other.revoked, "taken from the other member");
        }
    }

    private static Object[] instance(String id, Object[] kind) {
        return Stream.concat(Stream.of("group.instance.id", id), Stream.of(kind)).toArray();
    }

    /** The classic protocol fences the former member of an instance id. */
    private static void takenClassic(Cluster cluster) throws Exception {
        String topic = cluster.topic("taken", 1);
        String group = cluster.name("taken");
        Object[] settings = instance("same", classic(RangeAssignor.class));
        try (var former = Member.of(cluster, group, topic, settings)) {
            Member.share(List.of(former), 1);
            try (var latter = Member.of(cluster, group, topic, settings)) {
                Member.share(List.of(latter), 1);
                Check.refused(() -> pollOn(former), FencedInstanceIdException.class);
            }
        }
    }

    /** The consumer protocol refuses the latter. */
    private static void takenConsumer(Cluster cluster) throws Exception {
        String topic = cluster.topic("taken", 1);
        String group = cluster.name("taken");
        Object[] settings = instance("same", CONSUMER);
        try (var former = Member.of(cluster, group, topic, settings)) {
            Member.share(List.of(former), 1);
            try (var latter = Member.of(cluster, group, topic, settings)) {
                Check.refused(() -> pollOn(latter), UnreleasedInstanceIdException.class);
            }
            cluster.produce(topic, 1, "v", 1);
            Member.read(List.of(former), 1);
        }
    }

    private static Object pollOn(Member member) throws Exception {
        Check.await("a refusal", () -> {
            member.poll();
            return false;
        });
        return null;
    }

    private static void patternClassic(Cluster cluster) throws Exception {
        String prefix = cluster.name("pattern");
        try (var member = Member.matching(cluster, cluster.name("matchers"), Pattern.compile(prefix + "-[ab]"),
                "group.protocol", "classic")) {
            pattern(cluster, prefix, member);
        }
    }

    /** Here the cluster looks for the topics (KIP-848, RE2). */
    private static void patternConsumer(Cluster cluster) throws Exception {
        String prefix = cluster.name("pattern");
        try (var member = Member.create(cluster, cluster.name("matchers"), CONSUMER)) {
            member.consumer.subscribe(new SubscriptionPattern(prefix + "-[ab]"), member);
            pattern(cluster, prefix, member);
        }
    }

    /** A topic that is created later is found; one that does not match is not. */
    private static void pattern(Cluster cluster, String prefix, Member member) throws Exception {
        cluster.create(prefix + "-a", 1);
        cluster.create(prefix + "-c", 1);
        Member.share(List.of(member), 1);
        cluster.create(prefix + "-b", 2);
        Member.share(List.of(member), 3);
        for (String topic : List.of("-a", "-b", "-c")) {
            cluster.produce(prefix + topic, 1, topic, 10);
        }
        Member.read(List.of(member), 20);
        var expected = Stream.concat(Cluster.numbered("-a", 10).stream(), Cluster.numbered("-b", 10).stream());
        Check.equal(expected.sorted().toList(), member.values.stream().sorted().toList(), "records");
    }

    /** A member of the consumer protocol joins a classic group, and takes over when the classic one leaves. */
    private static void onlineUpgrade(Cluster cluster) throws Exception {
        String topic = cluster.topic("upgrade", PARTITIONS);
        String group = cluster.name("upgraders");
        var values = new ArrayList<String>();
        try (var former = Member.of(cluster, group, topic, classic(CooperativeStickyAssignor.class))) {
            Member.share(List.of(former), PARTITIONS);
            try (var upgraded = Member.of(cluster, group, topic, CONSUMER)) {
                Member.share(List.of(former, upgraded), PARTITIONS / 2, PARTITIONS / 2);
                cluster.produce(topic, PARTITIONS, "v", COUNT);
                Member.read(List.of(former, upgraded), COUNT);
                former.close();
                Member.share(List.of(upgraded), PARTITIONS);
                values.addAll(former.values);
                values.addAll(upgraded.values);
            }
        }
        var expected = Cluster.numbered("v", COUNT).stream().sorted().toList();
        Check.equal(expected, values.stream().sorted().toList(), "all records, once");
    }

    /** The sum of a group's committed offsets, once none of them is pending in a transaction. */
    static long committed(Cluster cluster, String group) throws Exception {
        var stable = new ListConsumerGroupOffsetsOptions().requireStable(true);
        var all = Map.of(group, new ListConsumerGroupOffsetsSpec());
        var offsets = cluster.admin.listConsumerGroupOffsets(all, stable).all().get().get(group).values();
        return offsets.stream().mapToLong(OffsetAndMetadata::offset).sum();
    }
}
