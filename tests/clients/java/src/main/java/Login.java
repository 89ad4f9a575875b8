import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.common.errors.AuthenticationException;

/** Users and their log-ins, as Kafka's own client has them. */
final class Login {
    private Login() {}

    /** Sets a user's password as Kafka's tools do, and prints what the cluster says of it. */
    static void set(String bootstrap, String user, String password) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            ScramCredentialInfo info = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096);
            admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(user, info, password))).all().get();
            System.out.println(admin.describeUserScramCredentials(List.of(user)).description(user).get());
        }
    }

    /**
     * Logs in and asks every 100 ms for some seconds, longer than a session may last; prints "ok", or the error
     * that says why it is not let in.
     */
    static void in(String bootstrap, String mechanism, String user, String password, int seconds) throws Exception {
        String module = mechanism.equals("PLAIN") ? "plain.PlainLoginModule" : "scram.ScramLoginModule";
        String jaas = "org.apache.kafka.common.security.%s required username=\"%s\" password=\"%s\";";
        Map<String, Object> config = Map.of(
            "bootstrap.servers", bootstrap,
            "security.protocol", "SASL_PLAINTEXT",
            "sasl.mechanism", mechanism,
            "sasl.jaas.config", jaas.formatted(module, user, password));
        try (Admin admin = Admin.create(config)) {
            for (int i = 0; i <= seconds * 10; i++) {
                admin.describeCluster().nodes().get();
                Thread.sleep(100);
            }
            System.out.println("ok");
        } catch (ExecutionException e) {
            if (!(e.getCause() instanceof AuthenticationException)) {
                throw e;
            }
            System.out.println(e.getCause().getClass().getSimpleName() + ": " + e.getCause().getMessage());
        }
    }
}
