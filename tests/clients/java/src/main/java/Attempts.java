import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import javax.security.auth.callback.Callback;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.SaslAuthenticationException;
import org.apache.kafka.common.errors.SslAuthenticationException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.UnsupportedSaslMechanismException;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerTokenCallback;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Connects with what it is given, produces a record and reads it back; attempts and what is printed of them are those of
 * tests/clients/python/secured.py.
 */
final class Attempts {
    private static final String MODULES = "org.apache.kafka.common.security.";

    private Attempts() {}

    static void make(Path file) throws Exception {
        // Java by itself does not even try versions and ciphers that a server should refuse.
        Security.setProperty("jdk.tls.disabledAlgorithms", "");
        List<Map<String, String>> attempts = new ArrayList<>();
        List<Future<String>> outcomes = new ArrayList<>();
        var pool = Executors.newFixedThreadPool(16);
        for (String line : Files.readAllLines(file)) {
            Map<String, String> attempt = parse(line);
            attempts.add(attempt);
            outcomes.add(pool.submit(() -> outcome(attempt)));
        }
        for (int i = 0; i < attempts.size(); i++) {
            System.out.println(attempts.get(i).get("name") + "\t" + outcomes.get(i).get());
        }
        pool.shutdown();
    }

    private static Map<String, String> parse(String line) {
        Map<String, String> attempt = new HashMap<>();
        for (String field : line.split("\t")) {
            String[] pair = field.split("=", 2);
            attempt.put(pair[0], pair[1]);
        }
        return attempt;
    }

    private static String outcome(Map<String, String> attempt) throws Exception {
        Map<String, Object> config = config(attempt);
        try (Admin admin = Admin.create(config)) {
            admin.describeCluster().nodes().get();
        } catch (ExecutionException e) {
            return reason(e.getCause());
        }
        TopicPartition partition = new TopicPartition(attempt.get("topic"), 0);
        try (var producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
            producer.send(new ProducerRecord<>(partition.topic(), 0, null, "from Java".getBytes())).get(1, TimeUnit.MINUTES);
        }
        config.put("auto.offset.reset", "earliest");
        try (var consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(Set.of(partition));
            while (consumer.poll(Duration.ofSeconds(1)).isEmpty()) {}
        }
        return "ok";
    }

    private static String reason(Throwable error) {
        if (error instanceof SaslAuthenticationException) return "credentials";
        if (error instanceof UnsupportedSaslMechanismException) return "mechanism";
        if (error instanceof SslAuthenticationException) return "tls";
        if (error instanceof TimeoutException) return "closed";
        return error.toString();
    }

    private static Map<String, Object> config(Map<String, String> attempt) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", attempt.get("bootstrap"));
        config.put("security.protocol", attempt.get("protocol"));
        // Who is not told why it is not served tries again for this long.
        config.put("default.api.timeout.ms", "5000");
        config.put("request.timeout.ms", "5000");
        if (attempt.containsKey("ca")) {
            config.put("ssl.truststore.type", "PEM");
            config.put("ssl.truststore.location", attempt.get("ca"));
            config.put("ssl.enabled.protocols", "TLSv" + attempt.get("tls"));
        }
        if (attempt.containsKey("identity")) {
            config.put("ssl.keystore.type", "PEM");
            config.put("ssl.keystore.location", attempt.get("identity"));
        }
        if (attempt.containsKey("weak")) config.put("ssl.cipher.suites", "TLS_RSA_WITH_AES_128_CBC_SHA");
        String mechanism = attempt.get("mechanism");
        if (mechanism == null) return config;
        config.put("sasl.mechanism", mechanism);
        String module = switch (mechanism) {
            case "PLAIN" -> "plain.PlainLoginModule";
            case "OAUTHBEARER" -> "oauthbearer.OAuthBearerLoginModule";
            default -> "scram.ScramLoginModule";
        };
        String options = mechanism.equals("OAUTHBEARER") ? "token" : "username=\"" + attempt.get("user") + "\" password";
        config.put("sasl.jaas.config", MODULES + module + " required " + options + "=\"" + attempt.get("secret") + "\";");
        if (mechanism.equals("OAUTHBEARER")) config.put("sasl.login.callback.handler.class", Given.class.getName());
        return config;
    }

    /** Logs in with the token of the configuration, whatever it is. */
    public static final class Given implements AuthenticateCallbackHandler {
        private String token;

        @Override
        public void configure(Map<String, ?> configs, String mechanism, List<AppConfigurationEntry> entries) {
            token = (String) entries.get(0).getOptions().get("token");
        }

        @Override
        public void handle(Callback[] callbacks) {
            for (Callback callback : callbacks) {
                if (callback instanceof OAuthBearerTokenCallback asks) asks.token(new Token(token));
            }
        }

        @Override
        public void close() {}
    }

    /** Says of itself that it is valid: the broker is to find out. */
    private record Token(String value) implements OAuthBearerToken {
        @Override
        public Set<String> scope() {
            return Set.of();
        }

        @Override
        public long lifetimeMs() {
            return System.currentTimeMillis() + 3_600_000;
        }

        @Override
        public String principalName() {
            return "-";
        }

        @Override
        public Long startTimeMs() {
            return null;
        }
    }
}
