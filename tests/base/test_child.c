/* A question put to a copy of this process: its answer, its errors, and every other way to end. */
#define _POSIX_C_SOURCE 200809L
#include "base/child.h"
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct fm_context ctx;
static struct fm_child_end end;

/* What the copy does, by the letter that is given to it. */
static enum fm_status act(struct fm_context *context, const void *given, void *answer) {
  switch (*(const char *)given) {
  case 'e':
    return fm_error(context, FM_FORMAT, "100%% wrong");
  case 'a':
    printf("the first line\nthe last line\n");
    fflush(stdout);
    abort();
  case 'x':
    _exit(0);
  case 'h':
    for (;;) pause();
  case 'l': /* more than a pipe holds */
    for (int i = 0; i < 100000; i++) fputs("a long, long story\n", stderr);
    break;
  default:
    break;
  }
  *(int *)answer = 42;
  return FM_OK;
}

static enum fm_status ask(const char *what, int *answer) {
  struct fm_question question = {act, what, sizeof *answer, *what == 'h' ? 0.2 : 60};
  fm_error_clear(&ctx);
  return fm_child_ask(&ctx, &question, answer, &end);
}

static void test_answers(void **state) {
  int answer = 0;
  assert_int_equal(ask("", &answer), FM_OK);
  assert_int_equal(answer, 42);
  assert_true(!end.late && !end.signal);
  answer = 0;
  assert_int_equal(ask("l", &answer), FM_OK);
  assert_int_equal(answer, 42);
}

static void test_error(void **state) {
  int answer;
  assert_int_equal(ask("e", &answer), FM_FORMAT);
  assert_string_equal(ctx.message, "100% wrong");
}

static void test_other_ends(void **state) {
  int answer;
  assert_int_equal(ask("a", &answer), FM_DEVICE);
  assert_int_equal(end.signal, SIGABRT);
  assert_string_equal(end.said, "the first line; the last line");
  assert_int_equal(ctx.status, FM_OK); /* the sentence is the caller's */
  assert_int_equal(ask("x", &answer), FM_DEVICE);
  assert_true(!end.late && !end.signal);
  assert_int_equal(ask("h", &answer), FM_DEVICE);
  assert_true(end.late && !end.signal);
}

static void test_stop(void **state) {
  int answer;
  ctx.stop = true;
  assert_int_equal(ask("h", &answer), FM_STOPPED);
  ctx.stop = false;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers), cmocka_unit_test(test_error),
                                     cmocka_unit_test(test_other_ends), cmocka_unit_test(test_stop)};
  fm_context_init(&ctx);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  fm_context_free(&ctx);
  return failed;
}
