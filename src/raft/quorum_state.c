/* quorum-state; see the header. The fields are those of Kafka's QuorumStateData 0 and 1. */
#include "raft/quorum_state.h"

#include <jansson.h>

/* What a file said, with the first thing that is wrong with it. */
struct reading {
    const json_t *json;
    const char *fault;
};

static int32_t number(struct reading *reading, const char *key, const char *fault)
{
    const json_t *value = json_object_get(reading->json, key);
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : INT64_MIN;
    if (number >= RAFT_NOBODY && number <= INT32_MAX)
        return (int32_t)number;
    if (reading->fault == NULL)
        reading->fault = fault;
    return RAFT_NOBODY;
}

/* Version 0 lists the voters of a static quorum. */
static void read_voters(struct reading *reading, struct raft_quorum_state *state)
{
    const json_t *voters = json_object_get(reading->json, "currentVoters");
    size_t count = json_array_size(voters);
    for (size_t i = 0; i < count; i++) {
        struct reading voter = {.json = json_array_get(voters, i)};
        int32_t id = number(&voter, "voterId", "its currentVoters have no voterId");
        if (reading->fault == NULL)
            reading->fault = voter.fault;
        if (i == 0)
            state->voter_id = id;
    }
    state->voter_count = (int)MIN_OF(count, (size_t)INT32_MAX);
    if (!json_is_array(voters) && reading->fault == NULL)
        reading->fault = "its currentVoters are missing or malformed";
}

static void read_directory(struct reading *reading, struct raft_quorum_state *state)
{
    const char *id = json_string_value(json_object_get(reading->json, "votedDirectoryId"));
    bool fine = id != NULL && uuid_parse(slice_of_text(id), &state->voted_directory_id);
    if (!fine && reading->fault == NULL)
        reading->fault = "its votedDirectoryId is missing or malformed";
}

const char *quorum_state_read(struct slice text, struct raft_quorum_state *ret_state)
{
    json_t *json = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(json)) {
        json_decref(json);
        return text.size == 0 ? "it is empty" : "it is not a line of JSON";
    }
    struct reading reading = {.json = json};
    struct raft_quorum_state state = {
        .version = number(&reading, "data_version", "its data_version is missing or malformed"),
        .leader_id = number(&reading, "leaderId", "its leaderId is missing or malformed"),
        .leader_epoch = number(&reading, "leaderEpoch", "its leaderEpoch is missing or malformed"),
        .voted_id = number(&reading, "votedId", "its votedId is missing or malformed"),
    };
    if (reading.fault == NULL && state.version != 0 && state.version != 1)
        reading.fault = "its data_version is unknown: it was written by a newer version";
    if (reading.fault == NULL && state.leader_epoch < 0)
        reading.fault = "its leaderEpoch is missing or malformed";
    if (state.version == 0)
        read_voters(&reading, &state);
    else
        read_directory(&reading, &state);
    json_decref(json);
    if (reading.fault == NULL)
        *ret_state = state;
    return reading.fault;
}

void quorum_state_write(const struct raft_quorum_state *state, struct text *text)
{
    if (state->version == 0) {
        text_printf(text,
                    "{\"clusterId\":\"\",\"leaderId\":%d,\"leaderEpoch\":%d,\"votedId\":%d,"
                    "\"appliedOffset\":0,\"currentVoters\":[{\"voterId\":%d}],\"data_version\":0}",
                    state->leader_id, state->leader_epoch, state->voted_id, state->voter_id);
        return;
    }
    char id[UUID_TEXT_SIZE];
    uuid_format(state->voted_directory_id, id);
    text_printf(text,
                "{\"leaderId\":%d,\"leaderEpoch\":%d,\"votedId\":%d,\"votedDirectoryId\":\"%s\","
                "\"data_version\":1}",
                state->leader_id, state->leader_epoch, state->voted_id, id);
}
