// SPDX-License-Identifier: Apache-2.0
// In which ways a place of a program can be written wrong.
import ts from 'typescript';

export type MutantKind =
  | 'comparison' // < becomes <= and >=
  | 'arithmetic' // + becomes -
  | 'bitwise' // & becomes |, << becomes >>
  | 'constant' // n becomes n + 1 and n - 1, true becomes false
  | 'negate' // a condition and its opposite
  | 'logical' // one operand of && and || left out
  | 'store' // a store left out
  | 'call' // a call left out whose result nobody takes
  | 'assignment' // an assignment left out
  | 'guard' // an if left out that may leave
  | 'neighbour' // the constant that stands beside the right one
  | 'return'; // a function that returns at once

/** One way to write a place wrong. */
export interface Alternative {
  readonly kind: MutantKind;
  /** What stands there instead; '' leaves it out. */
  readonly replacement: string;
}

/** How a place takes part in the program, which decides how its mutants are written beside it. */
export type Shape = 'expression' | 'statement' | 'entry';

export const isAssignment = (kind: ts.SyntaxKind): boolean =>
  kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;
