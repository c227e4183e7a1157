// Reads lines of name, version, bytes and JSON (see make.c) and holds each against Kafka's own class
// of that name. Prints the first differences and closes with the counts.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;

public class Messages {
    private static final String[] PACKAGES = {
        "org.apache.kafka.common.message.", "org.apache.kafka.common.metadata.",
        "org.apache.kafka.coordinator.group.generated.",
        "org.apache.kafka.coordinator.transaction.generated.",
        "org.apache.kafka.coordinator.share.generated.", "org.apache.kafka.raft.generated.",
        "org.apache.kafka.server.log.remote.metadata.storage.generated.",
        "org.apache.kafka.storage.internals.log.generated.",
        "org.apache.kafka.storage.internals.log.", "org.apache.kafka.storage.generated."};
    private static final int SHOWN_MAX = 20;
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final Map<String, Class<?>> CLASSES = new HashMap<>();

    private static Class<?> find(String name) {
        for (String start : PACKAGES) {
            for (String end : new String[] {"", "Data"}) {
                try {
                    return Class.forName(start + name + end);
                } catch (ClassNotFoundException e) {
                    // the next one
                }
            }
        }
        throw new IllegalArgumentException("Kafka has no class of that name");
    }

    // Kafka prints all record bytes as the empty text.
    private static String withoutRecords(JsonNode json) {
        return json.toString().replaceAll("\"(records|unalignedRecords)\":\"[^\"]*\"", "\"\":\"\"");
    }

    // What differs; null: nothing.
    private static String compare(String name, short version, String hex, String json)
            throws Exception {
        Class<?> type = CLASSES.computeIfAbsent(name, Messages::find);
        Class<?> converter = Class.forName(type.getName() + "JsonConverter");
        JsonNode ours = MAPPER.readTree(json);
        Message read = (Message) converter.getMethod("read", JsonNode.class, short.class)
            .invoke(null, ours, version);
        JsonNode printed = (JsonNode) converter.getMethod("write", type, short.class)
            .invoke(null, read, version);
        if (!withoutRecords(printed).equals(withoutRecords(ours))) {
            return "prints as " + printed;
        }
        byte[] bytes = HexFormat.of().parseHex(hex);
        ByteBuffer encoded = MessageUtil.toByteBufferAccessor(read, version).buffer();
        if (!encoded.equals(ByteBuffer.wrap(bytes))) {
            byte[] theirs = new byte[encoded.remaining()];
            encoded.get(theirs);
            return "encodes as " + HexFormat.of().formatHex(theirs);
        }
        ByteBuffer in = ByteBuffer.wrap(bytes);
        Message decoded = (Message) type
            .getConstructor(org.apache.kafka.common.protocol.Readable.class, short.class)
            .newInstance(new ByteBufferAccessor(in), version);
        if (in.hasRemaining()) {
            return "leaves " + in.remaining() + " bytes unread";
        }
        // Record bytes were used up by encoding; what remains of such messages was compared above.
        boolean records = json.contains("ecords\":\"");
        return records || decoded.equals(read) ? null : "decodes as " + decoded;
    }

    public static void main(String[] args) throws Exception {
        BufferedReader in =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        int passed = 0;
        int failed = 0;
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] part = line.split("\t", 4);
            String fault;
            try {
                fault = compare(part[0], Short.parseShort(part[1]), part[2], part[3]);
            } catch (Exception e) {
                fault = "is refused: " + (e.getCause() != null ? e.getCause() : e);
            }
            if (fault == null) {
                passed++;
            } else if (failed++ < SHOWN_MAX) {
                System.out.println(part[0] + " v" + part[1] + " " + fault + "\n  " + line);
            }
        }
        System.out.println(passed + " passed, " + failed + " failed");
        System.exit(failed == 0 && passed > 0 ? 0 : 1);
    }
}
