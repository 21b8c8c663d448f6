/* Calls that cannot be right are refused, each by its own status, and nothing is written. Arguments: an f32 head, an int8 head and an
 * f32 tail. */
#include "files.h"
#include "lacewing.h"

#include <string.h>

static int failures;

#define REFUSES(call, wanted)                                                                                          \
    do {                                                                                                               \
        lacewing_status found = (call);                                                                                \
        if (found != LACEWING_STATUS_##wanted) {                                                                       \
            fprintf(stderr, "line %d: %s\n  gives %u (%s), not " #wanted "\n", __LINE__, #call, (unsigned)found,       \
                    lacewing_status_text(found));                                                                      \
            failures++;                                                                                                \
        }                                                                                                              \
    } while (0)
#define HOLDS(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "line %d: not so: %s\n", __LINE__, #what);                                                 \
            failures++;                                                                                                \
        }                                                                                                              \
    } while (0)

/* A pointer to the same place, one byte further on. */
#define SKEWED(at) ((void *)((uintptr_t)(at) + 1))

static const lacewing_policy as_trained = {LACEWING_AS_TRAINED, 0, 0};
static lacewing_model model, blank;
static lacewing_engine engine;
static lacewing_engine_i8 engine_i8;
static _Alignas(16) uint8_t scratch[65536];
static float floats[4096];
static int8_t bytes[4096];
static uint8_t packet[65536];

static void models(const uint8_t *head, size_t len) {
    size_t offset = 99;
    REFUSES(lacewing_model_parse(NULL, head, len, &offset), CALLER_NULL);
    REFUSES(lacewing_model_parse(SKEWED(&model), head, len, &offset), CALLER_MISALIGNED);
    REFUSES(lacewing_model_parse(&model, NULL, len, &offset), CALLER_NULL);
    REFUSES(lacewing_model_parse(&model, head, SIZE_MAX, &offset), CALLER_TOO_LONG);
    REFUSES(lacewing_model_parse(&model, head, len, SKEWED(&offset)), CALLER_MISALIGNED);
    HOLDS(offset == 99);
    REFUSES(lacewing_model_parse(&model, head, 0, &offset), MODEL_TOO_SHORT);
    REFUSES(lacewing_model_parse(&model, head, len - 1, &offset), MODEL_WRONG_FILE_LENGTH);
    HOLDS(offset == 8);
    HOLDS(lacewing_model_scratch_len(&model) == 0);
    HOLDS(lacewing_model_scratch_len(NULL) == 0);
    HOLDS(lacewing_model_scratch_len(SKEWED(&model)) == 0);
    lacewing_model_info info;
    REFUSES(lacewing_model_describe(&model, &info), CALLER_NOT_A_MODEL);
    REFUSES(lacewing_model_parse(&model, head, len, NULL), OK);
    REFUSES(lacewing_model_describe(&model, NULL), CALLER_NULL);
    REFUSES(lacewing_model_describe(NULL, &info), CALLER_NULL);
    REFUSES(lacewing_model_describe(&model, SKEWED(&info)), CALLER_MISALIGNED);
    REFUSES(lacewing_model_describe(&model, &info), OK);
    const char *name;
    size_t n;
    REFUSES(lacewing_model_class_name(&model, info.classes, &name, &n), CALLER_OUT_OF_RANGE);
    REFUSES(lacewing_model_class_name(&model, 0, NULL, &n), CALLER_NULL);
    REFUSES(lacewing_model_class_name(&model, 0, &name, NULL), CALLER_NULL);
    REFUSES(lacewing_model_class_name(&model, 0, &name, &n), OK);
}

static void engines(void) {
    lacewing_model_info info;
    lacewing_outcome outcome;
    REFUSES(lacewing_model_describe(&model, &info), OK);
    REFUSES(lacewing_engine_run(&engine, as_trained, &outcome), CALLER_NOT_AN_ENGINE);
    HOLDS(lacewing_engine_input(&engine) == NULL && lacewing_engine_input(NULL) == NULL);
    REFUSES(lacewing_engine_init(NULL, &model, scratch, sizeof scratch), CALLER_NULL);
    REFUSES(lacewing_engine_init(SKEWED(&engine), &model, scratch, sizeof scratch), CALLER_MISALIGNED);
    REFUSES(lacewing_engine_init(&engine, NULL, scratch, sizeof scratch), CALLER_NULL);
    REFUSES(lacewing_engine_init(&engine, &blank, scratch, sizeof scratch), CALLER_NOT_A_MODEL);
    REFUSES(lacewing_engine_init(&engine, &model, NULL, sizeof scratch), CALLER_NULL);
    REFUSES(lacewing_engine_init(&engine, &model, scratch, info.scratch_len - 1), ENGINE_SCRATCH_TOO_SMALL);
    REFUSES(lacewing_engine_init(&engine, &model, scratch + 1, sizeof scratch - 1), ENGINE_SCRATCH_MISALIGNED);
    REFUSES(lacewing_engine_i8_init(&engine_i8, &model, scratch, sizeof scratch), ENGINE_WRONG_ELEMENT);
    REFUSES(lacewing_engine_run(&engine, as_trained, &outcome), CALLER_NOT_AN_ENGINE);
    REFUSES(lacewing_engine_init(&engine, &model, scratch, sizeof scratch), OK);
    REFUSES(lacewing_engine_load(&engine, NULL, info.n_in), CALLER_NULL);
    REFUSES(lacewing_engine_load(&engine, SKEWED(floats), info.n_in), CALLER_MISALIGNED);
    REFUSES(lacewing_engine_load(&engine, floats, info.n_in - 1u), CALLER_WRONG_LENGTH);
    REFUSES(lacewing_engine_load(&engine, floats, SIZE_MAX / 2), CALLER_TOO_LONG);
    REFUSES(lacewing_engine_load(&engine, floats, info.n_in), OK);
    /* Memory of an int8 engine is none of an f32 engine. */
    memcpy(&engine_i8, &engine, sizeof engine);
    REFUSES(lacewing_engine_i8_run(&engine_i8, as_trained, &outcome), CALLER_NOT_AN_ENGINE);
    REFUSES(lacewing_engine_run(&engine, as_trained, NULL), CALLER_NULL);
    REFUSES(lacewing_engine_run(&engine, as_trained, SKEWED(&outcome)), CALLER_MISALIGNED);
    REFUSES(lacewing_engine_run(&engine, (lacewing_policy){4, 0, 0}, &outcome), CALLER_UNKNOWN_POLICY);
    REFUSES(lacewing_engine_run(&engine, (lacewing_policy){LACEWING_CONFIDENCE, 0, 1}, &outcome), CALLER_UNKNOWN_POLICY);
    REFUSES(lacewing_engine_run(&engine, (lacewing_policy){LACEWING_NEVER, 0, 0}, &outcome), OK);
    HOLDS(outcome.kind == LACEWING_OFFLOAD && outcome.features != NULL && outcome.features_i8 == NULL);
    const float *logits;
    size_t n;
    REFUSES(lacewing_engine_logits(&engine, NULL, &n), CALLER_NULL);
    REFUSES(lacewing_engine_logits(&engine, &logits, SKEWED(&n)), CALLER_MISALIGNED);
    REFUSES(lacewing_engine_logits(&engine, &logits, &n), OK);
}

static void packets(const uint8_t *tail, size_t tail_len) {
    lacewing_model_info info;
    lacewing_outcome outcome;
    lacewing_packet_form form = {LACEWING_ENCODING_PLAIN, 0, 0, 0};
    size_t n = 0;
    REFUSES(lacewing_model_describe(&model, &info), OK);
    REFUSES(lacewing_features_encode(&model, floats, info.n_features, &form, packet, 4, &n), PACKET_BUFFER_TOO_SMALL);
    HOLDS(n == 20 + 4u * info.n_features && packet[0] == 0);
    REFUSES(lacewing_features_encode(&model, floats, info.n_features, &form, NULL, n, &n), CALLER_NULL);
    REFUSES(lacewing_features_encode(&model, floats, info.n_features, &form, packet, n, NULL), CALLER_NULL);
    REFUSES(lacewing_features_encode(&model, floats, info.n_features + 1u, &form, packet, n, &n), CALLER_WRONG_LENGTH);
    REFUSES(lacewing_features_i8_encode(&model, bytes, info.n_features, &form, packet, n, &n), ENGINE_WRONG_ELEMENT);
    form.flags = 8;
    REFUSES(lacewing_features_encode(&model, floats, info.n_features, &form, packet, n, &n), CALLER_UNKNOWN_ENCODING);
    form.flags = 0, form.encoding = 3;
    REFUSES(lacewing_features_encode(&model, floats, info.n_features, &form, packet, n, &n), CALLER_UNKNOWN_ENCODING);
    form.encoding = LACEWING_ENCODING_PLAIN, form.flags = LACEWING_WITH_CONFIDENCE, form.confidence = 40000;
    REFUSES(lacewing_features_encode(&model, floats, info.n_features, &form, packet, n, &n), CALLER_BAD_CONFIDENCE);
    REFUSES(lacewing_features_encode(&model, floats, info.n_features, NULL, packet, n, &n), OK);
    REFUSES(lacewing_engine_resume(&engine, packet, n, as_trained, &outcome), RESUME_NOT_A_TAIL);

    /* The tail of the same pair takes it, and nothing less than all of it. */
    REFUSES(lacewing_model_parse(&model, tail, tail_len, NULL), OK);
    REFUSES(lacewing_engine_init(&engine, &model, scratch, sizeof scratch), OK);
    REFUSES(lacewing_engine_resume(&engine, packet, n - 1, as_trained, &outcome), PACKET_WRONG_LENGTH);
    packet[n - 1] ^= 1;
    REFUSES(lacewing_engine_resume(&engine, packet, n, as_trained, &outcome), PACKET_WRONG_CHECKSUM);
    packet[n - 1] ^= 1;
    REFUSES(lacewing_engine_resume(&engine, NULL, n, as_trained, &outcome), CALLER_NULL);
    REFUSES(lacewing_engine_resume(&engine, packet, n, as_trained, NULL), CALLER_NULL);
    REFUSES(lacewing_engine_resume(&engine, packet, n, as_trained, &outcome), OK);
    HOLDS(outcome.kind == LACEWING_ANSWER && outcome.exit > 0);

    static const uint8_t refused[] = {'L', 'R'};
    lacewing_reply reply;
    REFUSES(lacewing_reply_parse(packet, n, refused, sizeof refused, &reply), PACKET_TOO_SHORT);
    REFUSES(lacewing_reply_parse(packet, n, NULL, 1, &reply), CALLER_NULL);
}

static void int8(const uint8_t *head, size_t len) {
    lacewing_model_info info;
    lacewing_outcome outcome;
    REFUSES(lacewing_model_parse(&model, head, len, NULL), OK);
    REFUSES(lacewing_model_describe(&model, &info), OK);
    REFUSES(lacewing_engine_init(&engine, &model, scratch, sizeof scratch), ENGINE_WRONG_ELEMENT);
    REFUSES(lacewing_engine_i8_init(&engine_i8, &model, scratch + 1, info.scratch_len), OK);
    REFUSES(lacewing_engine_i8_load(&engine_i8, bytes, info.n_in + 1u), CALLER_WRONG_LENGTH);
    REFUSES(lacewing_engine_i8_load(&engine_i8, bytes, info.n_in), OK);
    REFUSES(lacewing_engine_i8_run(&engine_i8, (lacewing_policy){LACEWING_THRESHOLD, 0.5f, 0}, &outcome),
            CALLER_UNKNOWN_POLICY);
    REFUSES(lacewing_engine_i8_run(&engine_i8, (lacewing_policy){LACEWING_CONFIDENCE, 0, 32769}, &outcome),
            CALLER_BAD_CONFIDENCE);
    REFUSES(lacewing_engine_i8_run(&engine_i8, (lacewing_policy){LACEWING_NEVER, 0, 0}, &outcome), OK);
    HOLDS(outcome.kind == LACEWING_OFFLOAD && outcome.features == NULL && outcome.features_i8 != NULL);
    size_t n;
    REFUSES(lacewing_features_i8_encode(&model, bytes, info.n_features, NULL, packet, sizeof packet, &n), OK);
    REFUSES(lacewing_engine_i8_resume(&engine_i8, packet, n, as_trained, &outcome), RESUME_NOT_A_TAIL);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    size_t len[3];
    uint8_t *file[3];
    for (int k = 0; k < 3; k++) file[k] = read_file(argv[k + 1], &len[k]);
    models(file[0], len[0]);
    engines();
    packets(file[2], len[2]);
    int8(file[1], len[1]);
    for (int k = 0; k < 3; k++) free(file[k]);
    return failures != 0;
}
