"""Kafka's tools for groups and transactions as operators use them, and its console and verifiable clients with a
group and without one. Part of java.py.
"""

import json
import re
import time

from differential import Player
from golden_log import producer_of  # needs confluent-kafka

GROUPS = "consumer.group.ConsumerGroupCommand"
CONSOLE = "consumer.ConsoleConsumer"
TRANSACTIONS = "TransactionsCommand"
WAIT_SECONDS = 30
TRANSACTIONAL = 16
LONG_AGO_MS = 2 * 3_600_000


class Asked:
    """The tools at a node; what they say is compared line by line, spaces being all alike."""

    def __init__(self, tools, address, check):
        self.tools, self.address, self.check = tools, address, check

    def lines(self, name, *words, stdin=None):
        done = self.tools.run(name, self.address, *words, stdin=stdin)
        told = (done.stdout + done.stderr).decode()
        return [" ".join(line.split()) for line in told.splitlines()
                if line.strip() and not line.startswith("\tat ")], done

    def missing(self, wanted, lines):
        """Which of the expressions no line is; one that begins with "!" is no line's."""
        return [each for each in wanted if each.startswith("!") ==
                any(re.fullmatch(each.lstrip("!"), line) for line in lines)]

    def said(self, what, wanted, name, *words, stdin=None):
        lines, _ = self.lines(name, *words, stdin=stdin)
        missing = self.missing(wanted, lines)
        self.check(what, not missing, f"{missing} of\n" + "\n".join(lines[:40]))

    def until(self, what, wanted, name, *words):
        """Waits for what others bring about."""
        deadline = time.monotonic() + WAIT_SECONDS
        while self.missing(wanted, self.lines(name, *words)[0]) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.said(what, wanted, name, *words)


def numbered(first, last):
    return b"".join(b"line %d\n" % number for number in range(first, last))


def console(ask):
    """The two console clients as a tutorial has them."""
    ask.said("ConsoleProducer writes", [], "ConsoleProducer", "--topic", "lines", stdin=numbered(0, 20))

    def read(what, wanted, *words):
        done = ask.lines(CONSOLE, "--timeout-ms", "10000", *words)[1]
        ask.check(what, done.stdout == wanted, (done.stdout + done.stderr).decode()[-2000:])

    one = ("--topic", "lines", "--from-beginning", "--max-messages")
    read("ConsoleConsumer without a group", numbered(0, 20), *one, "20")
    ask.said("it made one of its own", ["console-consumer-[0-9]+ Classic Empty"], GROUPS, "--list", "--state", "--type")
    read("ConsoleConsumer with a group", numbered(0, 7), *one, "7", "--group", "console")
    read("it goes on where it was", numbered(7, 12), *one, "5", "--group", "console")
    read("ConsoleConsumer of the other protocol", numbered(12, 18), *one, "6", "--group", "console",
         "--command-property", "group.protocol=consumer")
    read("ConsoleConsumer of a pattern, read_committed", numbered(0, 3), "--include", "lin.*", "--from-beginning",
         "--max-messages", "3", "--isolation-level", "read_committed")


def verifiable(ask):
    """The clients of Kafka's own system tests; one of each protocol stays."""
    ask.said("VerifiableProducer", [r".*startup_complete.*"], "VerifiableProducer", "--topic", "nine", "--max-messages",
             "9")
    lines, _ = ask.lines("VerifiableConsumer", "--topic", "nine", "--group-id", "verified", "--max-messages", "9")
    told = {each["name"]: each for each in map(json.loads, (line for line in lines if line.startswith("{")))}
    ask.check("VerifiableConsumer", {"partitions_assigned", "records_consumed", "offsets_committed", "partitions_revoked",
                                     "shutdown_complete"} <= set(told), str(told))
    ask.tools.begin("VerifiableConsumer", ask.address, "--topic", "three", "--group-id", "live-consumer",
                    "--group-protocol", "consumer")
    ask.tools.begin("VerifiableConsumer", ask.address, "--topic", "three", "--group-id", "live-classic",
                    "--group-protocol", "classic", "--group-instance-id", "me")


def describe(ask):
    member = r"[^ ]+ /127.0.0.1 consumer-live-consumer-\d+"
    static = r"me-[-0-9a-f]{36} /127.0.0.1 consumer-live-classic-me"
    ask.until("ConsumerGroupCommand describes members' offsets", [
        rf"live-consumer three 0 9 9 0 {member}", rf"live-consumer three 2 - 0 - {member}",
        rf"live-classic three 0 9 9 0 {static}", "console lines 0 18 20 2 - - -", "verified nine 0 9 9 0 - - -",
        "Consumer group 'console' has no active members."], GROUPS, "--describe", "--all-groups")
    ask.said("ConsumerGroupCommand lists", ["live-classic", "live-consumer", "console"], GROUPS, "--list")
    ask.said("ConsumerGroupCommand lists a state", ["!live.*", "console Empty"], GROUPS, "--list", "--state", "Empty")
    ask.said("ConsumerGroupCommand lists a type", ["live-consumer Consumer", "!verified.*", "!live-classic.*"],
             GROUPS, "--list", "--type", "consumer")
    ask.said("ConsumerGroupCommand describes one group", [r"console lines 0 \S+ 18 20 2 - - -", "!live.*"],
             GROUPS, "--describe", "--group", "console", "--offsets", "--verbose")
    ask.said("ConsumerGroupCommand describes members", [rf"live-consumer {member} 3",
             static.join(("live-classic ", " 3")).replace(" /", " me /")],
             GROUPS, "--describe", "--all-groups", "--members")
    ask.said("ConsumerGroupCommand describes assignments", [rf"live-consumer {member} 3 \d+ three:0,1,2 \d+ three:0,1,2"],
             GROUPS, "--describe", "--group", "live-consumer", "--members", "--verbose")
    where = rf"{re.escape(ask.address)} \(1\)"
    ask.said("ConsumerGroupCommand describes states", [rf"live-consumer {where} uniform Stable (\d+) \1 1",
             rf"live-classic {where} range Stable - - 1", rf"console {where} uniform Empty (\d+) \1 0", rf"verified {where} - Empty - - 0"],
             GROUPS, "--describe", "--all-groups", "--state", "--verbose")
    ask.said("ConsumerGroupCommand describes no group", [".*GroupIdNotFoundException: Group none not found."],
             GROUPS, "--describe", "--group", "none")
    ask.said("GroupsCommand lists", ["live-classic Classic consumer", "live-consumer Consumer consumer"],
             "GroupsCommand", "--list")


def reset(ask, folder):
    """Every form of a new position, each from the one before."""
    exported = folder / "reset.csv"
    one = (GROUPS, "--reset-offsets", "--group", "console")
    for words, offset in ((("--to-earliest",), 0), (("--to-latest",), 20), (("--to-offset", "12"), 12),
                          (("--shift-by", "-4"), 8), (("--shift-by", "100"), 20), (("--to-current",), 20),
                          (("--by-duration", "PT1H"), 0), (("--to-datetime", "2038-01-01T00:00:00.000"), 20)):
        ask.said(f"ConsumerGroupCommand resets {' '.join(words)}", [f"console lines 0 {offset}"], *one, "--topic", "lines",
                 *words, "--execute")
    ask.said("ConsumerGroupCommand would reset", ["console lines 0 3"], *one, "--all-topics", "--to-offset", "3", "--dry-run")
    ask.said("and did not", ["console lines 0 20 20 0 - - -"], GROUPS, "--describe", "--group", "console")
    _, done = ask.lines(*one, "--all-topics", "--to-offset", "5", "--export", "--dry-run")
    exported.write_bytes(done.stdout)
    ask.said("ConsumerGroupCommand resets as a file says", ["console lines 0 5"], *one, "--from-file", str(exported),
             "--execute")
    ask.said("ConsumerGroupCommand makes a group of offsets", ["fresh three 0 1", "fresh three 2 0"], GROUPS,
             "--reset-offsets", "--group", "fresh", "--topic", "three:0,2", "--to-offset", "1", "--execute")
    for live in ("live-consumer", "live-classic"):
        ask.said(f"ConsumerGroupCommand does not reset {live}", [".*current state is Stable.*"], GROUPS, "--reset-offsets",
                 "--group", live, "--topic", "three", "--to-earliest", "--execute")


def delete(ask):
    ask.said("ConsumerGroupCommand deletes offsets", ["three 2 Successful"], GROUPS, "--delete-offsets", "--group", "fresh",
             "--topic", "three:2")
    ask.said("and no others", ["fresh three 0 1 9 8 - - -", "!fresh three 2.*"], GROUPS, "--describe", "--group", "fresh")
    for live in ("live-consumer", "live-classic"):
        ask.said(f"ConsumerGroupCommand does not delete offsets of {live}",
                 ["three 1 Error: .*GroupSubscribedToTopicException.*"], GROUPS, "--delete-offsets", "--group", live,
                 "--topic", "three")
    ask.said("ConsumerGroupCommand deletes groups", ["These consumer groups were deleted successfully: 'fresh'",
             ".*'none' could not be deleted due to: .*GroupIdNotFoundException.*",
             ".*'live-classic' could not be deleted due to: .*GroupNotEmptyException.*",
             ".*'live-consumer' could not be deleted due to: .*GroupNotEmptyException.*"],
             GROUPS, "--delete", *(word for group in ("fresh", "none", "live-classic", "live-consumer")
                                   for word in ("--group", group)))
    ask.said("they are gone", ["!fresh"], GROUPS, "--list")


def hang(player, topic):
    """A transaction that its coordinator knows nothing of, as old clients leave; its producer's id."""
    made = player.ask("InitProducerId", 4, {"transactionalId": "hanging", "transactionTimeoutMs": 60_000,
                                            "producerId": -1, "producerEpoch": -1})
    said = player.ask("Produce", 8, {"transactionalId": "hanging", "acks": -1, "timeoutMs": 30_000, "topicData": [
        {"name": topic, "partitionData": [{"index": 2, "records": {"$batch": {
            "producerId": made["producerId"], "producerEpoch": made["producerEpoch"], "baseSequence": 0,
            "attributes": TRANSACTIONAL, "baseTimestamp": player.now_ms - LONG_AGO_MS,
            "maxTimestamp": player.now_ms - LONG_AGO_MS}}}]}]})
    if made["errorCode"] != 0 or said["responses"][0]["partitionResponses"][0]["errorCode"] != 0:
        raise RuntimeError(f"nothing hangs: {made} {said}")
    return made["producerId"]


def transactions(ask):
    kept = []
    for name in ("open", "done", "ended"):
        kept.append(producer_of(ask.address, transactional_id=f"tool-{name}"))
        kept[-1].init_transactions(30)
        kept[-1].begin_transaction()
        kept[-1].produce("three", b"of a transaction", partition=1)
        kept[-1].flush(30)
    kept[1].commit_transaction(30)
    ask.until("TransactionsCommand lists", [r"tool-open 1 \d+ Ongoing", r"tool-done 1 \d+ CompleteCommit"],
              TRANSACTIONS, "list")
    ask.said("TransactionsCommand lists a pattern", [r"tool-done 1 \d+ CompleteCommit", "!tool-open.*"], TRANSACTIONS,
             "list", "--transactional-id-pattern", "tool-d.*")
    ask.said("TransactionsCommand describes", [r"1 tool-open \d+ 0 Ongoing 60000 \d+ \d+ three-1"], TRANSACTIONS, "describe",
             "--transactional-id", "tool-open")
    ask.said("TransactionsCommand describes none", [".*`none` failed because the ID could not be found.*"], TRANSACTIONS,
             "describe", "--transactional-id", "none")
    producers = (TRANSACTIONS, "describe-producers", "--topic", "three", "--partition", "1")
    ask.said("TransactionsCommand describes producers", [r"\d+ 0 -1 0 \d+ 0", r"\d+ \d+ 0 0 \d+ None"], *producers)
    ask.said("TransactionsCommand aborts", [], TRANSACTIONS, "abort", "--topic", "three", "--partition", "1",
             "--start-offset", "0")
    ask.said("it is aborted", [r"!\d+ \d+ -?\d+ -?\d+ \d+ 0"], *producers)
    ask.said("TransactionsCommand terminates", ["!.+"], TRANSACTIONS, "forceTerminateTransaction", "--transactionalId",
             "tool-ended")
    ask.until("it is terminated", [r"tool-ended 1 \d+ Empty"], TRANSACTIONS, "list")
    player = Player(ask.address)
    producer = hang(player, "three")
    ask.said("TransactionsCommand finds one that hangs", [rf"three 2 {producer} 0 -1 0 \d+ 1\d\d"], TRANSACTIONS,
             "find-hanging", "--broker-id", "1")
    ask.said("TransactionsCommand aborts it", [], TRANSACTIONS, "abort", "--topic", "three", "--partition", "2",
             "--start-offset", "0")
    ask.said("nothing hangs", ["!three.*"], TRANSACTIONS, "find-hanging", "--topic", "three")
    player.close()


def group_tools(tools, node, check):
    ask = Asked(tools, node.address, check)
    ask.said("TopicCommand makes three", ["Created topic three."], "TopicCommand", "--create", "--topic", "three",
             "--partitions", "3")
    three = producer_of(node.address)
    for number in range(9):
        three.produce("three", str(number), partition=0)
    three.flush(30)
    console(ask)
    verifiable(ask)
    describe(ask)
    reset(ask, node.folder)
    delete(ask)
    transactions(ask)
