package compat;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.ClassicGroupState;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.UnknownMemberIdException;

/** Groups and their offsets as administrators see and change them. */
final class GroupAdminTests {
    private static final int PARTITIONS = 2;

    private GroupAdminTests() {}

    static void addTo(Suite suite) {
        suite.add("group-admin/offsets", GroupAdminTests::offsets);
        suite.add("group-admin/describe-classic", cluster -> describe(cluster, "classic", GroupType.CLASSIC));
        suite.add("group-admin/describe-consumer", cluster -> describe(cluster, "consumer", GroupType.CONSUMER));
        suite.add("group-admin/delete", GroupAdminTests::delete);
        suite.add("group-admin/remove-static-member", GroupAdminTests::removeStaticMember);
    }

    /** Offsets of a group without members, which is there as long as it has offsets. */
    private static void offsets(Cluster cluster) throws Exception {
        Admin admin = cluster.admin;
        String topic = cluster.topic("offsets", PARTITIONS);
        String group = cluster.name("offsets");
        var zero = new TopicPartition(topic, 0);
        var one = new TopicPartition(topic, 1);
        var both = Map.of(zero, new OffsetAndMetadata(7, "a note"), one, new OffsetAndMetadata(8));
        Check.known(() -> admin.alterConsumerGroupOffsets(group, both).all().get());
        Check.equal(both, listed(admin, group), "the offsets");
        admin.alterConsumerGroupOffsets(group, Map.of(zero, new OffsetAndMetadata(3))).all().get();
        admin.deleteConsumerGroupOffsets(group, Set.of(one)).all().get();
        Check.equal(Map.of(zero, new OffsetAndMetadata(3)), listed(admin, group), "the offsets after a change");
        var asked = Map.of(group, new ListConsumerGroupOffsetsSpec().topicPartitions(List.of(zero, one)));
        var answer = admin.listConsumerGroupOffsets(asked).partitionsToOffsetAndMetadata(group).get();
        Check.that(answer.containsKey(one) && answer.get(one) == null, "a deleted offset in ", answer);
    }

    private static Map<TopicPartition, OffsetAndMetadata> listed(Admin admin, String group) throws Exception {
        return admin.listConsumerGroupOffsets(Map.of(group, new ListConsumerGroupOffsetsSpec())).all().get().get(group);
    }

    private static void describe(Cluster cluster, String protocol, GroupType type) throws Exception {
        Admin admin = cluster.admin;
        String topic = cluster.topic("described", PARTITIONS);
        String group = cluster.name("described");
        Object[] settings = {"group.protocol", protocol, "client.id", "describer"};
        try (var one = Member.of(cluster, group, topic, settings); var other = Member.of(cluster, group, topic, settings)) {
            var members = List.of(one, other);
            Member.share(members, 1, 1);
            Check.await("a stable group", () -> {
                members.forEach(Member::poll);
                return described(admin, group).groupState() == GroupState.STABLE;
            });
            ConsumerGroupDescription description = described(admin, group);
            Check.equal(type, description.type(), "the type");
            Check.equal(2, description.members().size(), "the number of members");
            for (var member : description.members()) {
                Check.equal("describer", member.clientId(), "the client of a member");
                Check.equal(1, member.assignment().topicPartitions().size(), "the partitions of a member");
            }
            Check.that(listing(admin, group).type().orElseThrow() == type, "the type in the list");
            if (type == GroupType.CLASSIC) {
                var classic = admin.describeClassicGroups(List.of(group)).describedGroups().get(group).get();
                Check.equal(ClassicGroupState.STABLE, classic.state(), "the state of the classic group");
                Check.equal("consumer", classic.protocol(), "its protocol");
            }
        }
        Check.await("an empty group", () -> described(admin, group).groupState() == GroupState.EMPTY);
        Check.equal(0, described(admin, group).members().size(), "the members of an empty group");
    }

    private static ConsumerGroupDescription described(Admin admin, String group) throws Exception {
        return admin.describeConsumerGroups(List.of(group)).describedGroups().get(group).get();
    }

    private static GroupListing listing(Admin admin, String group) throws Exception {
        return admin.listGroups().all().get().stream().filter(each -> each.groupId().equals(group))
                .findFirst().orElseThrow();
    }

    /** A group in use cannot be deleted, nor its offsets; an empty one can, once. */
    private static void delete(Cluster cluster) throws Exception {
        Admin admin = cluster.admin;
        String topic = cluster.topic("deleted", PARTITIONS);
        String group = cluster.name("deleted");
        try (var member = Member.of(cluster, group, topic, "group.protocol", "consumer")) {
            Member.share(List.of(member), PARTITIONS);
            cluster.produce(topic, PARTITIONS, "v", 10);
            Member.read(List.of(member), 10);
            Check.refused(() -> admin.deleteConsumerGroups(List.of(group)).all().get(), GroupNotEmptyException.class);
            var used = Set.of(new TopicPartition(topic, 0));
            Check.refused(() -> admin.deleteConsumerGroupOffsets(group, used).all().get(),
                    GroupSubscribedToTopicException.class);
        }
        Check.await("an empty group", () -> described(admin, group).groupState() == GroupState.EMPTY);
        admin.deleteConsumerGroups(List.of(group)).all().get();
        Check.refused(() -> admin.deleteConsumerGroups(List.of(group)).all().get(), GroupIdNotFoundException.class);
        boolean gone = admin.listGroups().all().get().stream().noneMatch(each -> each.groupId().equals(group));
        Check.that(gone, "it is still listed");
        Check.equal(Map.of(), listed(admin, group), "offsets of a group that is gone");
    }

    /** A static member that is gone keeps its partitions until somebody removes it. */
    private static void removeStaticMember(Cluster cluster) throws Exception {
        String topic = cluster.topic("removed", PARTITIONS);
        String group = cluster.name("removed");
        Object[] left = {"group.protocol", "classic", "group.instance.id", "left", "session.timeout.ms", 300_000};
        try (var other = Member.of(cluster, group, topic, "group.protocol", "classic")) {
            try (var member = Member.of(cluster, group, topic, left)) {
                Member.share(List.of(other, member), 1, 1);
            }
            other.poll();
            Check.equal(1, other.partitions(), "partitions while the other one is away");
            remove(cluster, group, "left");
            Member.share(List.of(other), PARTITIONS);
            Check.refused(() -> remove(cluster, group, "nobody"), UnknownMemberIdException.class);
        }
    }

    private static Void remove(Cluster cluster, String group, String instance) throws Exception {
        var options = new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove(instance)));
        return cluster.admin.removeMembersFromConsumerGroup(group, options).all().get();
    }
}
