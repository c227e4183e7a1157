/* All messages of spec/, and finding one. Constant data: any thread. */
#ifndef WIRE_MESSAGES_H
#define WIRE_MESSAGES_H

#include "wire/message.h"

extern const struct wire_message *const wire_messages[];
extern const size_t wire_message_count;

/* By API key, with holes; keys from 0 to wire_api_count - 1. */
extern const int wire_api_count;
extern const struct wire_message *const wire_requests[];
extern const struct wire_message *const wire_responses[];

/* NULL when there is none. */
static inline const struct wire_message *wire_request(int16_t api_key)
{
    return api_key >= 0 && api_key < wire_api_count ? wire_requests[api_key] : NULL;
}

static inline const struct wire_message *wire_response(int16_t api_key)
{
    return api_key >= 0 && api_key < wire_api_count ? wire_responses[api_key] : NULL;
}

/* A record of an internal topic or of the metadata log. family: "cluster_metadata",
 * "consumer_offsets", "transaction_state", "share_group_state", "remote_log"; kind WIRE_RECORD,
 * WIRE_KEY or WIRE_VALUE. */
struct wire_record_name {
    const char *family;
    enum wire_kind kind;
    int16_t number;
};
const struct wire_message *wire_record(const struct wire_record_name *);
/* By the name of spec/, e.g. "MetadataRequest". */
const struct wire_message *wire_message_named(struct slice name);

#endif
