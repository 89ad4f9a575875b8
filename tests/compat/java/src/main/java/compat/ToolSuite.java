package compat;

import org.slf4j.LoggerFactory;

/** Kafka's command-line tools as a suite; arguments and output are those of {@link Suite}. */
public final class ToolSuite {
    private ToolSuite() {}

    public static void main(String[] arguments) throws Exception {
        // The log stays on this process's standard error: it takes what is there when the first logger is made.
        LoggerFactory.getLogger(ToolSuite.class).debug("tools");
        Tool.install();
        var suite = new Suite();
        GroupTools.addTo(suite);
        RecordTools.addTo(suite);
        TransactionTools.addTo(suite);
        TopicTools.addTo(suite);
        ConfigTools.addTo(suite);
        UserTools.addTo(suite);
        AclTools.addTo(suite);
        ClusterTools.addTo(suite);
        suite.start(arguments);
    }
}
