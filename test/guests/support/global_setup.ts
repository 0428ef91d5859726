// SPDX-License-Identifier: Apache-2.0
// Runs once around the guest tests: refuses to start without what prepare.sh makes, clears up
// after runs that were broken off, and ends with the report.
import { DEVICE, removeStaleRuns } from './lab.ts';
import { finishReport, startReport } from './report.ts';
import { kernelRelease, kernelsOfThisRun } from './tree.ts';

export default function setup(): () => void {
  for (const kernel of kernelsOfThisRun()) kernelRelease(kernel);
  removeStaleRuns();
  startReport();
  return () => finishReport(DEVICE);
}
