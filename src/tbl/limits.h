/* Bounds that are not Kafka configuration: what one connection, one shard and the process may
 * hold. Bytes and counts; each says what happens when it is reached. */
#ifndef TBL_LIMITS_H
#define TBL_LIMITS_H

/* Size of the buffer a connection's bytes are read into; a frame that does not fit gets its own. */
#define LIMIT_RECEIVE_BUFFER_SIZE (64 * 1024)
/* Connections that the kernel completes before we accept them, at least. */
#define LIMIT_LISTEN_BACKLOG 4096
/* Requests of one connection that may be under way; further frames wait in the socket. */
#define LIMIT_REQUESTS_PER_CONNECTION 64
/* Frames of one connection that are started in one turn; then others get theirs. */
#define LIMIT_FRAMES_PER_TURN 32
/* Unsent answer bytes of one connection at which no further request is started. */
#define LIMIT_UNSENT_BYTES (8 * 1024 * 1024)
/* Answer bytes sent on one connection in one turn; then others get theirs. */
#define LIMIT_SEND_PER_TURN (4 * 1024 * 1024)
/* Arena of one request: enough for the largest legal request's decoded form. */
#define LIMIT_REQUEST_ARENA_BASE (1 * 1024 * 1024)
#define LIMIT_REQUEST_ARENA_FACTOR 16
/* Where memory for requests (ottla.memory.request.bytes) is held by unfinished frames alone, one
 * connection reads on until its frame is complete; it has this long plus what is missing at that
 * rate. */
#define LIMIT_FAVOUR_BASE_MS 1000
#define LIMIT_FAVOUR_BYTES_PER_MS 1024
/* A frame must be complete after ottla.frame.timeout.ms plus its size at this rate. */
#define LIMIT_FRAME_BYTES_PER_MS 16
/* An answer that the client does not read for this long ends its connection. */
#define LIMIT_SEND_STALL_MS 60000
/* Ranges up to this size are read and sent with the header in one call; above, sendfile. */
#define LIMIT_COPY_RANGE_SIZE (32 * 1024)
/* Bytes of a segment that are checked before their first fetch, at least, in one job; more where a
 * reader goes on from piece to piece. */
#define LIMIT_CHECK_SIZE (256 * 1024)
#define LIMIT_CHECK_ON_SIZE (4 * 1024 * 1024)
/* Members of a classic group, and clients that were told to join one, each; and bytes of what its
 * members say they speak. Whoever comes then is told that the group is full. */
#define LIMIT_CLASSIC_GROUP_MEMBERS 10000
#define LIMIT_CLASSIC_GROUP_METADATA_BYTES ((size_t)64 * 1024 * 1024)

#endif
