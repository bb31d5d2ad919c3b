/* The sieve of Eratosthenes over a million numbers, so many times: a tight loop over memory, as compilers make it. Gives how many primes there are.
 *
 * The same file is compiled for WebAssembly and, with -DNATIVE, for this machine; then it prints how many nanoseconds the call took. */
#define LIMIT 1000000

static unsigned char composite[LIMIT];

#ifndef NATIVE
__attribute__((export_name("sieve")))
#endif
int sieve(int rounds) {
    int primes = 0;
    for (int round = 0; round < rounds; round += 1) {
        primes = 0;
        for (int n = 0; n < LIMIT; n += 1) composite[n] = 0;
        for (int n = 2; n < LIMIT; n += 1) {
            if (composite[n]) continue;
            primes += 1;
            for (long long multiple = (long long)n * n; multiple < LIMIT; multiple += n) composite[multiple] = 1;
        }
    }
    return primes;
}

#ifdef NATIVE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int count, char **word) {
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    volatile int primes = sieve(count > 1 ? atoi(word[1]) : 1);
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%lld\n", (to.tv_sec - from.tv_sec) * 1000000000LL + to.tv_nsec - from.tv_nsec);
    return primes == 78498 ? 0 : 1;
}
#endif
