/* Thread roles as clang's thread-safety analysis compiles them; gcc sees nothing. A function says
 * ON(on_shard) when only a shard's thread may call it, NOT_ON(on_shard) when it may block and so
 * never may run there. Function pointers lose the contract: callbacks begin with
 * role_now_on_shard() or role_now_on_worker(). */
#ifndef BASE_ROLE_H
#define BASE_ROLE_H

#if defined(__clang__) && defined(OTTLA_THREAD_ROLES)
#define ROLE_ATTR_(x) __attribute__((x))
#else
#define ROLE_ATTR_(x)
#endif

struct ROLE_ATTR_(capability("role")) role {
    char name;
};

/* Dummies that stand for the roles; never read or written. */
extern const struct role on_shard;  /* an event loop's thread: must not block */
extern const struct role on_worker; /* a worker's thread: may block, owns no shard's data */

#define ON(role) ROLE_ATTR_(requires_capability(role))
#define NOT_ON(role) ROLE_ATTR_(locks_excluded(role))

/* States the role at a callback's entry. */
static inline void role_now_on_shard(void) ROLE_ATTR_(assert_capability(on_shard))
{
}
static inline void role_now_on_worker(void) ROLE_ATTR_(assert_capability(on_worker))
{
}

#endif
