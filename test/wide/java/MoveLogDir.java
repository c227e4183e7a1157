import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.common.TopicPartitionReplica;

/** Kafka's Java Admin moves a partition to the broker's other log directory and waits until it is there.
 *  Words: address, topic, partition. */
public class MoveLogDir {
    static String home(Map<String, LogDirDescription> dirs, TopicPartitionReplica replica, boolean future) {
        for (var dir : dirs.entrySet())
            for (var at : dir.getValue().replicaInfos().entrySet())
                if (at.getKey().topic().equals(replica.topic()) && at.getKey().partition() == replica.partition()
                    && at.getValue().isFuture() == future)
                    return dir.getKey();
        return null;
    }

    public static void main(String[] words) throws Exception {
        var settings = new Properties();
        settings.put("bootstrap.servers", words[0]);
        var replica = new TopicPartitionReplica(words[1], Integer.parseInt(words[2]), 1);
        try (var admin = Admin.create(settings)) {
            var dirs = admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1);
            String from = home(dirs, replica, false);
            String to = dirs.keySet().stream().filter(path -> !path.equals(from)).findFirst().get();
            admin.alterReplicaLogDirs(Map.of(replica, to)).all().get();
            for (int i = 0; i < 600; i++) {
                dirs = admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1);
                if (to.equals(home(dirs, replica, false)) && home(dirs, replica, true) == null) {
                    System.out.println(from + " " + to);
                    return;
                }
                Thread.sleep(50);
            }
            throw new IllegalStateException("it does not arrive in " + to);
        }
    }
}
