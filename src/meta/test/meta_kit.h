/* A controller with one data shard on the disk of a simulated node: opened as the node does it,
 * called by peer_call, stopped cleanly or left to a crash. One at a time. */
#ifndef META_TEST_META_KIT_H
#define META_TEST_META_KIT_H

#include "config/node.h"
#include "log/dir.h"
#include "meta/meta.h"

#define META_KIT_SETTINGS_MAX 8
#define META_KIT_SETTINGS(...) ((const char *const[META_KIT_SETTINGS_MAX + 1]){__VA_ARGS__})

struct meta_kit;

/* Formats where needed, replays, leads; the data shard has an image when this returns. NULL: the
 * start was refused, *error (the caller's, begun) says why, or the metadata log failed. */
struct meta_kit *meta_kit_open(const char *const *settings, struct text *error);
/* A clean stop; frees. False: not clean. */
bool meta_kit_stop(struct meta_kit *);

/* The decoded response, in the kit's memory; NULL: no answer, since the metadata log failed or the
 * transport says so. */
const void *meta_kit_call(struct meta_kit *, int16_t api_key, int16_t version, const void *request);
/* Makes so many calls of one topic each at intervals of single turns, without waiting for answers:
 * names are the prefix and a number. True: all were answered, each after its image. */
bool meta_kit_flood(struct meta_kit *, const char *prefix, int count);
enum err meta_kit_transport(const struct meta_kit *);
bool meta_kit_failed(const struct meta_kit *);
/* What the data shard held when the last answer came, or at the start. */
const struct meta_image *meta_kit_image(const struct meta_kit *);
struct arena *meta_kit_arena(struct meta_kit *);
const struct node_config *meta_kit_config(const struct meta_kit *);

/* Registers node 1 as a broker and unfences it: its epoch, or -1 when the log failed. */
int64_t meta_kit_register(struct meta_kit *);
/* The broker's controlled shutdown. */
void meta_kit_leave(struct meta_kit *, int64_t broker_epoch);
/* CreateTopics of one topic without more; its error code, or -1 when there is no answer. */
int meta_kit_create(struct meta_kit *, const char *name, int32_t partitions);
/* The first producer id of a new block, -1 when there is no answer. */
int64_t meta_kit_producer_ids(struct meta_kit *, int64_t broker_epoch);

#endif
