/* Making an empty log directory a node's: what Kafka's "format --standalone" does. Before the
 * shards run; blocking. */
#ifndef META_FORMAT_H
#define META_FORMAT_H

#include "config/node.h"
#include "log/dir.h"

/* Gives every directory its meta.properties, of one cluster and with a directory id each; and the
 * metadata directory its first snapshot with the voter and the features of a new cluster. A
 * directory that has meta.properties already is left alone. false: *error has the sentence. */
MUST_USE bool meta_format(const struct node_config *, struct log_dir *dirs, int dir_count,
                          int metadata_dir, struct text *error) NOT_ON(on_shard);

#define META_FOLDER "__cluster_metadata-0"

#endif
