// SPDX-License-Identifier: Apache-2.0
/*
 * A file system that a kernel makes (proc, tmpfs, …) is the guest's to make. What is bound is the host's: it gets a source, and its path in
 * the guest.
 */
#include <string.h>

#include "common/base/array.h"
#include "common/base/show.h"
#include "kata-shim/vm/plan/internal.h"

struct options {
	bool bind, recursive, readonly, follows, both_ways, idmapped;
};

static bool is_one_of(const char *text, const char *const *list)
{
	for (; *list; list++) {
		if (strcmp(text, *list) == 0)
			return true;
	}
	return false;
}

static struct options options_of(const Oci__Mount *mount)
{
	struct options all = {};

	for (size_t i = 0; i < mount->n_options; i++) {
		const char *option = mount->options[i];
		all.bind |= strcmp(option, "bind") == 0 || strcmp(option, "rbind") == 0;
		all.recursive |= strcmp(option, "rbind") == 0;
		all.readonly |= strcmp(option, "ro") == 0 || strcmp(option, "rro") == 0;
		all.follows |= strcmp(option, "slave") == 0 || strcmp(option, "rslave") == 0;
		all.both_ways |= strcmp(option, "shared") == 0 || strcmp(option, "rshared") == 0;
		all.idmapped |= strcmp(option, "idmap") == 0 || strcmp(option, "ridmap") == 0;
	}
	return all;
}

/* ── refusals: each names the mount ── */

#define refuse(mount, err, format, ...)                                                                                                    \
	error_set(err, EOPNOTSUPP, "mount %s: " format, SHOW(slice_string((mount)->destination)), __VA_ARGS__)

static int check_options(const Oci__Mount *mount, const struct options *options, struct error *err)
{
	if (options->both_ways)
		return refuse(mount, err,
			      "%s is to carry mounts both ways, and one that is made in a VM cannot reach the host: leave out %s",
			      SHOW(slice_string(mount->source)), "mountPropagation: Bidirectional");
	if (options->idmapped)
		return refuse(mount, err, "%s is to be idmapped, which a VM's share is already: leave out %s",
			      SHOW(slice_string(mount->source)), "hostUsers: false");
	return 0;
}

static int check_source(const Oci__Mount *mount, struct error *err)
{
	const char *source = mount->source;

	if (source[0] != '/' || path_has_dots(source))
		return error_set(err, EINVAL, "mount %s: source \"%s\" is no absolute path without \"..\"",
				 SHOW(slice_string(mount->destination)), SHOW(slice_string(source)));
	if (strcmp(source, "/dev/shm") == 0)
		return refuse(mount, err, "%s is the host's IPC (hostIPC), which cannot be used from a VM: leave out hostIPC: true",
			      source);
	if (path_is_in(source, "/dev") && !path_is_in(source, "/dev/shm"))
		return refuse(mount, err, "%s is a device of the host, or all of them, and a VM has its own: leave out this volume",
			      SHOW(slice_string(source)));
	if (path_is_in(source, "/proc") || path_is_in(source, "/sys"))
		return refuse(mount, err, "%s tells of the host's kernel, and a VM has its own: leave out this volume",
			      SHOW(slice_string(source)));
	return 0;
}

/* ── one bind ── */

static bool is_sandbox_shm(const char *source, const struct spec *pod)
{
	static const char end[] = "/shm", folder[] = "/sandboxes/";
	const size_t n = strlen(source), id = strlen(pod->sandbox_id ? pod->sandbox_id : "");
	const size_t tail = strlen(folder) + id + strlen(end);

	if (id == 0 || n < tail)
		return false;
	const char *at = source + n - tail;
	return strncmp(at, folder, strlen(folder)) == 0 && strncmp(at + strlen(folder), pod->sandbox_id, id) == 0 &&
	       strcmp(at + strlen(folder) + id, end) == 0;
}

/* Some letters of the path's end, for who reads a list of them; the number makes it unique. */
static char *name_of(struct arena *arena, const char *container, size_t index, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *name = plan_print(arena, "%s-%zu-%.32s", container, index, slash ? slash + 1 : path);

	for (char *at = name ? name + strlen(container) : NULL; at && *at; at++) {
		const char c = *at;
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'))
			*at = '_';
	}
	return name;
}

static char *guest_path(struct arena *arena, const struct plan_source *source, const char *container, size_t index)
{
	if (source->way == PLAN_COPIED)
		return plan_print(arena, PLAN_GUEST_COPIES "/%s-%zu", container, index);
	return plan_print(arena, PLAN_GUEST_SHARED "/%s", source->name);
}

static int decide(struct plan *plan, struct plan_source *source, const struct volume *volume, struct error *err)
{
	switch (volume->kind) {
	case VOLUME_OTHER:
		source->way = PLAN_SHARED;
		return 0;
	case VOLUME_COPIED:
		source->way = PLAN_COPIED;
		return 0;
	case VOLUME_SUB_PATH:
		source->ask = plan_print(&plan->arena, SLICE_FORMAT "/volumes/kubernetes.io~empty-dir/" SLICE_FORMAT,
					 SLICE_ARGS(volume->pod), SLICE_ARGS(volume->name));
		if (!source->ask)
			return error_nomem(err);
		break;
	case VOLUME_EMPTY_DIR:
		break;
	}
	source->way = PLAN_OPEN;
	source->volume = plan_print(&plan->arena, SLICE_FORMAT, SLICE_ARGS(volume->name));
	return source->volume ? 0 : error_nomem(err);
}

/* Nobody in the guest may write where the next copy goes; kubelet mounts these read-only anyway. */
static void make_readonly(struct plan_source *source)
{
	static char readonly[] = "ro";

	source->readonly = true;
	for (size_t i = 0; i < source->mount->n_options; i++) {
		if (strcmp(source->mount->options[i], "rw") == 0)
			source->mount->options[i] = readonly;
	}
}

static int add_source(struct plan *plan, const struct plan_question *question, Oci__Mount *mount, const struct options *options,
		      struct error *err)
{
	const struct volume volume = volume_of(mount->source, question->sandbox->pod.uid, question->sealed);
	const size_t index = plan->n_sources;
	struct plan_source *source = &plan->sources[index];

	*source = (struct plan_source){
		.host = mount->source,
		.destination = mount->destination,
		.readonly = options->readonly,
		.recursive = options->recursive,
		.follows = options->follows,
		.mount = mount,
	};
	int r = decide(plan, source, &volume, err);
	if (r < 0)
		return r;
	source->name = name_of(&plan->arena, plan->container, index, mount->source);
	source->guest = source->name ? guest_path(&plan->arena, source, plan->container, index) : NULL;
	if (!source->guest)
		return error_nomem(err);
	mount->source = (char *)source->guest;
	if (source->way == PLAN_COPIED)
		make_readonly(source);
	plan->n_sources++;
	return 0;
}

static int plan_bind(struct plan *plan, const struct plan_question *question, Oci__Mount *mount, struct error *err)
{
	static char shm[] = PLAN_GUEST_SHM, bind[] = "bind";
	const struct options options = options_of(mount);

	int r = check_options(mount, &options, err);
	if (r == 0)
		r = check_source(mount, err);
	if (r < 0)
		return r;
	mount->type = bind;
	if (!is_sandbox_shm(mount->source, &question->sandbox->pod))
		return add_source(plan, question, mount, &options, err);
	mount->source = shm;
	return 0;
}

/* ── any ── */

static bool is_bind(const Oci__Mount *mount)
{
	return strcmp(mount->type, "bind") == 0 || ((!*mount->type || strcmp(mount->type, "none") == 0) && options_of(mount).bind);
}

static int plan_mount(struct plan *plan, const struct plan_question *question, Oci__Mount *mount, struct error *err)
{
	static const char *const made[] = { "proc", "sysfs", "tmpfs", "mqueue", "devpts", "cgroup", "cgroup2", NULL };

	if (mount->destination[0] != '/' || path_has_dots(mount->destination))
		return error_set(err, EINVAL, "mounts: destination \"%s\" is no absolute path without \"..\"",
				 SHOW(slice_string(mount->destination)));
	if (is_bind(mount))
		return plan_bind(plan, question, mount, err);
	if (is_one_of(mount->type, made))
		return 0;
	return refuse(mount, err, "type \"%s\": a VM is given directories and files: mount it on the host, and bind the directory",
		      SHOW(slice_string(mount->type)));
}

int plan_mounts(struct plan *plan, const struct plan_question *question, struct error *err)
{
	const size_t n = plan->spec->n_mounts;

	if (n > PLAN_MOUNTS_MAX)
		return error_set(err, E2BIG, "mounts: %zu are above the limit of %d", n, PLAN_MOUNTS_MAX);
	if (n == 0)
		return 0;
	plan->sources = ARENA_ARRAY(&plan->arena, struct plan_source, n);
	if (!plan->sources)
		return error_nomem(err);
	for (size_t i = 0; i < n; i++) {
		int r = plan_mount(plan, question, plan->spec->mounts[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ── what was seen ── */

static int share(struct plan *plan, struct plan_source *source, struct error *err)
{
	char *guest = plan_print(&plan->arena, PLAN_GUEST_SHARED "/%s", source->name);

	if (!guest)
		return error_nomem(err);
	source->way = PLAN_SHARED;
	source->guest = source->mount->source = guest;
	return 0;
}

static int copy(struct plan *plan, struct plan_source *source, struct error *err)
{
	char *guest = plan_print(&plan->arena, PLAN_GUEST_COPIES "/%s-%zu", plan->container, (size_t)(source - plan->sources));

	if (!guest)
		return error_nomem(err);
	source->way = PLAN_COPIED;
	source->guest = source->mount->source = guest;
	make_readonly(source);
	return 0;
}

static int give_options(struct plan *plan, Agent__Storage *storage, const struct plan_seen *seen, struct error *err)
{
	const bool sized = seen->bytes > 0, grouped = seen->gid > 0;
	char **options = ARENA_ARRAY(&plan->arena, char *, 3);
	size_t n = 0;

	if (!options)
		return error_nomem(err);
	options[n++] = plan_print(&plan->arena, "mode=%04o", seen->mode & 07777);
	if (sized)
		options[n++] = plan_print(&plan->arena, "size=%llu", (unsigned long long)seen->bytes);
	if (grouped)
		options[n++] = plan_print(&plan->arena, "fsgid=%u", seen->gid);
	for (size_t i = 0; i < n; i++) {
		if (!options[i])
			return error_nomem(err);
	}
	storage->options = options;
	storage->n_options = n;
	return 0;
}

static int make_sub_path(struct plan *plan, struct plan_source *source, const struct plan_seen *seen, struct error *err)
{
	static char driver[] = "holdfast-sub-path", type[] = "bind";
	Agent__Storage *storage = plan_new(&plan->arena, &agent__storage__descriptor);
	char **options = ARENA_ARRAY(&plan->arena, char *, 4);
	char *guest = plan_print(&plan->arena, PLAN_GUEST_SUB_PATHS "/%s-%zu", plan->container, (size_t)(source - plan->sources));

	if (!storage || !options || !guest)
		return error_nomem(err);
	options[0] = plan_print(&plan->arena, "path=%s", seen->sub_path);
	options[1] = plan_print(&plan->arena, "mode=%04o", seen->sub_mode & 07777);
	options[2] = plan_print(&plan->arena, "uid=%u", seen->sub_uid);
	options[3] = plan_print(&plan->arena, "gid=%u", seen->sub_gid);
	if (!options[0] || !options[1] || !options[2] || !options[3])
		return error_nomem(err);
	storage->driver = driver;
	storage->source = source->storage->mount_point;
	storage->fstype = type;
	storage->options = options;
	storage->n_options = 4;
	storage->mount_point = guest;
	source->sub_path = storage;
	source->guest = source->mount->source = guest;
	return 0;
}

static int make_memory(struct plan *plan, struct plan_source *source, const struct plan_seen *seen, struct error *err)
{
	static char driver[] = "ephemeral", tmpfs[] = "tmpfs";
	Agent__Storage *storage = plan_new(&plan->arena, &agent__storage__descriptor);
	char *guest = plan_print(&plan->arena, PLAN_GUEST_MEMORY "/%s", source->volume);

	if (!storage || !guest)
		return error_nomem(err);
	int r = give_options(plan, storage, seen, err);
	if (r < 0)
		return r;
	storage->driver = driver;
	storage->source = storage->fstype = tmpfs;
	storage->mount_point = guest;
	source->way = PLAN_MEMORY;
	source->storage = storage;
	source->guest = source->mount->source = guest;
	return 0;
}

int plan_settle(struct plan *plan, struct plan_source *source, const struct plan_seen *seen, struct error *err)
{
	if (source->way != PLAN_OPEN)
		return 0;
	switch (seen->file_system) {
	case PLAN_DISK:
		return share(plan, source, err);
	case PLAN_HUGETLBFS:
		return refuse(source->mount, err,
			      "%s is of huge pages of the host, which a VM cannot be given: leave out medium: HugePages",
			      SHOW(slice_string(source->host)));
	case PLAN_TMPFS:
		break;
	}
	if (source->ask && !seen->asked)
		return copy(plan, source, err);
	if (source->ask && (seen->sub_path[0] == '/' || path_has_dots(seen->sub_path)))
		return refuse(
			source->mount, err,
			"a subPath of emptyDir \"%s\", which is in memory and so the guest's, and there only a directory can be had by "
			"itself, by Holdfast's guest: mount the volume whole, or leave out medium: Memory",
			SHOW(slice_string(source->volume)));
	int r = make_memory(plan, source, seen, err);
	return r == 0 && source->ask && seen->sub_path[0] ? make_sub_path(plan, source, seen, err) : r;
}

int plan_share_instead(struct plan *plan, struct plan_source *source, struct error *err)
{
	return source->way == PLAN_COPIED ? share(plan, source, err) : 0;
}
