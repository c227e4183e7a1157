/* The states of a group of the consumer protocol and of its members (KIP-848).
 *
 * GROUPS:  X(NAME, "name", "when"); the first that applies, from above
 * MEMBERS: X(NAME, number in records, "when")
 * EDGES:   X(FROM, TO, "why"), of members */
#ifndef TBL_CONSUMER_STATES_H
#define TBL_CONSUMER_STATES_H

#define CONSUMER_GROUP_STATES(X) \
    X(EMPTY, "Empty", "nobody is in it") \
    X(ASSIGNING, "Assigning", "its epoch is newer than its target assignment") \
    X(RECONCILING, "Reconciling", "a member has not what the target gives it") \
    X(STABLE, "Stable", "every member has what the target gives it") \
    X(DEAD, "Dead", "it is not there")

#define CONSUMER_MEMBER_STATES(X) \
    X(STABLE, 0, "it has what its target gives it, or what it had in its epoch") \
    X(UNREVOKED_PARTITIONS, 1, "it still has to say that it let partitions go") \
    X(UNRELEASED_PARTITIONS, 2, "it waits for partitions that others have to let go") \
    X(UNKNOWN, 127, "a record has a state that nobody knows: it has to join again")

#define CONSUMER_MEMBER_EDGES(X) \
    X(STABLE, STABLE, "another epoch takes nothing that it has, and all it gets is free") \
    X(STABLE, UNREVOKED_PARTITIONS, "the target, or its subscription, takes partitions away") \
    X(STABLE, UNRELEASED_PARTITIONS, "what the target gives it is another's still") \
    X(UNREVOKED_PARTITIONS, UNREVOKED_PARTITIONS, "more is taken away meanwhile") \
    X(UNREVOKED_PARTITIONS, STABLE, "it let go, and all it gets is free") \
    X(UNREVOKED_PARTITIONS, UNRELEASED_PARTITIONS, "it let go, and waits for others") \
    X(UNRELEASED_PARTITIONS, UNRELEASED_PARTITIONS, "some of what it waits for was let go") \
    X(UNRELEASED_PARTITIONS, STABLE, "the last that it waited for was let go") \
    X(UNRELEASED_PARTITIONS, UNREVOKED_PARTITIONS, "another target takes partitions away") \
    X(UNKNOWN, STABLE, "it joined again with nothing, and all it gets is free") \
    X(UNKNOWN, UNREVOKED_PARTITIONS, "it joined again with nothing") \
    X(UNKNOWN, UNRELEASED_PARTITIONS, "it joined again with nothing, and waits for others")

#define CONSUMER_GROUP_ID_(NAME, ...) CONSUMER_GROUP_##NAME,
enum consumer_group_state { CONSUMER_GROUP_STATES(CONSUMER_GROUP_ID_) };
#undef CONSUMER_GROUP_ID_

#define CONSUMER_MEMBER_ID_(NAME, number, ...) CONSUMER_MEMBER_##NAME = (number),
enum consumer_member_state { CONSUMER_MEMBER_STATES(CONSUMER_MEMBER_ID_) };
#undef CONSUMER_MEMBER_ID_

#endif
