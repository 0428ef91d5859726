// SPDX-License-Identifier: Apache-2.0
// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.

export const LAYOUT_HASH = 0xce425b39; // over the whole layout and the values in it: a snapshot of another build has another
