/* ottla consume -g: topics, as a member of a group. Its complication is what may be committed: only
 * records whose output was written are told to librdkafka, which commits them now and then, when
 * partitions go to another member, and at the end; so nothing is lost, and after a crash some come
 * twice. Ctrl-C leaves the group instead of ending the process. One thread of ours. */
#include "cmd/admin.h"
#include "cmd/assigned.h"
#include "cmd/consume_int.h"
#include "sys/clock.h"
#include "sys/process.h"
#include "tbl/errors.h"

#include <stdlib.h>

const struct command_flag consume_flag_group = {'g', "group", "GROUP",
                                                "as a member of this group, several topics too"};
const struct command_flag consume_flag_commit = {0, "commit", "WHEN",
                                                 "auto: every 5 s and at the end (auto); never"};

#define IDLE_MS 200
/* Records between two looks at signals. */
#define BETWEEN_LOOKS 256
#define PROGRESS_NS 500000000
#define CLOSE_POLL_MS 20
/* What leaving may take before it is explained. */
#define PATIENCE_NS INT64_C(3000000000)

struct member {
    struct consume_output out;
    struct assigned assigned;
    int signal_fd;
    bool stopped; /* by a signal */
    bool commits;
    rd_kafka_resp_err_t commit_error; /* of the last commit */
    bool progress_shown;
    int64_t progress_at_ns;
};

/* ---- what is seen on a terminal ---- */

static void clear_progress(struct member *m)
{
    static const char clear[] = "\r\033[K";
    if (m->progress_shown)
        sys_process_write(2, slice_of(clear, sizeof clear - 1));
    m->progress_shown = false;
}

/* How far it is, in one line that is written over; not among records on the same terminal. */
static void show_progress(struct member *m)
{
    struct console *console = m->out.call->console;
    int64_t now_ns = sys_mono_ns();
    struct text line;
    if (!console->err_is_terminal || console->out_is_terminal || now_ns < m->progress_at_ns)
        return;
    m->progress_at_ns = now_ns + PROGRESS_NS;
    int64_t lag = assigned_lag(&m->assigned);
    text_init(&line, 4096);
    text_printf(&line, "\r\033[K%lld records, %zu partitions", (long long)m->out.number,
                m->assigned.count);
    if (lag >= 0)
        text_printf(&line, ", lag %lld", (long long)lag);
    sys_process_write(2, text_slice(&line));
    text_fini(&line);
    m->progress_shown = true;
}

static void note_assignment(struct member *m, const char *what,
                            const rd_kafka_topic_partition_list_t *list)
{
    struct text line;
    if (!m->out.call->console->err_is_terminal)
        return;
    clear_progress(m);
    text_init(&line, (size_t)1 << 20);
    for (int i = 0; i < list->cnt; i++)
        text_printf(&line, " %s:%d", list->elems[i].topic, list->elems[i].partition);
    console_note(m->out.call->console, "consume: %s%s", what,
                 list->cnt > 0 ? line.data : " nothing");
    text_fini(&line);
}

/* ---- what may be committed ---- */

/* All that was printed is written, and then may be committed. */
static void settle(struct member *m)
{
    struct rdkafka *rk = &m->out.rk;
    console_flush(m->out.call->console);
    if (!m->commits || m->out.call->console->failed)
        return;
    rd_kafka_topic_partition_list_t *list =
        rk->topic_partition_list_new((int)m->assigned.count + 1);
    for (size_t i = 0; i < m->assigned.count; i++) {
        struct assigned_partition *at = &m->assigned.list[i];
        if (at->next < 0 || at->next == at->stored)
            continue;
        rk->topic_partition_list_add(list, at->topic, at->partition)->offset = at->next;
        at->stored = at->next;
    }
    /* One that was taken away meanwhile is another's by now, who begins where we committed. */
    if (list->cnt > 0)
        (void)rk->offsets_store(m->out.consumer, list);
    rk->topic_partition_list_destroy(list);
}

static void on_commit(rd_kafka_t *consumer, rd_kafka_resp_err_t error,
                      rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct member *m = CONTAINER_OF((struct consume_output *)opaque, struct member, out);
    (void)consumer;
    (void)list;
    if (error == RD_KAFKA_RESP_ERR__NO_OFFSET)
        return; /* there was nothing to commit */
    m->commit_error = error;
}

/* ---- partitions that come and go ---- */

static void take_error(struct member *m, rd_kafka_error_t *error)
{
    if (error == NULL)
        return;
    console_error(m->out.call->console, "%s", m->out.rk.error_string(error));
    m->out.rk.error_destroy(error);
    m->out.failed = true;
}

static void gain(struct member *m, rd_kafka_topic_partition_list_t *list, bool cooperative)
{
    for (int i = 0; i < list->cnt; i++)
        if (!assigned_add(&m->assigned, list->elems[i].topic, list->elems[i].partition)) {
            console_error(m->out.call->console, "out of memory");
            m->out.failed = true;
        }
    m->assigned.ever = true;
    note_assignment(m, "reads", list);
    if (cooperative)
        take_error(m, m->out.rk.incremental_assign(m->out.consumer, list));
    else
        (void)m->out.rk.assign(m->out.consumer, list);
}

static void lose(struct member *m, rd_kafka_topic_partition_list_t *list, bool cooperative)
{
    settle(m);
    for (int i = 0; i < list->cnt; i++)
        assigned_remove(&m->assigned, list->elems[i].topic, list->elems[i].partition);
    if (cooperative)
        take_error(m, m->out.rk.incremental_unassign(m->out.consumer, list));
    else
        (void)m->out.rk.assign(m->out.consumer, NULL);
}

static void on_rebalance(rd_kafka_t *consumer, rd_kafka_resp_err_t error,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct member *m = CONTAINER_OF((struct consume_output *)opaque, struct member, out);
    const char *protocol = m->out.rk.rebalance_protocol(consumer);
    bool cooperative = protocol != NULL && strcmp(protocol, "COOPERATIVE") == 0;
    if (error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        gain(m, list, cooperative);
    else if (error == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS)
        lose(m, list, cooperative);
    else
        (void)m->out.rk.assign(consumer, NULL);
}

/* ---- records ---- */

static void take_fault(struct member *m, const rd_kafka_message_t *message)
{
    const char *topic = message->rkt != NULL ? m->out.rk.topic_name(message->rkt) : NULL;
    bool passes = message->err == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED ||
                  message->err == RD_KAFKA_RESP_ERR__TRANSPORT ||
                  (message->err > 0 && err_is_known((int)message->err) &&
                   err_is_retriable((enum err)message->err) &&
                   message->err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    clear_progress(m);
    settle(m);
    if (passes) {
        console_note(m->out.call->console, "consume: %s; trying again",
                     m->out.rk.err2str(message->err));
        return;
    }
    const char *group = call_value(m->out.call, &consume_flag_group, "");
    records_report(&m->out.rk, m->out.call, topic != NULL ? topic : group, message->err,
                   message->len > 0 ? (const char *)message->payload : NULL);
    m->out.failed = true;
}

static void take_record(struct member *m, const rd_kafka_message_t *message)
{
    const char *topic = m->out.rk.topic_name(message->rkt);
    struct assigned_partition *at = assigned_find(&m->assigned, topic, message->partition);
    int64_t low;
    int64_t high = -1;
    if (at == NULL)
        return;
    if (m->out.rk.get_watermark_offsets(m->out.consumer, topic, message->partition, &low, &high) !=
        RD_KAFKA_RESP_ERR_NO_ERROR)
        high = -1;
    consume_print(&m->out, message);
    assigned_read(at, message->offset, high);
}

static void take_message(struct member *m, rd_kafka_message_t *message)
{
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        struct assigned_partition *at =
            assigned_find(&m->assigned, m->out.rk.topic_name(message->rkt), message->partition);
        if (at != NULL)
            assigned_reach_end(at, message->offset);
    } else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        take_fault(m, message);
    } else {
        take_record(m, message);
    }
    m->out.rk.message_destroy(message);
}

static bool goes_on(struct member *m)
{
    return !m->stopped && !m->out.failed && !m->out.call->console->failed &&
           m->out.number < m->out.number_max &&
           (m->out.wait_for_more || !assigned_all_ended(&m->assigned));
}

static void read_all(struct member *m)
{
    int since_look = 0;
    while (goes_on(m)) {
        rd_kafka_message_t *message = m->out.rk.consumer_poll(m->out.consumer, 0);
        if (message == NULL || ++since_look == BETWEEN_LOOKS) {
            since_look = 0;
            settle(m);
            show_progress(m);
            m->stopped = sys_signal_take(m->signal_fd) != 0;
        }
        if (message == NULL && !m->stopped)
            message = m->out.rk.consumer_poll(m->out.consumer, IDLE_MS);
        if (message != NULL)
            take_message(m, message);
    }
    clear_progress(m);
    settle(m);
}

/* ---- the run ---- */

static bool subscribe(struct member *m)
{
    const struct command_call *call = m->out.call;
    rd_kafka_topic_partition_list_t *topics =
        m->out.rk.topic_partition_list_new(call->argument_count);
    bool fine = true;
    for (int i = 0; i < call->argument_count && fine; i++) {
        /* What begins with ^ is a pattern of names, also of topics to come. */
        fine = call->arguments[i][0] == '^' ||
               consume_count_partitions(&m->out, call->arguments[i]) >= 0;
        m->out.rk.topic_partition_list_add(topics, call->arguments[i], RD_KAFKA_PARTITION_UA);
    }
    if (fine) {
        (void)m->out.rk.poll_set_consumer(m->out.consumer);
        rd_kafka_resp_err_t error = m->out.rk.subscribe(m->out.consumer, topics);
        fine = error == RD_KAFKA_RESP_ERR_NO_ERROR;
        if (!fine)
            records_report(&m->out.rk, call, call->arguments[0], error, NULL);
    }
    m->out.rk.topic_partition_list_destroy(topics);
    return fine;
}

static enum exit_code run(struct member *m)
{
    bool from_end = m->out.range.from.kind == OFFSET_BEFORE_END;
    const struct rdkafka_property defaults[] = {
        {"group.id", call_value(m->out.call, &consume_flag_group, "")},
        {"fetch.wait.max.ms", "100"},
        {"enable.partition.eof", "true"},
        {"enable.auto.commit", m->commits ? "true" : "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", from_end ? "latest" : "earliest"},
        {NULL, NULL}};
    struct consume_setup setup = {
        .defaults = defaults, .on_rebalance = on_rebalance, .on_commit = on_commit};
    enum exit_code code = consume_open(&m->out, &setup);
    if (code != EXIT_CODE_OK)
        return code;
    if (!subscribe(m))
        return EXIT_CODE_FAILED;
    read_all(m);
    return m->out.failed ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

static bool read_arguments(struct member *m)
{
    const struct command_call *call = m->out.call;
    const struct offset_range *range = &m->out.range;
    const char *commit = call_value(call, &consume_flag_commit, "auto");
    bool known = strcmp(commit, "auto") == 0 || strcmp(commit, "never") == 0;
    m->commits = strcmp(commit, "auto") == 0;
    if (!known)
        console_error(call->console, "--commit %s: must be auto or never", commit);
    else if (call_has(call, &consume_flag_partitions))
        console_error(call->console, "-p says nothing beside -g: the group shares partitions out");
    else if (call_value(call, &consume_flag_group, "")[0] == '\0')
        console_error(call->console, "-g GROUP: a group's name is not empty");
    else if (range->until.kind != OFFSET_OPEN || range->from.number != 0 ||
             (range->from.kind != OFFSET_AFTER_START && range->from.kind != OFFSET_BEFORE_END))
        console_error(call->console,
                      "-o %s: with -g it is start or end, for partitions that the group has "
                      "committed nothing of; ottla group seek moves a group",
                      call_value(call, &consume_flag_offset, ""));
    else
        return true;
    return false;
}

/* Commits and leaves. Where the coordinator does not answer, that may take as long as the session;
 * another signal ends it. false: it was not left. */
static bool leave(struct member *m)
{
    struct rdkafka *rk = &m->out.rk;
    int64_t note_at_ns = sys_mono_ns() + PATIENCE_NS;
    rd_kafka_queue_t *queue = rk->queue_new(m->out.consumer);
    rd_kafka_error_t *error = rk->consumer_close_queue(m->out.consumer, queue);
    bool left = error == NULL;
    take_error(m, error);
    while (left && rk->consumer_closed(m->out.consumer) == 0) {
        /* Partitions are taken away in callbacks; records that came meanwhile are for others. */
        rd_kafka_message_t *message = rk->consume_queue(queue, CLOSE_POLL_MS);
        if (message != NULL)
            rk->message_destroy(message);
        left = sys_signal_take(m->signal_fd) == 0;
        if (sys_mono_ns() >= note_at_ns) {
            note_at_ns = INT64_MAX;
            console_note(m->out.call->console,
                         "consume: waiting for the group's coordinator; Ctrl-C ends at once");
        }
    }
    rk->queue_destroy(queue);
    return left;
}

static enum exit_code close_member(struct member *m, enum exit_code code)
{
    if (m->out.consumer == NULL)
        return code;
    if (leave(m)) {
        if (m->commit_error != RD_KAFKA_RESP_ERR_NO_ERROR) {
            records_report(&m->out.rk, m->out.call, "the last commit, so that records come again,",
                           m->commit_error, NULL);
            m->out.failed = true;
        }
        m->out.rk.destroy(m->out.consumer);
        return m->out.failed ? EXIT_CODE_FAILED : code;
    }
    /* Its threads end with the process: to wait for them is what was just given up. */
    console_error(m->out.call->console,
                  "the group was not left: its coordinator did not answer. It gives the partitions "
                  "to others after the session timeout, and what was not committed comes again");
    return EXIT_CODE_FAILED;
}

enum exit_code consume_group_run(const struct command_call *call)
{
    struct member m = {.signal_fd = -1};
    enum exit_code code = EXIT_CODE_USAGE;
    if (consume_output_init(&m.out, call) && read_arguments(&m)) {
        /* Before librdkafka has threads, which must not take the signals. */
        m.signal_fd = sys_signal_open();
        code = run(&m);
    }
    console_flush(call->console);
    code = close_member(&m, code);
    assigned_fini(&m.assigned);
    consume_output_fini(&m.out);
    return code;
}
