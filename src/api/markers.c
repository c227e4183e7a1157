/* Ends of transactions and producer ids for coordinators; see the header. */
#include "api/markers.h"

void api_write_markers(void *context, struct coord_markers *markers)
{
    (void)context;
    markers->err = ERR_COORDINATOR_NOT_AVAILABLE;
}

void api_allocate_id(void *context, struct coord_ids *ids)
{
    (void)context;
    ids->err = ERR_COORDINATOR_NOT_AVAILABLE;
}
