// SPDX-License-Identifier: Apache-2.0
// Generated from layout/ by `npm run layout`.

export const LAYOUT_HASH = 0xc3d8a15e; // over the whole layout and the values in it: a snapshot of another build has another
