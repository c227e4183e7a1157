/* Control records; see the header. Key: version and type, 16 bits each. */
#include "meta/control.h"

#include "base/bytes.h"
#include "wire/msg/k_raft_version_record.h"
#include "wire/msg/leader_change_message.h"
#include "wire/msg/snapshot_footer_record.h"
#include "wire/msg/snapshot_header_record.h"
#include "wire/msg/voters_record.h"

enum control_type {
    CONTROL_LEADER_CHANGE = 2,
    CONTROL_SNAPSHOT_HEADER = 3,
    CONTROL_SNAPSHOT_FOOTER = 4,
    CONTROL_KRAFT_VERSION = 5,
    CONTROL_KRAFT_VOTERS = 6,
};

#define CONTROL_SIZE_MAX 65536
#define KRAFT_VERSION_MAX 1

struct control {
    enum control_type type;
    const struct wire_message *message;
    const void *record;
    int64_t timestamp_ms;
};

static bool add(struct batch_builder *builder, const struct control *control)
{
    uint8_t key[4];
    store_i16(key, 0);
    store_i16(key + 2, (int16_t)control->type);
    struct chain value;
    chain_init(&value, CONTROL_SIZE_MAX);
    bool fine = wire_encode(control->message, 0, control->record, &value, NULL);
    if (fine)
        batch_builder_add(builder,
                          &(struct batch_record){.timestamp = control->timestamp_ms,
                                                 .key = slice_of(key, sizeof key),
                                                 .value = slice_of(value.data, value.size)});
    chain_fini(&value);
    return fine;
}

bool meta_control_add_leader_change(struct batch_builder *builder, int64_t timestamp_ms,
                                    int32_t leader_id)
{
    struct leader_change_message_voters voter = {.voter_id = leader_id};
    struct leader_change_message_granting_voters granting = {.voter_id = leader_id};
    struct leader_change_message record = {
        .leader_id = leader_id,
        .voters = &voter,
        .voters_count = 1,
        .granting_voters = &granting,
        .granting_voters_count = 1,
    };
    return add(builder, &(struct control){.type = CONTROL_LEADER_CHANGE,
                                          .message = &wire_leader_change_message,
                                          .record = &record,
                                          .timestamp_ms = timestamp_ms});
}

bool meta_control_add_version(struct batch_builder *builder, int64_t timestamp_ms,
                              int16_t kraft_version)
{
    struct k_raft_version_record record = {.k_raft_version = kraft_version};
    return add(builder, &(struct control){.type = CONTROL_KRAFT_VERSION,
                                          .message = &wire_k_raft_version_record,
                                          .record = &record,
                                          .timestamp_ms = timestamp_ms});
}

bool meta_control_add_voters(struct batch_builder *builder, int64_t timestamp_ms,
                             const struct meta_voter *voter)
{
    struct voters_record_voters_endpoints endpoint = {
        .name = slice_of_text(voter->endpoint->name),
        .host = slice_of_text(voter->endpoint->host),
        .port = voter->endpoint->port,
    };
    struct voters_record_voters entry = {
        .voter_id = voter->id,
        .voter_directory_id = voter->directory_id,
        .endpoints = &endpoint,
        .endpoints_count = 1,
        .k_raft_version_feature = {.min_supported_version = 0, .max_supported_version = 1},
    };
    struct voters_record record = {.voters = &entry, .voters_count = 1};
    return add(builder, &(struct control){.type = CONTROL_KRAFT_VOTERS,
                                          .message = &wire_voters_record,
                                          .record = &record,
                                          .timestamp_ms = timestamp_ms});
}

bool meta_control_add_snapshot_header(struct batch_builder *builder, int64_t timestamp_ms,
                                      int64_t last_contained_ms)
{
    struct snapshot_header_record record = {.last_contained_log_timestamp = last_contained_ms};
    return add(builder, &(struct control){.type = CONTROL_SNAPSHOT_HEADER,
                                          .message = &wire_snapshot_header_record,
                                          .record = &record,
                                          .timestamp_ms = timestamp_ms});
}

bool meta_control_add_snapshot_footer(struct batch_builder *builder, int64_t timestamp_ms)
{
    struct snapshot_footer_record record = {0};
    return add(builder, &(struct control){.type = CONTROL_SNAPSHOT_FOOTER,
                                          .message = &wire_snapshot_footer_record,
                                          .record = &record,
                                          .timestamp_ms = timestamp_ms});
}

/* ---- reading ---- */

static const char *note_version(struct meta_quorum *quorum, struct slice value, struct arena *arena)
{
    struct k_raft_version_record record;
    struct wire_decoded decoded;
    if (!wire_decode(&wire_k_raft_version_record, 0, value, arena, &record, &decoded))
        return decoded.fault;
    if (record.k_raft_version < 0 || record.k_raft_version > KRAFT_VERSION_MAX)
        return "the kraft.version is not known: it was written by a newer version";
    quorum->has_version = true;
    quorum->kraft_version = record.k_raft_version;
    return NULL;
}

static const char *note_voters(struct meta_quorum *quorum, struct slice value, struct arena *arena)
{
    struct voters_record record;
    struct wire_decoded decoded;
    if (!wire_decode(&wire_voters_record, 0, value, arena, &record, &decoded))
        return decoded.fault;
    quorum->has_voters = true;
    quorum->voter_count = record.voters_count;
    if (record.voters_count > 0) {
        quorum->voter_id = record.voters[0].voter_id;
        quorum->voter_directory_id = record.voters[0].voter_directory_id;
    }
    return NULL;
}

static const char *note_header(struct meta_quorum *quorum, struct slice value, struct arena *arena)
{
    struct snapshot_header_record record;
    struct wire_decoded decoded;
    if (!wire_decode(&wire_snapshot_header_record, 0, value, arena, &record, &decoded))
        return decoded.fault;
    quorum->snapshot_begun = true;
    quorum->snapshot_timestamp_ms = record.last_contained_log_timestamp;
    return NULL;
}

static const char *note_record(struct meta_quorum *quorum, const struct record *record,
                               struct arena *arena)
{
    if (record->key.size < 4)
        return "a control record has no type";
    switch (load_i16(record->key.data + 2)) {
    case CONTROL_KRAFT_VERSION:
        return note_version(quorum, record->value, arena);
    case CONTROL_KRAFT_VOTERS:
        return note_voters(quorum, record->value, arena);
    case CONTROL_SNAPSHOT_HEADER:
        return note_header(quorum, record->value, arena);
    case CONTROL_SNAPSHOT_FOOTER:
        quorum->snapshot_ended = true;
        return NULL;
    case CONTROL_LEADER_CHANGE:
        return NULL;
    default:
        return "a control record has an unknown type: it was written by a newer version";
    }
}

const char *meta_control_note(struct meta_quorum *quorum, const struct batch_view *view)
{
    struct arena arena;
    struct record_reader reader;
    struct record record;
    const char *fault = NULL;
    arena_init(&arena, CONTROL_SIZE_MAX * 16);
    record_reader_open(&reader, NULL,
                       (struct record_source){.header = &view->header, .batch = view->bytes});
    while (fault == NULL && record_read(&reader, &record))
        fault = note_record(quorum, &record, &arena);
    if (fault == NULL && reader.fault != CODEC_FINE)
        fault = reader.text;
    record_reader_close(&reader);
    arena_fini(&arena);
    return fault;
}
