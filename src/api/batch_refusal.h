/* What a produce answer tells of a batch that was refused, in Apache Kafka's words (ProduceResponse
 * v8: RecordErrors, ErrorMessage). The connection's shard. */
#ifndef API_BATCH_REFUSAL_H
#define API_BATCH_REFUSAL_H

#include "base/arena.h"
#include "wire/batch_validate.h"
#include "wire/msg/produce_response.h"

struct batch_refusal {
    const struct batch_verdict *verdict; /* its err is not ERR_NONE */
    const struct batch_rules *rules;     /* those that it was judged by */
    struct slice topic;                  /* null: not known any more */
    int32_t partition;
};

/* Sets the message and the record errors, in the arena; its exhaustion leaves them out. */
void batch_refusal_tell(const struct batch_refusal *, struct arena *,
                        struct produce_response_responses_partition_responses *answer);

/* Whether the answer names the log's start: Kafka refuses the others before it looks at the log. */
bool batch_refusal_tells_log_start(const struct batch_refusal *);

/* Kafka looks for transactions in the first batch of every partition before anything else; one that
 * cannot be a batch refuses the whole request: ERR_CORRUPT_MESSAGE with what is said. */
enum err batch_refusal_of_request(struct slice records, struct arena *, struct slice *ret_message);

#endif
