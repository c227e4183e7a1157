/* The table of commands: what --help shows and what is run. Constant data. */
#include "cmd/admin.h"
#include "cmd/command.h"
#include "cmd/dump.h"
#include "cmd/explain.h"
#include "cmd/logdirs.h"
#include "cmd/raw.h"
#include "cmd/records.h"
#include "cmd/reindex.h"
#include "cmd/start.h"
#include "cmd/topic.h"
#include "cmd/verify.h"
#include "cmd/version.h"

#include <limits.h>

const struct command commands[] = {
    {.name = "start",
     .arguments = "",
     .summary = "run a node: broker and controller of a cluster of one",
     .details =
         "Without a file it listens on 127.0.0.1:9092 only and keeps its data in\n"
         "~/.local/share/ottla (XDG_DATA_HOME is honoured; --set log.dirs=DIR chooses another).\n"
         "A server.properties of Apache Kafka is read as it is; keys that are not known or have\n"
         "no effect are named in warnings. SIGTERM or Ctrl-C stops it cleanly.",
     .flags = {&start_flag_config, &start_flag_set, &start_flag_shards, &start_flag_check},
     .examples = {"ottla start", "ottla start -c server.properties",
                  "ottla start --set log.dirs=/var/lib/ottla --set num.partitions=3"},
     .run = start_run},
    {.name = "topic create",
     .arguments = "NAME...",
     .summary = "create topics",
     .flags = {&topic_flag_partitions, &topic_flag_replicas, &topic_flag_config,
               &topic_flag_if_not_exists, &topic_flag_dry_run, &flag_brokers, &flag_timeout,
               &flag_format},
     .examples = {"ottla topic create orders -p 6",
                  "ottla topic create users -c cleanup.policy=compact",
                  "ottla topic create a b c --if-not-exists"},
     .argument_min = 1,
     .argument_max = INT_MAX,
     .run = topic_create},
    {.name = "topic list",
     .arguments = "",
     .summary = "list topics",
     .flags = {&topic_flag_internal, &flag_brokers, &flag_timeout, &flag_format},
     .examples = {"ottla topic list", "ottla topic list --format awk | cut -f1"},
     .run = topic_list},
    {.name = "topic describe",
     .arguments = "NAME...",
     .summary = "show topics: configuration, partitions, offsets",
     .flags = {&topic_flag_section, &topic_flag_all, &flag_brokers, &flag_timeout, &flag_format},
     .examples = {"ottla topic describe orders",
                  "ottla topic describe orders -s partitions --format awk",
                  "ottla topic describe orders -a -s configs"},
     .argument_min = 1,
     .argument_max = INT_MAX,
     .run = topic_describe},
    {.name = "topic alter",
     .arguments = "NAME...",
     .summary = "change the configuration of topics",
     .details = "Takes effect at once. Keys that are not named stay as they are.",
     .flags = {&topic_flag_set, &topic_flag_unset, &topic_flag_append, &topic_flag_subtract,
               &topic_flag_dry_run, &flag_brokers, &flag_timeout, &flag_format},
     .examples = {"ottla topic alter orders --set retention.ms=86400000",
                  "ottla topic alter orders --set segment.ms=3600000 --unset retention.bytes",
                  "ottla topic alter users --append cleanup.policy=compact"},
     .argument_min = 1,
     .argument_max = INT_MAX,
     .run = topic_alter},
    {.name = "topic add-partitions",
     .arguments = "NAME...",
     .summary = "give topics more partitions",
     .details =
         "Partitions cannot be taken away again. Records stay where they are, so that keys may\n"
         "be found in another partition than before.",
     .flags = {&topic_flag_to, &topic_flag_dry_run, &flag_brokers, &flag_timeout, &flag_format},
     .examples = {"ottla topic add-partitions orders --to 12"},
     .argument_min = 1,
     .argument_max = INT_MAX,
     .run = topic_add_partitions},
    {.name = "topic trim",
     .arguments = "NAME[:PARTITION]...",
     .summary = "delete the oldest records of topics",
     .details = "One of --to, --before and --all says which. Where fewer records are there to be\n"
                "deleted, nothing changes. What is deleted is not brought back by a crash.",
     .flags = {&topic_flag_to_offset, &topic_flag_before, &topic_flag_all_records, &flag_yes,
               &flag_brokers, &flag_timeout, &flag_format},
     .examples = {"ottla topic trim orders --before -7d", "ottla topic trim orders:0 --to 12000",
                  "ottla topic trim scratch --all --yes"},
     .argument_min = 1,
     .argument_max = INT_MAX,
     .run = topic_trim},
    {.name = "topic delete",
     .arguments = "NAME...",
     .summary = "delete topics with all their records",
     .flags = {&flag_yes, &topic_flag_if_exists, &flag_brokers, &flag_timeout, &flag_format},
     .examples = {"ottla topic delete orders", "ottla topic delete a b --yes --if-exists"},
     .argument_min = 1,
     .argument_max = INT_MAX,
     .run = topic_delete},
    {.name = "produce",
     .arguments = "TOPIC",
     .summary = "send records from standard input",
     .details = "One record a line where -f does not say otherwise.",
     .flags = {&produce_flag_key, &produce_flag_header, &produce_flag_partition,
               &produce_flag_format, &produce_flag_codec, &produce_flag_tombstone,
               &produce_flag_acks, &produce_flag_timeout, &flag_property, &flag_brokers},
     .examples = {"echo hello | ottla produce greetings",
                  "ottla produce users -f '%k %v\\n' < users.txt",
                  "ottla produce logs -z zstd -H host=web1 < access.log",
                  "ottla consume a -e -f jsonl | ottla produce b -f json"},
     .argument_min = 1,
     .argument_max = 1,
     .run = produce_run},
    {.name = "consume",
     .arguments = "TOPIC",
     .summary = "write records to standard output",
     .details = "Begins with the oldest record and waits for more, unless flags say otherwise.",
     .flags = {&consume_flag_offset, &consume_flag_number, &consume_flag_end,
               &consume_flag_partitions, &consume_flag_format, &consume_flag_keys,
               &consume_flag_headers, &flag_property, &flag_brokers},
     .examples = {"ottla consume greetings", "ottla consume orders -o -10 -e",
                  "ottla consume orders -o @-1h -f '%d{strftime[%F %T]} %p %o %k %v\\n'",
                  "ottla consume orders -p 0 -o 100:200 -f jsonl"},
     .argument_min = 1,
     .argument_max = 1,
     .run = consume_run},
    {.name = "config explain",
     .arguments = "[WORD...]",
     .summary = "show what configuration keys mean",
     .details = "All keys, or those whose names hold one of the words. Asks no broker.",
     .flags = {&explain_flag_scope, &explain_flag_format},
     .examples = {"ottla config explain retention", "ottla config explain --scope topic segment",
                  "ottla config explain --format awk | cut -f1,4"},
     .argument_max = INT_MAX,
     .run = explain_run},
    {.name = "logdirs",
     .arguments = "",
     .summary = "show a broker's log directories, or move partitions between them",
     .details =
         "A move goes on in the broker while its partition is served; -p shows partitions that\n"
         "are arriving in a directory, and how many offsets they are behind.",
     .flags = {&logdirs_flag_partitions, &logdirs_flag_move, &logdirs_flag_to, &flag_brokers,
               &flag_timeout, &flag_format},
     .examples = {"ottla logdirs", "ottla logdirs -p --format json",
                  "ottla logdirs --move orders:0 --to /data/disk2"},
     .run = logdirs_run},
    {.name = "log dump",
     .arguments = "FILE...",
     .summary = "show what files of a data directory hold",
     .details =
         "Segments (.log and .checkpoint of the metadata log) batch by batch, with records of\n"
         "internal topics as JSON; .index, .timeindex, .txnindex, .snapshot and checkpoint files\n"
         "too. What does not match its checksum is said, and fails the command.",
     .flags = {&dump_flag_batches, &dump_flag_topic, &dump_flag_format},
     .examples = {"ottla log dump ottla-data/orders-0/00000000000000000000.log",
                  "ottla log dump ottla-data/__cluster_metadata-0/*.log",
                  "ottla log dump --format json ottla-data/*-checkpoint"},
     .argument_min = 1,
     .argument_max = INT_MAX,
     .run = dump_run},
    {.name = "log verify",
     .arguments = "FILE|FOLDER...",
     .summary = "check files of a data directory",
     .details =
         "A segment with its indexes, a partition's folder, or a whole log directory: every batch\n"
         "and record, indexes against their segments, leader epochs and checkpoints against the\n"
         "batches. Prints a line for each fault and a summary. Exit code 0: no faults, 1: faults,\n"
         "2: the arguments are wrong. Reads only; where a node is at work, what it appends to is\n"
         "looked at as far as it is whole.",
     .flags = {&verify_flag_format},
     .examples = {"ottla log verify ottla-data", "ottla log verify ottla-data/orders-0",
                  "ottla log verify --format json ottla-data/orders-0/00000000000000000000.log"},
     .argument_min = 1,
     .argument_max = INT_MAX,
     .run = verify_run},
    {.name = "log index",
     .arguments = "SEGMENT|FOLDER...",
     .summary = "make the indexes of segments again",
     .details =
         "The .index, .timeindex and .txnindex of the segments (.log), or of all segments of a\n"
         "partition's folder, as a node would have written them; only files that would be other\n"
         "are replaced. The node must be stopped. --check ends with 1 where one would be other;\n"
         "that is no fault of a segment that was appended to over several starts of Kafka, which\n"
         "counts anew after each: ottla log verify says whether an index is right.",
     .flags = {&reindex_flag_check, &reindex_flag_interval},
     .examples = {"ottla log index ottla-data/orders-0",
                  "ottla log index --check ottla-data/orders-0/00000000000000000000.log"},
     .argument_min = 1,
     .argument_max = INT_MAX,
     .run = reindex_run},
    {.name = "raw",
     .arguments = "[API VERSION]",
     .summary = "send one request as JSON and show the answer as JSON",
     .details =
         "API is a name or a number; the request's body is read from standard input. Without API\n"
         "and VERSION every line of the input is a request of its own:\n"
         "  {\"api\":\"Metadata\",\"version\":12,\"body\":{\"topics\":null}}\n"
         "Members that are left out have their defaults.",
     .flags = {&raw_flag_template, &flag_brokers, &flag_timeout},
     .examples = {"echo '{}' | ottla raw ApiVersions 4",
                  "echo '{\"topics\":null}' | ottla raw Metadata 12 -b 127.0.0.1:9092",
                  "ottla raw --template CreateTopics 7"},
     .argument_max = 2,
     .run = raw_run},
    {.name = "version",
     .arguments = "",
     .summary = "show the version",
     .flags = {&flag_format},
     .examples = {"ottla version"},
     .run = version_run},
    {.name = "help",
     .arguments = "[COMMAND]",
     .summary = "show help, of a command or of all",
     .flags = {NULL},
     .examples = {"ottla help topic create"},
     .argument_max = 2},
    {.name = NULL},
};
