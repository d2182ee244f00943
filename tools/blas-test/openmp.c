/* The first product of a process comes from a thread that OpenMP has bound to one CPU (OMP_PROC_BIND=true): the library still has a thread
 * for each CPU of the process, and its workers may use all of them. link.sh compiles and runs it. Prints what went wrong, if anything. */
#define _GNU_SOURCE
#include <cke_blas.h>
#include <dirent.h>
#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { MAX_TASKS = 4096, SIZE = 700 };

static int tasks(pid_t list[MAX_TASKS]) {
    DIR *dir = opendir("/proc/self/task");
    if (dir == NULL) abort();
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.' && count < MAX_TASKS) list[count++] = (pid_t)atoi(entry->d_name);
    closedir(dir);
    return count;
}

static int contains(const pid_t *list, int count, pid_t task) {
    for (int i = 0; i < count; i++)
        if (list[i] == task) return 1;
    return 0;
}

int main(int arguments, char **argument) {
    /* Without an argument: prints the number of threads. With the number of the process's CPUs: fails unless each worker may use all of them,
       except perhaps the caller's, although OpenMP has bound the calling thread. */
    if (arguments < 2) return printf("%d\n", cke_blas_get_num_threads()) < 0;
    const int cpus = atoi(argument[1]);
    int sum = 0;
#pragma omp parallel reduction(+ : sum)
    sum += 1;
    cpu_set_t bound;
    sched_getaffinity(0, sizeof bound, &bound);
    if (cpus > 1 && CPU_COUNT(&bound) == cpus) {
        printf("FAILED: the caller is not bound, so nothing is tested\n");
        return 1;
    }
    static pid_t before[MAX_TASKS], after[MAX_TASKS];
    const int count_before = tasks(before);
    static float a[SIZE * SIZE], c[SIZE * SIZE];
    for (int i = 0; i < SIZE * SIZE; i++) a[i] = 1;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, SIZE, SIZE, SIZE, 1, a, SIZE, a, SIZE, 0, c, SIZE);
    const int count_after = tasks(after);
    int failures = c[0] != SIZE, workers = 0;
    for (int i = 0; i < count_after; i++) {
        if (contains(before, count_before, after[i])) continue;
        workers++;
        cpu_set_t own;
        sched_getaffinity(after[i], sizeof own, &own);
        /* A worker may keep off the caller's CPU. */
        if (CPU_COUNT(&own) < cpus - 1) {
            printf("FAILED: a worker may use %d of %d CPUs\n", CPU_COUNT(&own), cpus);
            failures++;
        }
    }
    if (cke_blas_get_num_threads() != cpus || workers != cpus - 1) {
        printf("FAILED: wanted %d threads, found %d and %d workers\n", cpus, cke_blas_get_num_threads(), workers);
        failures++;
    }
    return failures != 0;
}
