/* What the admin commands share: their flags, connecting with a clear error, and reporting an error
 * of the protocol as one line with its name, number and a hint. One thread. */
#ifndef CMD_ADMIN_H
#define CMD_ADMIN_H

#include "base/uuid.h"
#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/listing.h"
#include "wire/msg/metadata_response.h"

extern const struct command_flag flag_brokers;
extern const struct command_flag flag_timeout;
extern const struct command_flag flag_format; /* of lists */
extern const struct command_flag flag_yes;

/* -b, else OTTLA_BROKERS, else localhost:9092. */
const char *admin_brokers(const struct command_call *);

struct admin {
    const struct command_call *call;
    struct client client;
    struct arena arena; /* requests and responses */
    enum listing_format format;
    int64_t timeout_ms;
    bool failed; /* an item failed: exit code 1 */
};

/* Reads the shared flags and connects. EXIT_CODE_OK, or the code to end with, after an error line.
 * Always to be ended by admin_close. */
enum exit_code admin_open(struct admin *, const struct command_call *);
/* The two halves of it, for what is checked or asked between them. admin_close after the first. */
enum exit_code admin_prepare(struct admin *, const struct command_call *);
enum exit_code admin_connect(struct admin *);
void admin_close(struct admin *);
enum exit_code admin_result(const struct admin *);

/* An error of the protocol about one thing. message: the broker's own words, may be null. */
struct admin_fault {
    const char *what; /* "orders"; NULL: the command as a whole */
    const char *name; /* of the code; NULL: Kafka's */
    int code;
    struct slice message;
    const char *hint; /* NULL: the usual one of that code */
};
/* "orders on localhost:9092: INVALID_PARTITIONS (37): ... Try -p 1." */
void admin_tell(struct console *, const char *brokers, const struct admin_fault *);
void admin_report(struct admin *, const struct admin_fault *);
/* The client's last error, with a hint where the connection failed. */
void admin_tell_client(struct console *, const struct client *);
void admin_report_client(struct admin *);

/* One request in the newest version both know. EXIT_CODE_OK, or the code to end with, after an
 * error line. */
enum exit_code admin_exchange(struct admin *, int16_t api_key, const void *ask, void *ret_answer);

/* Metadata of the named topics, or of all with count 0, or of none (the brokers alone) with -1; in
 * the arena, also what it points to that names hosts and topics. NULL: reported. Never creates a
 * topic. */
const struct metadata_response *admin_metadata(struct admin *, const char *const *names, int count);
/* "host:port" of a broker in it; NULL: there is none of that number. */
const char *admin_node_address(struct admin *, const struct metadata_response *, int32_t node_id);
/* Names that a flag may give, with commas between and in any case of letters. */
struct admin_choice {
    const struct command_flag *flag;
    const char *const *names;
    size_t name_count;
    const char *rule; /* "must be among ..." */
};
/* In the arena, as they are spelt in the names. false: an error line was written. */
MUST_USE bool admin_choose(struct admin *, const struct admin_choice *, struct slice **ret_words,
                           int32_t *ret_count);
/* Asks whoever sits at the terminal, unless --yes is given. EXIT_CODE_OK, or the code to end with
 * after a line that says why. doing: what --yes does without asking. */
enum exit_code admin_confirm(const struct command_call *, const char *doing, const char *question);

/* "1,2,3" in the arena. */
const char *admin_ids(struct admin *, const int32_t *ids, int32_t count);
/* NUL-terminated copy in the arena. */
const char *admin_text(struct admin *, struct slice);
/* A listing as --format asks, as the whole result of the command: JSON always, a table with its
 * headers alone only where nothing failed. */
void admin_print(struct admin *, const struct listing *);
/* The same, and the end of the listing: the code to end with. */
enum exit_code admin_finish(struct admin *, struct listing *);

#endif
