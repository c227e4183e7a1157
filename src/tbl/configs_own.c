/* Rows of tbl/configs.h that are Ottla's own: every name begins with "ottla.", so that the file can
 * be given back to Apache Kafka, which ignores them. Constant data: any thread. */
#include "tbl/configs_int.h"

const struct config_row tbl_configs_own[] = {
    {OWN("ottla.shards", INT, "1"), BETWEEN(1, 64), HONOURED,
     .doc = "Threads that serve connections and partitions; a partition belongs to one of them."},
    {OWN("ottla.workers", INT, "2"), BETWEEN(1, 64), HONOURED,
     .doc = "Threads for what may wait on a disk: so many for upkeep (syncs, recovery, deletes) "
            "and as many for data (cold reads, large writes, conversions)."},
    {OWN("ottla.metrics.listener", STRING, "127.0.0.1:9464"), HONOURED,
     .doc = "Address of /metrics and /healthz, as host:port; empty: none."},
    {OWN("ottla.memory.request.bytes", LONG, "268435456"), AT_LEAST(1048576), HONOURED,
     .doc = "Bytes of requests held by all connections at one time; more waits in the sockets."},
    {OWN("ottla.frame.timeout.ms", INT, "60000"), AT_LEAST(1000), HONOURED,
     .doc = "Longest time from a request's first byte to its last; a slower one is cut off."},
    {OWN("ottla.disk.reserve.bytes", LONG, "-1"), AT_LEAST(-1), HONOURED,
     .doc =
         "Bytes of each log directory's file system that records leave free: less than that, and "
         "they are refused with KAFKA_STORAGE_ERROR until space returns. -1: a hundredth of the "
         "file system, between 4 MiB and 1 GiB; 0: none."},
    {OWN("ottla.index.cache.bytes", LONG, "67108864"), AT_LEAST(1048576), HONOURED,
     .doc =
         "Bytes of memory for offset indexes of segments that are not written any more; an index "
         "of 1 GiB of small batches takes 2 MiB."},
    {OWN("ottla.scrub.bytes.per.second", LONG, "4194304"), BETWEEN(0, 10737418240), HONOURED,
     .doc = "Bytes of segments whose checksums are looked at in a second, in the background and "
            "without filling the page cache; 0: none are."},
    {OWN("ottla.scrub.interval.ms", LONG, "604800000"), AT_LEAST(60000), HONOURED,
     .doc = "Time from the beginning of one such look at everything to the next one's."},
    {OWN("ottla.flush.unflushed.bytes", LONG, "268435456"), AT_LEAST(65536), HONOURED,
     .doc = "Bytes of a log directory that no sync has covered; above, the logs with the most are "
            "synced in the background, so that a start after a crash has little to read."},
    {OWN("ottla.log.level", STRING, "info"), ONE_OF("debug, info, warn, error"), HONOURED,
     .doc = "Least severe lines of the node's own log that are written."},
};

const size_t tbl_configs_own_count = sizeof tbl_configs_own / sizeof tbl_configs_own[0];
