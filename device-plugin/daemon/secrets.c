// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/daemon/secrets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/array.h"

struct secrets {
	struct secret_entry **items;
	size_t n, capacity;
};

const char *secret_state_name(enum secret_state state)
{
	static const char *const names[] = {
		[SECRET_USABLE] = "usable",   [SECRET_ELSEWHERE] = "elsewhere", [SECRET_DAMAGED] = "damaged", [SECRET_OLD] = "old",
		[SECRET_REVOKED] = "revoked", [SECRET_DELETED] = "deleted",     [SECRET_FAILED] = "failed",
	};

	return names[state];
}

struct secrets *secrets_new(void)
{
	return calloc(1, sizeof(struct secrets));
}

static void entry_free(struct secret_entry *entry)
{
	sealed_unref(entry->sealed);
	free(entry->name);
	free(entry);
}

void secrets_free(struct secrets *secrets)
{
	if (!secrets)
		return;
	for (size_t i = 0; i < secrets->n; i++)
		entry_free(secrets->items[i]);
	free(secrets->items);
	free(secrets);
}

struct secret_entry *secrets_find(struct secrets *secrets, const char *name)
{
	for (size_t i = 0; i < secrets->n; i++) {
		if (strcmp(secrets->items[i]->name, name) == 0)
			return secrets->items[i];
	}
	return NULL;
}

struct secret_entry *secrets_at(struct secrets *secrets, size_t i)
{
	return i < secrets->n ? secrets->items[i] : NULL;
}

size_t secrets_count(const struct secrets *secrets)
{
	return secrets->n;
}

size_t secrets_usable(const struct secrets *secrets)
{
	size_t n = 0;

	for (size_t i = 0; i < secrets->n; i++)
		n += secrets->items[i]->state == SECRET_USABLE;
	return n;
}

int secrets_get(struct secrets *secrets, const char *name, struct secret_entry **ret, struct error *err)
{
	*ret = secrets_find(secrets, name);
	if (*ret)
		return 0;
	if (secrets->n == SECRETS_MAX)
		return error_set(err, E2BIG, "secret \"%s\" is one too many: a node takes %d", name, SECRETS_MAX);
	if (!array_room((void **)&secrets->items, secrets->n, &secrets->capacity, sizeof(struct secret_entry *)))
		return error_nomem(err);
	struct secret_entry *entry = calloc(1, sizeof(*entry));
	char *copy = strdup(name);
	if (!entry || !copy) {
		free(entry);
		free(copy);
		return error_nomem(err);
	}
	*entry = (struct secret_entry){ .name = copy, .state = SECRET_ELSEWHERE, .since = time(NULL) };
	secrets->items[secrets->n++] = *ret = entry;
	return 0;
}

void secrets_remove(struct secrets *secrets, struct secret_entry *entry)
{
	for (size_t i = 0; i < secrets->n; i++) {
		if (secrets->items[i] != entry)
			continue;
		memmove(&secrets->items[i], &secrets->items[i + 1], (--secrets->n - i) * sizeof(struct secret_entry *));
		entry_free(entry);
		return;
	}
}

bool secret_set_state(struct secret_entry *entry, enum secret_state state, const struct error *why)
{
	const struct error none = { 0 };

	why = why ? why : &none;
	if (entry->state == state && strcmp(entry->why.message, why->message) == 0)
		return false;
	if (entry->state != state)
		entry->since = time(NULL);
	entry->state = state;
	entry->why = *why;
	return true;
}
