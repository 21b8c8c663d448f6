/* Lacewing: runs predefined-sparse early-exit networks from model bytes.
 *
 * No memory is allocated: the caller lends a model's and an engine's memory and the scratch, and may put them in statics.
 * No function keeps global state; a model may be shared by engines, an engine belongs to one thread at a time. Where a
 * function refuses, its outputs are untouched unless it says otherwise.
 *
 *     static lacewing_model model;
 *     static lacewing_engine engine;
 *     lacewing_model_parse(&model, head_lace, head_lace_len, &offset);
 *     lacewing_engine_init(&engine, &model, scratch, sizeof scratch);
 *     lacewing_engine_load(&engine, pixels, n_pixels);
 *     lacewing_engine_run(&engine, as_trained, &outcome);
 *
 * Written by cbindgen from engine/capi/src. */

#ifndef LACEWING_H
#define LACEWING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Exits are taken as the model says.
#define LACEWING_AS_TRAINED 0

// No exit is taken: a head hands everything over, a whole network answers at its end.
#define LACEWING_NEVER 1

// Exits are taken by the model's metrics with `threshold` instead of the model's; for f32 engines.
#define LACEWING_THRESHOLD 2

// Exits are taken with this least `confidence`; for int8 engines.
#define LACEWING_CONFIDENCE 3

// One operation is done, there are more: of step only.
#define LACEWING_MORE 0

// An exit was sure enough, or the network has ended: `class_index`, `exit` and `confidence` are its answer.
#define LACEWING_ANSWER 1

// No exit was: the tail finishes, from `features` or `features_i8`. Where `has_fallback`, `class_index`, `exit` and `confidence` are the
// last exit's own answer, for when the link is down.
#define LACEWING_OFFLOAD 2

// Words of the size of a pointer in a model: enough on 32-bit targets, which need more of them than 64-bit ones.
#define LACEWING_MODEL_WORDS 640

// Words of the size of a pointer in an engine.
#define LACEWING_ENGINE_WORDS 48

// Features as they are: 4 bytes each of f32, 1 byte of int8.
#define LACEWING_ENCODING_PLAIN 0

// f32 features rounded to half precision: 2 bytes each.
#define LACEWING_ENCODING_F16 1

// Leaves zeros out of the packet where that makes it smaller.
#define LACEWING_DROP_ZEROS 1

// Sends `confidence`.
#define LACEWING_WITH_CONFIDENCE 2

// Asks that the reply carry logits.
#define LACEWING_WANT_LOGITS 4

// What a function came to. Model, Junction, Engine, Resume and Packet are the engine's own refusals, each under its own name;
// Caller is a call that cannot be right. Numbers are never reused.
enum lacewing_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Done.
  LACEWING_STATUS_OK = 0,
  // Fewer bytes than a header, or than the records that the header announces.
  LACEWING_STATUS_MODEL_TOO_SHORT = 1,
  // The first four bytes are not "LACE".
  LACEWING_STATUS_MODEL_NOT_A_MODEL = 2,
  // The byte order mark is swapped: written by a big-endian writer.
  LACEWING_STATUS_MODEL_WRONG_ENDIAN = 3,
  // The byte order mark is neither right nor swapped.
  LACEWING_STATUS_MODEL_BAD_BYTE_ORDER = 4,
  // The read version is above this reader's, or 0.
  LACEWING_STATUS_MODEL_UNKNOWN_VERSION = 5,
  // The write version is below the read version.
  LACEWING_STATUS_MODEL_BAD_WRITE_VERSION = 6,
  // The stated file length is not the number of bytes.
  LACEWING_STATUS_MODEL_WRONG_FILE_LENGTH = 7,
  // The checksum is another: the file was damaged.
  LACEWING_STATUS_MODEL_WRONG_CHECKSUM = 8,
  // No such part.
  LACEWING_STATUS_MODEL_UNKNOWN_PART = 9,
  // Operations outside 1..=16.
  LACEWING_STATUS_MODEL_OPERATION_COUNT = 10,
  // More than 8 exits.
  LACEWING_STATUS_MODEL_EXIT_COUNT = 11,
  // A split in a whole network, or none (or one above 15) in a head or tail.
  LACEWING_STATUS_MODEL_BAD_SPLIT = 12,
  // Head exits stated in a file that is no tail, or more than 8.
  LACEWING_STATUS_MODEL_BAD_HEAD_EXITS = 13,
  // No inputs.
  LACEWING_STATUS_MODEL_ZERO_INPUTS = 14,
  // No classes.
  LACEWING_STATUS_MODEL_ZERO_CLASSES = 15,
  // An element type that this reader does not know, of input or weights.
  LACEWING_STATUS_MODEL_UNKNOWN_ELEMENT = 16,
  // An input or output scale that is not a finite number above 0, a zero point that is not finite or, of int8,
  // no integer from −128 to 127; or an output scaling that is not the last trunk operation's, 1 and 0 for f32.
  LACEWING_STATUS_MODEL_BAD_SCALING = 17,
  // An operation computes in f32, though the file's inputs are int8.
  LACEWING_STATUS_MODEL_ELEMENT_MISMATCH = 18,
  // An int8 operation's input scale or zero point is not that of the int8 values it reads.
  LACEWING_STATUS_MODEL_SCALE_MISMATCH = 19,
  // An exit's integer step is 0 or its least confidence above 32,769 where its logits are int8, or they are not
  // 0 where its logits are f32.
  LACEWING_STATUS_MODEL_BAD_INTEGER_EXIT = 20,
  // A reserved byte is not zero.
  LACEWING_STATUS_MODEL_RESERVED_NOT_ZERO = 21,
  // No such operation kind.
  LACEWING_STATUS_MODEL_UNKNOWN_OPERATION = 22,
  // No such packing: of a later writer, or a deployment packing that this reader does not know.
  LACEWING_STATUS_MODEL_UNKNOWN_PACKING = 23,
  // A packing parameter that the packing does not have is not zero, or its index width is unknown.
  LACEWING_STATUS_MODEL_BAD_PACKING_PARAMETER = 24,
  // No such activation.
  LACEWING_STATUS_MODEL_UNKNOWN_ACTIVATION = 25,
  // A slope other than +0 for an activation that has none.
  LACEWING_STATUS_MODEL_SLOPE_WITHOUT_USE = 26,
  // This build has no kernel for a junction's packing.
  LACEWING_STATUS_MODEL_NO_KERNEL = 27,
  // An operation's n_in is not the width of what it reads.
  LACEWING_STATUS_MODEL_WIDTH_MISMATCH = 28,
  // An operation belongs to an exit that is not the one due there.
  LACEWING_STATUS_MODEL_BRANCH_OUT_OF_ORDER = 29,
  // A trunk operation, or the end, comes before the branch of the exit that sits there is complete.
  LACEWING_STATUS_MODEL_BRANCH_INCOMPLETE = 30,
  // A branch, or the trunk of a whole network or tail, ends in another number of outputs than there are classes.
  LACEWING_STATUS_MODEL_NOT_THE_CLASSES = 31,
  // An exit sits at or before the part's first input, behind its end, or before the exit in front of it.
  LACEWING_STATUS_MODEL_EXIT_OUT_OF_PLACE = 32,
  // No such metric.
  LACEWING_STATUS_MODEL_UNKNOWN_METRIC = 33,
  // A temperature that is not a finite number above 0.
  LACEWING_STATUS_MODEL_BAD_TEMPERATURE = 34,
  // A threshold that is not finite.
  LACEWING_STATUS_MODEL_BAD_THRESHOLD = 35,
  // A whole network or tail whose last exit is not the end of its trunk.
  LACEWING_STATUS_MODEL_NO_LAST_EXIT = 36,
  // An exit without a branch that is not the last exit of a whole network or tail.
  LACEWING_STATUS_MODEL_EXIT_WITHOUT_BRANCH = 37,
  // A head whose trunk does not end at the split.
  LACEWING_STATUS_MODEL_HEAD_NOT_AT_SPLIT = 38,
  // A section reaches past the end of the file.
  LACEWING_STATUS_MODEL_SECTION_PAST_END = 39,
  // Bytes between sections are not zero.
  LACEWING_STATUS_MODEL_PADDING_NOT_ZERO = 40,
  // Bytes after the last section.
  LACEWING_STATUS_MODEL_TRAILING_BYTES = 41,
  // The class names do not fill their section exactly, one of 1 to 64 bytes of UTF-8 for each class.
  LACEWING_STATUS_MODEL_BAD_CLASS_NAMES = 42,
  // What an exit's threshold was chosen for is unknown, or its numbers are outside their ranges.
  LACEWING_STATUS_MODEL_BAD_CALIBRATION = 43,
  // Sections are aligned neither to 16 nor to 64 bytes.
  LACEWING_STATUS_MODEL_UNKNOWN_ALIGNMENT = 44,
  // n_in or n_out is zero.
  LACEWING_STATUS_JUNCTION_ZERO_WIDTH = 101,
  // The packing's own numbers are out of range.
  LACEWING_STATUS_JUNCTION_BAD_PACKING = 102,
  // A section has another length than the packing needs.
  LACEWING_STATUS_JUNCTION_WRONG_LENGTH = 103,
  // An input is n_in or above, or a block or window reaches past it; input-major: an output is n_out or above.
  LACEWING_STATUS_JUNCTION_INPUT_OUT_OF_RANGE = 104,
  // The inputs of a row do not ascend; input-major: the outputs of an input.
  LACEWING_STATUS_JUNCTION_INPUTS_NOT_ASCENDING = 105,
  // What stands for no edge (a weight below a ragged row block or group, a position without an edge, unused
  // bits) is not zero.
  LACEWING_STATUS_JUNCTION_PADDING_NOT_ZERO = 106,
  // An output is missing from the order of rows: another one is there twice, or one that does not exist.
  LACEWING_STATUS_JUNCTION_NOT_A_PERMUTATION = 107,
  // A weight, a bias or the activation's slope is NaN or infinite.
  LACEWING_STATUS_JUNCTION_NOT_FINITE = 108,
  // An int8 weight is −128: weights are symmetric, so that two products fit 16 bits.
  LACEWING_STATUS_JUNCTION_WEIGHT_OUT_OF_RANGE = 109,
  // The sum of an int8 row could overflow: its bias is beyond ±2³⁰, or blocks give it more than 65,535 products.
  LACEWING_STATUS_JUNCTION_SUM_OVERFLOW = 110,
  // A multiplier is negative, or a shift outside −31..=30.
  LACEWING_STATUS_JUNCTION_BAD_RESCALE = 111,
  // The clamp's lower end is above its upper one.
  LACEWING_STATUS_JUNCTION_BAD_CLAMP = 112,
  // The scratch is shorter than lacewing_model_scratch_len() says.
  LACEWING_STATUS_ENGINE_SCRATCH_TOO_SMALL = 201,
  // The scratch does not start at a multiple of 4 bytes.
  LACEWING_STATUS_ENGINE_SCRATCH_MISALIGNED = 202,
  // The environment variable LACEWING_ISA asks for an instruction set that cannot be had.
  LACEWING_STATUS_ENGINE_ISA = 203,
  // The model's inputs are of another type: int8 models need a lacewing_engine_i8, others a lacewing_engine.
  LACEWING_STATUS_ENGINE_WRONG_ELEMENT = 204,
  // No kernel that accepts a junction's packing can run on this processor.
  LACEWING_STATUS_ENGINE_NO_KERNEL = 205,
  // This model is no tail.
  LACEWING_STATUS_RESUME_NOT_A_TAIL = 301,
  // The features come from a head of another conversion.
  LACEWING_STATUS_RESUME_WRONG_PAIR = 302,
  // The features were taken at another split point.
  LACEWING_STATUS_RESUME_WRONG_SPLIT = 303,
  // Another number of features than the tail has inputs.
  LACEWING_STATUS_RESUME_WRONG_LENGTH = 304,
  // The tail's inputs are int8, and the features are f32 or int8 of another scale or zero point.
  LACEWING_STATUS_RESUME_WRONG_QUANTISATION = 305,
  // The buffer does not hold the packet.
  LACEWING_STATUS_PACKET_BUFFER_TOO_SMALL = 401,
  // More than 65,535 values.
  LACEWING_STATUS_PACKET_TOO_MANY_VALUES = 402,
  // Shorter than a header and a checksum.
  LACEWING_STATUS_PACKET_TOO_SHORT = 403,
  // Does not begin with "LF", or "LR" for a reply.
  LACEWING_STATUS_PACKET_NOT_A_PACKET = 404,
  // A version, encoding or flag that this reader does not know.
  LACEWING_STATUS_PACKET_UNKNOWN_VERSION = 405,
  // Not the length that its count of values makes.
  LACEWING_STATUS_PACKET_WRONG_LENGTH = 406,
  // Damaged on the way.
  LACEWING_STATUS_PACKET_WRONG_CHECKSUM = 407,
  // A bitmap that goes on behind the last value, or keeps a zero.
  LACEWING_STATUS_PACKET_WRONG_BITMAP = 408,
  // A confidence above 1.
  LACEWING_STATUS_PACKET_WRONG_CONFIDENCE = 409,
  // A reply whose fields contradict its status.
  LACEWING_STATUS_PACKET_WRONG_REPLY = 410,
  // A value that half precision does not hold: NaN, infinite, or beyond ±65,504.
  LACEWING_STATUS_PACKET_NOT_HALF = 411,
  // Asked to send f32 features as int8.
  LACEWING_STATUS_PACKET_NOT_INT8 = 412,
  // The scale of int8 values is not a normal number above 0 and below 2^120 whose lowest eight bits are 0.
  LACEWING_STATUS_PACKET_BAD_SCALE = 413,
  // A value is NaN or infinite.
  LACEWING_STATUS_PACKET_NOT_FINITE = 414,
  // A pointer is null.
  LACEWING_STATUS_CALLER_NULL = 501,
  // A pointer does not have its type's alignment.
  LACEWING_STATUS_CALLER_MISALIGNED = 502,
  // A length is beyond what memory can hold.
  LACEWING_STATUS_CALLER_TOO_LONG = 503,
  // This memory holds no model: lacewing_model_parse() has not succeeded in it.
  LACEWING_STATUS_CALLER_NOT_A_MODEL = 504,
  // This memory holds no engine of this type: it was not initialised.
  LACEWING_STATUS_CALLER_NOT_AN_ENGINE = 505,
  // Another number of values than the model has inputs, or outputs at its split.
  LACEWING_STATUS_CALLER_WRONG_LENGTH = 506,
  // No such policy for this engine.
  LACEWING_STATUS_CALLER_UNKNOWN_POLICY = 507,
  // No such encoding or flag.
  LACEWING_STATUS_CALLER_UNKNOWN_ENCODING = 508,
  // A confidence above 32,768.
  LACEWING_STATUS_CALLER_BAD_CONFIDENCE = 509,
  // No class or exit of this number.
  LACEWING_STATUS_CALLER_OUT_OF_RANGE = 510,
  // The engine gave a reason that this header does not know: they are of different versions.
  LACEWING_STATUS_UNKNOWN = 999,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum lacewing_status lacewing_status;
#else
typedef uint32_t lacewing_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Which part of a network a file holds.
enum lacewing_part
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // All of it: always answers.
  LACEWING_PART_WHOLE = 0,
  // From the input to the split point: answers or hands over.
  LACEWING_PART_HEAD = 1,
  // From the split point on: always answers.
  LACEWING_PART_TAIL = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum lacewing_part lacewing_part;
#else
typedef uint32_t lacewing_part;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Memory for an engine whose inputs are f32.
typedef struct lacewing_engine {
  size_t opaque[LACEWING_ENGINE_WORDS];
} lacewing_engine;

// Memory for a model: a static, or on the stack of whoever outlives its engines. What is in it is the library's.
typedef struct lacewing_model {
  size_t opaque[LACEWING_MODEL_WORDS];
} lacewing_model;

// Memory for an engine whose inputs are int8.
typedef struct lacewing_engine_i8 {
  size_t opaque[LACEWING_ENGINE_WORDS];
} lacewing_engine_i8;

// Who decides at the exits. A zeroed one is LACEWING_AS_TRAINED.
typedef struct lacewing_policy {
  // LACEWING_AS_TRAINED ...
  uint32_t kind;
  // Of LACEWING_THRESHOLD, in the metric's unit.
  float threshold;
  // Of LACEWING_CONFIDENCE, 0 to 32,768.
  uint16_t confidence;
} lacewing_policy;

// What a run or a step came to.
typedef struct lacewing_outcome {
  // LACEWING_MORE, LACEWING_ANSWER or LACEWING_OFFLOAD.
  uint32_t kind;
  // The class with the largest logit.
  uint16_t class_index;
  // How sure the exit is, 0 to 32,768.
  uint16_t confidence;
  // The exit that answered, numbered from 1 in the whole network.
  uint8_t exit;
  // Whether an offload has an answer beside the features.
  bool has_fallback;
  // Values to hand over; 0 where there is an answer.
  uint16_t n_features;
  // They, of an f32 engine, in its scratch: good until its next call. Null otherwise.
  const float *features;
  // They, of an int8 engine, likewise.
  const int8_t *features_i8;
} lacewing_outcome;

// What a model is.
typedef struct lacewing_model_info {
  // lacewing_part
  uint32_t part;
  // The same in the head and tail of one conversion.
  uint32_t pair_id;
  // Trunk junctions in the head; 0 in a whole network.
  uint8_t split;
  // Exits.
  uint8_t exits;
  // Whether inputs are int8 (lacewing_engine_i8) and not f32 (lacewing_engine).
  bool input_is_int8;
  // Values of an input.
  uint16_t n_in;
  // Classes.
  uint16_t classes;
  // Values that a head hands over.
  uint16_t n_features;
  // The network sees (raw - input_zero) * input_scale.
  float input_scale;
  // The raw number that means 0.
  float input_zero;
  // Bytes of scratch that an engine needs.
  size_t scratch_len;
} lacewing_model_info;

// How a packet is written. A zeroed one writes features as they are.
typedef struct lacewing_packet_form {
  // LACEWING_ENCODING_PLAIN or LACEWING_ENCODING_F16.
  uint32_t encoding;
  // LACEWING_DROP_ZEROS, LACEWING_WITH_CONFIDENCE and LACEWING_WANT_LOGITS, or-ed.
  uint32_t flags;
  // A number by which the reply can be told from others'.
  uint32_t sequence;
  // Of the exit that was not sure enough, 0 to 32,768.
  uint16_t confidence;
} lacewing_packet_form;

// What a server says to a packet.
typedef struct lacewing_reply {
  // 0 for an answer; 1 not understood, 2 wrong pair, 3 wrong split, 4 wrong count, 5 busy, 6 logits not finite, 255 any other refusal.
  uint8_t refusal;
  // The exit that answered.
  uint8_t exit;
  // The answer.
  uint16_t class_index;
  // How sure the exit is, 0 to 32,768.
  uint16_t confidence;
  // The packet's sequence number.
  uint32_t sequence;
} lacewing_reply;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Makes an engine for `model`, whose inputs are f32, in the memory `engine`. It works in `scratch`, of `len` bytes or more than
// lacewing_model_scratch_len() says, at a multiple of 4. Model, scratch and engine stay where they are, and nobody else writes
// the scratch, as long as the engine is used. The last call that can fail on a device.
lacewing_status lacewing_engine_init(struct lacewing_engine *engine,
                                     const struct lacewing_model *model,
                                     uint8_t *scratch,
                                     size_t len);

// The same for a model whose inputs are int8; the scratch may lie anywhere.
lacewing_status lacewing_engine_i8_init(struct lacewing_engine_i8 *engine,
                                        const struct lacewing_model *model,
                                        uint8_t *scratch,
                                        size_t len);

// Where the next input is written, n_in values, as the network sees them; null where `engine` holds no engine. A run consumes it.
float *lacewing_engine_input(struct lacewing_engine *engine);

// The same of an int8 engine.
int8_t *lacewing_engine_i8_input(struct lacewing_engine_i8 *engine);

// Copies an input of `n` values, which are as many as the model has inputs.
lacewing_status lacewing_engine_load(struct lacewing_engine *engine, const float *input, size_t n);

// The same of an int8 engine.
lacewing_status lacewing_engine_i8_load(struct lacewing_engine_i8 *engine, const int8_t *input, size_t n);

// Runs from the input to an answer or the hand-over. Refuses nothing but a wrong call.
lacewing_status lacewing_engine_run(struct lacewing_engine *engine,
                                    struct lacewing_policy policy,
                                    struct lacewing_outcome *outcome);

// The same of an int8 engine.
lacewing_status lacewing_engine_i8_run(struct lacewing_engine_i8 *engine,
                                       struct lacewing_policy policy,
                                       struct lacewing_outcome *outcome);

// Runs one operation, and the exit decision behind it if one is due: LACEWING_MORE until the run has ended; the next step then begins
// a new one.
lacewing_status lacewing_engine_step(struct lacewing_engine *engine,
                                     struct lacewing_policy policy,
                                     struct lacewing_outcome *outcome);

// The same of an int8 engine.
lacewing_status lacewing_engine_i8_step(struct lacewing_engine_i8 *engine,
                                        struct lacewing_policy policy,
                                        struct lacewing_outcome *outcome);

// The logits of the exit decided last, before temperature: `*at` and their number `*n`; 0 where there is none, or where the
// trunk has gone on since. Good until the engine's next call.
lacewing_status lacewing_engine_logits(const struct lacewing_engine *engine,
                                       const float **at,
                                       size_t *n);

// The same of an int8 engine.
lacewing_status lacewing_engine_i8_logits(const struct lacewing_engine_i8 *engine,
                                          const int8_t **at,
                                          size_t *n);

// Finishes in this tail, whose inputs are f32, what came over a wire in a packet of any encoding.
lacewing_status lacewing_engine_resume(struct lacewing_engine *engine,
                                       const uint8_t *packet,
                                       size_t len,
                                       struct lacewing_policy policy,
                                       struct lacewing_outcome *outcome);

// The same of an int8 tail, from a packet of int8.
lacewing_status lacewing_engine_i8_resume(struct lacewing_engine_i8 *engine,
                                          const uint8_t *packet,
                                          size_t len,
                                          struct lacewing_policy policy,
                                          struct lacewing_outcome *outcome);

// Proves `len` bytes of a model file and keeps the model in `model`. The bytes stay where they are and must not change as long
// as the model is used; they may lie anywhere, and run fastest at a multiple of 16. Where the file is refused, `*offset` is the byte of the field or section that breaks the rule, and `model` holds
// none. `offset` may be null.
lacewing_status lacewing_model_parse(struct lacewing_model *model,
                                     const uint8_t *bytes,
                                     size_t len,
                                     size_t *offset);

// Bytes of scratch that an engine for `model` needs: exact, the same on every processor. 0 where `model` holds no model.
size_t lacewing_model_scratch_len(const struct lacewing_model *model);

// What `model` is.
lacewing_status lacewing_model_describe(const struct lacewing_model *model, struct lacewing_model_info *info);

// The name of a class, UTF-8 and NOT NUL-terminated, in the model's own bytes: `*name` and its `*len` bytes; of length 0 where
// the file has no names.
lacewing_status lacewing_model_class_name(const struct lacewing_model *model,
                                          uint16_t class_index,
                                          const char **name,
                                          size_t *len);

// Writes the packet of a head's `n` features (lacewing_outcome) to `out` and its length to `*written`. Where `capacity` is too
// small, the length needed goes there, and nothing to `out`. `form` may be null.
lacewing_status lacewing_features_encode(const struct lacewing_model *model,
                                         const float *features,
                                         size_t n,
                                         const struct lacewing_packet_form *form,
                                         uint8_t *out,
                                         size_t capacity,
                                         size_t *written);

// The same of an int8 head.
lacewing_status lacewing_features_i8_encode(const struct lacewing_model *model,
                                            const int8_t *features,
                                            size_t n,
                                            const struct lacewing_packet_form *form,
                                            uint8_t *out,
                                            size_t capacity,
                                            size_t *written);

// Reads a server's reply to the packet of `packet_len` bytes; one to another packet is refused as
// LACEWING_STATUS_PACKET_WRONG_REPLY.
lacewing_status lacewing_reply_parse(const uint8_t *packet,
                                     size_t packet_len,
                                     const uint8_t *reply,
                                     size_t reply_len,
                                     struct lacewing_reply *out);

// A status in a sentence, NUL-terminated, for logs. A number that is no status counts as unknown.
const char *lacewing_status_text(uint32_t status);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LACEWING_H */
