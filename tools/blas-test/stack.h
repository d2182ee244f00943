/* How much stack a call uses, on a thread with a small stack: seen from what it left of a pattern. */
#ifndef STACK_H
#define STACK_H

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The least that glibc gives a thread. */
#ifdef __aarch64__
enum { STACK_BYTES = 131072 };
#else
enum { STACK_BYTES = 16384 };
#endif
enum { STACK_LIMIT = 8192, STACK_PATTERN = 0xA5 };

/* Bytes of stack that a thread used which ran this alone, with all that a thread itself takes. */
static size_t stack_of_thread(void *(*run)(void *), void *argument) {
    unsigned char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED) abort();
    memset(stack, STACK_PATTERN, STACK_BYTES);
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    if (pthread_attr_setstack(&attributes, stack, STACK_BYTES) != 0 || pthread_create(&thread, &attributes, run, argument) != 0) abort();
    pthread_join(thread, NULL);
    size_t free_bytes = 0;
    while (free_bytes < STACK_BYTES && stack[free_bytes] == STACK_PATTERN) free_bytes++;
    munmap(stack, STACK_BYTES);
    pthread_attr_destroy(&attributes);
    return STACK_BYTES - free_bytes;
}

#endif
