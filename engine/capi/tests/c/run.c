/* Runs each model named on the command line on one input, whole and step by step, and prints what came of it. */
#include "files.h"
#include "lacewing.h"

#include <inttypes.h>
#include <string.h>

static lacewing_model model;
static lacewing_engine engine;
static lacewing_engine_i8 engine_i8;

static void expect(lacewing_status status, const char *what) {
    if (status != LACEWING_STATUS_OK) {
        fprintf(stderr, "%s: %s\n", what, lacewing_status_text(status));
        exit(1);
    }
}

static void print(const char *how, const lacewing_model_info *info, const lacewing_outcome *outcome) {
    printf("%s kind %" PRIu32, how, outcome->kind);
    if (outcome->kind == LACEWING_ANSWER || outcome->has_fallback) {
        printf(" class %u exit %u confidence %u", outcome->class_index, outcome->exit, outcome->confidence);
    }
    if (outcome->kind == LACEWING_OFFLOAD) {
        static uint8_t packet[4 * 65535 + 64];
        size_t len = 0;
        lacewing_packet_form form = {LACEWING_ENCODING_PLAIN, LACEWING_DROP_ZEROS, 7, 0};
        expect(info->input_is_int8
                   ? lacewing_features_i8_encode(&model, outcome->features_i8, outcome->n_features, &form, packet,
                                                 sizeof packet, &len)
                   : lacewing_features_encode(&model, outcome->features, outcome->n_features, &form, packet,
                                              sizeof packet, &len),
               "encode");
        printf(" packet");
        for (size_t i = 0; i < len; i++) printf(" %02x", packet[i]);
    }
    printf("\n");
}

int main(int argc, char **argv) {
    const lacewing_policy as_trained = {LACEWING_AS_TRAINED, 0, 0};
    for (int k = 1; k < argc; k++) {
        size_t len;
        uint8_t *bytes = read_file(argv[k], &len);
        expect(lacewing_model_parse(&model, bytes, len, NULL), argv[k]);
        lacewing_model_info info;
        expect(lacewing_model_describe(&model, &info), "describe");
        uint8_t *scratch = aligned_alloc(16, info.scratch_len);
        lacewing_outcome outcome;
        unsigned steps = 0;
        if (info.input_is_int8) {
            expect(lacewing_engine_i8_init(&engine_i8, &model, scratch, info.scratch_len), "init");
            for (int run = 0; run < 2; run++) {
                int8_t *input = lacewing_engine_i8_input(&engine_i8);
                for (unsigned i = 0; i < info.n_in; i++) input[i] = (int8_t)((int)(i * 37 % 255) - 127);
                if (run == 0) {
                    expect(lacewing_engine_i8_run(&engine_i8, as_trained, &outcome), "run");
                    print("run", &info, &outcome);
                } else {
                    do {
                        expect(lacewing_engine_i8_step(&engine_i8, as_trained, &outcome), "step");
                        steps++;
                    } while (outcome.kind == LACEWING_MORE);
                }
            }
        } else {
            expect(lacewing_engine_init(&engine, &model, scratch, info.scratch_len), "init");
            for (int run = 0; run < 2; run++) {
                float *input = lacewing_engine_input(&engine);
                for (unsigned i = 0; i < info.n_in; i++) input[i] = (float)(i * 37 % 255) / 128 - 1;
                if (run == 0) {
                    expect(lacewing_engine_run(&engine, as_trained, &outcome), "run");
                    print("run", &info, &outcome);
                } else {
                    do {
                        expect(lacewing_engine_step(&engine, as_trained, &outcome), "step");
                        steps++;
                    } while (outcome.kind == LACEWING_MORE);
                }
            }
        }
        printf("steps %u ", steps);
        print("and then", &info, &outcome);
        free(scratch);
        free(bytes);
    }
    return 0;
}
