/* SPDX-License-Identifier: BSD-2-Clause */
/* hello LOG_DIR: greets, and leaves two log files there. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

static FILE *open_log(const char *dir, const char *name)
{
    char path[4096];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    if (f == NULL) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    return f;
}

int main(int argc, char *argv[])
{
    struct utsname u;
    FILE *greeting, *numbers;

    if (argc != 2 || uname(&u) != 0) {
        fprintf(stderr, "usage: hello LOG_DIR\n");
        return EXIT_FAILURE;
    }
    greeting = open_log(argv[1], "greeting.log");
    numbers = open_log(argv[1], "numbers.log");
    fprintf(greeting, "hello from %s, Linux %s\n", u.nodename, u.release);
    for (int i = 1; i <= 100; i++)
        fprintf(numbers, "%d %d\n", i, i * i);
    if (fclose(greeting) != 0 || fclose(numbers) != 0) {
        perror(argv[1]);
        return EXIT_FAILURE;
    }
    printf("hello from %s\n", u.nodename);
    return EXIT_SUCCESS;
}
