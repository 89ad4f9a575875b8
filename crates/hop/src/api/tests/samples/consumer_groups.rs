//! Samples of the consumer groups' APIs (KIP-848).

use protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, TopicName,
    consumer_group_describe_response::{Assignment, DescribedGroup, Member, TopicPartitions},
    consumer_group_heartbeat_request as request, consumer_group_heartbeat_response as response,
};

use super::{Request, Response, group, text, topic};

pub(super) fn heartbeat() -> (Request, Response) {
    let owned =
        request::TopicPartitions::default().with_topic_id(topic().0).with_partitions(vec![1, 2]);
    let request = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group())
        .with_member_id(text("member-1"))
        .with_member_epoch(4)
        .with_instance_id(Some(text("static-1")))
        .with_rack_id(Some(text("a")))
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![TopicName(text("orders"))]))
        .with_subscribed_topic_regex(Some(text("orders-.*")))
        .with_server_assignor(Some(text("uniform")))
        .with_topic_partitions(Some(vec![owned]));
    let assigned =
        response::TopicPartitions::default().with_topic_id(topic().0).with_partitions(vec![2, 3]);
    let response = ConsumerGroupHeartbeatResponse::default()
        .with_throttle_time_ms(9)
        .with_error_code(110)
        .with_error_message(Some(text("fenced")))
        .with_member_id(Some(text("member-1")))
        .with_member_epoch(5)
        .with_heartbeat_interval_ms(5_000)
        .with_assignment(Some(
            response::Assignment::default().with_topic_partitions(vec![assigned]),
        ));
    (Request::ConsumerGroupHeartbeat(request), Response::ConsumerGroupHeartbeat(response))
}

pub(super) fn describe() -> (Request, Response) {
    let request = ConsumerGroupDescribeRequest::default()
        .with_group_ids(vec![group()])
        .with_include_authorized_operations(true);
    let assignment = |index| {
        let partitions = TopicPartitions::default()
            .with_topic_id(topic().0)
            .with_topic_name(TopicName(text("orders")))
            .with_partitions(vec![index]);
        Assignment::default().with_topic_partitions(vec![partitions])
    };
    let member = Member::default()
        .with_member_id(text("member-1"))
        .with_instance_id(Some(text("static-1")))
        .with_rack_id(Some(text("a")))
        .with_member_epoch(5)
        .with_client_id(text("reader"))
        .with_client_host(text("127.0.0.1"))
        .with_subscribed_topic_names(vec![TopicName(text("orders"))])
        .with_subscribed_topic_regex(Some(text("orders-.*")))
        .with_assignment(assignment(1))
        .with_target_assignment(assignment(2))
        .with_member_type(1);
    let described = DescribedGroup::default()
        .with_error_code(69)
        .with_error_message(Some(text("gone")))
        .with_group_id(group())
        .with_group_state(text("Stable"))
        .with_group_epoch(6)
        .with_assignment_epoch(6)
        .with_assignor_name(text("uniform"))
        .with_members(vec![member])
        .with_authorized_operations(7);
    let response = ConsumerGroupDescribeResponse::default()
        .with_throttle_time_ms(9)
        .with_groups(vec![described]);
    (Request::ConsumerGroupDescribe(request), Response::ConsumerGroupDescribe(response))
}
