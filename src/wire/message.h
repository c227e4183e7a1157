/* Messages by table: one decoder and one encoder walk constant tables made from spec/ and alone
 * know varints, flexible versions and tagged fields. A message's struct holds the fields of all its
 * versions (generated: wire/msg/<message>.h); strings, bytes and records are slices of the input.
 *
 * Decoding never asserts on input and takes at most WIRE_MEMORY_RATIO_MAX times the input's bytes
 * from the arena: a count is checked against the smallest possible size of its elements first;
 * unknown tagged fields are passed over, not kept. Pure functions: any thread. */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "wire/chain.h"

/* Inclusive; empty when low > high; 32767 is the open end. */
struct wire_versions {
    int16_t low;
    int16_t high;
};

static inline bool wire_versions_have(struct wire_versions range, int version)
{
    return version >= range.low && version <= range.high;
}

enum wire_type {
    WIRE_BOOL,
    WIRE_INT8,
    WIRE_INT16,
    WIRE_UINT16,
    WIRE_INT32,
    WIRE_UINT32,
    WIRE_INT64,
    WIRE_FLOAT64,
    WIRE_UUID,
    WIRE_STRING,
    WIRE_BYTES,
    WIRE_RECORDS,
    WIRE_STRUCT,
};

enum wire_flag {
    WIRE_ARRAY = 1,         /* a pointer and an int32_t count, -1 for null */
    WIRE_IGNORABLE = 2,     /* dropped silently where a version lacks it */
    WIRE_POINTER = 4,       /* a struct behind a pointer, NULL for null; not to be written through,
                             * since a default that is not null is one constant for all */
    WIRE_NEVER_COMPACT = 8, /* keeps its old encoding in flexible versions */
};

/* Record batches: bytes in memory, or (encoding only) a range that the chain carries along. */
struct wire_records {
    struct slice bytes;             /* null and no external: null */
    struct chain_external external; /* handle NULL: none */
};

struct wire_struct;

struct wire_field {
    const char *name;                  /* as Kafka's JSON writes it */
    const struct wire_struct *element; /* WIRE_STRUCT */
    uint32_t offset;
    uint32_t count_offset; /* WIRE_ARRAY */
    uint8_t type;          /* enum wire_type */
    uint8_t flags;         /* enum wire_flag */
    int16_t tag;           /* -1: none */
    struct wire_versions versions;
    struct wire_versions nullable;
    struct wire_versions tagged;
};

struct wire_struct {
    const struct wire_field *fields;
    const void *defaults; /* a struct with every field at its default */
    uint32_t field_count;
    uint32_t size; /* of the C struct */
    bool has_tags; /* in any version */
};

enum wire_kind {
    WIRE_REQUEST,
    WIRE_RESPONSE,
    WIRE_HEADER,
    WIRE_RECORD,
    WIRE_KEY,
    WIRE_VALUE,
    WIRE_DATA,
};

enum wire_listener { WIRE_ON_BROKER = 1, WIRE_ON_CONTROLLER = 2 };

struct wire_message {
    const char *name;
    const char *family; /* spec/'s folder: "api", "cluster_metadata", "consumer_offsets", ... */
    uint8_t kind;       /* enum wire_kind */
    uint8_t listeners;  /* enum wire_listener, requests only */
    int16_t number;     /* API key or record type; -1: none */
    struct wire_versions versions;
    struct wire_versions flexible;
    const struct wire_struct *type;
};

/* Structs nest at most this deep. */
#define WIRE_DEPTH_MAX 8
#define WIRE_ARRAY_COUNT_MAX 1000000
#define WIRE_UNKNOWN_TAGS_MAX 10000
#define WIRE_STRING_SIZE_MAX 32767
/* Bytes of the arena that decoding takes for each byte of input, at most. */
#define WIRE_MEMORY_RATIO_MAX 64

struct wire_decoded {
    size_t size;             /* bytes consumed */
    const char *fault;       /* static text, NULL on success */
    const char *fault_field; /* the field's name, or NULL */
};

/* Fills *ret_message, a struct of the message's type, with slices of `in` and arrays of the arena.
 * version must be one of the message's. false: *ret_decoded says why; the struct is to be
 * forgotten. Bytes left over are the caller's matter. */
MUST_USE bool wire_decode(const struct wire_message *, int version, struct slice in, struct arena *,
                          void *ret_message, struct wire_decoded *ret_decoded);

/* Appends the message to the chain. false: a field that this version lacks is set (its name in
 * *ret_field when not NULL), or the chain failed. The chain takes over all handles of external
 * records, also on failure. A null array or struct where none is allowed is a bug; unset text there
 * goes out as empty text. */
MUST_USE bool wire_encode(const struct wire_message *, int version, const void *message,
                          struct chain *out, const char **ret_field);

/* Copies the defaults. */
static inline void wire_default(const struct wire_message *message, void *ret_message)
{
    memcpy(ret_message, message->type->defaults, message->type->size);
}

/* Smallest encoded size of one struct in that version, in bytes. */
size_t wire_struct_size_min(const struct wire_struct *, int version, bool flexible);

/* Whether a field of the struct at `base` holds its default. */
bool wire_field_is_default(const struct wire_struct *, const struct wire_field *, const void *base);

#endif
