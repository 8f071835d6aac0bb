// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BASE_PROGRAM_COMPLETE_H
#define HOLDFAST_BASE_PROGRAM_COMPLETE_H

#include "common/base/program.h"

/*
 * Shell completion. The script of a shell is the same for all programs and knows nothing of them: it asks the program itself, by
 * `PROGRAM __complete WORD...`, so that what is offered is what this version has.
 */

/*
 * For the words behind the program's name, of which the last, maybe empty, is to be completed: a line for each candidate, "WORD" or
 * "WORD<tab>what it is"; then ":0" where a file may stand, else ":4", as kubectl and cobra have it. Returns the exit code.
 */
int program_complete(const struct program *program, int argc, char **argv);

/* `PROGRAM completion bash|zsh|fish`: argv[0] is "completion". */
int program_completion(const struct program *program, int argc, char **argv);

#endif
