/* ottla topic list. One thread. */
#include "cmd/admin.h"
#include "cmd/topic.h"
#include "tbl/errors.h"

#include <stdlib.h>

const struct command_flag topic_flag_internal = {'i', "internal", NULL,
                                                 "internal topics too, as __consumer_offsets"};

static const struct listing_column columns[] = {
    {"NAME", LISTING_TEXT},
    {"PARTITIONS", LISTING_NUMBER},
    {"REPLICAS", LISTING_NUMBER},
    {"ID", LISTING_TEXT},
};

static int compare_names(const void *a, const void *b)
{
    const struct metadata_response_topics *left = a;
    const struct metadata_response_topics *right = b;
    return slice_compare(left->name, right->name);
}

static void add_topic(struct admin *admin, const struct metadata_response_topics *topic,
                      struct listing *listing)
{
    const char *name = admin_text(admin, topic->name);
    char id[UUID_TEXT_SIZE];
    if (topic->error_code != ERR_NONE) {
        admin_report(admin, &(struct admin_fault){.what = name, .code = topic->error_code});
        return;
    }
    uuid_format(topic->topic_id, id);
    listing_add(listing, name);
    listing_printf(listing, "%d", topic->partitions_count);
    listing_printf(listing, "%d",
                   topic->partitions_count > 0 ? topic->partitions[0].replica_nodes_count : 0);
    listing_add(listing, uuid_is_zero(topic->topic_id) ? NULL : id);
}

enum exit_code topic_list(const struct command_call *call)
{
    struct admin admin;
    enum exit_code code = admin_open(&admin, call);
    const struct metadata_response *answer = NULL;
    if (code == EXIT_CODE_OK)
        answer = admin_metadata(&admin, NULL, 0);
    if (answer != NULL) {
        struct listing listing;
        listing_init(&listing, "topics", columns, COUNT_OF(columns));
        if (answer->topics_count > 0)
            qsort(answer->topics, (size_t)answer->topics_count, sizeof *answer->topics,
                  compare_names);
        for (int32_t i = 0; i < answer->topics_count; i++)
            if (!answer->topics[i].is_internal || call_has(call, &topic_flag_internal))
                add_topic(&admin, &answer->topics[i], &listing);
        admin_print(&admin, &listing);
        listing_fini(&listing);
    }
    if (code == EXIT_CODE_OK)
        code = admin_result(&admin);
    admin_close(&admin);
    return code;
}
