/* Ranges of segment files in answers; see the header. */
#include "api/file_range.h"

#include <stdlib.h>

struct api_file_range {
    struct shard_message message;
    struct shard *here;
    struct shard *owner;
    struct log_handle *handle;
};

static void on_home(struct shard *owner, struct shard_message *message)
{
    (void)owner;
    struct api_file_range *range = CONTAINER_OF(message, struct api_file_range, message);
    log_handle_unref(range->handle);
    free(range);
}

static const struct shard_route route_range = {.name = "file_range", .run = {on_home}};

static void release(void *handle)
{
    role_now_on_shard();
    struct api_file_range *range = handle;
    if (range->here == range->owner)
        on_home(range->owner, &range->message);
    else
        shard_send(range->here, range->owner, &range->message, &route_range);
}

bool api_file_range_make(struct api_shard *here, struct shard *owner, const struct log_range *from,
                         struct chain_external *ret_external)
{
    struct api_file_range *range = calloc(1, sizeof *range);
    if (range == NULL) {
        api_file_range_drop(here, owner, from);
        return false;
    }
    range->here = here->shard;
    range->owner = owner;
    range->handle = from->handle;
    *ret_external = (struct chain_external){
        .handle = range, .release = release, .position = from->position, .size = from->size};
    return true;
}

void api_file_range_drop(struct api_shard *here, struct shard *owner, const struct log_range *from)
{
    if (here->shard == owner) {
        log_handle_unref(from->handle);
        return;
    }
    /* The one case that needs memory to give something back: the descriptor stays open until the
     * node ends when there is none. */
    struct api_file_range *range = calloc(1, sizeof *range);
    if (range == NULL)
        return;
    range->handle = from->handle;
    shard_send(here->shard, owner, &range->message, &route_range);
}

int api_file_range_fd(const struct chain_external *external)
{
    const struct api_file_range *range = external->handle;
    return range->handle->fd;
}
