import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * A producer with default settings that never stops: twenty records a second until SIGTERM. It writes a line for
 * each, {@code ack NUMBER MS} or {@code error …}, as tests/clients/python/beat.py does.
 */
final class Beat {
    private static volatile boolean stopping;

    private Beat() {}

    static void run(String bootstrap, String topic, Path path) throws Exception {
        Thread beating = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(beating)));
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("key.serializer", ByteArraySerializer.class.getName());
        config.put("value.serializer", ByteArraySerializer.class.getName());
        try (var log = new PrintWriter(Files.newBufferedWriter(path), true);
                var producer = new KafkaProducer<byte[], byte[]>(config)) {
            for (int count = 0; !stopping; count++) {
                int number = count;
                byte[] value = Integer.toString(number).getBytes(StandardCharsets.US_ASCII);
                producer.send(new ProducerRecord<>(topic, value), (sent, error) -> log.println(
                        error == null ? "ack " + number + " " + System.currentTimeMillis() : "error " + number + " " + error));
                Thread.sleep(50);
            }
        }
    }

    /** A JVM that was sent SIGTERM ends when its hooks do, and never with 0. */
    private static void stop(Thread beating) {
        stopping = true;
        try {
            beating.join();
        } catch (InterruptedException error) {
            Runtime.getRuntime().halt(1);
        }
        Runtime.getRuntime().halt(0);
    }
}
