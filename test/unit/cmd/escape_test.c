/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys are the guest's. */
#include "cmd/escape.h"
#include "tap.h"

/* Types @n keys; what the guest gets goes to @got. Returns the last action. */
static enum escape_action type(struct escape *s, const char *keys, size_t n,
			       char *got)
{
	enum escape_action a = ESCAPE_NOTHING;

	while (n--) {
		u8 key = (u8)*keys++;

		a = escape_key(s, &key);
		if (a == ESCAPE_INPUT)
			*got++ = (char)key;
	}
	*got = 0;
	return a;
}

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

int main(void)
{
	struct escape s = { false };
	char got[32];

	type(&s, "hello\003\032", 7, got);
	tap_check(same(got, "hello\003\032"), "plain keys, ^C and ^Z");
	type(&s, "a\001\001b", 4, got);
	tap_check(same(got, "a\001b"), "Ctrl-A Ctrl-A");
	type(&s, "\001a\001a", 4, got);
	tap_check(same(got, "\001\001"), "Ctrl-A a, twice");
	tap_equal(type(&s, "\001", 1, got), ESCAPE_NOTHING, "Ctrl-A waits");
	tap_equal(type(&s, "x", 1, got), ESCAPE_LEAVE, "Ctrl-A x");
	tap_equal(type(&s, "x", 1, got), ESCAPE_INPUT, "x alone");
	tap_equal(type(&s, "\001h", 2, got), ESCAPE_HELP, "Ctrl-A h");
	type(&s, "\001qz", 3, got);
	tap_check(same(got, "z"), "an unknown key is dropped");
	return tap_done();
}
