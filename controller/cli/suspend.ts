/** `holdfast suspend`: documents are looked at and planned, but nothing is changed for them. */
import { patchVerb } from './patch-verb.ts';

export const command = patchVerb({
  name: 'suspend',
  summary: 'look at documents, but change nothing for them',
  description: 'Until resume: observed and planned, not changed. Drift is not repaired.',
  done: 'suspended',
  patch: () => ({ spec: { suspend: true } }),
  appsOnly: false,
  waits: false,
});
