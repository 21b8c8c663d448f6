/* Runs a head on each input in flash, prints what came of it (by semihosting, one line an input) and sends the features of what it is
 * unsure of over UART 0, one packet each, framed (engine/PACKET.md):
 *
 *     0 answer 7 exit 1
 *     1 offload 256 fallback 4
 */
#include "lacewing.h"

#include <stdio.h>
#include <stdlib.h>

/* head.c and inputs.c, which firmware/c/build makes of the model file and its inputs. */
extern const uint8_t head_lace[];
extern const size_t head_lace_len;
extern const float inputs[];
extern const size_t inputs_len;

/* UART 0 of the board. */
#define UART_DATA (*(volatile uint32_t *)0x40004000)
#define UART_STATE (*(volatile uint32_t *)0x40004004)
#define UART_CONTROL (*(volatile uint32_t *)0x40004008)
#define UART_DIVIDER (*(volatile uint32_t *)0x40004010)

static lacewing_model model;
static lacewing_engine engine;
/* The head's n_features and scratch_len; lacewing inspect prints both. */
static _Alignas(16) uint8_t scratch[8192];
static uint8_t packet[4 * 512 + 22];

static void put(size_t byte) {
    while (UART_STATE & 1) {
    }
    UART_DATA = (uint8_t)byte;
}

/* A packet as a COBS frame (PACKET.md, "Framing"): runs of at most 254 bytes without a zero, each behind its length and one. A run that is
 * shorter stands for the zero behind it too; the zero behind the last ends the frame. */
static void send(const uint8_t *bytes, size_t len) {
    size_t run;
    do {
        for (run = 0; run < len && run < 254 && bytes[run] != 0; run++) {
        }
        put(run + 1);
        for (size_t i = 0; i < run; i++) put(bytes[i]);
        bytes += run;
        len -= run;
        /* Without one behind it the run was the last. */
        if (run == 254) continue;
        if (len == 0) break;
        bytes++;
        len--;
        if (len == 0) put(1);
    } while (len > 0);
    put(0);
}

static void require(lacewing_status status, const char *what, size_t offset) {
    if (status != LACEWING_STATUS_OK) {
        printf("%s, byte %u: %s\n", what, (unsigned)offset, lacewing_status_text(status));
        exit(1);
    }
}

int main(void) {
    const lacewing_policy as_trained = {LACEWING_AS_TRAINED, 0, 0};
    const lacewing_packet_form without_zeros = {LACEWING_ENCODING_PLAIN, LACEWING_DROP_ZEROS, 0, 0};
    size_t offset = 0;
    lacewing_model_info info;

    UART_DIVIDER = 16;
    UART_CONTROL = 1;
    require(lacewing_model_parse(&model, head_lace, head_lace_len, &offset), "head.lace", offset);
    require(lacewing_model_describe(&model, &info), "describe", 0);
    require(lacewing_engine_init(&engine, &model, scratch, sizeof scratch), "init", 0);

    for (size_t number = 0; (number + 1) * info.n_in <= inputs_len; number++) {
        lacewing_outcome outcome;
        require(lacewing_engine_load(&engine, inputs + number * info.n_in, info.n_in), "load", 0);
        require(lacewing_engine_run(&engine, as_trained, &outcome), "run", 0);
        if (outcome.kind == LACEWING_ANSWER) {
            printf("%u answer %u exit %u\n", (unsigned)number, outcome.class_index, outcome.exit);
            continue;
        }
        size_t len = 0;
        require(lacewing_features_encode(&model, outcome.features, outcome.n_features, &without_zeros, packet,
                                         sizeof packet, &len), "encode", 0);
        send(packet, len);
        printf("%u offload %u", (unsigned)number, outcome.n_features);
        if (outcome.has_fallback) printf(" fallback %u", outcome.class_index);
        printf("\n");
    }
    return 0;
}
