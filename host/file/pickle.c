#include "file/pickle.h"

#include "base/memory.h"

#include <string.h>

enum {
  MAX_VALUES = 1 << 22,
  MAX_MEMO = 1 << 22,
  MAX_NAME = 100,   /* of a global */
  CALLABLE_ROWS = 3 /* the first rows of the table may be called */
};

enum { ORDERED_DICT, REBUILD_TENSOR, REBUILD_PARAMETER };
static const struct {
  const char *module, *name;
} globals[] = {
    [ORDERED_DICT] = {"collections", "OrderedDict"},
    [REBUILD_TENSOR] = {"torch._utils", "_rebuild_tensor_v2"},
    [REBUILD_PARAMETER] = {"torch._utils", "_rebuild_parameter"},
    {"torch", "FloatStorage"},
    {"torch", "HalfStorage"},
    {"torch", "BFloat16Storage"},
    {"torch", "DoubleStorage"},
    {"torch", "LongStorage"},
    {"torch", "IntStorage"},
    {"torch", "ShortStorage"},
    {"torch", "CharStorage"},
    {"torch", "ByteStorage"},
    {"torch", "BoolStorage"},
};

struct list { /* of indices */
  uint32_t *item;
  size_t count, capacity;
};

struct machine {
  struct fm_context *ctx;
  const char *name;
  const unsigned char *bytes;
  size_t size, at;
  struct fm_pickle *out;
  struct list stack, marks, memo; /* marks: heights of the stack; memo: 0 where nothing was put */
  enum fm_status status;          /* of the failure; FM_MEMORY until another is known */
};

/* What one family of operations says about an operation. */
enum outcome { DONE, NOT_MINE, FAILED };

static enum outcome damaged(struct machine *m, const char *what) {
  m->status = fm_error(m->ctx, FM_FORMAT,
                       "'%s': %s at byte %zu of its pickle; the file is damaged or not a PyTorch state dict: "
                       "get it again, or save model.state_dict() again",
                       m->name, what, m->at);
  return FAILED;
}

static enum outcome list_push(struct machine *m, struct list *list, uint32_t value) {
  if (fm_grow(m->ctx, (void **)&list->item, &list->capacity, list->count, sizeof *list->item) != FM_OK)
    return FAILED;
  list->item[list->count++] = value;
  return DONE;
}

/* A new value on the stack. The pointer is good until the next one. */
static struct fm_pickle_value *push(struct machine *m, enum fm_pickle_kind kind) {
  struct fm_pickle *out = m->out;
  if (out->value_count == MAX_VALUES) {
    m->status = fm_error(m->ctx, FM_LIMIT, "'%s': its pickle has more than %d values, the limit", m->name,
                         MAX_VALUES);
    return NULL;
  }
  if (fm_grow(m->ctx, (void **)&out->values, &out->value_capacity, out->value_count, sizeof *out->values) !=
          FM_OK ||
      list_push(m, &m->stack, (uint32_t)out->value_count) == FAILED)
    return NULL;
  out->values[out->value_count] = (struct fm_pickle_value){.kind = kind};
  return out->values + out->value_count++;
}

static enum outcome push_plain(struct machine *m, enum fm_pickle_kind kind, int64_t integer) {
  struct fm_pickle_value *v = push(m, kind);
  if (!v) return FAILED;
  v->integer = integer;
  return DONE;
}

/* The lowest index that may be popped: nothing below the innermost mark. */
static size_t stack_floor(const struct machine *m) {
  return m->marks.count ? m->marks.item[m->marks.count - 1] : 0;
}

static struct fm_pickle_value *top(const struct machine *m) {
  return m->stack.count > stack_floor(m) ? m->out->values + m->stack.item[m->stack.count - 1] : NULL;
}

static bool pop(struct machine *m, uint32_t *value) {
  if (m->stack.count <= stack_floor(m)) return false;
  *value = m->stack.item[--m->stack.count];
  return true;
}

static enum outcome add_item(struct machine *m, uint32_t container, uint32_t key, uint32_t value) {
  struct fm_pickle *out = m->out;
  if (fm_grow(m->ctx, (void **)&out->links, &out->link_capacity, out->link_count, sizeof *out->links) !=
      FM_OK)
    return FAILED;
  uint32_t link = (uint32_t)out->link_count++;
  out->links[link] = (struct fm_pickle_link){.key = key, .value = value};
  struct fm_pickle_value *c = out->values + container;
  if (c->count++)
    out->links[c->last].next = link;
  else
    c->first = link;
  c->last = link;
  return DONE;
}

/* Reads an unsigned little-endian number of n bytes from the program. */
static bool number(struct machine *m, size_t n, uint64_t *value) {
  if (m->size - m->at < n) return false;
  *value = 0;
  for (size_t i = 0; i < n; i++) *value |= (uint64_t)m->bytes[m->at + i] << 8 * i;
  m->at += n;
  return true;
}

static bool skip(struct machine *m, uint64_t n) {
  if (m->size - m->at < n) return false;
  m->at += (size_t)n;
  return true;
}

static int64_t sign_extend(uint64_t value, size_t bytes) {
  if (bytes == 0) return 0;
  uint64_t sign = (uint64_t)1 << (8 * bytes - 1);
  return (int64_t)((value ^ sign) - sign);
}

/* None, booleans, integers; floats and long integers only keep their place. */
static enum outcome push_number(struct machine *m, unsigned op) {
  static const struct {
    unsigned char op, bytes, is_signed;
  } integers[] = {{'K', 1, 0}, {'M', 2, 0}, {'J', 4, 1}};
  uint64_t v;
  if (op == 'N') return push_plain(m, FM_PICKLE_NOTHING, 0);
  if (op == 0x88 || op == 0x89) return push_plain(m, FM_PICKLE_INTEGER, op == 0x88);
  if (op == 'G') return skip(m, 8) ? push_plain(m, FM_PICKLE_NOTHING, 0) : damaged(m, "a number is cut off");
  for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
    if (op != integers[i].op) continue;
    if (!number(m, integers[i].bytes, &v)) return damaged(m, "a number is cut off");
    return push_plain(m, FM_PICKLE_INTEGER,
                      integers[i].is_signed ? sign_extend(v, integers[i].bytes) : (int64_t)v);
  }
  if (op != 0x8a) return NOT_MINE; /* LONG1 */
  uint64_t n;
  if (!number(m, 1, &n) || m->size - m->at < n) return damaged(m, "a number is cut off");
  if (n > 8) return skip(m, n) ? push_plain(m, FM_PICKLE_NOTHING, 0) : FAILED;
  return number(m, (size_t)n, &v) ? push_plain(m, FM_PICKLE_INTEGER, sign_extend(v, (size_t)n)) : FAILED;
}

/* Strings and bytes: the operation, how many bytes hold the length, what becomes of it. */
static enum outcome push_string(struct machine *m, unsigned op) {
  static const struct {
    unsigned char op, bytes, kind;
  } strings[] = {{'X', 4, FM_PICKLE_STRING},  {0x8c, 1, FM_PICKLE_STRING}, {0x8d, 8, FM_PICKLE_STRING},
                 {'U', 1, FM_PICKLE_STRING},  {'T', 4, FM_PICKLE_STRING},  {'C', 1, FM_PICKLE_NOTHING},
                 {'B', 4, FM_PICKLE_NOTHING}, {0x8e, 8, FM_PICKLE_NOTHING}};
  for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
    if (op != strings[i].op) continue;
    uint64_t n;
    if (!number(m, strings[i].bytes, &n) || n > m->size - m->at || n > UINT32_MAX)
      return damaged(m, "a string is cut off");
    struct fm_pickle_value *v = push(m, strings[i].kind);
    if (!v) return FAILED;
    v->chars = (const char *)m->bytes + m->at;
    v->length = (uint32_t)n;
    m->at += (size_t)n;
    return DONE;
  }
  return NOT_MINE;
}

/* Moves everything above `from` into a container that lies anywhere; pairs for a dictionary. */
static enum outcome move_items(struct machine *m, uint32_t container, size_t from) {
  bool dict = m->out->values[container].kind == FM_PICKLE_DICT;
  if (dict && (m->stack.count - from) % 2) return damaged(m, "a key has no value");
  bool keep = m->out->values[container].kind != FM_PICKLE_NOTHING; /* a set */
  for (size_t i = from; i < m->stack.count && keep; i += dict ? 2 : 1) {
    uint32_t key = dict ? m->stack.item[i] : 0;
    if (add_item(m, container, key, m->stack.item[i + dict]) == FAILED) return FAILED;
  }
  m->stack.count = from;
  return DONE;
}

/* TUPLE1 to TUPLE3 and what takes everything above the last mark. */
static enum outcome make_container(struct machine *m, unsigned op) {
  enum fm_pickle_kind kind = op == 'd' ? FM_PICKLE_DICT : FM_PICKLE_TUPLE;
  size_t from;
  if (op >= 0x85 && op <= 0x87) {
    size_t n = op - 0x84;
    if (m->stack.count - stack_floor(m) < n) return damaged(m, "the stack is empty");
    from = m->stack.count - n;
  } else {
    if (m->marks.count == 0) return damaged(m, "a mark is missing");
    from = m->marks.item[--m->marks.count];
  }
  if (!push(m, kind)) return FAILED;
  uint32_t made = m->stack.item[--m->stack.count];
  if (move_items(m, made, from) == FAILED) return FAILED;
  return list_push(m, &m->stack, made);
}

static enum outcome fill_container(struct machine *m, unsigned op) {
  size_t from;
  if (op == 's' || op == 'a') {
    size_t n = op == 's' ? 2 : 1;
    if (m->stack.count - stack_floor(m) < n + 1) return damaged(m, "the stack is empty");
    from = m->stack.count - n;
  } else {
    if (m->marks.count == 0) return damaged(m, "a mark is missing");
    from = m->marks.item[--m->marks.count];
  }
  if (from <= stack_floor(m)) return damaged(m, "the stack is empty");
  uint32_t container = m->stack.item[from - 1];
  enum fm_pickle_kind kind = m->out->values[container].kind;
  bool fits = op == 's' || op == 'u' ? kind == FM_PICKLE_DICT
              : op == 0x90           ? kind == FM_PICKLE_NOTHING
                                     : kind == FM_PICKLE_TUPLE;
  return fits ? move_items(m, container, from)
              : damaged(m, "items are added to something that cannot hold them");
}

static enum outcome containers(struct machine *m, unsigned op) {
  uint32_t value;
  switch (op) {
  case '(':
    return list_push(m, &m->marks, (uint32_t)m->stack.count);
  case ')':
  case ']':
    return push_plain(m, FM_PICKLE_TUPLE, 0);
  case '}':
    return push_plain(m, FM_PICKLE_DICT, 0);
  case 0x8f:
    return push_plain(m, FM_PICKLE_NOTHING, 0); /* EMPTY_SET */
  case 't':
  case 'l':
  case 'd':
  case 0x85:
  case 0x86:
  case 0x87:
    return make_container(m, op);
  case 's':
  case 'u':
  case 'a':
  case 'e':
  case 0x90:
    return fill_container(m, op);
  case '0':
    return pop(m, &value) ? DONE : damaged(m, "the stack is empty");
  case '1': /* POP_MARK */
    if (m->marks.count == 0) return damaged(m, "a mark is missing");
    m->stack.count = m->marks.item[--m->marks.count];
    return DONE;
  case '2': /* DUP */
    if (!top(m)) return damaged(m, "the stack is empty");
    return list_push(m, &m->stack, m->stack.item[m->stack.count - 1]);
  default:
    return NOT_MINE;
  }
}

static enum outcome memory(struct machine *m, unsigned op) {
  bool put = op == 'q' || op == 'r' || op == 0x94, get = op == 'h' || op == 'j';
  if (!put && !get) return NOT_MINE;
  uint64_t index = m->memo.count; /* MEMOIZE: the next one */
  if (op != 0x94 && !number(m, op == 'q' || op == 'h' ? 1 : 4, &index))
    return damaged(m, "a memo is cut off");
  if (get) {
    if (index >= m->memo.count || m->memo.item[index] == 0) return damaged(m, "a memo is empty");
    return list_push(m, &m->stack, m->memo.item[index]);
  }
  if (index >= MAX_MEMO) return damaged(m, "a memo has too high a number");
  if (!top(m)) return damaged(m, "the stack is empty");
  while (m->memo.count <= index)
    if (list_push(m, &m->memo, 0) == FAILED) return FAILED;
  m->memo.item[index] = m->stack.item[m->stack.count - 1];
  return DONE;
}

static bool same(const char *chars, size_t length, const char *text) {
  return length == strlen(text) && memcmp(chars, text, length) == 0;
}

static enum outcome push_global(struct machine *m, const char *module, size_t module_length, const char *name,
                                size_t name_length) {
  for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
    if (same(module, module_length, globals[i].module) && same(name, name_length, globals[i].name))
      return push_plain(m, FM_PICKLE_GLOBAL, (int64_t)i);
  char shown[2 * MAX_NAME + 2];
  size_t n = 0;
  for (size_t i = 0; i < module_length && i < MAX_NAME; i++) shown[n++] = module[i];
  shown[n++] = '.';
  for (size_t i = 0; i < name_length && i < MAX_NAME; i++) shown[n++] = name[i];
  shown[n] = 0;
  for (char *c = shown; *c; c++)
    if (*c < 0x21 || *c > 0x7E) *c = '?';
  m->status =
      fm_error(m->ctx, FM_FORMAT,
               "'%s' asks for the Python object %s, which a state dict does not need and flawmap never "
               "runs; in PyTorch, save only the tensors: torch.save(model.state_dict(), 'new.pth')",
               m->name, shown);
  return FAILED;
}

/* GLOBAL: two lines of the program. */
static enum outcome global_lines(struct machine *m) {
  const char *line[2];
  size_t length[2];
  for (int i = 0; i < 2; i++) {
    line[i] = (const char *)m->bytes + m->at;
    const char *end = memchr(line[i], '\n', m->size - m->at);
    if (!end) return damaged(m, "a name is cut off");
    length[i] = (size_t)(end - line[i]);
    m->at += length[i] + 1;
  }
  return push_global(m, line[0], length[0], line[1], length[1]);
}

static enum outcome global_from_stack(struct machine *m) {
  uint32_t name, module;
  if (!pop(m, &name) || !pop(m, &module)) return damaged(m, "the stack is empty");
  const struct fm_pickle_value *n = m->out->values + name, *o = m->out->values + module;
  if (n->kind != FM_PICKLE_STRING || o->kind != FM_PICKLE_STRING) return damaged(m, "a global has no name");
  return push_global(m, o->chars, o->length, n->chars, n->length);
}

/* A value of its kind that holds one other. */
static enum outcome wrap(struct machine *m, enum fm_pickle_kind kind, uint32_t inner) {
  if (!push(m, kind)) return FAILED;
  return add_item(m, m->stack.item[m->stack.count - 1], 0, inner);
}

/* Nothing is called: each of the three callables has a fixed meaning here. */
static enum outcome reduce(struct machine *m) {
  uint32_t arguments, callee;
  if (!pop(m, &arguments) || !pop(m, &callee)) return damaged(m, "the stack is empty");
  const struct fm_pickle_value *a = m->out->values + arguments, *c = m->out->values + callee;
  if (a->kind != FM_PICKLE_TUPLE || c->kind != FM_PICKLE_GLOBAL || c->integer >= CALLABLE_ROWS)
    return damaged(m, "something that is not a function is called");
  if (c->integer == ORDERED_DICT)
    return a->count == 0 ? push_plain(m, FM_PICKLE_DICT, 0)
                         : damaged(m, "an OrderedDict is made from arguments");
  if (c->integer == REBUILD_TENSOR) return wrap(m, FM_PICKLE_TENSOR, arguments);
  if (a->count == 0) return damaged(m, "a parameter has no data");
  return list_push(m, &m->stack, m->out->links[a->first].value);
}

static enum outcome calls(struct machine *m, unsigned op) {
  uint32_t value;
  switch (op) {
  case 'c':
    return global_lines(m);
  case 0x93:
    return global_from_stack(m);
  case 'R':
    return reduce(m);
  case 'Q': /* BINPERSID */
    return pop(m, &value) ? wrap(m, FM_PICKLE_STORAGE, value) : damaged(m, "the stack is empty");
  case 'b': /* BUILD: the attributes of an OrderedDict (its _metadata) are not needed */
    if (!pop(m, &value) || !top(m)) return damaged(m, "the stack is empty");
    return top(m)->kind == FM_PICKLE_DICT
               ? DONE
               : damaged(m, "attributes are set on something that is not a dictionary");
  default:
    return NOT_MINE;
  }
}

static enum outcome run(struct machine *m) {
  for (;;) {
    uint64_t op, version;
    if (!number(m, 1, &op)) return damaged(m, "the program has no end");
    if (op == '.') break;
    if (op == 0x80) { /* PROTO */
      if (!number(m, 1, &version) || version < 2 || version > 5) return damaged(m, "an unknown protocol");
      continue;
    }
    if (op == 0x95) { /* FRAME: only a hint for buffering */
      if (!skip(m, 8)) return damaged(m, "a frame is cut off");
      continue;
    }
    static enum outcome (*const families[])(struct machine *, unsigned) = {push_number, push_string,
                                                                           containers, memory, calls};
    enum outcome outcome = NOT_MINE;
    for (size_t i = 0; i < sizeof families / sizeof *families && outcome == NOT_MINE; i++)
      outcome = families[i](m, (unsigned)op);
    if (outcome == FAILED) return FAILED;
    if (outcome == NOT_MINE) {
      m->status = fm_error(
          m->ctx, FM_FORMAT,
          "'%s' has the pickle operation 0x%02x at byte %zu, which a state dict does not need and flawmap "
          "never runs; in PyTorch, save only the tensors: torch.save(model.state_dict(), 'new.pth')",
          m->name, (unsigned)op, m->at - 1);
      return FAILED;
    }
  }
  return pop(m, &m->out->root) ? DONE : damaged(m, "the result is missing");
}

enum fm_status fm_pickle_parse(struct fm_context *ctx, const char *name, const unsigned char *bytes,
                               size_t size, struct fm_pickle *pickle) {
  *pickle = (struct fm_pickle){.value_count = 1, .link_count = 1}; /* index 0 means none */
  struct machine m = {
      .ctx = ctx, .name = name, .bytes = bytes, .size = size, .out = pickle, .status = FM_MEMORY};
  pickle->values = fm_alloc(ctx, 64, sizeof *pickle->values);
  pickle->links = fm_alloc(ctx, 64, sizeof *pickle->links);
  pickle->value_capacity = pickle->link_capacity = 64;
  enum outcome outcome = pickle->values && pickle->links ? run(&m) : FAILED;
  fm_free(ctx, m.stack.item);
  fm_free(ctx, m.marks.item);
  fm_free(ctx, m.memo.item);
  pickle->size = m.at;
  if (outcome == DONE) return FM_OK;
  fm_pickle_free(ctx, pickle);
  return m.status;
}

void fm_pickle_free(struct fm_context *ctx, struct fm_pickle *pickle) {
  fm_free(ctx, pickle->values);
  fm_free(ctx, pickle->links);
  *pickle = (struct fm_pickle){0};
}

const struct fm_pickle_value *fm_pickle_item(const struct fm_pickle *pickle,
                                             const struct fm_pickle_value *tuple, uint32_t n) {
  if (n >= tuple->count) return NULL;
  uint32_t link = tuple->first;
  while (n-- > 0) link = pickle->links[link].next;
  return pickle->values + pickle->links[link].value;
}

const char *fm_pickle_storage_name(const struct fm_pickle_value *global) {
  if (!global || global->kind != FM_PICKLE_GLOBAL || global->integer < CALLABLE_ROWS) return "";
  return globals[global->integer].name;
}
