/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/bridge/bridge_args.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sentry/core/log.h"

static const char usage_text[] =
    "Usage: cordon bridge [OPTIONS] TAP[@NETNS] TAP[@NETNS]\n"
    "Joins two TAP devices by a link as bad as you like. NETNS is a name of\n"
    "`ip netns`, or a path to a namespace.\n"
    "  --netem SPEC     both directions (docs/NETEM.md)\n"
    "  --netem-ab SPEC  what the first device sends\n"
    "  --netem-ba SPEC  what the second device sends\n";

static int parse_end(const char *word, struct bridge_end *end)
{
	const char *at = strchr(word, '@');
	size_t len = at ? (size_t)(at - word) : strlen(word);
	int n;

	memset(end, 0, sizeof(*end));
	if (!len || len >= sizeof(end->dev) || memchr(word, '/', len)) {
		log_error("bridge: %s: not an interface name (at most 15 "
			  "bytes, no slash)",
			  word);
		return -EINVAL;
	}
	memcpy(end->dev, word, len);
	if (!at)
		return 0;
	n = snprintf(end->netns, sizeof(end->netns), "%s%s",
		     strchr(at + 1, '/') ? "" : "/run/netns/", at + 1);
	if (!at[1] || n < 0 || (size_t)n >= sizeof(end->netns)) {
		log_error("bridge: %s: not a network namespace", word);
		return -EINVAL;
	}
	return 0;
}

static int parse_netem(const char *option, const char *spec,
		       struct netem_conf *conf)
{
	struct netem_error err;

	if (!spec) {
		log_error("bridge: %s: needs a value", option);
		return -EINVAL;
	}
	if (netem_parse(spec, conf, &err) == NST_OK)
		return 0;
	log_error("bridge: %s: \"%.*s\": %s", option, (int)err.len,
		  spec + err.at, err.what);
	return -EINVAL;
}

static int option(const char *word, const char *value, struct bridge_args *out)
{
	int rc;

	if (!strcmp(word, "--netem-ab"))
		return parse_netem(word, value, &out->conf[0]);
	if (!strcmp(word, "--netem-ba"))
		return parse_netem(word, value, &out->conf[1]);
	if (!strcmp(word, "--netem")) {
		rc = parse_netem(word, value, &out->conf[0]);
		out->conf[1] = out->conf[0];
		/* One seed for both, but not the same fate for both. */
		out->conf[1].seed = ~out->conf[0].seed;
		return rc;
	}
	log_error("bridge: unknown option %s; see cordon bridge --help", word);
	return -EINVAL;
}

int bridge_args_parse(int argc, char **argv, struct bridge_args *out)
{
	int ends = 0, rc = 0;

	memset(out, 0, sizeof(*out));
	for (int i = 0; i < argc && !rc; i++) {
		if (!strcmp(argv[i], "--help")) {
			fputs(usage_text, stdout);
			out->help = true;
			return 0;
		}
		if (argv[i][0] == '-') {
			rc = option(argv[i], i + 1 < argc ? argv[i + 1] : NULL,
				    out);
			i++;
		} else if (ends < 2) {
			rc = parse_end(argv[i], &out->end[ends++]);
		} else {
			ends++;
		}
	}
	if (!rc && ends != 2) {
		log_error("bridge: two TAP devices are needed; see cordon "
			  "bridge --help");
		rc = -EINVAL;
	}
	return rc;
}
