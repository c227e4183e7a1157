/* What stands around every message: the request's header and the response's. Which header version
 * holds follows from the API and its version; ApiVersions is answered with the oldest header, so
 * that any client can read it (KIP-511). Pure functions: any thread. */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include "wire/message.h"

struct frame_header {
    int16_t api_key;
    int16_t api_version;
    int32_t correlation_id;
    struct slice client_id; /* in the frame; null is allowed */
};

/* Parses the header at the start of a frame (its size prefix excluded). NULL on success, otherwise
 * what is wrong. An API or version that spec/ does not know is parsed as far as the client id. */
MUST_USE const char *frame_header_parse(struct slice frame, struct frame_header *ret_header,
                                        struct slice *ret_body);

/* Appends a size prefix to be filled in by frame_response_end, and the response's header. */
void frame_response_begin(struct chain *, const struct frame_header *);
/* Fills in the size of all that follows the prefix; more than it can say fails the chain. */
void frame_response_end(struct chain *);

/* The same for requests, for clients. */
void frame_request_begin(struct chain *, const struct frame_header *);
void frame_request_end(struct chain *);
/* Skips the header of a response. NULL on success. */
MUST_USE const char *frame_response_parse(struct slice frame, const struct frame_header *sent,
                                          int32_t *ret_correlation_id, struct slice *ret_body);

#endif
