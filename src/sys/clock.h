/* The two clocks. Deadlines and durations use the monotonic one only; the wall clock is for
 * timestamps that others see. Any thread. */
#ifndef SYS_CLOCK_H
#define SYS_CLOCK_H

#include <stdint.h>

int64_t sys_mono_ns(void);
int64_t sys_wall_ms(void);

#endif
