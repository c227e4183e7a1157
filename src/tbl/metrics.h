/* Every metric of GET /metrics, one row each. Counters and gauges are kept per shard and summed
 * when scraped.
 *
 * X(NAME, kind, "prometheus_name", "help") */
#ifndef TBL_METRICS_H
#define TBL_METRICS_H

#define METRICS(X) \
    X(CONNECTIONS, GAUGE, "ottla_connections", "Client connections that are open now.") \
    X(CONNECTIONS_ACCEPTED, COUNTER, "ottla_connections_accepted_total", \
      "Client connections accepted.") \
    X(CONNECTIONS_REFUSED, COUNTER, "ottla_connections_refused_total", \
      "Client connections closed at once because a limit was reached.") \
    X(CONNECTIONS_FAULTY, COUNTER, "ottla_connections_faulty_total", \
      "Connections closed because of what the client sent.") \
    X(REQUESTS, COUNTER, "ottla_requests_total", "Requests received.") \
    X(REQUEST_BYTES, COUNTER, "ottla_request_bytes_total", "Bytes received from clients.") \
    X(ANSWER_BYTES, COUNTER, "ottla_answer_bytes_total", "Bytes sent to clients.") \
    X(TRAILING_BYTES, COUNTER, "ottla_request_trailing_bytes_total", \
      "Bytes behind the end of requests, ignored.") \
    X(PRODUCE_BATCHES, COUNTER, "ottla_produce_batches_total", "Record batches appended.") \
    X(PRODUCE_RECORDS, COUNTER, "ottla_produce_records_total", "Records appended.") \
    X(PRODUCE_BYTES, COUNTER, "ottla_produce_bytes_total", "Bytes of record batches appended.") \
    X(PRODUCE_DUPLICATES, COUNTER, "ottla_produce_duplicates_total", \
      "Batches that an idempotent producer had sent before.") \
    X(PRODUCE_ERRORS, COUNTER, "ottla_produce_errors_total", "Batches refused.") \
    X(FETCH_BYTES, COUNTER, "ottla_fetch_bytes_total", "Bytes of record batches sent.") \
    X(FETCH_PARKED, COUNTER, "ottla_fetch_parked_total", \
      "Fetch requests that waited for more records.") \
    X(FETCH_SESSIONS, GAUGE, "ottla_fetch_sessions", "Incremental fetch sessions kept.") \
    X(PARTITIONS, GAUGE, "ottla_partitions", "Partitions open on this node.") \
    X(PARTITIONS_OFFLINE, GAUGE, "ottla_partitions_offline", \
      "Partitions whose log cannot be used.") \
    X(CORRUPT_BATCHES, COUNTER, "ottla_corrupt_batches_total", \
      "Places in segment files found to hold no good batch; a log line names each.") \
    X(SCRUBBED_BYTES, COUNTER, "ottla_scrubbed_bytes_total", \
      "Bytes of segments whose checksums were looked at in the background.") \
    X(INDEXES_MADE, COUNTER, "ottla_indexes_made_again_total", \
      "Indexes of sealed segments that were missing or wrong and were made anew.") \
    X(INDEX_BYTES, GAUGE, "ottla_index_bytes", "Memory held for indexes of sealed segments.") \
    X(PARTITIONS_UNCLEANABLE, GAUGE, "ottla_partitions_uncleanable", \
      "Partitions that are no longer compacted because of what they hold.") \
    X(CLEANER_CLEANINGS, COUNTER, "ottla_log_cleaner_cleanings_total", \
      "Compactions of a partition that were completed.") \
    X(CLEANER_READ_BYTES, COUNTER, "ottla_log_cleaner_read_bytes_total", \
      "Bytes of record batches that compaction read.") \
    X(CLEANER_WRITTEN_BYTES, COUNTER, "ottla_log_cleaner_written_bytes_total", \
      "Bytes of record batches that compaction wrote.") \
    X(RETENTION_SEGMENTS, COUNTER, "ottla_retention_segments_total", \
      "Segments deleted by retention.ms, retention.bytes or below a log's start.") \
    X(RETENTION_BYTES, COUNTER, "ottla_retention_bytes_total", "Their bytes.") \
    X(BUFFER_BYTES, GAUGE, "ottla_buffer_bytes", "Memory held for requests and answers.")

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

#define METRICS_ID_(NAME, ...) METRIC_##NAME,
enum metric { METRICS(METRICS_ID_) METRIC_COUNT };
#undef METRICS_ID_

#endif
