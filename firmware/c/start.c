/* Start-up of a Cortex-M4F without an operating system, for newlib. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern uint32_t stack_top[], bss_start[], bss_end[], data_start[], data_end[], data_load[];
extern void initialise_monitor_handles(void);
extern int main(void);
void reset(void);

static void fault(void) {
    for (;;) {
    }
}

__attribute__((used, section(".vectors"))) static const void *const vectors[16] = {
    stack_top, (void *)reset, (void *)fault, (void *)fault, (void *)fault, (void *)fault, (void *)fault,
};

__attribute__((used)) void reset(void) {
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* the FPU, before the first floating-point instruction */
    __asm volatile("dsb; isb");
    memcpy(data_start, data_load, (size_t)((char *)data_end - (char *)data_start));
    memset(bss_start, 0, (size_t)((char *)bss_end - (char *)bss_start));
    initialise_monitor_handles();
    exit(main());
}
