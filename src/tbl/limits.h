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
/* Memory for requests and answers of one shard; past it, connections with large unfinished frames
 * are not read until others are done. */
#define LIMIT_SHARD_BUFFER_BYTES (512LL * 1024 * 1024)
/* A frame must be complete after this long plus its size at the slowest rate we accept. */
#define LIMIT_FRAME_BASE_MS 30000
#define LIMIT_FRAME_BYTES_PER_MS 16
/* An answer that the client does not read for this long ends its connection. */
#define LIMIT_SEND_STALL_MS 60000
/* Ranges up to this size are read and sent with the header in one call; above, sendfile. */
#define LIMIT_COPY_RANGE_SIZE (32 * 1024)

#endif
