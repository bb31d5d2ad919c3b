/* The measure for chat latency: two toxcore instances on loopback, friends already.
 *
 * Prints two numbers: milliseconds from start until the first message is acknowledged, and the median of
 * milliseconds from sending a message to its acknowledgement over N messages, one at a time.
 * Toxcore keeps nothing on disk, so its figure leaves out what PC2's includes.
 *
 * Build: cc -O2 toxcore.c -o toxcore -ltoxcore   (Debian: libtoxcore-dev) */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <tox/tox.h>

static int acknowledged;

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void on_receipt(Tox *tox, uint32_t friend, uint32_t message, void *user) {
    (void)tox, (void)friend, (void)message, (void)user;
    acknowledged = 1;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static Tox *make(void) {
    struct Tox_Options *options = tox_options_new(NULL);
    tox_options_set_ipv6_enabled(options, false);
    Tox *tox = tox_new(options, NULL);
    tox_options_free(options);
    if (!tox) exit(1);
    return tox;
}

/* Both loops run as often as toxcore could use; its own recommended interval (50 ms idle) would only add to its figure. */
static void turn(Tox *a, Tox *b) {
    tox_iterate(a, NULL);
    tox_iterate(b, NULL);
    struct timespec pause = {0, 200000};
    nanosleep(&pause, NULL);
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 200;
    double start = now_ms();
    Tox *a = make(), *b = make();
    uint8_t key_a[TOX_PUBLIC_KEY_SIZE], key_b[TOX_PUBLIC_KEY_SIZE], dht_a[TOX_PUBLIC_KEY_SIZE];
    tox_self_get_public_key(a, key_a);
    tox_self_get_public_key(b, key_b);
    tox_self_get_dht_id(a, dht_a);
    tox_bootstrap(b, "127.0.0.1", tox_self_get_udp_port(a, NULL), dht_a, NULL);
    uint32_t friend_b = tox_friend_add_norequest(a, key_b, NULL);
    tox_friend_add_norequest(b, key_a, NULL);
    tox_callback_friend_read_receipt(a, on_receipt);

    double *took = calloc(rounds, sizeof *took), first = 0;
    for (int i = 0; i < rounds; i++) {
        double sent = now_ms();
        acknowledged = 0;
        while (tox_friend_get_connection_status(a, friend_b, NULL) == TOX_CONNECTION_NONE) {
            turn(a, b);
            if (now_ms() - start > 120e3) return 2;
        }
        sent = i ? sent : now_ms();
        tox_friend_send_message(a, friend_b, TOX_MESSAGE_TYPE_NORMAL, (const uint8_t *)"hello", 5, NULL);
        while (!acknowledged) turn(a, b);
        took[i] = now_ms() - sent;
        if (i == 0) first = now_ms() - start;
    }
    qsort(took, rounds, sizeof *took, by_value);
    printf("%.1f %.3f\n", first, took[rounds / 2]);
    return 0;
}
