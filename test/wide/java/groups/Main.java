// Groups and transactions of Kafka's Java clients against a node whose rebalances are quick (QUICK_GROUPS of
// lib/node.py). Each check prints a line. usage: java Main HOST:PORT [WORD]; only what WORD begins

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;

public class Main {
    public static void main(String[] words) throws Exception {
        Kit.address = words[0];
        Map<String, Runnable> all = new LinkedHashMap<>();
        all.put("classic", () -> new Groups("classic").run());
        all.put("consumer", () -> new Groups("consumer").run());
        all.put("patterns of classic", () -> new Groups("classic").patterns());
        all.put("patterns of consumer", () -> new Groups("consumer").patterns());
        all.put("migrate", Groups::migrate);
        all.put("admin", GroupAdmin::run);
        all.put("transactions", Transactions::run);
        all.put("transactions' admin", TransactionAdmin::run);
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", words[0]))) {
            Kit.admin = admin;
            // They mostly wait: at the same time.
            List<Thread> threads = all.entrySet().stream()
                .filter(each -> words.length < 2 || each.getKey().startsWith(words[1]))
                .map(each -> new Thread(each.getValue(), each.getKey())).collect(Collectors.toList());
            threads.forEach(Thread::start);
            for (Thread each : threads) {
                each.join();
            }
        }
        System.exit(Kit.end());
    }
}
