/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over files and folders, for builds without libFuzzer:
 * replay [-jN] PATH... The corpus is a test of every build that way.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (1 << 20)

static unsigned ran;

static void run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *buf = malloc(INPUT_MAX);
	size_t n;

	if (!f || !buf) {
		perror(path);
		exit(2);
	}
	n = fread(buf, 1, INPUT_MAX, f);
	fclose(f);
	/* Exactly as long as the input, so that a sanitizer sees overruns. */
	buf = realloc(buf, n ? n : 1);
	if (!buf)
		exit(2);
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(buf, n);
	free(buf);
	ran++;
}

static void run_path(const char *path);

static void run_dir(const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort);

	if (n < 0) {
		perror(path);
		exit(2);
	}
	for (int i = 0; i < n; i++) {
		char sub[4096];

		if (names[i]->d_name[0] != '.') {
			snprintf(sub, sizeof(sub), "%s/%s", path,
				 names[i]->d_name);
			run_path(sub);
		}
		free(names[i]);
	}
	free(names);
}

static void run_path(const char *path)
{
	struct stat st;

	if (stat(path, &st)) {
		perror(path);
		exit(2);
	}
	if (S_ISDIR(st.st_mode))
		run_dir(path);
	else
		run_file(path);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-')
			run_path(argv[i]);
	}
	printf("%u inputs\n", ran);
	return ran ? 0 : 1;
}
