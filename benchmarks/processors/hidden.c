/* An audit library for ld.so (see rtld-audit(7)): libraries that ask `cpuid` learn of no AVX-512.
 *
 * Before a listed library's first code runs, each of its `cpuid` instructions becomes an illegal one of
 * the same length. The handler of the illegal instruction asks the processor, clears the bits of
 * AVX-512, AVX-VNNI and AMX, and goes on behind it.
 *
 * CPUID_SITES names a file of lines "NAME ADDRESS": a library's file name, and the hexadecimal address of
 * an instruction relative to where the library is loaded.
 * Bits: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, CPUID, leaf 7.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define MOST 4096
#define LENGTH 2

static uintptr_t sites[MOST];
static int count;

static void answer(int number, siginfo_t *info, void *context) {
    greg_t *at = ((ucontext_t *)context)->uc_mcontext.gregs;
    int site = 0;
    while (site < count && sites[site] != (uintptr_t)at[REG_RIP]) site++;
    if (site == count) { /* Somebody else's: it happens again, and ends the process. */
        signal(number, SIG_DFL);
        return;
    }
    unsigned leaf = at[REG_RAX], subleaf = at[REG_RCX], a, b, c, d;
    __cpuid_count(leaf, subleaf, a, b, c, d);
    if (leaf == 7 && subleaf == 0) {
        /* F, DQ, IFMA, PF, ER, CD, BW, VL */
        b &= ~(1u << 16 | 1u << 17 | 1u << 21 | 1u << 26 | 1u << 27 | 1u << 28 | 1u << 30 | 1u << 31);
        c &= ~(1u << 1 | 1u << 6 | 1u << 11 | 1u << 12 | 1u << 14); /* VBMI, VBMI2, VNNI, ... */
        d &= ~(1u << 2 | 1u << 3 | 1u << 8 | 1u << 22 | 1u << 23 | 1u << 24 | 1u << 25); /* AMX, ... */
    } else if (leaf == 7 && subleaf == 1) {
        a &= ~(1u << 4 | 1u << 5 | 1u << 21); /* AVX-VNNI, AVX512-BF16, AMX-FP16 */
        d &= ~(1u << 4 | 1u << 5 | 1u << 10 | 1u << 19); /* AVX-VNNI-INT8, ..., AVX10 */
    }
    at[REG_RAX] = a, at[REG_RBX] = b, at[REG_RCX] = c, at[REG_RDX] = d;
    at[REG_RIP] += LENGTH;
}

static void hide(uintptr_t address) {
    uintptr_t page = sysconf(_SC_PAGESIZE), start = address & -page;
    size_t size = address + LENGTH - start;
    if (count == MOST || memcmp((void *)address, "\x0f\xa2", LENGTH) ||
        mprotect((void *)start, size, PROT_READ | PROT_WRITE | PROT_EXEC)) {
        fprintf(stderr, "without_avx512: no cpuid to hide at %lx\n", (unsigned long)address);
        _exit(1);
    }
    memcpy((void *)address, "\x0f\x0b", LENGTH);
    mprotect((void *)start, size, PROT_READ | PROT_EXEC);
    sites[count++] = address;
}

unsigned la_version(unsigned version) {
    struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &action, NULL);
    return version < LAV_CURRENT ? version : LAV_CURRENT;
}

unsigned la_objopen(struct link_map *map, Lmid_t space, uintptr_t *cookie) {
    const char *list = getenv("CPUID_SITES"), *slash = strrchr(map->l_name, '/');
    FILE *file = list ? fopen(list, "r") : NULL;
    char name[256];
    unsigned long address;
    while (file && fscanf(file, "%255s %lx", name, &address) == 2)
        if (slash && !strcmp(name, slash + 1)) hide(map->l_addr + address);
    if (file) fclose(file);
    return 0;
}
