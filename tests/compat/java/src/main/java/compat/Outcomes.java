package compat;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/** The events of {@code go test -json}: one line each, written at once, for the log has other writers. */
final class Outcomes {
    private static final FileOutputStream OUT = new FileOutputStream(FileDescriptor.out);

    private Outcomes() {}

    static void run(String test) {
        event("run", test, "");
    }

    static void pass(String test) {
        event("pass", test, "");
    }

    static void fail(String test, Throwable why) {
        var trace = new StringWriter();
        why.printStackTrace(new PrintWriter(trace));
        event("output", test, trace.toString());
        event("fail", test, "");
    }

    private static synchronized void event(String action, String test, String output) {
        String line = String.format("{\"Action\":%s,\"Test\":%s,\"Output\":%s}%n", quoted(action), quoted(test),
                quoted(output));
        try {
            OUT.write(line.getBytes(StandardCharsets.UTF_8));
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static String quoted(String text) {
        var json = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                json.append('\\').append(c);
            } else if (c < ' ') {
                json.append(String.format("\\u%04x", (int) c));
            } else {
                json.append(c);
            }
        }
        return json.append('"').toString();
    }
}
