/* See the header. */
#include "replica/start.h"

#include "replica/replica_int.h"

void replica_persist(struct replica_set *set, struct replica_persist *persist)
{
    persist->error = 0;
    if (set->persist != NULL)
        set->persist(set, persist);
    else
        persist->on_done(persist);
}

/* Last: its owner may be gone after. */
static void finish(struct replica_raise *raise, enum err err)
{
    role_now_on_shard();
    struct replica *replica = raise->replica;
    raise->err = err;
    raise->on_done(raise);
    replica_end(replica);
}

static void on_persisted(struct replica_persist *persist)
{
    struct replica_raise *raise = CONTAINER_OF(persist, struct replica_raise, persist);
    struct replica *replica = raise->replica;
    if (persist->error == 0)
        replica->lasting_start = MAX_OF(replica->lasting_start, raise->offset);
    finish(raise, persist->error == 0 ? ERR_NONE : ERR_KAFKA_STORAGE_ERROR);
}

/* Whoever waits for more of what is gone now is to hear of it. */
static void raise_now(struct replica_raise *raise)
{
    role_now_on_shard();
    struct replica *replica = raise->replica;
    if (raise->offset > log_start_offset(replica->log)) {
        log_raise_start(replica->log, raise->offset);
        replica->set->changes++;
        replica_wake(&replica->waiting_data);
    }
    if (!raise->lasts || raise->offset <= replica->lasting_start) {
        finish(raise, ERR_NONE);
        return;
    }
    raise->persist = (struct replica_persist){.on_done = on_persisted};
    replica_persist(replica->set, &raise->persist);
}

static void on_flushed(struct log_flush *flush)
{
    struct replica_raise *raise = CONTAINER_OF(flush, struct replica_raise, flush);
    if (flush->err == ERR_NONE)
        raise_now(raise);
    else
        finish(raise, flush->err);
}

void replica_raise_start(struct replica_raise *raise)
{
    struct replica *replica = raise->replica;
    replica_begin(replica);
    if (raise->offset <= log_recovery_point(replica->log)) {
        raise_now(raise);
        return;
    }
    raise->flush = (struct log_flush){.on_done = on_flushed};
    log_flush_submit(replica->log, &raise->flush);
}
