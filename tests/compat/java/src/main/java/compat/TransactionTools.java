package compat;

import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.tools.TransactionsCommand;

/** {@code kafka-transactions}. */
final class TransactionTools {
    private static final String HANGING = "Topic Partition ProducerId ProducerEpoch CoordinatorEpoch StartOffset "
            + "LastTimestamp Duration(min)";

    private TransactionTools() {}

    static void addTo(Suite suite) {
        suite.add("transactions/list-and-describe", TransactionTools::listAndDescribe);
        suite.add("transactions/find-hanging", TransactionTools::findHanging);
        suite.add("transactions/force-terminate", TransactionTools::forceTerminate);
    }

    private static void listAndDescribe(Cluster cluster) throws Exception {
        String topic = cluster.topic("transactions", 2);
        String id = cluster.name("transaction");
        String[] list = Tool.with(cluster, "list", "--transactional-id-pattern", id);
        String[] describe = Tool.with(cluster, "describe", "--transactional-id", id);
        try (var producer = cluster.producer("transactional.id", id, "transaction.timeout.ms", 54_321)) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, 0, "k", "v")).get();
            producer.send(new ProducerRecord<>(topic, 1, "k", "v")).get();
            String listed = Tool.run(TransactionsCommand::main, list).like(id + " \\d+ \\d+ Ongoing");
            String[] cells = listed.split(" ");
            String described = Tool.run(TransactionsCommand::main, describe).like(
                    cells[1] + " " + id + " " + cells[2] + " \\d+ Ongoing 54321 \\d{13} \\d+ \\S+");
            String partitions = described.substring(described.lastIndexOf(' ') + 1);
            Check.equal(List.of(topic + "-0", topic + "-1"), List.of(partitions.split(",")).stream().sorted().toList(),
                    "the partitions of the transaction");
            Tool.run(TransactionsCommand::main, Tool.with(cluster, "describe-producers", "--topic", topic, "--partition", "0"))
                    .like(cells[2] + " \\d+ -?\\d+ 0 \\d{13} 0");
            producer.commitTransaction();
        }
        Tool.until(said -> said.rows().stream().anyMatch(row -> row.matches(id + " \\d+ \\d+ CompleteCommit")),
                "CompleteCommit", TransactionsCommand::main, list);
        Tool.run(TransactionsCommand::main, describe).like("\\d+ " + id + " \\d+ \\d+ CompleteCommit 54321 \\S+ \\S+");
        Tool.run(TransactionsCommand::main, Tool.with(cluster, "describe-producers", "--topic", topic, "--partition", "0"))
                .like("\\d+ \\d+ \\d+ -1 \\d{13} None");
    }

    /** A transaction that is open and known to its coordinator hangs nowhere. */
    private static void findHanging(Cluster cluster) throws Exception {
        String topic = cluster.topic("hanging", 1);
        try (var producer = cluster.producer("transactional.id", cluster.name("hanging"))) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, 0, "k", "v")).get();
            for (String minutes : List.of("0", "15")) {
                Tool.run(TransactionsCommand::main, Tool.with(cluster, "find-hanging", "--topic", topic,
                        "--max-transaction-timeout", minutes)).is(HANGING);
            }
            producer.abortTransaction();
        }
        Tool.run(TransactionsCommand::main, Tool.with(cluster, "find-hanging", "--topic", topic, "--partition", "0",
                "--max-transaction-timeout", "0")).is(HANGING);
    }

    /** Ends the transaction of a producer that does not answer any more (KIP-939), by fencing it. */
    private static void forceTerminate(Cluster cluster) throws Exception {
        String topic = cluster.topic("terminated", 1);
        String id = cluster.name("terminated");
        try (var producer = cluster.producer("transactional.id", id)) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, 0, "k", "v")).get();
            Tool.run(TransactionsCommand::main,
                    Tool.with(cluster, "forceTerminateTransaction", "--transactionalId", id)).is();
            Tool.until(said -> said.rows().stream().anyMatch(row -> row.matches(id + " \\d+ \\d+ (Empty|CompleteAbort)")),
                    "no transaction", TransactionsCommand::main, Tool.with(cluster, "list", "--transactional-id-pattern", id));
            Check.refused(() -> {
                producer.commitTransaction();
                return null;
            }, ProducerFencedException.class, InvalidProducerEpochException.class);
        }
        Check.equal(new ArrayList<>(), cluster.committed(topic), "committed records");
    }
}
