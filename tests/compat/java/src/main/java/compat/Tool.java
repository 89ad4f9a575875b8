package compat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import org.apache.kafka.common.utils.Exit;

/**
 * Kafka's command-line tools by their main classes, inside this process: a JVM for each of a hundred calls would take
 * minutes to start. What a tool and the threads it starts print is kept for who called it.
 */
final class Tool {
    /** For what one gateway knows already and the next one is about to learn. */
    private static final Duration PATIENCE = Duration.ofMinutes(1);
    private static final int POLL_MS = 100;
    private static final InheritableThreadLocal<Call> CALL = new InheritableThreadLocal<>();

    /** A tool's main class. */
    interface Main {
        void main(String[] arguments) throws Exception;
    }

    private static final class Call {
        private final InputStream in;
        private final ByteArrayOutputStream out = new ByteArrayOutputStream();
        private final ByteArrayOutputStream err = new ByteArrayOutputStream();
        /** The first one: some tools catch their own wish to end, and ask again with another code. */
        private Integer code;

        private Call(String input) {
            in = new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8));
        }

        private void end(int wanted) {
            code = code == null ? wanted : code;
            throw new Ended();
        }
    }

    /** A tool's wish to end the process. An error, for tools catch every exception. */
    private static final class Ended extends Error {
        private Ended() {
            super("the tool ends", null, false, false);
        }
    }

    private Tool() {}

    /** Stands between this process and all tools. */
    static void install() {
        PrintStream out = System.out;
        PrintStream err = System.err;
        InputStream in = System.in;
        System.setOut(redirected(call -> call == null ? out : call.out));
        System.setErr(redirected(call -> call == null ? err : call.err));
        System.setIn(new InputStream() {
            @Override
            public int read() throws IOException {
                return (CALL.get() == null ? in : CALL.get().in).read();
            }

            @Override
            public int read(byte[] into, int from, int count) throws IOException {
                return (CALL.get() == null ? in : CALL.get().in).read(into, from, count);
            }
        });
        Exit.setExitProcedure((code, message) -> CALL.get().end(code));
        Exit.setShutdownHookAdder((name, hook) -> {});
    }

    private interface Target {
        OutputStream of(Call call);
    }

    private static PrintStream redirected(Target target) {
        return new PrintStream(new OutputStream() {
            @Override
            public void write(int one) throws IOException {
                target.of(CALL.get()).write(one);
            }

            @Override
            public void write(byte[] bytes, int from, int count) throws IOException {
                target.of(CALL.get()).write(bytes, from, count);
            }
        }, true, StandardCharsets.UTF_8);
    }

    /** Arguments behind the address, with which almost every tool's begin. */
    static String[] with(Cluster cluster, String... arguments) {
        var all = new ArrayList<>(List.of("--bootstrap-server", cluster.bootstrap));
        all.addAll(List.of(arguments));
        return all.toArray(String[]::new);
    }

    /** Runs a tool that reads nothing. */
    static Said run(Main tool, String... arguments) throws Exception {
        return given("", tool, arguments);
    }

    /** Runs a tool with this as its standard input. */
    static Said given(String input, Main tool, String... arguments) throws Exception {
        var call = new Call(input);
        CALL.set(call);
        try {
            tool.main(arguments);
        } catch (Ended ended) {
            // The code is known.
        } finally {
            CALL.remove();
        }
        return new Said(List.of(arguments), call.code == null ? 0 : call.code, text(call.out), text(call.err));
    }

    private static String text(ByteArrayOutputStream bytes) {
        return bytes.toString(StandardCharsets.UTF_8);
    }

    /** Runs a tool until it ends well and has printed these rows; see {@link Said#rows}. */
    static void await(List<String> rows, Main tool, String... arguments) throws Exception {
        until(said -> said.code() == 0 && said.rows().equals(rows), rows, tool, arguments);
    }

    /** Runs a tool until what it says is as it should be. */
    static Said until(Predicate<Said> good, Object wanted, Main tool, String... arguments) throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            Said said = run(tool, arguments);
            if (good.test(said)) {
                return said;
            }
            Check.that(System.nanoTime() < deadline, "not ", wanted, " but ", said);
            Thread.sleep(POLL_MS);
        }
    }

    /** Runs a tool that only a process of its own can run. */
    static Said process(Cluster cluster, Class<?> tool, String... arguments) throws Exception {
        Path out = Files.createTempFile(cluster.scratch, tool.getSimpleName(), ".out");
        var command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Xmx128m",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", System.getProperty("java.class.path"),
                tool.getName()));
        command.addAll(List.of(arguments));
        int code = new ProcessBuilder(command).redirectOutput(out.toFile())
                .redirectError(ProcessBuilder.Redirect.DISCARD).start().waitFor();
        return new Said(List.of(arguments), code, Files.readString(out), "");
    }
}
