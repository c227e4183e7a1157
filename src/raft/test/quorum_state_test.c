/* quorum-state: what Kafka 4.4.0 writes in both versions is read and written again to the letter;
 * each damage has its words. */
#include "raft/quorum_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* Of a node formatted with --standalone, after it led; of one with controller.quorum.voters; of a
 * voter that voted and found no leader yet. */
#define DYNAMIC \
    "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1," \
    "\"votedDirectoryId\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"data_version\":1}"
#define STATIC \
    "{\"clusterId\":\"\",\"leaderId\":1,\"leaderEpoch\":2,\"votedId\":-1,\"appliedOffset\":0," \
    "\"currentVoters\":[{\"voterId\":1}],\"data_version\":0}"
#define VOTED \
    "{\"leaderId\":-1,\"leaderEpoch\":7,\"votedId\":1," \
    "\"votedDirectoryId\":\"odNhRK9UQ0yiijIEQVB3yA\",\"data_version\":1}"

static struct raft_quorum_state read_fine(const char *text)
{
    struct raft_quorum_state state;
    assert_null(quorum_state_read(slice_of_text(text), &state));
    return state;
}

static void assert_written(const struct raft_quorum_state *state, const char *expected)
{
    struct text text;
    text_init(&text, 4096);
    quorum_state_write(state, &text);
    assert_string_equal(text.data, expected);
    text_fini(&text);
}

static void kafkas_files_come_back(void **state)
{
    (void)state;
    struct raft_quorum_state read = read_fine(DYNAMIC);
    assert_int_equal(read.version, 1);
    assert_int_equal(read.leader_id, 1);
    assert_int_equal(read.leader_epoch, 1);
    assert_int_equal(read.voted_id, RAFT_NOBODY);
    assert_int_equal(read.voter_count, 0);
    assert_written(&read, DYNAMIC);
    read = read_fine(STATIC);
    assert_int_equal(read.version, 0);
    assert_int_equal(read.leader_epoch, 2);
    assert_int_equal(read.voter_count, 1);
    assert_int_equal(read.voter_id, 1);
    assert_written(&read, STATIC);
    read = read_fine(VOTED "\n");
    assert_int_equal(read.leader_id, RAFT_NOBODY);
    assert_int_equal(read.voted_id, 1);
    assert_false(uuid_is_zero(read.voted_directory_id));
    assert_written(&read, VOTED);
}

static void voters_are_counted(void **state)
{
    (void)state;
    struct raft_quorum_state read =
        read_fine("{\"clusterId\":\"\",\"leaderId\":2,\"leaderEpoch\":2,\"votedId\":-1,"
                  "\"appliedOffset\":0,\"currentVoters\":[{\"voterId\":3},{\"voterId\":1}],"
                  "\"data_version\":0}");
    assert_int_equal(read.voter_count, 2);
    assert_int_equal(read.voter_id, 3);
}

#define REST ",\"votedId\":-1,\"votedDirectoryId\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"data_version\":1}"

static void damage_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *fault;
    } rows[] = {
        {"", "it is empty"},
        {"{\"leaderId\":1,\"leader", "it is not a line of JSON"},
        {"[1]", "it is not a line of JSON"},
        {"{\"leaderId\":1,\"leaderId\":2,\"leaderEpoch\":1" REST, "it is not a line of JSON"},
        {"{}", "its data_version is missing or malformed"},
        {"{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1,\"data_version\":2}",
         "its data_version is unknown: it was written by a newer version"},
        {"{\"leaderEpoch\":1" REST, "its leaderId is missing or malformed"},
        {"{\"leaderId\":\"1\",\"leaderEpoch\":1" REST, "its leaderId is missing or malformed"},
        {"{\"leaderId\":1" REST, "its leaderEpoch is missing or malformed"},
        {"{\"leaderId\":1,\"leaderEpoch\":-1" REST, "its leaderEpoch is missing or malformed"},
        {"{\"leaderId\":1,\"leaderEpoch\":4294967297" REST,
         "its leaderEpoch is missing or malformed"},
        {"{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":null,\"data_version\":1}",
         "its votedId is missing or malformed"},
        {"{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1,\"data_version\":1}",
         "its votedDirectoryId is missing or malformed"},
        {"{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1,\"votedDirectoryId\":\"x\","
         "\"data_version\":1}",
         "its votedDirectoryId is missing or malformed"},
        {"{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1,\"data_version\":0}",
         "its currentVoters are missing or malformed"},
        {"{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1,\"currentVoters\":[{}],"
         "\"data_version\":0}",
         "its currentVoters have no voterId"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct raft_quorum_state read = {.leader_epoch = 77};
        assert_string_equal(quorum_state_read(slice_of_text(rows[i].text), &read), rows[i].fault);
        assert_int_equal(read.leader_epoch, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kafkas_files_come_back),
        cmocka_unit_test(voters_are_counted),
        cmocka_unit_test(damage_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
