/* Parses each file named on the command line and prints status and offset. */
#include "files.h"
#include "lacewing.h"

int main(int argc, char **argv) {
    static lacewing_model model;
    for (int k = 1; k < argc; k++) {
        size_t len, offset = 0;
        uint8_t *bytes = read_file(argv[k], &len);
        lacewing_status status = lacewing_model_parse(&model, bytes, len, &offset);
        printf("%u %zu\n", (unsigned)status, status == LACEWING_STATUS_OK ? 0 : offset);
        if ((lacewing_model_scratch_len(&model) == 0) != (status != LACEWING_STATUS_OK)) return 1;
        free(bytes);
    }
    return 0;
}
