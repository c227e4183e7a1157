/* ottla group list: every broker tells the groups that it coordinates. One thread. */
#include "cmd/group.h"
#include "cmd/group_model.h"
#include "wire/msg/list_groups_request.h"

const struct command_flag group_flag_state = {
    0, "state", "STATES", "only groups in one of these states, as Stable,Empty"};
const struct command_flag group_flag_type = {0, "type", "TYPES",
                                             "only classic, consumer, share or streams groups"};

static const struct listing_column columns[] = {
    {"GROUP", LISTING_TEXT},         {"TYPE", LISTING_TEXT},          {"STATE", LISTING_TEXT},
    {"PROTOCOL-TYPE", LISTING_TEXT}, {"COORDINATOR", LISTING_NUMBER},
};

static const char *const states[] = {
    "PreparingRebalance", "CompletingRebalance", "Stable",  "Dead", "Empty",
    "Assigning",          "Reconciling",         "NotReady"};
static const char *const types[] = {"classic", "consumer", "share", "streams"};

static const struct admin_choice choice_of_states = {
    &group_flag_state, states, COUNT_OF(states),
    "must be among PreparingRebalance, CompletingRebalance, Stable, Dead, Empty, Assigning, "
    "Reconciling and NotReady"};
static const struct admin_choice choice_of_types = {
    &group_flag_type, types, COUNT_OF(types), "must be among classic, consumer, share and streams"};

static void add_text(struct admin *admin, struct listing *listing, struct slice text)
{
    listing_add(listing, text.size > 0 ? admin_text(admin, text) : NULL);
}

static void list(struct cluster *cluster, const struct list_groups_request *ask)
{
    struct admin *admin = cluster->admin;
    struct listing listing;
    struct group_row *rows;
    size_t count;
    group_find(cluster, ask, &rows, &count);
    listing_init(&listing, "groups", columns, COUNT_OF(columns));
    for (size_t i = 0; i < count; i++) {
        add_text(admin, &listing, rows[i].id);
        add_text(admin, &listing, rows[i].type);
        add_text(admin, &listing, rows[i].state);
        add_text(admin, &listing, rows[i].protocol_type);
        listing_printf(&listing, "%d", rows[i].coordinator);
    }
    admin_print(admin, &listing);
    listing_fini(&listing);
}

enum exit_code group_list(const struct command_call *call)
{
    struct admin admin;
    struct cluster cluster = {0};
    struct list_groups_request ask = list_groups_request_default;
    enum exit_code code = admin_prepare(&admin, call);
    if (code == EXIT_CODE_OK &&
        (!admin_choose(&admin, &choice_of_states, &ask.states_filter, &ask.states_filter_count) ||
         !admin_choose(&admin, &choice_of_types, &ask.types_filter, &ask.types_filter_count)))
        code = EXIT_CODE_USAGE;
    if (code == EXIT_CODE_OK)
        code = admin_connect(&admin);
    if (code == EXIT_CODE_OK) {
        if (cluster_open(&cluster, &admin))
            list(&cluster, &ask);
        code = admin_result(&admin);
    }
    cluster_close(&cluster);
    admin_close(&admin);
    return code;
}
