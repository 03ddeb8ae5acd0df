/* refold.c -- the clean-up passes again, until nothing changes.
 *
 *     %3 = const {…} : f32[1,16,1,1]
 *     %4 = permute %3 {0,2,3,1}          =>    %4 = const {…} : f32[1,1,1,16]
 *
 * Layout and cancel_permutes leave permutes of constants, and bring slices and concats side
 * by side that permutes kept apart; simplifying those may set another permute free.
 *
 * needs: order.   breaks: users.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/build.h"

/* Real graphs settle in two or three rounds; more than this is a rule that undoes another. */
enum { ROUNDS = 50 };

bool
pass_refold(Graph *g, PassCtx *cx)
{
	static Pass *const again[] = {
		pass_simplify, pass_fold, pass_cse, pass_cancel_permutes, pass_hoist, pass_dce,
	};
	bool changed = false, moved = true;

	for (int round = 0; moved; round++) {
		if (round == ROUNDS) {
			pass_fail(cx, "still changes after %d rounds", ROUNDS);
			break;
		}
		moved = false;
		for (size_t i = 0; i < COUNT(again); i++) {
			if (!again[i](g, cx))
				continue;
			graph_order(g);
			moved = changed = true;
		}
	}
	return changed;
}
