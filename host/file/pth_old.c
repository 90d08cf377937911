#include "file/pth_old.h"

#include "base/memory.h"
#include "file/pickle.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX "old/data/"

/* A pickle of the number 0x1950a86a20f9469cfc6c. */
static const unsigned char magic[] = {0x80, 2,    0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46,
                                      0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

struct storage { /* one that the state dict names */
  const char *key;
  uint32_t length;
  enum fm_dtype type;
};

struct reader {
  struct fm_context *ctx;
  const char *name;
  const unsigned char *bytes;
  size_t size, at;
  struct storage *storage; /* sorted by key */
  size_t count, capacity;
  struct fm_archive_members *members;
  size_t member_capacity;
};

static enum fm_status damaged(const struct reader *r, const char *what) {
  return fm_error(r->ctx, FM_FORMAT,
                  "'%s': %s; the file is damaged or not a PyTorch state dict: get it again", r->name, what);
}

bool fm_pth_is_old(const unsigned char *bytes, size_t size) {
  return size >= sizeof magic && memcmp(bytes, magic, sizeof magic) == 0;
}

static enum fm_status next_pickle(struct reader *r, struct fm_pickle *pickle) {
  FM_TRY(fm_pickle_parse(r->ctx, r->name, r->bytes + r->at, r->size - r->at, pickle));
  r->at += pickle->size;
  return FM_OK;
}

/* The version, and facts of which only the order of bytes matters. */
static enum fm_status read_head(struct reader *r) {
  static const char little[] = "little_endian";
  struct fm_pickle p;
  r->at = sizeof magic;
  FM_TRY(next_pickle(r, &p));
  bool known = p.values[p.root].kind == FM_PICKLE_INTEGER && p.values[p.root].integer == 1001;
  fm_pickle_free(r->ctx, &p);
  if (!known) return damaged(r, "its version is unknown");
  FM_TRY(next_pickle(r, &p));
  known = p.values[p.root].kind == FM_PICKLE_DICT;
  for (uint32_t link = known ? p.values[p.root].first : 0; link; link = p.links[link].next) {
    const struct fm_pickle_value *key = p.values + p.links[link].key, *value = p.values + p.links[link].value;
    if (key->kind == FM_PICKLE_STRING && key->length == sizeof little - 1 &&
        memcmp(key->chars, little, key->length) == 0)
      known = value->kind == FM_PICKLE_INTEGER && value->integer == 1;
  }
  fm_pickle_free(r->ctx, &p);
  return known ? FM_OK : damaged(r, "it was saved by a big-endian machine, or its head is wrong");
}

static int by_key(const void *a, const void *b) {
  const struct storage *x = a, *y = b;
  if (x->length != y->length) return x->length < y->length ? -1 : 1;
  return memcmp(x->key, y->key, x->length);
}

/* Every storage that the state dict names: ("storage", type, key, place, elements, view). */
static enum fm_status find_storages(struct reader *r, const struct fm_pickle *p) {
  for (size_t i = 1; i < p->value_count; i++) {
    if (p->values[i].kind != FM_PICKLE_STORAGE) continue;
    const struct fm_pickle_value *id = fm_pickle_item(p, &p->values[i], 0);
    if (!id || id->kind != FM_PICKLE_TUPLE) return damaged(r, "a storage has no key");
    const struct fm_pickle_value *key = fm_pickle_item(p, id, 2), *view = fm_pickle_item(p, id, 5);
    struct storage s;
    if (!key || key->kind != FM_PICKLE_STRING || key->length == 0 || key->length > 100 ||
        memchr(key->chars, 0, key->length))
      return damaged(r, "a storage has no key");
    if (!fm_pth_storage_type(fm_pickle_storage_name(fm_pickle_item(p, id, 1)), &s.type))
      return damaged(r, "a storage has an unknown type");
    if (view && view->kind != FM_PICKLE_NOTHING) return damaged(r, "a storage is a part of another one");
    s.key = key->chars;
    s.length = key->length;
    FM_TRY(fm_grow(r->ctx, (void **)&r->storage, &r->capacity, r->count, sizeof *r->storage));
    r->storage[r->count++] = s;
  }
  if (r->count) qsort(r->storage, r->count, sizeof *r->storage, by_key);
  return FM_OK;
}

static enum fm_status add_member(struct reader *r, char *name, const unsigned char *bytes, size_t size) {
  enum fm_status status = name ? fm_grow(r->ctx, (void **)&r->members->member, &r->member_capacity,
                                         r->members->count, sizeof *r->members->member)
                               : FM_MEMORY;
  if (status != FM_OK) {
    fm_free(r->ctx, name);
    return status;
  }
  struct fm_archive_member *m = &r->members->member[r->members->count++];
  *m = (struct fm_archive_member){.name = name, .bytes = fm_alloc(r->ctx, size, 1), .size = size};
  if (!m->bytes) return FM_MEMORY;
  memcpy(m->bytes, bytes, size);
  return FM_OK;
}

/* The elements of the storage with that key, which come next. */
static enum fm_status read_storage(struct reader *r, const struct fm_pickle_value *key) {
  struct storage wanted = {.key = key->chars, .length = key->length};
  const struct storage *s = r->count ? bsearch(&wanted, r->storage, r->count, sizeof wanted, by_key) : NULL;
  if (key->kind != FM_PICKLE_STRING || !s)
    return damaged(r, "its list of storages names one that no tensor uses");
  uint64_t elements = 0;
  size_t size;
  if (r->size - r->at < 8) return damaged(r, "its values are cut off");
  for (size_t i = 0; i < 8; i++) elements |= (uint64_t)r->bytes[r->at + i] << 8 * i;
  r->at += 8;
  if (elements > SIZE_MAX || !fm_mul((size_t)elements, fm_dtype_size(s->type), &size) ||
      size > r->size - r->at)
    return damaged(r, "its values are cut off");
  FM_TRY(
      add_member(r, fm_format(r->ctx, PREFIX "%.*s", (int)key->length, key->chars), r->bytes + r->at, size));
  r->at += size;
  return FM_OK;
}

static enum fm_status read_storages(struct reader *r) {
  struct fm_pickle keys;
  FM_TRY(next_pickle(r, &keys));
  const struct fm_pickle_value *list = &keys.values[keys.root];
  enum fm_status status =
      list->kind == FM_PICKLE_TUPLE ? FM_OK : damaged(r, "its list of storages is missing");
  for (uint32_t link = list->first; link && status == FM_OK; link = keys.links[link].next)
    status = read_storage(r, &keys.values[keys.links[link].value]);
  fm_pickle_free(r->ctx, &keys);
  return status;
}

static enum fm_status read_all(struct reader *r) {
  struct fm_pickle dict;
  FM_TRY(read_head(r));
  size_t begin = r->at;
  FM_TRY(next_pickle(r, &dict));
  enum fm_status status = find_storages(r, &dict);
  if (status == FM_OK) status = add_member(r, fm_strdup(r->ctx, "old/data.pkl"), r->bytes + begin, dict.size);
  if (status == FM_OK) status = read_storages(r);
  fm_pickle_free(r->ctx, &dict);
  return status;
}

enum fm_status fm_pth_old_members(struct fm_context *ctx, const char *name, const unsigned char *bytes,
                                  size_t size, struct fm_archive_members *members) {
  *members = (struct fm_archive_members){0};
  struct reader r = {.ctx = ctx, .name = name, .bytes = bytes, .size = size, .members = members};
  enum fm_status status = read_all(&r);
  fm_free(ctx, r.storage);
  if (status != FM_OK) fm_archive_free(ctx, members);
  return status;
}
