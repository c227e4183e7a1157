/* quorum-state; see the header. */
#include "raft/quorum_state.h"

#include <jansson.h>

static int32_t number(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    return json_is_integer(value) ? (int32_t)json_integer_value(value) : RAFT_NOBODY;
}

const char *quorum_state_read(struct slice text, struct raft_quorum_state *ret_state)
{
    json_t *json = json_loadb((const char *)text.data, text.size, 0, NULL);
    if (!json_is_object(json)) {
        json_decref(json);
        return "quorum-state is not a line of JSON";
    }
    struct raft_quorum_state state = {
        .version = number(json, "data_version"),
        .leader_id = number(json, "leaderId"),
        .leader_epoch = number(json, "leaderEpoch"),
        .voted_id = number(json, "votedId"),
    };
    const char *fault = NULL;
    if (state.version != 0 && state.version != 1)
        fault = "quorum-state has an unknown data_version";
    const char *id = json_string_value(json_object_get(json, "votedDirectoryId"));
    if (fault == NULL && state.version == 1 && id != NULL &&
        !uuid_parse(slice_of_text(id), &state.voted_directory_id))
        fault = "quorum-state has a malformed votedDirectoryId";
    json_decref(json);
    if (fault == NULL)
        *ret_state = state;
    return fault;
}

void quorum_state_write(const struct raft_quorum_state *state, int32_t voter_id,
                        struct text *text)
{
    if (state->version == 0) {
        text_printf(text,
                    "{\"clusterId\":\"\",\"leaderId\":%d,\"leaderEpoch\":%d,\"votedId\":%d,"
                    "\"appliedOffset\":0,\"currentVoters\":[{\"voterId\":%d}],\"data_version\":0}",
                    state->leader_id, state->leader_epoch, state->voted_id, voter_id);
        return;
    }
    char id[UUID_TEXT_SIZE];
    uuid_format(state->voted_directory_id, id);
    text_printf(text,
                "{\"leaderId\":%d,\"leaderEpoch\":%d,\"votedId\":%d,\"votedDirectoryId\":\"%s\","
                "\"data_version\":1}",
                state->leader_id, state->leader_epoch, state->voted_id, id);
}
