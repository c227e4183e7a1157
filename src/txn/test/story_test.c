/* Stories of transactions: what a coordinator records, asks for and answers. */
#include "txn/test/txns_story.h"
#include "txn/txns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Of a cluster with transaction.version 2; A has producer id 1000 in its first epoch. */
static void begin(struct coord_kit *kit, struct teller *teller, const char *const *settings)
{
    coord_kit_init(kit, &coord_txns_type, settings);
    coord_kit_set_feature(kit, "transaction.version", 2);
    coord_kit_add_topic(kit, "t", 1, 2);
    coord_kit_add_topic(kit, "u", 2, 1);
    teller_inits(kit, teller, 60000);
    coord_kit_allocated(kit, ERR_NONE);
    teller_takes(kit, teller);
    coord_kit_skip(kit);
}

static struct teller client(const char *name, int16_t end_version)
{
    return (struct teller){
        .name = name, .id = "tx", .producer_id = -1, .epoch = -1, .end_version = end_version};
}

static void an_id_begins(void **state)
{
    (void)state;
    struct coord_kit kit;
    struct teller a = client("A", 5);
    struct teller b = client("B", 5);
    coord_kit_init(&kit, &coord_txns_type, NULL);
    coord_kit_set_feature(&kit, "transaction.version", 2);
    teller_inits(&kit, &a, 60000);
    teller_inits(&kit, &b, 30000); /* meanwhile */
    coord_kit_allocated(&kit, ERR_NONE);
    teller_takes(&kit, &a);
    coord_kit_allocated(&kit, ERR_NONE); /* not needed any more: it is the next one's */
    a.id = "ty";
    teller_inits(&kit, &a, 60000);
    a.id = "tz";
    teller_inits(&kit, &a, 60000);
    coord_kit_allocated(&kit, ERR_COORDINATOR_LOAD_IN_PROGRESS);
    story_is(&kit,
             "> A inits\n"
             "wish for an id\n"
             "> B inits\n"
             "wish for an id\n"
             "tx: Empty 1000/0 was 1000 v0 for 60000 ms, at +0\n"
             "< A inits: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"producerId\":1000,\"prod"
             "ucerEpoch\":0}\n"
             "tx: Empty 1000/1 was 1000 v0 for 30000 ms, at +0\n"
             "< B inits: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"producerId\":1000,\"prod"
             "ucerEpoch\":1}\n"
             "> A inits\n"
             "ty: Empty 1001/0 was 1001 v0 for 60000 ms, at +0\n"
             "< A inits: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"producerId\":1001,\"prod"
             "ucerEpoch\":0}\n"
             "> A inits\n"
             "wish for an id\n"
             "< A inits: COORDINATOR_LOAD_IN_PROGRESS\n");
    coord_kit_fini(&kit);
}

static void commits_and_aborts(void **state)
{
    (void)state;
    struct coord_kit kit;
    struct teller a = client("A", 5);
    begin(&kit, &a, NULL);
    teller_adds(&kit, &a, "t-0 t-1 u-0");
    teller_adds(&kit, &a, "t-1"); /* it is part of it already */
    coord_kit_pass(&kit, 2);
    teller_ends(&kit, &a, true);
    teller_takes(&kit, &a);
    coord_kit_pass(&kit, 5);
    coord_kit_marked(&kit, ERR_NONE);
    story_is(&kit,
             "> A adds\n"
             "tx: Ongoing 1000/0 was 1000 v2 for 60000 ms, at +0 since +0: t-0 t-1 u-0\n"
             "< A adds: NONE\n"
             "  t-0 NONE\n"
             "  t-1 NONE\n"
             "  u-0 NONE\n"
             "> A adds\n"
             "< A adds: NONE\n"
             "  t-1 NONE\n"
             "> A commits\n"
             "tx: PrepareCommit 1000/1 was 1000 v2 for 60000 ms, at +2 since +0: t-0 t-1 u-0\n"
             "markers 1000 epoch 1 commit t-0 t-1 u-0\n"
             "< A commits: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"producerId\":1000,\"pr"
             "oducerEpoch\":1}\n"
             "tx: CompleteCommit 1000/1 was 1000 v2 for 60000 ms, at +7 since +0\n");
    teller_adds(&kit, &a, "u-0");
    teller_adds_offsets(&kit, &a, "group");
    teller_ends(&kit, &a, false);
    coord_kit_marked(&kit, ERR_NONE);
    story_is(&kit,
             "> A adds\n"
             "tx: Ongoing 1000/1 was 1000 v2 for 60000 ms, at +7 since +7: u-0\n"
             "< A adds: NONE\n"
             "  u-0 NONE\n"
             "> A adds offsets\n"
             "tx: Ongoing 1000/1 was 1000 v0 for 60000 ms, at +7 since +7: u-0 __consumer_offs"
             "ets-47\n"
             "< A adds offsets: NONE {\"throttleTimeMs\":0,\"errorCode\":0}\n"
             "> A aborts\n"
             "tx: PrepareAbort 1000/2 was 1000 v2 for 60000 ms, at +7 since +7: u-0 __consumer"
             "_offsets-47\n"
             "markers 1000 epoch 2 abort u-0 __consumer_offsets-47\n"
             "< A aborts: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"producerId\":1000,\"pro"
             "ducerEpoch\":2}\n"
             "tx: CompleteAbort 1000/2 was 1000 v2 for 60000 ms, at +7 since +7\n");
    coord_kit_fini(&kit);
}

/* Before transaction version 2 the epoch stays, and an end that comes again is taken for one. */
static void old_clients_keep_their_epoch(void **state)
{
    (void)state;
    struct coord_kit kit;
    struct teller a = client("A", 4);
    begin(&kit, &a, NULL);
    teller_ends(&kit, &a, false);
    teller_adds(&kit, &a, "t-0");
    teller_ends(&kit, &a, true);
    teller_ends(&kit, &a, true);
    teller_ends(&kit, &a, false);
    coord_kit_marked(&kit, ERR_NONE);
    teller_ends(&kit, &a, true);
    teller_ends(&kit, &a, false);
    story_is(&kit, "> A aborts\n"
                   "< A aborts: INVALID_TXN_STATE\n"
                   "> A adds\n"
                   "tx: Ongoing 1000/0 was 1000 v0 for 60000 ms, at +0 since +0: t-0\n"
                   "< A adds: NONE\n"
                   "  t-0 NONE\n"
                   "> A commits\n"
                   "tx: PrepareCommit 1000/0 was 1000 v0 for 60000 ms, at +0 since +0: t-0\n"
                   "markers 1000 epoch 0 commit t-0\n"
                   "< A commits: NONE {\"throttleTimeMs\":0,\"errorCode\":0}\n"
                   "> A commits\n"
                   "< A commits: CONCURRENT_TRANSACTIONS\n"
                   "> A aborts\n"
                   "< A aborts: INVALID_TXN_STATE\n"
                   "tx: CompleteCommit 1000/0 was 1000 v0 for 60000 ms, at +0 since +0\n"
                   "> A commits\n"
                   "< A commits: NONE {\"throttleTimeMs\":0,\"errorCode\":0}\n"
                   "> A aborts\n"
                   "< A aborts: INVALID_TXN_STATE\n");
    coord_kit_fini(&kit);
}

/* KIP-890: by the epoch an end that comes again is told from one of the next transaction. */
static void late_ends_are_known_by_their_epoch(void **state)
{
    (void)state;
    struct coord_kit kit;
    struct teller a = client("A", 5);
    begin(&kit, &a, NULL);
    struct teller late = a;
    late.name = "late A";
    teller_ends(&kit, &a, true); /* nothing was added */
    teller_adds(&kit, &a, "t-0");
    teller_ends(&kit, &a, true);
    teller_ends(&kit, &late, true); /* before the markers are written */
    teller_ends(&kit, &late, false);
    teller_adds(&kit, &late, "t-0");
    coord_kit_marked(&kit, ERR_NONE);
    teller_ends(&kit, &late, true);
    teller_takes(&kit, &a);
    teller_ends(&kit, &late, false);
    late.epoch = -1;
    teller_ends(&kit, &late, true);
    story_is(&kit,
             "> A commits\n"
             "< A commits: INVALID_TXN_STATE\n"
             "> A adds\n"
             "tx: Ongoing 1000/0 was 1000 v2 for 60000 ms, at +0 since +0: t-0\n"
             "< A adds: NONE\n"
             "  t-0 NONE\n"
             "> A commits\n"
             "tx: PrepareCommit 1000/1 was 1000 v2 for 60000 ms, at +0 since +0: t-0\n"
             "markers 1000 epoch 1 commit t-0\n"
             "< A commits: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"producerId\":1000,\"pr"
             "oducerEpoch\":1}\n"
             "> late A commits\n"
             "< late A commits: CONCURRENT_TRANSACTIONS\n"
             "> late A aborts\n"
             "< late A aborts: INVALID_TXN_STATE\n"
             "> late A adds\n"
             "< late A adds: NONE\n"
             "  t-0 PRODUCER_FENCED\n"
             "tx: CompleteCommit 1000/1 was 1000 v2 for 60000 ms, at +0 since +0\n"
             "> late A commits\n"
             "< late A commits: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"producerId\":1000"
             ",\"producerEpoch\":1}\n"
             "> late A aborts\n"
             "< late A aborts: INVALID_TXN_STATE\n"
             "> late A commits\n"
             "< late A commits: PRODUCER_FENCED\n");
    teller_ends(&kit, &a, true);
    teller_ends(&kit, &a, false); /* nothing, and says so to all that may come late */
    story_is(&kit,
             "> A commits\n"
             "< A commits: INVALID_TXN_STATE\n"
             "> A aborts\n"
             "tx: PrepareAbort 1000/2 was 1000 v2 for 60000 ms, at +0 since +0\n"
             "tx: CompleteAbort 1000/2 was 1000 v2 for 60000 ms, at +0 since +0\n"
             "< A aborts: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"producerId\":1000,\"pro"
             "ducerEpoch\":2}\n");
    coord_kit_fini(&kit);
}

static void a_second_producer_fences_the_first(void **state)
{
    (void)state;
    struct coord_kit kit;
    struct teller a = client("A", 5);
    struct teller b = client("B", 5);
    begin(&kit, &a, NULL);
    teller_adds(&kit, &a, "t-0");
    teller_inits(&kit, &b, 60000);
    teller_inits(&kit, &b, 60000);
    coord_kit_marked(&kit, ERR_NONE);
    teller_inits(&kit, &b, 60000);
    teller_takes(&kit, &b);
    teller_adds(&kit, &a, "t-0");
    teller_ends(&kit, &a, true);
    teller_bumps(&kit, &a, 60000);
    story_is(&kit,
             "> A adds\n"
             "tx: Ongoing 1000/0 was 1000 v2 for 60000 ms, at +0 since +0: t-0\n"
             "< A adds: NONE\n"
             "  t-0 NONE\n"
             "> B inits\n"
             "tx: PrepareAbort 1000/1 was 1000 v2 for 60000 ms, at +0 since +0: t-0\n"
             "markers 1000 epoch 1 abort t-0\n"
             "< B inits: CONCURRENT_TRANSACTIONS\n"
             "> B inits\n"
             "< B inits: CONCURRENT_TRANSACTIONS\n"
             "tx: CompleteAbort 1000/1 was 1000 v2 for 60000 ms, at +0 since +0\n"
             "> B inits\n"
             "tx: Empty 1000/2 was 1000 v2 for 60000 ms, at +0\n"
             "< B inits: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"producerId\":1000,\"prod"
             "ucerEpoch\":2}\n"
             "> A adds\n"
             "< A adds: NONE\n"
             "  t-0 PRODUCER_FENCED\n"
             "> A commits\n"
             "< A commits: PRODUCER_FENCED\n"
             "> A bumps\n"
             "< A bumps: PRODUCER_FENCED\n");
    coord_kit_fini(&kit);
}

/* The same in a cluster before transaction version 2. */
static void fencing_without_version_2(void **state)
{
    (void)state;
    struct coord_kit kit;
    struct teller a = client("A", 4);
    struct teller b = client("B", 4);
    begin(&kit, &a, NULL);
    coord_kit_set_feature(&kit, "transaction.version", 1);
    teller_adds(&kit, &a, "t-0");
    teller_inits(&kit, &b, 60000);
    coord_kit_marked(&kit, ERR_NONE);
    coord_kit_set_feature(&kit, "transaction.version", 0);
    teller_inits(&kit, &b, 60000);
    story_is(&kit,
             "> A adds\n"
             "tx: Ongoing 1000/0 was 1000 v0 for 60000 ms, at +0 since +0: t-0\n"
             "< A adds: NONE\n"
             "  t-0 NONE\n"
             "> B inits\n"
             "tx: PrepareAbort 1000/1 was 1000 v0 for 60000 ms, at +0 since +0: t-0\n"
             "markers 1000 epoch 1 abort t-0\n"
             "< B inits: CONCURRENT_TRANSACTIONS\n"
             "tx: CompleteAbort 1000/1 was 1000 v0 for 60000 ms, at +0 since +0\n"
             "> B inits\n"
             "tx: Empty 1000/2 was -1 v0 for 60000 ms, at +0\n"
             "< B inits: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"producerId\":1000,\"prod"
             "ucerEpoch\":2}\n");
    coord_kit_fini(&kit);
}

/* KIP-360: it goes on after an error; whose answer was lost asks again. */
static void a_producer_bumps_its_own_epoch(void **state)
{
    (void)state;
    struct coord_kit kit;
    struct teller a = client("A", 5);
    begin(&kit, &a, NULL);
    struct teller again = a;
    teller_bumps(&kit, &a, 60000);
    teller_takes(&kit, &a);
    teller_bumps(&kit, &again, 60000); /* the same answer */
    teller_bumps(&kit, &a, 50000);
    teller_bumps(&kit, &again, 60000); /* too late */
    again.producer_id = 7;
    teller_bumps(&kit, &again, 60000);
    story_is(&kit,
             "> A bumps\n"
             "tx: Empty 1000/1 was 1000 v0 for 60000 ms, at +0\n"
             "< A bumps: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"producerId\":1000,\"prod"
             "ucerEpoch\":1}\n"
             "> A bumps\n"
             "tx: Empty 1000/1 was 1000 v0 for 60000 ms, at +0\n"
             "< A bumps: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"producerId\":1000,\"prod"
             "ucerEpoch\":1}\n"
             "> A bumps\n"
             "tx: Empty 1000/2 was 1000 v0 for 50000 ms, at +0\n"
             "< A bumps: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"producerId\":1000,\"prod"
             "ucerEpoch\":2}\n"
             "> A bumps\n"
             "< A bumps: PRODUCER_FENCED\n"
             "> A bumps\n"
             "< A bumps: PRODUCER_FENCED\n");
    coord_kit_fini(&kit);
}

static const char *const quick[] = {
    "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000",
    "transaction.remove.expired.transaction.cleanup.interval.ms=10000",
    "transactional.id.expiration.ms=100000",
    NULL,
};

static void a_transaction_takes_too_long(void **state)
{
    (void)state;
    struct coord_kit kit;
    struct teller a = client("A", 5);
    begin(&kit, &a, quick);
    teller_adds(&kit, &a, "t-0");
    coord_kit_pass(&kit, 60000);
    story_is(&kit, "> A adds\n"
                   "tx: Ongoing 1000/0 was 1000 v2 for 60000 ms, at +0 since +0: t-0\n"
                   "< A adds: NONE\n"
                   "  t-0 NONE\n");
    coord_kit_pass(&kit, 1000);
    coord_kit_marked(&kit, ERR_NONE);
    teller_ends(&kit, &a, true);
    teller_bumps(&kit, &a, 60000); /* it may go on: nobody else took over */
    story_is(&kit,
             "tx: PrepareAbort 1000/1 was 1000 v2 for 60000 ms, at +61000 since +0: t-0\n"
             "markers 1000 epoch 1 abort t-0\n"
             "tx: CompleteAbort 1000/1 was 1000 v2 for 60000 ms, at +61000 since +0\n"
             "> A commits\n"
             "< A commits: INVALID_TXN_STATE\n"
             "> A bumps\n"
             "tx: Empty 1000/1 was 1000 v2 for 60000 ms, at +61000\n"
             "< A bumps: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"producerId\":1000,\"prod"
             "ucerEpoch\":1}\n");
    coord_kit_fini(&kit);
}

static void an_id_is_forgotten(void **state)
{
    (void)state;
    struct coord_kit kit;
    struct teller a = client("A", 5);
    begin(&kit, &a, quick);
    struct teller b = client("B", 5);
    b.id = "ty";
    teller_inits(&kit, &b, 60000);
    coord_kit_allocated(&kit, ERR_NONE);
    teller_takes(&kit, &b);
    coord_kit_pass(&kit, 50000);
    teller_adds(&kit, &b, "t-0"); /* it is used */
    coord_kit_skip(&kit);
    coord_kit_pass(&kit, 49999);
    story_is(&kit, "");
    coord_kit_pass(&kit, 1);
    teller_adds(&kit, &a, "t-0");
    coord_kit_restart(&kit);
    teller_adds(&kit, &a, "t-0");
    story_is(&kit, "tx: gone\n"
                   "> A adds\n"
                   "< A adds: NONE\n"
                   "  t-0 INVALID_PRODUCER_ID_MAPPING\n"
                   "-- restart\n"
                   "> A adds\n"
                   "< A adds: NONE\n"
                   "  t-0 INVALID_PRODUCER_ID_MAPPING\n");
    coord_kit_fini(&kit);
}

/* What was decided is carried out, whatever comes between; what was not is as it was before. */
static void a_restart_at_every_step(void **state)
{
    (void)state;
    struct coord_kit kit;
    struct teller a = client("A", 5);
    begin(&kit, &a, NULL);
    teller_adds(&kit, &a, "t-0 u-0");
    kit.holds_commits = true;
    teller_ends(&kit, &a, true);
    coord_kit_restart(&kit); /* the decision is lost, and A told nothing */
    teller_ends(&kit, &a, false);
    coord_kit_commit(&kit);
    coord_kit_restart(&kit);
    coord_kit_marked(&kit, ERR_NONE);
    coord_kit_restart(&kit); /* its completion is lost: markers are written once more */
    coord_kit_marked(&kit, ERR_NONE);
    coord_kit_commit(&kit);
    coord_kit_restart(&kit);
    a.epoch++;
    teller_adds(&kit, &a, "t-1");
    coord_kit_commit(&kit);
    story_is(&kit,
             "> A adds\n"
             "tx: Ongoing 1000/0 was 1000 v2 for 60000 ms, at +0 since +0: t-0 u-0\n"
             "< A adds: NONE\n"
             "  t-0 NONE\n"
             "  u-0 NONE\n"
             "> A commits\n"
             "tx: PrepareCommit 1000/1 was 1000 v2 for 60000 ms, at +0 since +0: t-0 u-0\n"
             "markers 1000 epoch 1 commit t-0 u-0\n"
             "< A commits: NOT_COORDINATOR\n"
             "-- restart\n"
             "> A aborts\n"
             "tx: PrepareAbort 1000/1 was 1000 v2 for 60000 ms, at +0 since +0: t-0 u-0\n"
             "markers 1000 epoch 1 abort t-0 u-0\n"
             "< A aborts: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"producerId\":1000,\"pro"
             "ducerEpoch\":1}\n"
             "-- restart\n"
             "markers 1000 epoch 1 abort t-0 u-0\n"
             "tx: CompleteAbort 1000/1 was 1000 v2 for 60000 ms, at +0 since +0\n"
             "-- restart\n"
             "markers 1000 epoch 1 abort t-0 u-0\n"
             "tx: CompleteAbort 1000/1 was 1000 v2 for 60000 ms, at +0 since +0\n"
             "-- restart\n"
             "> A adds\n"
             "tx: Ongoing 1000/1 was 1000 v2 for 60000 ms, at +0 since +0: t-1\n"
             "  t-1 NONE\n"
             "< A adds: NONE\n");
    coord_kit_fini(&kit);
}

static void markers_are_tried_until_they_are_written(void **state)
{
    (void)state;
    struct coord_kit kit;
    struct teller a = client("A", 5);
    begin(&kit, &a, NULL);
    teller_adds(&kit, &a, "t-0 u-0");
    teller_ends(&kit, &a, true);
    teller_takes(&kit, &a);
    coord_kit_marked(&kit, ERR_NOT_LEADER_OR_FOLLOWER);
    coord_kit_pass(&kit, 99);
    teller_adds(&kit, &a, "t-0");
    teller_inits(&kit, &a, 60000);
    coord_kit_pass(&kit, 1);
    coord_kit_marked(&kit, ERR_INVALID_PRODUCER_EPOCH); /* that partition has gone on */
    story_is(&kit,
             "> A adds\n"
             "tx: Ongoing 1000/0 was 1000 v2 for 60000 ms, at +0 since +0: t-0 u-0\n"
             "< A adds: NONE\n"
             "  t-0 NONE\n"
             "  u-0 NONE\n"
             "> A commits\n"
             "tx: PrepareCommit 1000/1 was 1000 v2 for 60000 ms, at +0 since +0: t-0 u-0\n"
             "markers 1000 epoch 1 commit t-0 u-0\n"
             "< A commits: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"producerId\":1000,\"pr"
             "oducerEpoch\":1}\n"
             "> A adds\n"
             "< A adds: NONE\n"
             "  t-0 CONCURRENT_TRANSACTIONS\n"
             "> A inits\n"
             "< A inits: CONCURRENT_TRANSACTIONS\n"
             "markers 1000 epoch 1 commit t-0 u-0\n"
             "tx: CompleteCommit 1000/1 was 1000 v2 for 60000 ms, at +100 since +0\n");
    coord_kit_fini(&kit);
}

/* The last epoch is nobody's: an id whose epochs are used up is followed by another. */
static void epochs_are_used_up(void **state)
{
    (void)state;
    struct coord_kit kit;
    struct teller a = client("A", 5);
    begin(&kit, &a, NULL);
    teller_is_at(&kit, &a, INT16_MAX - 1);
    struct teller late = a;
    late.name = "late A";
    teller_adds(&kit, &a, "t-0");
    teller_ends(&kit, &a, true);
    coord_kit_allocated(&kit, ERR_NONE);
    teller_takes(&kit, &a);
    teller_ends(&kit, &late, true);
    coord_kit_marked(&kit, ERR_NONE);
    teller_ends(&kit, &late, true);
    teller_ends(&kit, &late, false);
    teller_adds(&kit, &a, "t-0");
    story_is(&kit,
             "> A adds\n"
             "tx: Ongoing 1000/32766 was 1000 v2 for 60000 ms, at +0 since +0: t-0\n"
             "< A adds: NONE\n"
             "  t-0 NONE\n"
             "> A commits\n"
             "wish for an id\n"
             "tx: PrepareCommit 1000/32767 was 1000 then 1001 v2 for 60000 ms, at +0 since +0:"
             " t-0\n"
             "markers 1000 epoch 32767 commit t-0\n"
             "< A commits: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"producerId\":1001,\"pr"
             "oducerEpoch\":0}\n"
             "> late A commits\n"
             "< late A commits: CONCURRENT_TRANSACTIONS\n"
             "tx: CompleteCommit 1001/0 was 1000 v2 for 60000 ms, at +0 since +0\n"
             "> late A commits\n"
             "< late A commits: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"producerId\":1001"
             ",\"producerEpoch\":0}\n"
             "> late A aborts\n"
             "< late A aborts: INVALID_TXN_STATE\n"
             "> A adds\n"
             "tx: Ongoing 1001/0 was 1001 v2 for 60000 ms, at +0 since +0: t-0\n"
             "< A adds: NONE\n"
             "  t-0 NONE\n");
    coord_kit_fini(&kit);
}

static void a_new_producer_when_epochs_are_used_up(void **state)
{
    (void)state;
    struct coord_kit kit;
    struct teller a = client("A", 5);
    begin(&kit, &a, NULL);
    teller_is_at(&kit, &a, INT16_MAX - 1);
    struct teller late = a;
    late.name = "late A";
    teller_adds(&kit, &a, "t-0");
    teller_inits(&kit, &a, 60000); /* fenced with the last epoch */
    coord_kit_marked(&kit, ERR_NONE);
    struct teller last = a;
    last.epoch = INT16_MAX;
    teller_adds(&kit, &last, "t-0");
    teller_ends(&kit, &last, false);
    teller_inits(&kit, &a, 60000);
    coord_kit_allocated(&kit, ERR_NONE);
    teller_takes(&kit, &a);
    teller_bumps(&kit, &late, 60000); /* of the id before: its answer may have been lost */
    story_is(&kit,
             "> A adds\n"
             "tx: Ongoing 1000/32766 was 1000 v2 for 60000 ms, at +0 since +0: t-0\n"
             "< A adds: NONE\n"
             "  t-0 NONE\n"
             "> A inits\n"
             "tx: PrepareAbort 1000/32767 was 1000 v2 for 60000 ms, at +0 since +0: t-0\n"
             "markers 1000 epoch 32767 abort t-0\n"
             "< A inits: CONCURRENT_TRANSACTIONS\n"
             "tx: CompleteAbort 1000/32767 was 1000 v2 for 60000 ms, at +0 since +0\n"
             "> A adds\n"
             "< A adds: NONE\n"
             "  t-0 PRODUCER_FENCED\n"
             "> A aborts\n"
             "< A aborts: PRODUCER_FENCED\n"
             "> A inits\n"
             "wish for an id\n"
             "tx: Empty 1001/0 was 1000 v2 for 60000 ms, at +0\n"
             "< A inits: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"producerId\":1001,\"prod"
             "ucerEpoch\":0}\n"
             "> late A bumps\n"
             "< late A bumps: PRODUCER_FENCED\n");
    coord_kit_fini(&kit);
}

static void brokers_ask_what_is_part_of_it(void **state)
{
    (void)state;
    struct coord_kit kit;
    struct teller a = client("A", 5);
    begin(&kit, &a, NULL);
    teller_verifies(&kit, &a, "t-0");
    teller_adds(&kit, &a, "t-0");
    teller_verifies(&kit, &a, "t-0 t-1 u-0");
    struct teller other = a;
    other.epoch = 3;
    teller_verifies(&kit, &other, "t-0");
    other.producer_id = 3;
    teller_verifies(&kit, &other, "t-0");
    teller_ends(&kit, &a, true);
    teller_takes(&kit, &a);
    teller_verifies(&kit, &a, "t-0");
    a.id = "";
    teller_verifies(&kit, &a, "t-0");
    teller_adds(&kit, &a, "t-0");
    a.id = "nobody";
    teller_adds(&kit, &a, "t-0");
    teller_ends(&kit, &a, true);
    story_is(&kit,
             "> A verifies\n"
             "< A verifies: NONE\n"
             "  t-0 TRANSACTION_ABORTABLE\n"
             "> A adds\n"
             "tx: Ongoing 1000/0 was 1000 v2 for 60000 ms, at +0 since +0: t-0\n"
             "< A adds: NONE\n"
             "  t-0 NONE\n"
             "> A verifies\n"
             "< A verifies: NONE\n"
             "  t-0 NONE\n"
             "  t-1 TRANSACTION_ABORTABLE\n"
             "  u-0 TRANSACTION_ABORTABLE\n"
             "> A verifies\n"
             "< A verifies: NONE\n"
             "  t-0 PRODUCER_FENCED\n"
             "> A verifies\n"
             "< A verifies: NONE\n"
             "  t-0 INVALID_PRODUCER_ID_MAPPING\n"
             "> A commits\n"
             "tx: PrepareCommit 1000/1 was 1000 v2 for 60000 ms, at +0 since +0: t-0\n"
             "markers 1000 epoch 1 commit t-0\n"
             "< A commits: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"producerId\":1000,\"pr"
             "oducerEpoch\":1}\n"
             "> A verifies\n"
             "< A verifies: NONE\n"
             "  t-0 CONCURRENT_TRANSACTIONS\n"
             "> A verifies\n"
             "< A verifies: NONE\n"
             "  t-0 INVALID_REQUEST\n"
             "> A adds\n"
             "< A adds: NONE\n"
             "  t-0 INVALID_REQUEST\n"
             "> A adds\n"
             "< A adds: NONE\n"
             "  t-0 INVALID_PRODUCER_ID_MAPPING\n"
             "> A commits\n"
             "< A commits: INVALID_PRODUCER_ID_MAPPING\n");
    coord_kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_begins),
        cmocka_unit_test(commits_and_aborts),
        cmocka_unit_test(old_clients_keep_their_epoch),
        cmocka_unit_test(late_ends_are_known_by_their_epoch),
        cmocka_unit_test(a_second_producer_fences_the_first),
        cmocka_unit_test(fencing_without_version_2),
        cmocka_unit_test(a_producer_bumps_its_own_epoch),
        cmocka_unit_test(a_transaction_takes_too_long),
        cmocka_unit_test(an_id_is_forgotten),
        cmocka_unit_test(a_restart_at_every_step),
        cmocka_unit_test(markers_are_tried_until_they_are_written),
        cmocka_unit_test(epochs_are_used_up),
        cmocka_unit_test(a_new_producer_when_epochs_are_used_up),
        cmocka_unit_test(brokers_ask_what_is_part_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
