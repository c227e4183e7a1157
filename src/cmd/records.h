/* ottla produce and ottla consume: records by librdkafka. One thread of ours. */
#ifndef CMD_RECORDS_H
#define CMD_RECORDS_H

#include "cmd/command.h"
#include "cmd/rdkafka.h"

extern const struct command_flag produce_flag_key;
extern const struct command_flag produce_flag_header;
extern const struct command_flag produce_flag_partition;
extern const struct command_flag produce_flag_format;
extern const struct command_flag produce_flag_codec;
extern const struct command_flag produce_flag_tombstone;
extern const struct command_flag produce_flag_acks;
extern const struct command_flag produce_flag_timeout;

extern const struct command_flag consume_flag_keys;
extern const struct command_flag consume_flag_headers;
extern const struct command_flag consume_flag_partitions;
extern const struct command_flag consume_flag_offset;
extern const struct command_flag consume_flag_number;
extern const struct command_flag consume_flag_format;
extern const struct command_flag consume_flag_end;
extern const struct command_flag consume_flag_group;
extern const struct command_flag consume_flag_commit;

enum exit_code produce_run(const struct command_call *);
enum exit_code consume_run(const struct command_call *);

/* Says at once, and in plain words, when no broker answers: librdkafka would go on trying. Passed
 * over where -X asks for TLS or SASL. false: an error line. */
MUST_USE bool records_broker_is_there(const struct command_call *);
/* "hello on localhost:9092: MESSAGE_TOO_LARGE (10): ..." text: what librdkafka says about an error
 * of its own; NULL: the usual. */
void records_report(const struct rdkafka *, const struct command_call *, const char *what,
                    rd_kafka_resp_err_t error, const char *text);

#endif
