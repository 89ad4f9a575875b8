package compat;

import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.common.errors.UnknownTopicIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** What tests say about results. */
final class Check {
    /** For a slow machine that does other things as well: no test is about time. */
    static final Duration PATIENCE = Duration.ofMinutes(3);
    private static final int POLL_MS = 50;

    private Check() {}

    static void that(boolean holds, Object... what) {
        if (!holds) {
            var text = new StringBuilder();
            for (Object part : what) {
                text.append(part);
            }
            throw new AssertionError(text.toString());
        }
    }

    static void equal(Object expected, Object actual, String what) {
        that(Objects.equals(expected, actual), what, ": ", actual, ", not ", expected);
    }

    /** That an action is refused in one of these ways, whether it says so at once or in its future. */
    @SafeVarargs
    static void refused(Callable<?> action, Class<? extends Throwable>... ways) throws Exception {
        Object answer;
        try {
            answer = action.call();
        } catch (Exception error) {
            Throwable why = error instanceof ExecutionException ? error.getCause() : error;
            // Clients wrap what a broker answered when it is found only later.
            for (Throwable each = why; each != null; each = each.getCause()) {
                for (var way : ways) {
                    if (way.isInstance(each)) {
                        return;
                    }
                }
            }
            throw error;
        }
        throw new AssertionError("was not refused with " + ways[0].getSimpleName() + ", but answered " + answer);
    }

    /** Asks until the answer is yes. */
    static void await(String what, Callable<Boolean> condition) throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.call()) {
            that(System.nanoTime() < deadline, "in vain: ", what);
            Thread.sleep(POLL_MS);
        }
    }

    /** The answer to a question about something new: brokers learn of it one after the other. */
    static <T> T known(Callable<T> question) throws Exception {
        var answer = new AtomicReference<T>();
        await("an answer", () -> {
            try {
                answer.set(question.call());
                return true;
            } catch (ExecutionException error) {
                Throwable why = error.getCause();
                if (why instanceof UnknownTopicOrPartitionException || why instanceof UnknownTopicIdException) {
                    return false;
                }
                throw error;
            }
        });
        return answer.get();
    }
}
