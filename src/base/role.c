/* The dummies that the thread roles' attributes point at. Never read, never written. */
#include "base/role.h"

const struct role on_shard = {.name = 's'};
const struct role on_worker = {.name = 'w'};
