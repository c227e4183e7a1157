/* Settings of a broker that are changed while it runs: which may be, and what they must be, in
 * Kafka's words; and the values of those that are looked at outside of topics. Any thread. */
#ifndef CONFIG_DYNAMIC_H
#define CONFIG_DYNAMIC_H

#include "config/node.h"

/* The row behind a broker's key, also behind listener.name.NAME.KEY; NULL: nobody knows it. */
const struct config_row *node_dynamic_row(struct slice name);

/* Whether an override that was kept counts when others are changed: Kafka overlooks what cannot be
 * changed while it runs and what does not parse. */
bool node_dynamic_counts(const struct config_pair *, bool of_all_brokers);

/* What one change does to the layers. */
struct node_dynamic_change {
    struct config_layers before;
    struct config_layers after;
    bool of_all_brokers; /* else of this one */
};

/* false: *error has the sentence for an INVALID_REQUEST answer. */
MUST_USE bool node_dynamic_check(const struct node_config *, const struct node_dynamic_change *,
                                 struct text *error);

/* Settings of the running node that are no topic's. */
struct node_dynamic {
    int32_t max_connections;
    int32_t max_connections_per_ip;
    struct slice max_connections_per_ip_overrides; /* of the layers, the file or a constant */
    int32_t max_connection_creation_rate;
    int32_t producer_id_expiration_ms;
    bool verifies_transactions; /* transaction.partition.verification.enable */
    int32_t group_consumer_assignment_interval_ms;
};

void node_dynamic_make(const struct node_config *, const struct config_layers *,
                       struct node_dynamic *ret_values);

#endif
