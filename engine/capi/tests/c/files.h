/* Reading a file into memory at a multiple of 16, for the tests. */
#ifndef FILES_H
#define FILES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static inline uint8_t *read_file(const char *path, size_t *len) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(2);
    }
    long size = ftell(file);
    rewind(file);
    /* Exactly as long as the file, so that the address sanitizer sees a read past its end. */
    uint8_t *bytes = size > 0 ? aligned_alloc(16, (size_t)size % 16 ? ((size_t)size / 16 + 1) * 16 : (size_t)size) : malloc(1);
    if (!bytes || fread(bytes, 1, (size_t)size, file) != (size_t)size) {
        perror(path);
        exit(2);
    }
    fclose(file);
    *len = (size_t)size;
    return bytes;
}

#endif
