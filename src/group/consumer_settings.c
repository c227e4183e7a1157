/* Settings of a group: its own, which clients set for the group as a resource, kept within the
 * broker's bounds, or the broker's. On the partition's shard. */
#include "group/consumer_int.h"

#include "config/node.h"
#include "meta/image.h"

struct bounds {
    int32_t low;
    int32_t high;
};

/* What is no number is as if it were not there. */
static bool parse(struct slice text, int64_t *ret_number)
{
    int64_t number = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || number > INT32_MAX)
            return false;
        number = number * 10 + (text.data[i] - '0');
    }
    *ret_number = number;
    return text.size > 0;
}

static int32_t setting(const struct groups *groups, struct slice group_id, const char *key,
                       const struct bounds *bounds)
{
    const struct meta_image *image = groups_world(groups)->image;
    int64_t number;
    if (!parse(meta_config_value(image, META_CONFIG_GROUP, group_id, key), &number))
        return -1;
    return (int32_t)(number < bounds->low    ? bounds->low
                     : number > bounds->high ? bounds->high
                                             : number);
}

int32_t consumer_session_timeout_ms(const struct groups *groups, struct slice group_id)
{
    const struct node_config *config = groups_world(groups)->config;
    int32_t own = setting(groups, group_id, "consumer.session.timeout.ms",
                          &(struct bounds){config->group_consumer_min_session_timeout_ms,
                                           config->group_consumer_max_session_timeout_ms});
    return own >= 0 ? own : config->group_consumer_session_timeout_ms;
}

int32_t consumer_heartbeat_interval_ms(const struct groups *groups, struct slice group_id)
{
    const struct node_config *config = groups_world(groups)->config;
    int32_t own = setting(groups, group_id, "consumer.heartbeat.interval.ms",
                          &(struct bounds){config->group_consumer_min_heartbeat_interval_ms,
                                           config->group_consumer_max_heartbeat_interval_ms});
    return own >= 0 ? own : config->group_consumer_heartbeat_interval_ms;
}

int32_t consumer_assignment_interval_ms(const struct groups *groups, struct slice group_id)
{
    const struct node_config *config = groups_world(groups)->config;
    int32_t own = setting(groups, group_id, "consumer.assignment.interval.ms",
                          &(struct bounds){config->group_consumer_min_assignment_interval_ms,
                                           config->group_consumer_max_assignment_interval_ms});
    return own >= 0
               ? own
               : groups_world(groups)->image->node_dynamic.group_consumer_assignment_interval_ms;
}
