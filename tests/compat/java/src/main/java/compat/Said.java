package compat;

import java.util.List;
import java.util.regex.Pattern;

/** What a tool printed, and its exit code. */
record Said(List<String> arguments, int code, String out, String err) {
    /** The lines that are not empty, with one blank for each run of blanks: tools pad their tables. */
    List<String> rows() {
        return out.lines().map(line -> line.strip().replaceAll("\\s+", " ")).filter(line -> !line.isEmpty()).toList();
    }

    /** That it ended well and printed exactly this. */
    void is(String... rows) {
        Check.that(code == 0 && rows().equals(List.of(rows)), "not ", List.of(rows), " but ", this);
    }

    /** That it ended well and printed this among other things. */
    void has(String... rows) {
        Check.that(code == 0 && rows().containsAll(List.of(rows)), "not ", List.of(rows), " in ", this);
    }

    /** That it ended well and one row looks so; the row. */
    String like(String pattern) {
        var regex = Pattern.compile(pattern);
        var found = rows().stream().filter(row -> regex.matcher(row).matches()).toList();
        Check.that(code == 0 && found.size() == 1, found.size(), " times ", pattern, " in ", this);
        return found.get(0);
    }

    /** That it failed and said this somewhere. */
    void failed(String why) {
        Check.that(code == 1 && (out.contains(why) || err.contains(why)), "no failure by ", why, " but ", this);
    }
}
