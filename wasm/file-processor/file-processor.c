/*
 * Counts lines, words and bytes of files, as `wc` does; a WASI program.
 *
 *   file-processor FILE...         per file: lines, words, bytes, name
 *   file-processor --list FOLDER   what is in a folder: per entry `d` or `f`, its bytes, its name, and a zero byte
 *
 * Names are from /data on, the folder that the node gives it; /data may stand before them. Exit code 1: a file or folder could not be read, and why is on standard error.
 *
 * A line is a newline. A word is what stands between white space, as Unicode has it in UTF-8, and has at least one character that prints.
 */
#include <dirent.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <wchar.h>
#include <wctype.h>

/* Where the node puts the folder that it gives. */
#define DATA "/data"

/* Longest path, in bytes: the longest that systems take. */
#define MAX_PATH 4096

/* Most entries shown of a folder. */
#define MAX_ENTRIES 5000

struct counts {
    unsigned long long lines, words, bytes;
};

/* White space that ends a word; wc counts the spaces that do not break a line, too. */
static int ends_word(wint_t c) {
    return iswspace(c) || c == 0x85 || c == 0xA0 || c == 0x2007 || c == 0x202F || c == 0x2060;
}

static int count(FILE *file, struct counts *counts) {
    static unsigned char buffer[64 * 1024];
    mbstate_t state = {0};
    int in_word = 0;
    size_t length;
    while ((length = fread(buffer, 1, sizeof buffer, file)) > 0) {
        counts->bytes += length;
        for (size_t at = 0; at < length;) {
            unsigned char byte = buffer[at];
            if (byte < 0x80 && mbsinit(&state)) {
                at += 1;
                counts->lines += byte == '\n';
                /* Space, and the five from tab to carriage return. */
                int space = byte == ' ' || (byte >= '\t' && byte <= '\r');
                counts->words += in_word && space;
                in_word = !space && (in_word || (byte > ' ' && byte < 0x7F));
                continue;
            }
            wchar_t c;
            size_t taken = mbrtowc(&c, (const char *)buffer + at, length - at, &state);
            if (taken == (size_t)-2) break; /* The rest of the character is in the next piece; the state has its beginning. */
            if (taken == (size_t)-1) {      /* No UTF-8. */
                memset(&state, 0, sizeof state);
                at += 1;
                continue;
            }
            at += taken > 0 ? taken : 1;
            int space = ends_word(c);
            counts->words += in_word && space;
            in_word = !space && (in_word || iswprint(c));
        }
    }
    counts->words += in_word;
    return ferror(file) ? -1 : 0;
}

/* The whole path; none when it is too long. */
static const char *path_of(const char *name) {
    static char path[MAX_PATH];
    int length = snprintf(path, sizeof path, "%s%s", *name == '/' ? "" : DATA "/", name);
    return length > 0 && (size_t)length < sizeof path ? path : NULL;
}

static int failed(const char *name, int why) {
    fprintf(stderr, "%s: %s\n", name, strerror(why));
    return 1;
}

static int count_file(const char *name) {
    const char *path = path_of(name);
    struct stat about;
    if (path == NULL) return failed(name, ENAMETOOLONG);
    if (stat(path, &about) == 0 && S_ISDIR(about.st_mode)) return failed(name, EISDIR);
    FILE *file = fopen(path, "rb");
    if (file == NULL) return failed(name, errno);
    struct counts counts = {0};
    int bad = count(file, &counts);
    int why = errno;
    fclose(file);
    if (bad) return failed(name, why);
    printf("%llu %llu %llu %s\n", counts.lines, counts.words, counts.bytes, name);
    return 0;
}

static int list(const char *name) {
    const char *path = path_of(name);
    if (path == NULL) return failed(name, ENAMETOOLONG);
    char inside[MAX_PATH];
    strcpy(inside, path);
    DIR *folder = opendir(inside);
    if (folder == NULL) return failed(name, errno);
    struct dirent *entry;
    for (int shown = 0; shown < MAX_ENTRIES && (entry = readdir(folder)) != NULL;) {
        char whole[MAX_PATH + 512];
        struct stat about;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        int length = snprintf(whole, sizeof whole, "%s/%s", inside, entry->d_name);
        if (length < 0 || (size_t)length >= sizeof whole) continue;
        /* What cannot be looked at, as a link that leads out, cannot be chosen. */
        if (stat(whole, &about) != 0 || !(S_ISDIR(about.st_mode) || S_ISREG(about.st_mode))) continue;
        printf("%c %llu %s%c", S_ISDIR(about.st_mode) ? 'd' : 'f', (unsigned long long)about.st_size, entry->d_name, 0);
        shown += 1;
    }
    closedir(folder);
    return 0;
}

int main(int arguments, char **argument) {
    setlocale(LC_CTYPE, "C.UTF-8");
    if (arguments == 3 && strcmp(argument[1], "--list") == 0) return list(argument[2]);
    if (arguments < 2) {
        fputs("usage: file-processor FILE... | --list FOLDER\n", stderr);
        return 2;
    }
    int bad = 0;
    for (int at = 1; at < arguments; at += 1) bad |= count_file(argument[at]);
    return bad;
}
