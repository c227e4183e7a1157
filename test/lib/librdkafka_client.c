/* librdkafka itself, from C: writes COUNT records to partition 0 of a topic, or reads that many and
 * holds each against what was written.
 * usage: librdkafka_client produce|consume HOST:PORT TOPIC CODEC COUNT */
#include <librdkafka/rdkafka.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 60000

struct expected {
    char key[32];
    char value[256];
    size_t key_size;
    size_t value_size;
    int has_key;
    int has_value;
    int has_headers;
};

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

static struct expected expected_of(long number) {
    struct expected made = {.has_key = number % 3 != 0, .has_value = number % 5 != 1,
                            .has_headers = number % 4 == 0};
    made.key_size = (size_t)snprintf(made.key, sizeof made.key, "key-%ld", number);
    for (long times = 0; times <= number % 7; times++) {
        made.value_size += (size_t)snprintf(made.value + made.value_size,
                                            sizeof made.value - made.value_size, "value %ld ",
                                            number);
    }
    return made;
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
    (void)client;
    *(int *)opaque += message->err != RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK) {
        fail("%s: %s", name, why);
    }
}

static rd_kafka_t *client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, const char *address) {
    char why[256];
    set(conf, "bootstrap.servers", address);
    rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof why);
    if (client == NULL) {
        fail("%s", why);
    }
    return client;
}

/* Headers: bytes that hold a NUL, an empty one, one that is null, and the first name again. */
static rd_kafka_headers_t *headers_new(void) {
    rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
    rd_kafka_header_add(headers, "a", -1, "\0\1\377", 3);
    rd_kafka_header_add(headers, "empty", -1, "", 0);
    rd_kafka_header_add(headers, "null", -1, NULL, 0);
    rd_kafka_header_add(headers, "a", -1, "again", 5);
    return headers;
}

static void produce(const char *address, const char *topic, const char *codec, long count) {
    int failures = 0;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_opaque(conf, &failures);
    set(conf, "compression.type", codec);
    set(conf, "enable.idempotence", "true");
    set(conf, "linger.ms", "5");
    set(conf, "queue.buffering.max.messages", "1000000");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *client = client_new(RD_KAFKA_PRODUCER, conf, address);
    for (long number = 0; number < count; number++) {
        struct expected made = expected_of(number);
        rd_kafka_headers_t *headers = made.has_headers ? headers_new() : rd_kafka_headers_new(0);
        rd_kafka_resp_err_t error = rd_kafka_producev(
            client, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_KEY(made.has_key ? made.key : NULL, made.has_key ? made.key_size : 0),
            RD_KAFKA_V_VALUE(made.has_value ? made.value : NULL,
                             made.has_value ? made.value_size : 0),
            RD_KAFKA_V_TIMESTAMP(1700000000000 + number), RD_KAFKA_V_HEADERS(headers),
            RD_KAFKA_V_END);
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
            fail("record %ld: %s", number, rd_kafka_err2name(error));
        }
    }
    if (rd_kafka_flush(client, WAIT_MS) != RD_KAFKA_RESP_ERR_NO_ERROR || failures > 0) {
        fail("not all were delivered, %d failed", failures);
    }
    rd_kafka_destroy(client);
}

static int same_bytes(const void *found, size_t size, const char *wanted, size_t wanted_size) {
    if (wanted == NULL) {
        return found == NULL;
    }
    return found != NULL && size == wanted_size && memcmp(found, wanted, size) == 0;
}

static int same_headers(const rd_kafka_message_t *message, int wanted) {
    static const struct {
        const char *name;
        const char *value;
        size_t size;
    } all[] = {{"a", "\0\1\377", 3}, {"empty", "", 0}, {"null", NULL, 0}, {"a", "again", 5}};
    rd_kafka_headers_t *headers = NULL;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return !wanted;
    }
    size_t count = rd_kafka_header_cnt(headers);
    if (count != (wanted ? sizeof all / sizeof *all : 0)) {
        return 0;
    }
    for (size_t index = 0; index < count; index++) {
        const char *name;
        const void *value;
        size_t size;
        rd_kafka_header_get_all(headers, index, &name, &value, &size);
        if (strcmp(name, all[index].name) != 0 ||
            !same_bytes(value, size, all[index].value, all[index].size)) {
            return 0;
        }
    }
    return 1;
}

static void compare(const rd_kafka_message_t *message, long number) {
    struct expected wanted = expected_of(number);
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fail("record %ld: %s", number, rd_kafka_err2name(message->err));
    }
    if (message->offset != number ||
        rd_kafka_message_timestamp(message, NULL) != 1700000000000 + number ||
        !same_bytes(message->key, message->key_len, wanted.has_key ? wanted.key : NULL,
                    wanted.key_size) ||
        !same_bytes(message->payload, message->len, wanted.has_value ? wanted.value : NULL,
                    wanted.value_size) ||
        !same_headers(message, wanted.has_headers)) {
        fail("record %ld came back otherwise, at offset %ld", number, (long)message->offset);
    }
}

static void consume(const char *address, const char *topic, long count) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "check.crcs", "true");
    rd_kafka_t *client = client_new(RD_KAFKA_CONSUMER, conf, address);
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
    if (rd_kafka_consume_start(handle, 0, RD_KAFKA_OFFSET_BEGINNING) != 0) {
        fail("%s", rd_kafka_err2name(rd_kafka_last_error()));
    }
    for (long number = 0; number < count; number++) {
        rd_kafka_message_t *message = rd_kafka_consume(handle, 0, WAIT_MS);
        if (message == NULL) {
            fail("record %ld did not come", number);
        }
        compare(message, number);
        rd_kafka_message_destroy(message);
    }
    rd_kafka_consume_stop(handle, 0);
    rd_kafka_topic_destroy(handle);
    rd_kafka_destroy(client);
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fail("usage: librdkafka_client produce|consume HOST:PORT TOPIC CODEC COUNT");
    }
    long count = strtol(argv[5], NULL, 10);
    if (strcmp(argv[1], "produce") == 0) {
        produce(argv[2], argv[3], argv[4], count);
    } else {
        consume(argv[2], argv[3], count);
    }
    return 0;
}
